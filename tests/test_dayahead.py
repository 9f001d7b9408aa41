"""The demo: what its forecaster may know, what it reaches, and what the command writes."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import gatewise as gw
from gatewise import dayahead, files
from gatewise.dayahead import DAY, TEST_DAYS, WEEK

FRAME = gw.datasets.i94()


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The folder that the command wrote, and what it printed."""
    out = tmp_path_factory.mktemp("demo") / "new" / "folder"
    command = [sys.executable, "-W", "error", "-m", "gatewise", "demo", "--out", str(out), "--json", "--seed", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return out, json.loads(done.stdout)


RECENT = FRAME.iloc[-300 * DAY :]


def quick_run(frame):
    """The demo with a fit that takes a second."""
    options = {"max_updates": 20, "n_networks": 1, "hidden_size": 8}
    with pytest.MonkeyPatch.context() as patch:
        constructor = gw.RecurrentForecaster.__init__
        patch.setattr(constructor, "__kwdefaults__", {**constructor.__kwdefaults__, **options})
        return dayahead.run(frame, seed=0)


@pytest.fixture(scope="module")
def quick():
    """What the demo makes of the last months, fitted in a second."""
    return quick_run(RECENT)


def test_the_data_set_is_whole():
    assert FRAME.shape == (17520, 5)
    assert FRAME.index.freq == "h"
    assert FRAME["traffic_volume"].isna().sum() == 104
    assert FRAME["traffic_volume"].iloc[0] == 1195


def test_error_is_well_below_the_naive_methods(demo):
    metrics = demo[1]
    assert metrics["same_hour_last_week"]["mae"] == pytest.approx(261.8, abs=0.05)
    assert metrics["same_hour_yesterday"]["mae"] == pytest.approx(501.9, abs=0.05)
    assert metrics["model"]["mae"] <= 0.67 * metrics["same_hour_last_week"]["mae"]


def test_the_interval_covers_what_it_promises(demo):
    assert 0.76 <= demo[1]["coverage"] <= 0.84


def test_what_the_command_writes(demo):
    out, printed = demo
    assert sorted(path.name for path in out.iterdir()) == ["metrics.json", "model.safetensors", "report.html"]
    assert json.loads((out / "metrics.json").read_text()) == printed
    assert printed.keys() == {*dayahead.METHODS, "coverage", "seconds", "seed"}
    assert printed["seed"] == 3
    kept = files.read_info(out / "model.safetensors")["metrics"]
    assert kept == {name: value for name, value in printed.items() if name != "seconds"}
    page = (out / "report.html").read_text()
    assert f"{printed['model']['mae']:.0f}" in page
    assert "John Hogue" in page


def test_the_model_that_is_written_goes_on_from_the_last_hour(demo):
    model = gw.load(demo[0] / "model.safetensors")
    index = pd.date_range(FRAME.index[0], periods=len(FRAME) + DAY, freq="h")
    known = dayahead.known_ahead(FRAME["traffic_volume"].astype(float).reindex(index))
    forecast = model.predict(known)
    assert forecast.index[0] == index[-DAY]
    week_before = FRAME["traffic_volume"].iloc[-7 * DAY : -6 * DAY].to_numpy()
    assert np.corrcoef(forecast, week_before)[0, 1] > 0.9


def test_metrics_are_those_of_the_forecast(quick):
    outcome, table = quick, quick.forecast
    assert len(table) == TEST_DAYS * DAY
    assert table.index[0] == FRAME.index[-TEST_DAYS * DAY]
    for name in dayahead.METHODS:
        error = (table[name] - table["truth"]).to_numpy()
        error = error[~np.isnan(error)]
        assert outcome.metrics[name]["mae"] == pytest.approx(np.mean(np.abs(error)))
        assert outcome.metrics[name]["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    measured = table.dropna(subset="truth")
    inside = (measured["truth"] >= measured["lower"]) & (measured["truth"] <= measured["upper"])
    assert outcome.metrics["coverage"] == pytest.approx(inside.mean())
    assert np.isfinite(table[["model", "lower", "upper"]]).all(axis=None)


def test_a_forecast_does_not_know_its_day(quick):
    """Changing everything from a midnight on changes nothing of the forecasts issued up to it."""
    changed = RECENT.copy()
    changed.iloc[(10 - TEST_DAYS) * DAY :, 0] = 9999.0
    one, other = (run.forecast["model"].to_numpy() for run in (quick, quick_run(changed)))
    np.testing.assert_array_equal(one[: 11 * DAY], other[: 11 * DAY])
    assert not np.isclose(one[11 * DAY :], other[11 * DAY :]).all()


def test_the_usual_volume_is_the_median_of_six_weeks_or_of_six_sundays():
    index = pd.date_range("2018-04-02", periods=10 * WEEK, freq="h")  # a Monday
    volume = np.arange(len(index), dtype=float)
    quiet = np.zeros(len(index), bool)
    weekday = index.day_of_week.to_numpy()
    row = 8 * WEEK + 2 * DAY + 5  # a Wednesday, 05:00
    usual = dayahead._usual(volume, quiet, weekday)
    assert usual[row] == np.median([row - k * WEEK for k in range(1, 7)])
    assert np.isnan(usual[:WEEK]).all()
    quiet[row] = True
    usual = dayahead._usual(volume, quiet, weekday)
    assert usual[row] == np.median([row - 3 * DAY - k * WEEK for k in range(6)])
    assert usual[row + WEEK] == np.median([row + WEEK - k * WEEK for k in range(2, 7)])  # without the holiday


def test_holidays_are_known_by_date():
    known = dayahead.holidays(pd.date_range("2018-07-03", periods=4 * DAY, freq="h"))
    daily = known.iloc[::DAY]
    assert daily["before_holiday"].tolist() == [1, 0, 0, 0]
    assert daily["quiet_holiday"].tolist() == [0, 1, 0, 0]
    assert daily["after_holiday"].tolist() == [0, 0, 1, 0]
    assert known["quiet_holiday"].sum() == DAY
    columbus = dayahead.holidays(pd.date_range("2017-10-09", periods=1, freq="h"))
    assert columbus.iloc[0].to_dict() == {
        "quiet_holiday": 0,
        "before_holiday": 0,
        "after_holiday": 0,
        "other_holiday": 1,
    }


def test_demo_refuses_a_folder_it_cannot_make(tmp_path):
    (tmp_path / "file").write_text("")
    command = [sys.executable, "-m", "gatewise", "demo", "--out", str(tmp_path / "file")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "cannot make this folder" in done.stderr
    assert done.stderr.count("\n") == 1
