"""Terminal, JSON and page show the same backtest, the same simple methods, and the same digits."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import gatewise as gw
from gatewise import cli
from gatewise.comparison import Comparison
from gatewise.forecasting.backtest import METHODS
from gatewise.printing import aligned

MEASURES = {"MAE": "mae", "RMSE": "rmse", "MASE": "mase", "right": "accuracy", "macro F1": "macro_f1"}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for estimator in (gw.RecurrentForecaster, gw.RecurrentClassifier, gw.RecurrentRegressor):
        options = estimator.__init__.__kwdefaults__ or {}
        for name, value in {"max_updates": 5, "max_iter": 5, "n_networks": 1, "hidden_size": 4}.items():
            if name in options:
                monkeypatch.setitem(options, name, value)


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a command twice, for people and as JSON; return the text, the parsed JSON and the words of the page."""
    monkeypatch.chdir(tmp_path)

    def both(*arguments):
        arguments = [*arguments, "--quiet", "--out", "result"]
        text = CliRunner().invoke(cli.cli, arguments, catch_exceptions=False).stdout
        from_json = json.loads(CliRunner().invoke(cli.cli, [*arguments, "--json"], catch_exceptions=False).stdout)
        written = json.loads((tmp_path / "result" / "metrics.json").read_text())
        assert {**written, "seconds": 0}.items() <= {**from_json, "seconds": 0}.items()
        page = (tmp_path / "result" / "report.html").read_text()
        return text, from_json, words(page)

    return both


def words(page):
    """The words of a page, its scripts left out."""
    page = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    text = re.sub(r"<[^>]*>", " ", page).replace("&#39;", "'").replace("\xa0", " ")
    return " ".join(text.split())


def table(text):
    """The table of the held-out errors in a terminal's output: by measure, by method."""
    lines = text[text.index("held out") :].splitlines()
    heads = re.split(r" {2,}", lines[0].strip())[1:]
    rows = {}
    for line in lines[2:]:
        if not line.strip():
            break
        name, *numbers = re.split(r" {2,}", line.strip())
        rows[name] = dict(zip(heads, numbers, strict=True))
    return rows


def shows(text, errors, unit=""):
    """Check that a text shows these errors, {method: {measure: number}}, in the order of the methods."""
    rows = list(table(text).values())
    assert len(rows) == len(errors)
    for head, measure in MEASURES.items():
        head += f" in {unit}" if unit and measure in ("mae", "rmse") else ""
        if head not in rows[0]:
            continue
        exact = [row[measure] for row in errors.values()]
        shown = aligned([100 * value for value in exact], 1) if measure in ("accuracy", "macro_f1") else aligned(exact)
        assert [row[head].removesuffix(" %") for row in rows] == shown


def methods(found):
    return {name: row for name, row in found.items() if isinstance(row, dict) and "mae" in row}


def test_a_forecast(run, tmp_path):
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=150).strftime("%Y-%m-%d")
    load = 100 + 20 * np.sin(np.arange(150) * 2 * np.pi / 7) + rng.normal(size=150)
    pd.DataFrame({"day": days, "load": [f"{value:.2f} kW" for value in load]}).to_csv("load.csv", index=False)
    text, found, page = run("forecast", "load.csv", "--time", "day", "--target", "load", "--horizon", "7")
    held_out = found["held_out"]
    assert (held_out["windows"], held_out["steps"]) == (4, 28)
    assert "held out, 4 forecasts of 7 steps" in text
    assert "4 forecasts of 7 steps each" in page
    shows(text, methods(held_out), "kW")
    verdict = held_out["verdict"]
    assert verdict in text
    assert verdict[0].upper() + verdict[1:] in page
    errors = {name: row["mae"] for name, row in methods(held_out).items()}
    for shown in aligned(list(errors.values())):
        assert shown in page
    best = min((name for name in errors if name != "model"), key=errors.get)
    assert held_out["best_simple"] == best
    assert list(methods(held_out)) == list(METHODS)
    assert held_out["worth_it"] == (errors["model"] < errors[best])


def test_a_report_shows_the_backtest_that_was_printed(run, tmp_path, monkeypatch):
    """Two shops with a column that tells them apart; measuring again, with it or without, is not what a report does."""
    rng = np.random.default_rng(1)
    months = pd.period_range("2015-01", periods=60, freq="M").astype(str)
    parts = [
        pd.DataFrame({"month": months, "shop": name, "size": size, "sold": size * (10 + rng.normal(size=60))})
        for name, size in (("north", 1.0), ("south", 100.0))
    ]
    pd.concat(parts).to_csv("shops.csv", index=False)
    options = ("--time", "month", "--target", "sold", "--series", "shop", "--static", "size", "--horizon", "3")
    text, found, page = run("forecast", "shops.csv", *options)
    held_out = found["held_out"]
    assert held_out["by"] == "mase"
    assert held_out["verdict"].startswith("mean absolute scaled error of 2 series (MASE) ")
    assert " ".join(held_out["verdict"].split()) in " ".join(text.split())
    monkeypatch.setattr("gatewise.forecasting.backtest.backtest", None)
    assert CliRunner().invoke(cli.cli, ["report", "result/model.safetensors", "shops.csv", "--quiet"]).exit_code == 0
    again = words((tmp_path / "report.html").read_text())
    for shown in (page, again):
        assert held_out["verdict"][1:] in shown
        for value in aligned([row["mase"] for row in methods(held_out).values()]):
            assert value in shown
    parts = [re.search(r"How far off the forecasts were(?! See).*?Data and model", shown) for shown in (page, again)]
    first, second = (part.group()[-3000:] for part in parts)
    assert first == second


def test_a_report_of_a_model_without_a_backtest_makes_one_with_all_columns(run, tmp_path):
    days = pd.date_range("2024-01-01", periods=60).strftime("%Y-%m-%d")
    rng = np.random.default_rng(0)
    frames = [pd.DataFrame({"day": days, "id": k, "kind": k, "x": rng.normal(size=60)}) for k in range(2)]
    pd.concat(frames).to_csv("two.csv", index=False)
    options = ("--time", "day", "--target", "x", "--series", "id", "--static", "kind", "--horizon", "2")
    run("forecast", "two.csv", *options, "--no-backtest")
    report = ["report", "result/model.safetensors", "two.csv", "--quiet"]
    assert CliRunner().invoke(cli.cli, report, catch_exceptions=False).exit_code == 0
    assert "Mean absolute scaled error of 2 series" in words((tmp_path / "report.html").read_text())


def test_several_targets_are_measured_apart(run):
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=80).strftime("%Y-%m-%d")
    frame = {"day": days, "load": rng.normal(1000, 50, 80), "price": [f"{v:.2f} €" for v in rng.normal(5, 1, 80)]}
    pd.DataFrame(frame).to_csv("two.csv", index=False)
    text, found, page = run("forecast", "two.csv", "--time", "day", "--target", "load,price", "--horizon", "4")
    targets = found["held_out"]["targets"]
    assert list(targets) == ["load", "price"]
    assert targets["load"]["model"]["mae"] > 10 > targets["price"]["model"]["mae"]
    for name, one in targets.items():
        assert f"{name}: held out, 4 forecasts of 4 steps: {one['verdict']}" in text
        for shown in aligned([row["mae"] for row in methods(one).values()]):
            assert shown in page
    assert "€" in targets["price"]["verdict"]
    assert "€" not in targets["load"]["verdict"]


def sequences(**outcome):
    """Sequences that tell nothing, with outcomes of which the training and the test part have other shares."""
    rng = np.random.default_rng(0)
    parts = [
        pd.DataFrame({"id": k, "t": range(4), "x": rng.normal(size=4)} | {name: v[k] for name, v in outcome.items()})
        for k in range(len(next(iter(outcome.values()))))
    ]
    return pd.concat(parts)


def test_a_classifier_s_baseline_is_that_of_the_training(run):
    sequences(kind=["a", "b", "a"] * 8).to_csv("train.csv", index=False)
    sequences(kind=["b", "b", "a"] * 4).to_csv("test.csv", index=False)
    options = ("--label", "kind", "--sequence", "id", "--time", "t", "--test", "test.csv")
    text, found, page = run("classify", "train.csv", *options)
    assert (found["most_frequent"], found["baseline_accuracy"]) == ("a", 1 / 3)
    model = {name: found[name] for name in ("accuracy", "macro_f1")}
    shows(text, {"model": model, "most_frequent": found["baseline"]})
    assert found["verdict"] in text
    assert "Always 'a' 33.3 %" in page
    assert f"Model {100 * found['accuracy']:.1f} %" in page


def test_a_regressor_is_set_beside_the_best_constant(run):
    rng = np.random.default_rng(0)
    sequences(y=rng.exponential(size=30).round(3)).to_csv("train.csv", index=False)
    text, found, page = run("regress", "train.csv", "--target", "y", "--sequence", "id", "--time", "t")
    model = {name: found[name] for name in ("mae", "rmse")}
    errors = {"model": model, **found["baselines"]}
    shows(text, errors)
    best = min(found["baselines"], key=lambda name: found["baselines"][name]["mae"])
    assert found["best_simple"] == best
    assert found["verdict"] in text
    assert found["verdict"][1:] in page
    for shown in aligned([row["mae"] for row in errors.values()]):
        assert shown in page


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (2.0, "mean absolute error 2.00, 50 % below naive (4.00), the best of 2 simple methods"),
        (3.88, "3 % below naive (4.00), the best of 2 simple methods: barely better"),
        (4.0, "level with naive (4.00), the best of 2 simple methods: the model is not worth it here"),
        (5.0, "25 % above naive (4.00), the best of 2 simple methods: the model is not worth it here"),
        (0.0, "100 % below naive (4.00), the best of 2 simple methods"),
    ],
)
def test_verdicts(model, words):
    comparison = Comparison({"model": {"mae": model}, "naive": {"mae": 4.0}, "drift": {"mae": 9.0}}, {})
    assert comparison.verdict.endswith(words)
    assert comparison.worth_it == (model < 4)


def test_the_scaled_error_decides_of_several_series():
    """A method that is better on the large series alone is not the best."""
    errors = {
        "model": {"mae": 9.0, "mase": 0.9},
        "naive": {"mae": 8.0, "mase": 1.2},
        "drift": {"mae": 12.0, "mase": 0.8},
    }
    comparison = Comparison(errors, {}, by="mase", unit="kW", series=7)
    words = (
        "mean absolute scaled error of 7 series (MASE) 0.900, 12 % above drift (0.800), the best of 2 simple methods"
    )
    assert comparison.verdict == f"{words}: the model is not worth it here"
    assert (comparison.best, comparison.as_dict()["by"]) == ("drift", "mase")


def test_a_simple_method_without_errors():
    exact = Comparison({"model": {"mae": 0.5}, "naive": {"mae": 0.0}}, {})
    assert exact.verdict == "mean absolute error 0.500, above naive (0.000): the model is not worth it here"
    both = Comparison({"model": {"mae": 0.0}, "naive": {"mae": 0.0}}, {})
    assert both.verdict == "mean absolute error 0, level with naive (0): the model is not worth it here"
    alone = Comparison({"model": {"mae": 0.5}, "naive": {"mae": float("nan")}}, {})
    assert (alone.best, alone.verdict) == (None, "mean absolute error 0.500")
