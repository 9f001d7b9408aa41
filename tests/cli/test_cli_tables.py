"""`gatewise forecast`, `classify`, `regress`, `predict`: from a file to files, and every mistake in one line."""

import functools
import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import gatewise as gw
from gatewise import cli, files, pages
from gatewise.tables import forecasts


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Train for a moment only: what is tested here is what stands around the training."""
    for name, value in (("max_updates", 5), ("n_networks", 1), ("hidden_size", 4)):
        monkeypatch.setitem(gw.RecurrentForecaster.__init__.__kwdefaults__, name, value)


def command(capsys, *arguments, stdin=None, monkeypatch=None):
    """Run `gatewise` as a shell does; return exit code, stdout and stderr."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["gatewise", *map(str, arguments)])
        if stdin is not None:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        with pytest.raises(SystemExit) as caught:
            cli.main()
    return (caught.value.code or 0, *capsys.readouterr())


@pytest.fixture
def run(capsys):
    return functools.partial(command, capsys)


@pytest.fixture
def refuses(run):
    """Check that a command says what is wrong in one line on stderr, and exits with 2."""

    def check(arguments, *words):
        code, out, err = run(*arguments, "--quiet")
        assert (code, out) == (2, ""), err
        assert len(err.splitlines()) == 1
        for word in words:
            assert word in err, err

    return check


def sales(last=60, ahead=12):
    rng = np.random.default_rng(0)
    rows = []
    for shop, level in (("north", 100), ("south", 200)):
        for k, month in enumerate(pd.date_range("2018-01", periods=last + ahead, freq="MS")):
            units = f"{level + 20 * np.sin(k * np.pi / 6) + rng.normal():.2f}" if k < last else ""
            rows.append(f"{month:%Y-%m},{shop},{units},{'yes' if k % 7 == 0 else 'no'},{k % 5},{shop[0]}\n")
    return "month,shop,units,promo,stock,size\n" + "".join(rows)


def recordings(count=24, seed=0):
    """Sequences that rise or fall, of 5 to 9 steps, with a number that says how steeply."""
    rng = np.random.default_rng(seed)
    rows = ["id,second,value,side,kind,slope,level\n"]
    for k in range(count):
        slope = rng.uniform(1, 2) * (1 if k % 2 else -1)
        for t in range(rng.integers(5, 10)):
            kind, side, value = "up" if k % 2 else "down", "left" if k % 3 else "right", slope * t + rng.normal(0, 0.1)
            rows.append(f"{k:03d},{t / 10:.1f},{value:.3f},{side},{kind},{slope:.3f},{slope * t:.3f}\n")
    return "".join(rows)


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sales.csv").write_text(sales())
    (tmp_path / "moves.csv").write_text(recordings())
    return tmp_path


FORECAST = ("forecast", "sales.csv", "--time", "month", "--target", "units", "--series", "shop")
BESIDE = ("--known", "promo", "--past", "stock", "--static", "size")
CLASSIFY = (
    "classify",
    "moves.csv",
    "--label",
    "kind",
    "--sequence",
    "id",
    "--time",
    "second",
    "--features",
    "value,side",
)
REGRESS = ("regress", "moves.csv", "--sequence", "id", "--time", "second", "--features", "value,side")


@pytest.mark.parametrize("verb", ["forecast", "classify", "regress", "predict"])
def test_help_has_an_example(verb):
    result = CliRunner().invoke(cli.cli, [verb, "--help"])
    assert result.exit_code == 0
    assert re.search(f"Examples?: gatewise {verb} ", " ".join(result.output.split()))
    for option in ("--json", "--quiet", "--out"):
        assert option in result.output


def test_forecast_from_file_to_files_and_on(here, run, refuses):
    code, out, err = run(*FORECAST, *BESIDE, "--out", "result")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].split() == ["shop", "month", "lower", "median", "upper"]
    assert lines[2].split()[:2] == ["north", "2023-01"]
    assert "seasonal naive" in out
    assert err.splitlines()[0] == (
        "read 144 rows × 6 columns of sales.csv; month every month; 2 series; known promo yes/no, past stock number, "
        "static size text → one-hot (2 levels); 12 steps ahead, season 12"
    )
    assert "12 steps after the last value of units are the future" in err
    assert sorted(path.name for path in (here / "result").iterdir()) == [
        "forecast.csv",
        "metrics.json",
        "model.safetensors",
        "report.html",
    ]
    table = pd.read_csv(here / "result" / "forecast.csv", parse_dates=["month"])
    assert table.shape == (24, 5)
    assert (table["lower"] <= table["median"]).all()
    assert (table["median"] <= table["upper"]).all()
    assert table["month"].iloc[11] == pd.Timestamp("2023-12-01")
    metrics = json.loads((here / "result" / "metrics.json").read_text())
    assert {"mae", "rmse", "coverage"} <= metrics["held_out"]["model"].keys()
    assert metrics["horizon"] == metrics["season"] == 12
    assert (here / "result" / "report.html").read_text().startswith("<!doctype html>")

    (here / "later.csv").write_text(sales(last=63))
    code, out, err = run("predict", "result/model.safetensors", "later.csv")
    assert code == 0
    ahead = pd.read_csv(io.StringIO(out), parse_dates=["month"])
    assert ahead.groupby("shop")["month"].min().tolist() == [pd.Timestamp("2023-04-01")] * 2
    assert "6 steps after those of the training" in err
    (here / "later.csv").write_text(sales(last=63, ahead=3))
    known = "column 'promo': is known 3 steps after the last observation; the model needs 12"
    refuses(("predict", "result/model.safetensors", "later.csv"), "later.csv", known)
    model = gw.load(here / "result" / "model.safetensors")
    same = run("predict", "result/model.safetensors", "sales.csv", "--out", "same.csv")
    assert same[:2] == (0, "")
    assert (here / "same.csv").read_text() == (here / "result" / "forecast.csv").read_text()
    assert model.horizon == 12


def test_forecast_as_json_from_stdin(here, run):
    rows = "".join(f"2024-01-{k:02d};{k},5\n" for k in range(1, 29))
    code, out, err = run(
        "forecast", "-", "--time", "day", "--target", "x", "--json", "--horizon", "3", stdin="day;x\n" + rows
    )
    assert code == 0
    found = json.loads(out)
    assert [row["day"] for row in found["forecast"]] == ["2024-01-29", "2024-01-30", "2024-01-31"]
    assert found["held_out"]["seasonal_naive"]["mae"] >= 0
    assert (found["horizon"], found["season"], found["step"]) == (3, 7, "1 day")
    assert "28 rows × 2 columns of standard input" in err
    assert "x: decimal comma" in " ".join(found["notes"])


def test_forecast_gives_the_same_again(here, run):
    arguments = (*FORECAST, "--no-backtest", "--horizon", "2", "--json", "--seed", "3")
    first, second = (json.loads(run(*arguments, "--quiet")[1]) for _ in range(2))
    assert first["forecast"] == second["forecast"]
    assert first["held_out"] is None


def test_short_series_are_forecast_without_a_held_out_error(here, run):
    (here / "short.csv").write_text("year,x\n" + "".join(f"{2000 + k},{k}\n" for k in range(9)))
    code, out, err = run("forecast", "short.csv", "--time", "year", "--target", "x", "--horizon", "3")
    assert code == 0
    assert "no held-out error: a series needs at least 11 steps" in err
    assert out.splitlines()[2].split()[0] == "2009"


def test_the_interval_widens_with_its_level(here, run):
    widths = []
    for level in (50, 95):
        found = json.loads(run(*FORECAST, "--no-backtest", "--horizon", "2", "--json", "--quiet", "--level", level)[1])
        widths.append(sum(row["upper"] - row["lower"] for row in found["forecast"]))
    assert widths[0] < widths[1]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("forecast", "sales.csv"), ["several columns of numbers, units, stock", "pass --target COLUMN"]),
        (("forecast", "sales.csv", "--time", "month"), ["pass --target COLUMN"]),
        (("forecast", "sale.csv", "--time", "month", "--target", "units"), ["sale.csv", "no such file"]),
        (("forecast", ".", "--time", "month", "--target", "units"), ["is a directory"]),
        (("forecast", "sales.csv", "--time", "Month", "--target", "units"), ["no column 'Month'", "mean 'month'?"]),
        (
            ("forecast", "sales.csv", "--time", "shop", "--target", "units"),
            ["line 2, column 'shop'", "'north' is no time"],
        ),
        (("forecast", "sales.csv", "--time", "month", "--target", "units"), ["both tell of 2018-01-01", "--series"]),
        (
            ("forecast", "sales.csv", "--time", "month", "--target", "shop"),
            ["line 2, column 'shop': 'north' is no number"],
        ),
        ((*FORECAST, "--known", "promo", "--horizon", "24"), ["'promo'", "12 steps ahead", "--horizon 12"]),
        ((*FORECAST, "--static", "stock"), ["column 'stock': changes within series 'north'"]),
        ((*FORECAST, "--target", "stock"), ["several targets beside a column of series"]),
        ((*FORECAST, "--horizon", "0"), ["--horizon is 0; need a whole number of at least 1"]),
        ((*FORECAST, "--out", "sales.csv"), ["--out sales.csv: cannot make this folder"]),
        (("classify", "moves.csv", "--sequence", "id"), ["pass --label COLUMN"]),
        (("classify", "moves.csv", "--label", "kind"), ["pass --sequence COLUMN"]),
        (("classify", "moves.csv", "--label", "kind", "--sequence", "kind"), ["'kind' has two roles"]),
        (
            ("classify", "moves.csv", "--label", "level", "--sequence", "id"),
            ["line 3, column 'level'", "one label per sequence"],
        ),
        ((*CLASSIFY[:-1], "valeu"), ["no column 'valeu'", "Did you mean 'value'?"]),
        (("regress", "moves.csv", "--target", "kind", "--sequence", "id"), ["column 'kind': 'down' is no number"]),
        (("predict", "sales.csv", "moves.csv"), ["sales.csv"]),
        (("predict", "none.safetensors", "moves.csv"), ["none.safetensors"]),
    ],
)
def test_mistakes_are_told_in_one_line(here, refuses, arguments, words):
    refuses(arguments, *words)


def test_what_is_known_ahead_must_be_there(here, refuses):
    (here / "sales.csv").write_text(sales(ahead=0))
    refuses((*FORECAST, "--known", "promo"), "column 'promo'", "add 12 rows", "--past")


def test_nothing_is_written_when_something_fails(here, run, monkeypatch):
    (here / "result").mkdir()
    (here / "result" / "model.safetensors").write_text("old")
    arguments = ("forecast", "sales.csv", "--time", "month", "--target", "shop", "--out", "result")
    assert run(*arguments)[0] == 2

    def fails(*args, **kwargs):
        raise gw.GatewiseError("the table fails")

    monkeypatch.setattr(forecasts, "forecast_frame", fails)
    assert run(*FORECAST, "--no-backtest", "--horizon", "1", "--out", "result")[0] == 2
    assert [path.name for path in (here / "result").iterdir()] == ["model.safetensors"]
    assert (here / "result" / "model.safetensors").read_text() == "old"


@pytest.mark.parametrize("part", ["require", "report"])
def test_where_the_page_cannot_be_made_all_else_is_written(here, run, monkeypatch, part):
    def fails(*args, **kwargs):
        raise RuntimeError("bokeh is not installed")

    monkeypatch.setattr(pages, part, fails)
    code, _, err = run(*FORECAST, "--no-backtest", "--horizon", "1", "--out", "result")
    assert code == 0
    assert "no report.html: bokeh is not installed" in err
    assert sorted(path.name for path in (here / "result").iterdir()) == [
        "forecast.csv",
        "metrics.json",
        "model.safetensors",
    ]


def test_classify_from_file_to_files_and_on(here, run, refuses):
    code, out, err = run(*CLASSIFY, "--out", "result")
    assert code == 0
    assert "held out, 5 sequences: accuracy" in out
    assert "always 'down'" in out or "always 'up'" in out
    assert "label \\ predicted" in out
    assert "24 sequences of 5 to 9 steps; 2 labels; value number, side text → one-hot (2 levels)" in err
    metrics = json.loads((here / "result" / "metrics.json").read_text())
    assert metrics["sequences"] == {"train": 19, "held_out": 5}
    assert np.sum(metrics["confusion"]) == 5
    assert metrics["accuracy"] == np.trace(metrics["confusion"]) / 5 > metrics["baseline_accuracy"]
    table = pd.read_csv(here / "result" / "predictions.csv", dtype={"sequence": str})
    assert table.columns.tolist() == ["sequence", "label", "predicted", "p(down)", "p(up)"]
    assert (table["predicted"] == table["label"]).mean() == metrics["accuracy"]
    assert table["sequence"].str.len().eq(3).all()
    assert (here / "result" / "report.html").exists()
    info = files.read_info(here / "result" / "model.safetensors")
    assert info["command"] == "classify"
    assert [column["name"] for column in info["columns"]] == ["value", "side"]
    assert info["columns"][1]["levels"] == ["left", "right"]

    (here / "new.csv").write_text(recordings(seed=1))
    code, out, _ = run("predict", "result/model.safetensors", "new.csv")
    found = pd.read_csv(io.StringIO(out), dtype={"sequence": str})
    assert (code, len(found), found["sequence"].iloc[0]) == (0, 24, "000")
    np.testing.assert_allclose(found[["p(down)", "p(up)"]].sum(axis=1), 1)
    assert (found["predicted"] == np.where(np.arange(24) % 2, "up", "down")).mean() > 0.8
    as_json = json.loads(run("predict", "result/model.safetensors", "new.csv", "--json")[1])
    assert as_json["predictions"][0]["sequence"] == "000"

    nested = pd.read_csv(here / "new.csv").assign(value=[[1.0]] * (len(recordings(seed=1).splitlines()) - 1))
    nested.to_parquet(here / "nested.parquet")
    refuses(
        ("predict", "result/model.safetensors", "nested.parquet"), "nested.parquet, column 'value'", "its type is list"
    )

    text = recordings(seed=1)
    for wrong, words in [
        (text.replace("value", "velocity", 1), ["no column 'value'", "which the model was trained on"]),
        (text.replace("0.1,", "0.1,warm", 1), ["column 'value'", "trained on numbers"]),
        (text.replace("left", "1").replace("right", "2"), ["column 'side'", "trained on 'left', 'right'"]),
        (text.replace("second", "time", 1), ["no column 'second'"]),
    ]:
        (here / "wrong.csv").write_text(wrong)
        refuses(("predict", "result/model.safetensors", "wrong.csv"), "wrong.csv", *words)


def test_classify_measures_on_the_test_table(here, run):
    (here / "test.csv").write_text(recordings(6, seed=2).replace("up", "sideways", 5))
    code, _, err = run(*CLASSIFY, "--test", "test.csv", "--json")
    assert code == 2
    assert "one label per sequence" in err
    (here / "test.csv").write_text(recordings(6, seed=2))
    found = json.loads(run(*CLASSIFY, "--test", "test.csv", "--json", "--quiet")[1])
    assert found["sequences"] == {"train": 24, "held_out": 6}
    assert found["baseline_accuracy"] == 0.5
    lines = recordings().splitlines(keepends=True)
    (here / "moves.csv").write_text("".join(line for line in lines if "down" not in line or line < "010"))
    found = json.loads(run(*CLASSIFY, "--test", "test.csv", "--json", "--quiet")[1])
    assert found["most_frequent"] == "up"


def test_classify_needs_two_labels_and_some_sequences(here, refuses):
    (here / "moves.csv").write_text(recordings().replace("up", "down"))
    refuses(CLASSIFY, "column 'kind'", "need at least two labels")
    (here / "moves.csv").write_text(recordings(4))
    refuses(CLASSIFY, "4 sequences are too few", "--test")


@pytest.mark.parametrize(("target", "per_step"), [("slope", False), ("level", True)])
def test_regress_from_file_to_files_and_on(here, run, target, per_step):
    code, out, err = run(*REGRESS, "--target", target, "--out", "result")
    assert code == 0
    assert (
        f"{target} {'changes within sequences: one number per step' if per_step else 'one number per sequence'}" in err
    )
    metrics = json.loads((here / "result" / "metrics.json").read_text())
    assert metrics["per_step"] == per_step
    assert metrics["mae"] < metrics["baseline"]["mae"]
    assert metrics["verdict"] in out
    table = pd.read_csv(here / "result" / "predictions.csv")
    assert np.isclose((table["target"] - table["predicted"]).abs().mean(), metrics["mae"])
    moves = pd.read_csv(here / "moves.csv")
    learned = moves[~moves["id"].isin(table["sequence"])]
    mean = (learned if per_step else learned.groupby("id").first())[target].mean()
    assert np.isclose((table["target"] - mean).abs().mean(), metrics["baseline"]["mae"])
    code, out, _ = run("predict", "result/model.safetensors", "moves.csv")
    found = pd.read_csv(io.StringIO(out))
    assert code == 0
    assert len(found) == (len(recordings().splitlines()) - 1 if per_step else 24)
    assert ("step" in found.columns) == per_step


def test_predict_refuses_models_that_do_not_know_their_columns(here, refuses):
    gw.save(gw.GRU(2, 3, rng=0), here / "layer.safetensors")
    refuses(("predict", "layer.safetensors", "moves.csv"), "layer.safetensors was not written by gatewise forecast")
    info = {"command": "classify", "roles": {"sequence": "id"}, "columns": [{"name": "value", "kind": "odd"}]}
    gw.save(gw.GRU(2, 3, rng=0), here / "odd.safetensors", info=info)
    refuses(("predict", "odd.safetensors", "moves.csv"), "column of kind 'odd'")
    gw.save(gw.GRU(2, 3, rng=0), here / "odd.safetensors", info={"command": "classify", "roles": {}, "columns": 3})
    refuses(("predict", "odd.safetensors", "moves.csv"), "odd.safetensors", "cannot be used")


def test_the_examples_of_the_docs_run(tmp_path, monkeypatch, run):
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "commands.md").read_text(encoding="utf-8")
    data, *_ = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    exec(data, {})
    lines = [line for block in re.findall(r"```sh\n(.*?)```", page, flags=re.DOTALL) for line in block.splitlines()]
    examples = [line for line in lines if "--dask" not in line]  # tests/distributed has that
    assert len(examples) == 9
    for line in examples:
        code, _, err = run(*line.split()[1:])
        assert code == 0, err
    assert len(pd.read_csv(tmp_path / "next.csv")) == 12
    accuracy = json.loads((tmp_path / "activity" / "metrics.json").read_text())["accuracy"]
    assert accuracy > 0.6


def test_a_name_with_a_comma_is_taken_before_it_is_split(here, run):
    rows = "".join(f"2024-01-{k:02d},{k % 7},{k},{k}\n" for k in range(1, 29))
    (here / "net.csv").write_text('t,"Sales, net",a,b\n' + rows)
    arguments = ("forecast", "net.csv", "--time", "t", "--horizon", "1", "--no-backtest", "--json", "--quiet")
    found = json.loads(run(*arguments, "--target", "Sales, net", "--past", "a, b")[1])
    assert "2024-01-29" in found["forecast"][0]["t"]
    assert "past a number, past b number" in found["notes"][0]


def test_large_step_numbers_are_printed_whole(here, run):
    (here / "steps.csv").write_text("t,x\n" + "".join(f"{5000000 + k},{k % 5}\n" for k in range(40)))
    out = run("forecast", "steps.csv", "--time", "t", "--target", "x", "--horizon", "2", "--no-backtest", "--quiet")[1]
    assert out.splitlines()[2].split()[0] == "5000040"
