"""The day-ahead forecaster: what it may know, what it reaches, and that it reads the past only."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import gatewise as gw
from gatewise import dayahead, storage
from gatewise.dayahead import DAY, HORIZON, TEST_DAYS, WEEK

FRAME = gw.datasets.i94()
TRAIN_HOURS = len(FRAME) - TEST_DAYS * DAY


@pytest.fixture(scope="module")
def outcome():
    return dayahead.run(FRAME, seed=0)


def test_the_data_set_is_whole():
    assert FRAME.shape == (17520, 5)
    assert FRAME.index.freq == "h"
    assert FRAME["traffic_volume"].isna().sum() == 104
    assert FRAME["traffic_volume"].iloc[0] == 1195


def test_error_is_well_below_the_naive_methods(outcome):
    errors = {name: outcome.metrics[name]["mae"] for name in dayahead.METHODS}
    assert errors["same_hour_last_week"] == pytest.approx(261.8, abs=0.05)
    assert errors["same_hour_yesterday"] == pytest.approx(501.9, abs=0.05)
    assert errors["model"] <= 0.62 * errors["same_hour_last_week"]


def test_metrics_are_those_of_the_forecast(outcome):
    table = outcome.forecast
    assert len(table) == TEST_DAYS * DAY
    assert table.index[0] == FRAME.index[TRAIN_HOURS]
    for name in dayahead.METHODS:
        error = (table[name] - table["truth"]).to_numpy()
        error = error[~np.isnan(error)]
        assert outcome.metrics[name]["mae"] == pytest.approx(np.mean(np.abs(error)))
        assert outcome.metrics[name]["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert np.isfinite(table["model"]).all()


def test_same_seed_same_forecast(outcome):
    again = dayahead.run(FRAME, seed=0)
    np.testing.assert_array_equal(again.forecast["model"], outcome.forecast["model"])


def test_a_forecast_does_not_know_its_day():
    """Changing everything from an origin on changes nothing of the forecast issued there."""
    origin = TRAIN_HOURS + 10 * DAY
    changed = FRAME.copy()
    changed.iloc[origin:, 0] = 99999.0
    hours, other = (dayahead.prepare(frame, TRAIN_HOURS) for frame in (FRAME, changed))
    model = gw.Sequential(gw.GRU(hours.past.shape[1], 8, rng=0), gw.Dense(8, 1, rng=1))
    here = [origin]
    np.testing.assert_array_equal(
        dayahead.predict(model, hours, here),
        dayahead.predict(model, other, here),
    )
    later = [origin + DAY]
    assert not np.array_equal(dayahead.predict(model, hours, later), dayahead.predict(model, other, later))


def test_scales_and_training_windows_stop_before_the_test_days():
    changed = FRAME.copy()
    changed.iloc[TRAIN_HOURS:, 0] = np.nan
    hours, other = (dayahead.prepare(frame, TRAIN_HOURS) for frame in (FRAME, changed))
    assert hours.scale == other.scale
    np.testing.assert_array_equal(hours.past[:TRAIN_HOURS], other.past[:TRAIN_HOURS])
    np.testing.assert_array_equal(hours.target[:TRAIN_HOURS], other.target[:TRAIN_HOURS])


def test_training_reads_nothing_of_the_test_days(monkeypatch):
    """The windows that `fit` asks for end within the training hours."""
    asked = []
    real = dayahead.windows
    monkeypatch.setattr(dayahead, "windows", lambda hours, origins: asked.append(origins) or real(hours, origins))
    monkeypatch.setattr(dayahead, "train", lambda *args, **kwargs: gw.History())
    dayahead.fit(dayahead.prepare(FRAME, TRAIN_HOURS), TRAIN_HOURS, seed=0)
    assert asked[0].max() + HORIZON <= TRAIN_HOURS
    assert asked[0].max() + HORIZON > TRAIN_HOURS - 4


def test_reference_is_the_median_of_six_weeks_or_of_six_sundays():
    index = pd.date_range("2018-04-02", periods=10 * WEEK, freq="h")  # a Monday
    volume = np.arange(len(index), dtype=float)
    quiet = np.zeros(len(index), bool)
    row = 8 * WEEK + 2 * DAY + 5  # a Wednesday, 05:00
    reference = dayahead._reference(volume, quiet, index.day_of_week.to_numpy())
    assert reference[row] == np.median([row - k * WEEK for k in range(1, 7)])
    assert np.isnan(reference[:WEEK]).all()
    quiet[row] = True
    reference = dayahead._reference(volume, quiet, index.day_of_week.to_numpy())
    assert reference[row] == np.median([row - 3 * DAY - k * WEEK for k in range(6)])
    next_week = reference[row + WEEK]  # which no longer uses the holiday
    assert next_week == np.median([row + WEEK - k * WEEK for k in range(2, 7)])


def test_missing_truth_has_no_weight():
    hours = dayahead.prepare(FRAME, TRAIN_HOURS)
    gaps = FRAME["traffic_volume"].isna().to_numpy()
    assert not hours.weight[gaps].any()
    assert hours.weight[7 * WEEK :][~gaps[7 * WEEK :]].all()
    samples = dayahead.windows(hours, [1000, 2000])
    assert samples.x.shape[:2] == (2, dayahead.CONTEXT + HORIZON)
    assert not samples.weights[:, : dayahead.CONTEXT].any()


def test_demo_command(tmp_path):
    out = tmp_path / "new" / "folder"
    command = [sys.executable, "-W", "error", "-m", "gatewise", "demo", "--out", str(out), "--json", "--seed", "3"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    printed = json.loads(done.stdout)
    assert done.stderr == ""
    assert sorted(path.name for path in out.iterdir()) == ["metrics.json", "model.safetensors", "report.html"]
    assert json.loads((out / "metrics.json").read_text()) == printed
    assert printed["seed"] == 3
    assert printed["model"]["mae"] < 0.62 * printed["same_hour_last_week"]["mae"]
    model = gw.load(out / "model.safetensors")
    hours = dayahead.prepare(FRAME, TRAIN_HOURS)
    forecasts = dayahead.predict(model, hours, range(TRAIN_HOURS, len(FRAME), DAY))
    error = forecasts.ravel() - FRAME["traffic_volume"].to_numpy()[TRAIN_HOURS:]
    assert np.nanmean(np.abs(error)) == pytest.approx(printed["model"]["mae"], rel=1e-6)
    assert storage.read_info(out / "model.safetensors")["metrics"] == printed
    page = (out / "report.html").read_text()
    assert f"{printed['model']['mae']:.0f}" in page
    assert "John Hogue" in page


def test_demo_refuses_a_folder_it_cannot_make(tmp_path):
    (tmp_path / "file").write_text("")
    command = [sys.executable, "-m", "gatewise", "demo", "--out", str(tmp_path / "file")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "cannot make this folder" in done.stderr
    assert done.stderr.count("\n") == 1
