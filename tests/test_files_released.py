"""Files of every released version load and answer as they did; `golden/make_files.py` wrote them."""

from pathlib import Path

import numpy as np
import pytest

import gatewise as gw
from gatewise import files, tables
from gatewise.storage import read_tensors
from gatewise.tables.lines import Row
from gatewise.tables.stream_state import Place, load_state
from gatewise.tables.streams import open_stream

RELEASED = Path(__file__).parent / "golden" / "files"
VERSIONS = sorted(path.name for path in RELEASED.iterdir())
VERBS = {"classifier": "predict_proba", "standard_scaler": "transform", "regressor": "predict", "pipeline": "predict"}
OTHERS = ("stream", "forecaster", "table_forecaster")
CASES = [
    (version, path.stem)
    for version in VERSIONS
    for path in sorted((RELEASED / version).glob("*.safetensors"))
    if path.stem not in OTHERS
]


def answers(version):
    with np.load(RELEASED / version / "answers.npz") as content:
        return dict(content)


def close(found, wanted):
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("version", "name"), CASES)
def test_a_released_file_answers_as_it_did(version, name):
    path, kept = RELEASED / version / f"{name}.safetensors", answers(version)
    model, x, y = gw.load(path), kept[f"{name}|x"], kept[f"{name}|y"]
    if name in VERBS:
        close(getattr(model, VERBS[name])(x), y)
    else:
        close(model(x)[0], y)
        assert files.read_info(path) == {"of": name}
        np.testing.assert_array_equal(files.read_extra(path)["twice"], 2 * x)


@pytest.mark.parametrize(("version", "name"), CASES)
def test_what_is_loaded_and_saved_again_is_the_same_model(version, name, tmp_path):
    path = RELEASED / version / f"{name}.safetensors"
    first, second = files.to_bytes(gw.load(path)), tmp_path / "second"
    second.write_bytes(first)
    assert files.to_bytes(gw.load(second)) == first
    arrays, again = read_tensors(path).arrays, read_tensors(second).arrays
    assert list(again) == [key for key in arrays if not key.startswith(files.EXTRA)]
    for key, array in again.items():
        np.testing.assert_array_equal(array, arrays[key], strict=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_released_forecasters_forecast_as_they_did(version):
    folder, kept = RELEASED / version, answers(version)
    close(gw.load(folder / "forecaster.safetensors").predict()[0].to_numpy(), kept["forecaster|y"])
    frame, _ = tables.predict(folder / "table_forecaster.safetensors", str(folder / "table.csv"))
    close(frame.select_dtypes("number").to_numpy(), kept["table_forecaster|y"])


@pytest.mark.parametrize("version", VERSIONS)
def test_a_released_state_of_a_stream_goes_on(version):
    folder = RELEASED / version
    stream = open_stream(folder / "stream.safetensors", None)
    assert load_state(stream, folder / "stream.state", "the model") == Place(3, ("a", "b"))
    answer = stream.step(Row([3.0, 1.0]))
    close(np.array([answer[name] for name in sorted(answer)], float).ravel(), answers(version)["stream|y"])
