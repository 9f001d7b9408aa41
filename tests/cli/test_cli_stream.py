"""`gatewise stream`: rows in, a line each out; bad rows, and going on from a saved state after any end."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import gatewise as gw
import gatewise.tables as tables
from gatewise.cli import cli

ROWS = np.random.default_rng(0).normal(size=(40, 2)).round(3)
CSV = ["a,b", *(f"{a},{b}" for a, b in ROWS)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stream")
    gw.save(network(), folder / "network.safetensors")
    index = pd.date_range("2024-01-01", periods=200, freq="h")
    level = 10 + np.sin(np.arange(200) * 2 * np.pi / 24) + np.random.default_rng(0).normal(0, 0.1, 200)
    frame = pd.DataFrame({"time": index, "level": level.round(3)})
    frame.to_csv(folder / "all.csv", index=False)
    options = {"season": 24, "context": 24, "max_updates": 3, "n_networks": 1, "hidden_size": 4, "random_state": 0}
    forecaster = gw.RecurrentForecaster(2, **options).fit([frame.set_index("time")["level"][:160]])
    roles = tables.SeriesRoles.of("time", "level")._asdict()
    gw.save(forecaster, folder / "forecaster.safetensors", info={"command": "forecast", "roles": roles})
    return folder


def network():
    return gw.Sequential(gw.GRU(2, 4, rng=0), gw.Dense(4, 1, rng=1))


def stream(model, lines, *options):
    """Exit code, lines of stdout, stderr; of an expected error its message."""
    text = "".join(f"{line}\n" for line in lines)
    result = CliRunner().invoke(cli, ["stream", str(model), *map(str, options)], input=text)
    error = str(result.exception) if isinstance(result.exception, gw.GatewiseError) else ""
    return 2 if error else result.exit_code, result.stdout.splitlines(), result.stderr + error


def values(lines, column="y1"):
    return [json.loads(line)[column] for line in lines]


def test_a_layer_gives_its_outputs_whatever_the_lines_are(folder):
    model = folder / "network.safetensors"
    expected = network()(ROWS.astype(np.float32)[None])[0][0, :, 0]
    objects = [json.dumps({"b": b, "other": "x", "a": a}) for a, b in ROWS]
    reordered = ["b;a;other", *(f"{b};{a};x" for a, b in ROWS)]
    lists = [json.dumps(row) for row in ROWS.tolist()]
    for lines in (CSV, CSV[1:], lists):
        code, out, _ = stream(model, lines, "--json")
        assert code == 0
        np.testing.assert_allclose(values(out), expected, atol=1e-6)
    first = [json.dumps({"a": ROWS[0, 0], "b": ROWS[0, 1]})]
    code, out, _ = stream(model, [*first, *objects[1:]], "--json")
    np.testing.assert_allclose(values(out), expected, atol=1e-6)
    code, out, error = stream(model, reordered)
    assert (code, out) == (2, [])
    assert "line 2: has 3 column(s); the model takes 2" in error


def test_csv_has_a_header_and_a_row_number(folder):
    code, out, error = stream(folder / "network.safetensors", CSV[:3])
    assert out[0] == "row,y1"
    assert [line.split(",")[0] for line in out[1:]] == ["1", "2"]
    assert (code, error) == (0, "2 rows seen\n")


def test_bad_rows_stop_or_are_skipped_with_their_line(folder):
    model = folder / "network.safetensors"
    bad = ["1,warm", "1", "1,2,3", "1,inf", "1,", '"1', "1,2e999"]
    lines = [*CSV[:2], *bad, "", *CSV[2:4]]
    code, out, error = stream(model, lines)
    assert (code, len(out)) == (2, 2)
    assert error.startswith("stdin, line 3: b is 'warm'; need a number")
    code, out, error = stream(model, lines, "--bad-rows", "skip", "--json")
    assert code == 0
    assert values(out, "row") == [1, 9, 10]
    assert [f"line {number}:" in error for number in range(1, 13)] == [*[False] * 2, *[True] * 7, *[False] * 3]
    np.testing.assert_array_equal(values(out), values(stream(model, CSV[:4], "--json")[1]))


def test_a_state_goes_on_with_the_same_numbers(folder, tmp_path):
    model, state = folder / "network.safetensors", tmp_path / "a.state"
    whole = stream(model, CSV, "--json")[1]
    parts = stream(model, CSV[:11], "--json", "--save-state", state)[1]
    parts += stream(model, CSV[11:21], "--json", "--load-state", state, "--save-state", state)[1]  # without a header
    parts += stream(model, CSV, "--json", "--load-state", state, "--from-start")[1]
    assert parts == whole
    code, out, error = stream(folder / "forecaster.safetensors", [], "--load-state", state)
    assert (code, out) == (2, [])
    assert "is the state of another model" in error


@pytest.mark.parametrize("options", [[], ["--anomalies", "0.05"]], ids=["forecasts", "anomalies"])
def test_a_forecaster_goes_on_with_the_same_numbers(folder, tmp_path, options):
    model, state = folder / "forecaster.safetensors", tmp_path / "a.state"
    lines = (folder / "all.csv").read_text().splitlines()
    new = [lines[0], *lines[161:]]
    whole = stream(model, new, "--json", *options)[1]
    parts = stream(model, new[:13], "--json", *options, "--save-state", state)[1]
    parts += stream(model, new, "--json", *options, "--load-state", state, "--from-start")[1]
    assert parts == whole
    assert len(whole) == 40
    assert values(whole, "time")[0] == "2024-01-07 16:00:00"


def test_a_forecaster_forecasts_as_it_does_in_python(folder):
    model = folder / "forecaster.safetensors"
    new = pd.read_csv(folder / "all.csv", index_col="time", parse_dates=True)["level"][160:170]
    forecaster = gw.load(model).update([new])
    _, out, _ = stream(model, ["time,level", *(f"{time},{value}" for time, value in new.items())], "--json")
    last = json.loads(out[-1])
    np.testing.assert_allclose(last["median"], forecaster.predict()[0].to_numpy(), rtol=1e-12)
    assert list(last) == ["row", "time", "median", "0.1", "0.9"]
    _, out, _ = stream(model, ["level,time", f"10.1,{new.index[0]}"])
    assert out[0] == "row,time,median_1,median_2"


def test_anomalies_are_those_of_the_method(folder):
    model = folder / "forecaster.safetensors"
    new = pd.read_csv(folder / "all.csv", index_col="time", parse_dates=True)["level"][160:]
    new.iloc[20] += 5
    expected = gw.load(model).anomalies([new], rate=0.02)[0]
    _, out, _ = stream(model, ["time,level", *(f"{t},{v}" for t, v in new.items())], "--json", "--anomalies", 0.02)
    np.testing.assert_allclose(values(out, "p_value"), expected["p_value"], rtol=1e-9)
    assert values(out, "kind")[20] == "spike"
    assert values(out, "alarm") == expected["alarm"].tolist()


@pytest.mark.parametrize("known", [True, False], ids=["of a command", "saved bare"])
def test_a_classifier_predicts_for_all_rows_so_far(folder, tmp_path, known):
    X = np.random.default_rng(0).normal(size=(30, 8, 2))
    y = np.where(X[:, :, 0].sum(axis=1) > 0, "up", "down")
    classifier = gw.RecurrentClassifier(hidden_size=4, max_iter=2, random_state=0).fit(X, y)
    columns = [{"name": "u", "kind": "number", "unit": "V"}, {"name": "on", "kind": "yes/no"}]
    model, state = tmp_path / "classifier.safetensors", tmp_path / "a.state"
    gw.save(classifier, model, info={"command": "classify", "columns": columns} if known else {})
    flags = np.round(X[0, :, 1] > 0).astype(float)
    steps = np.stack([X[0, :, 0], flags], axis=1)
    lines = ["on,u", *(f"{'yes' if on else 'no'},{u!r} V" for u, on in steps.tolist())]
    if not known:
        lines = [f"{u!r},{on}" for u, on in steps.tolist()]
    parts = stream(model, lines[:5], "--json", "--save-state", state)[1]
    parts += stream(model, lines, "--json", "--load-state", state, "--from-start")[1]
    assert len(parts) == 8
    for t, line in enumerate(parts):
        prefix = [steps[: t + 1]]
        answer = json.loads(line)
        assert answer["predicted"] == classifier.predict(prefix)[0]
        np.testing.assert_allclose(answer["p(up)"], classifier.predict_proba(prefix)[0, 1], atol=1e-5)


def test_a_regressor_predicts_for_all_rows_so_far(tmp_path):
    X = np.random.default_rng(0).normal(size=(30, 8, 1))
    regressor = gw.RecurrentRegressor(hidden_size=4, max_iter=2, random_state=0).fit(X, X.sum(axis=(1, 2)))
    gw.save(regressor, tmp_path / "regressor.safetensors")
    _, out, _ = stream(tmp_path / "regressor.safetensors", map(repr, X[0, :, 0].tolist()), "--json")
    expected = [regressor.predict([X[0, : t + 1]])[0] for t in range(8)]
    np.testing.assert_allclose(values(out, "predicted"), expected, atol=1e-5)


def test_times_that_do_not_follow_are_bad_and_gaps_are_filled(folder):
    model = folder / "forecaster.safetensors"
    rows = ["2024-01-07 16:00,10", "2024-01-07 16:00,10", "2024-01-07 16:30,10", "soon,10", "2024-01-07 20:00,"]
    _, out, error = stream(model, ["time,level", *rows], "--bad-rows", "skip", "--json")
    assert values(out, "row") == [1, 5]
    for line, text in ((3, "need steps after"), (4, "off the steps"), (5, "need an ISO time")):
        assert any(f"line {line}:" in part and text in part for part in error.splitlines()), error


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--every", "3"], "--every needs --save-state"),
        (["--from-start"], "--from-start needs --load-state"),
        (["--save-state", "nowhere/a.state"], "there is no such folder"),
        (["--anomalies", "0.1"], "holds no forecaster"),
        (["--load-state", "nowhere"], "cannot read nowhere as a safetensors file"),
    ],
)
def test_options_that_do_not_fit_are_refused(folder, options, text):
    code, out, error = stream(folder / "network.safetensors", CSV, *options)
    assert (code, out) == (2, [])
    assert text in error


def process(folder, *options):
    environment = {**os.environ, "PYTHONPATH": str(Path(gw.__file__).parents[1])}
    command = [sys.executable, "-m", "gatewise", "stream", str(folder / "network.safetensors"), "--json", *options]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, text=True, env=environment, **pipes)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda n: n.name)
def test_killed_at_any_moment_it_goes_on_with_the_same_numbers(folder, tmp_path, number):
    state = str(tmp_path / "a.state")
    running = process(folder, "--save-state", state, "--every", "5")
    lines = []
    for line in CSV[:18]:
        running.stdin.write(line + "\n")
        running.stdin.flush()
    lines = [running.stdout.readline() for _ in range(17)]  # each line comes at once
    running.send_signal(number)
    rest, error = running.communicate(timeout=60)
    assert rest == ""
    assert running.returncode == (-number if number == signal.SIGKILL else 128 + number)
    model = folder / "network.safetensors"
    again = stream(model, CSV, "--json", "--load-state", state, "--from-start")[1]
    joined = {json.loads(line)["row"]: line.strip() for line in [*lines, *again]}
    assert list(joined.values()) == stream(model, CSV, "--json")[1]
    assert json.loads(again[0])["row"] == (16 if number == signal.SIGKILL else 18)
    assert "Traceback" not in error


def test_a_reader_that_leaves_ends_it_quietly(folder):
    with process(folder) as running:
        running.stdin.write("\n".join(CSV[:3]) + "\n")
        running.stdin.flush()
        running.stdout.readline()
        running.stdout.close()
        running.stdin.write("\n".join(CSV[3:]) + "\n")
        running.stdin.close()
        error = running.stderr.read()
    assert running.returncode == 0
    assert "Traceback" not in error
