"""The tutorial notebook: it runs, shows bars and HTML, and is kept without outputs."""

import json
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "tutorial.ipynb"


def cells():
    return [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


@pytest.fixture(scope="module")
def outputs(tmp_path_factory):
    """Outputs of each cell that has any, executed by a kernel of its own: first words of the cell to the outputs."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    folder = tmp_path_factory.mktemp("notebook")
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}})
    client.execute()
    assert sorted(path.name for path in folder.iterdir()) == ["regressor.safetensors", "traffic.html"]
    return {cell.source.split("(")[0]: cell.outputs for cell in notebook.cells if cell.cell_type == "code"}


def html(outputs, start):
    """All HTML below the cell that begins with `start`."""
    return "".join("".join(o.get("data", {}).get("text/html", "")) for o in outputs[start])


def text(outputs, start):
    return "".join(o.get("text", "") + o.get("data", {}).get("text/plain", "") for o in outputs[start])


def test_the_notebook_is_kept_without_outputs():
    assert len(cells()) > 10
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells())


@pytest.mark.parametrize(
    "start", ["forecaster = gw.RecurrentForecaster", "history = gw.train", "regressor = gw.RecurrentRegressor"]
)
def test_bars_come_to_their_end(outputs, start):
    page = html(outputs, start)
    bars = page.count("<progress ")
    assert bars >= 1
    assert page.count(" in 0:") == bars, "the last picture of a bar says how long it took"
    assert "█" in text(outputs, start)


@pytest.mark.parametrize(
    ("start", "shown"),
    [
        ("page = gw.report", "<iframe srcdoc="),
        ("forecaster.summary", "median of 3 seasons"),
        ("rng = np.random.default_rng", "parameters"),
        ("history = gw.train", "<polyline"),
        ("gw.gradcheck", "worst relative error"),
        ("seen = gw.trace", "xarray"),
        ("regressor = gw.RecurrentRegressor", "Channel 1"),
        ("forecast = forecaster.predict_quantiles", "<table"),
    ],
)
def test_objects_show_themselves(outputs, start, shown):
    assert shown in html(outputs, start)


@pytest.mark.parametrize("start", ["forecaster.summary", "gw.gradcheck", "page = gw.report", "seen = gw.trace"])
def test_an_object_shows_itself_once(outputs, start):
    assert [o["output_type"] for o in outputs[start]] == ["execute_result"]


def test_nothing_is_written_to_standard_error(outputs):
    errors = [o.text for every in outputs.values() for o in every if o.get("name") == "stderr"]
    assert [text for text in errors if "compiling kernels" not in text] == []
    assert len(errors) <= 1


def test_no_output_swamps_the_notebook(outputs):
    assert len(text(outputs, "page = gw.report")) < 300
