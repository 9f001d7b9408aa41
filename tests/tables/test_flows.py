"""From a table to an answer, from Python: the flows behind the commands, over files and frames."""

import numpy as np
import pandas as pd
import pytest
from table_files import refused

import gatewise as gw
from gatewise import tables


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Train for a moment only: what is tested here is what stands around the training."""
    options = gw.RecurrentForecaster.__init__.__kwdefaults__
    short = {"max_iter": 5, "max_updates": 5, "n_networks": 1, "hidden_size": 4}
    for name, value in short.items():
        if name in options:
            monkeypatch.setitem(options, name, value)


def sales(last=48, ahead=12):
    months = pd.date_range("2018-01", periods=last + ahead, freq="MS")
    parts = []
    for shop, level in (("north", 100.0), ("south", 200.0)):
        units = level + 20 * np.sin(np.arange(last + ahead) * np.pi / 6)
        units[last:] = np.nan
        promo = np.arange(last + ahead) % 7 == 0
        parts.append(pd.DataFrame({"month": months, "shop": shop, "units": units, "promo": promo}))
    return pd.concat(parts, ignore_index=True)


def moves(count=24, seed=0):
    """Sequences that rise or fall, of 5 to 9 steps, with a number that says how steeply."""
    rng = np.random.default_rng(seed)
    parts = []
    for k in range(count):
        t, slope = np.arange(rng.integers(5, 10)), rng.uniform(1, 2) * (1 if k % 2 else -1)
        x = slope * t + rng.normal(0, 0.1, len(t))
        kind = "up" if k % 2 else "down"
        parts.append(pd.DataFrame({"id": f"{k:03d}", "t": t, "x": x, "kind": kind, "slope": slope}))
    return pd.concat(parts, ignore_index=True)


ROLES = {"time": "month", "target": "units", "series": "shop", "known": "promo"}


def test_forecast_a_frame_and_its_file_alike(tmp_path):
    sales().to_csv(tmp_path / "sales.csv", index=False)
    from_frame = tables.forecast(sales(), **ROLES, seed=3)
    from_file = tables.forecast(tmp_path / "sales.csv", **ROLES, seed=3)
    pd.testing.assert_frame_equal(from_frame.forecast, from_file.forecast, check_dtype=False)
    assert from_frame.metrics == from_file.metrics
    assert from_frame.forecast.columns.tolist() == ["shop", "month", "lower", "median", "upper"]
    assert (from_frame.metrics["horizon"], from_frame.metrics["step"], from_frame.problem) == (12, "month", "")
    assert from_frame.held_out.keys() >= {
        "series",
        "windows",
        "steps",
        "model",
        "seasonal_naive",
        "naive",
        "drift",
        "mean",
    }
    assert from_frame.notes[0].startswith("read 120 rows × 4 columns of the DataFrame; month every month; 2 series")
    assert from_file.notes[0].endswith("12 steps ahead, season 12")


def test_a_result_predicts_as_its_file_does(tmp_path):
    result = tables.forecast(sales(), **ROLES, backtest=False)
    assert (result.held_out, result.problem) == (None, "not asked for")
    result.save(tmp_path / "model.safetensors")
    later = sales(last=51)
    in_memory = tables.predict(result, later)
    from_file = tables.predict(tmp_path / "model.safetensors", later)
    pd.testing.assert_frame_equal(in_memory.frame, from_file.frame)
    assert in_memory.frame["month"].min() == pd.Timestamp("2022-04-01")
    assert in_memory.notes[-1] == "note: 6 steps after those of the training"
    again = tables.predict(result, sales()).frame
    pd.testing.assert_frame_equal(again, result.forecast)  # the result itself takes no new observations


def test_what_a_page_takes_of_a_table():
    result = tables.forecast(sales(), **ROLES, backtest=False)
    inputs = tables.read_inputs("the model", result.description, sales())
    assert [y.count() for y in inputs.x] == [48, 48]
    assert inputs.y[0].columns.tolist() == ["promo"]
    assert tables.read_inputs("the model", {"command": "demo"}, sales()) is None
    refused(lambda: tables.read_inputs("the model", {"command": "forecast"}, sales()), "the model: its description")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"horizon": 0}, ["horizon is 0"]),
        ({"season": 1.5}, ["season is 1.5"]),
        ({"level": 100}, ["level is 100", "at most 99"]),
        ({"horizon": 24}, ["column 'promo'", "12 steps ahead"]),
        ({"time": "moth"}, ["no column 'moth'", "mean 'month'?"]),
    ],
)
def test_forecasts_that_are_refused(options, words):
    refused(lambda: tables.forecast(sales(), **(ROLES | options)), *words)


def test_an_unknown_option_is_no_column():
    with pytest.raises(TypeError, match="targets"):
        tables.forecast(sales(), time="month", targets="units")


def test_classify_and_predict():
    result = tables.classify(moves(), label="kind", sequence="id", time="t", features="x")
    assert result.metrics["sequences"] == {"train": 19, "held_out": 5}
    right = result.predictions["predicted"] == result.predictions["label"]
    assert result.metrics["accuracy"] == right.mean()
    assert result.measured_model is not result.model
    prediction = tables.predict(result, moves(seed=1)).frame
    assert prediction["sequence"].tolist() == [f"{k:03d}" for k in range(24)]
    np.testing.assert_allclose(prediction[["p(down)", "p(up)"]].sum(axis=1), 1)
    inputs = tables.read_inputs("the model", result.description, moves(seed=1).drop(columns="kind"))
    assert (len(inputs.x), inputs.y) == (24, None)


def test_without_a_second_fit_both_models_are_one():
    options = {"target": "slope", "sequence": "id", "time": "t", "features": ["x"]}
    result = tables.regress(moves(), **options, refit=False)
    assert result.measured_model is result.model
    result = tables.regress(moves(), **options, test=moves(6, seed=2))
    assert result.measured_model is result.model
    assert result.metrics["sequences"] == {"train": 24, "held_out": 6}
    assert result.notes[-1].endswith("of the DataFrame; 6 sequences")


def test_models_that_do_not_know_their_columns_are_refused(tmp_path):
    gw.save(gw.GRU(2, 3, rng=0), tmp_path / "layer.safetensors")
    refused(lambda: tables.predict(tmp_path / "layer.safetensors", moves()), "was not written by gatewise forecast")
