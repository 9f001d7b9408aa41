"""A forecast has the dates that come next, whatever the steps and the century are."""

import numpy as np
import pandas as pd
import pytest

import gatewise as gw
from gatewise.forecasting.dates import date_range
from gatewise.forecasting.frequency import exact_frequency, steps_between

SMALL = {"hidden_size": 4, "max_iter": 2, "n_networks": 1, "context": 4, "random_state": 0}
MONTHS = ["2MS", "4MS", "5MS", "2ME", "4ME", "5ME", "2M-15", "5M-15", "1M-31", "3M-31", "BMS", "BME", "2BME"]
QUARTERS = ["QS", "QE", "QS-NOV", "BQE", "BQS", "2QE", "6MS", "6ME"]
YEARS = ["YS", "YE", "YE-JUN", "BYE", "5YS", "5YE", "60M-15", "10YE"]
OTHERS = ["B", "W-WED", "2W-WED", "4W-MON", "7h"]


def series(index):
    return pd.Series(np.sin(np.arange(len(index))), pd.DatetimeIndex(index, freq=None))


def forecaster(horizon=3):
    return gw.RecurrentForecaster(horizon, **SMALL)


@pytest.mark.parametrize("frequency", [*MONTHS, *QUARTERS, *YEARS, *OTHERS])
def test_the_next_dates_keep_the_step(frequency):
    start = pd.Timestamp("1990-01-31" if "31" in frequency else "1990-01-15")
    index = date_range(start, periods=15, frequency=frequency)
    model = forecaster().fit(series(index[:12]).drop(index[[3, 5]]))
    assert model.predict().index.tolist() == index[12:].tolist()


@pytest.mark.parametrize("frequency", ["5ME", "5M-15", "BQE", "5YE", "B"])
def test_updates_and_backtests_keep_the_step(frequency):
    index = date_range(pd.Timestamp("1990-01-15"), periods=20, frequency=frequency)
    model = forecaster().fit(series(index[:15])).update(series(index[:17])[15:])
    assert model.predict().index.tolist() == index[17:].tolist()
    _, forecasts = forecaster().backtest(series(index), windows=2, return_forecasts=True)
    assert forecasts.index.tolist() == index[14:].tolist()


FAR = ["0100-03-01", "1500-03-01", "1677-03-01", "2262-03-01", "3000-03-01"]


@pytest.mark.parametrize("start", FAR)
@pytest.mark.parametrize("frequency", ["YS", "QE", "1M-15", "D", "h"])
def test_dates_of_any_century(start, frequency, tmp_path):
    index = date_range(pd.Timestamp(start).as_unit("s"), periods=20, frequency=frequency)
    model = forecaster().fit(series(index[:15]))
    assert model.predict().index.tolist() == index[15:18].tolist()
    gw.save(model, tmp_path / "forecaster.safetensors")
    for one in (model, gw.load(tmp_path / "forecaster.safetensors")):
        assert one.update(series(index[:17])[15:]).predict().index.tolist() == index[17:].tolist()


@pytest.mark.parametrize("start", FAR[1:])
@pytest.mark.parametrize("frequency", ["Y", "M", "D"])
def test_periods_of_any_century(start, frequency):
    index = pd.period_range(start, periods=20, freq=frequency)
    y = pd.Series(np.sin(np.arange(20)), index)
    assert forecaster().fit(y[:17]).predict().index.tolist() == index[17:].tolist()
    forecaster().backtest(y, windows=2)


@pytest.mark.filterwarnings("ignore:horizon is")  # of series of a few steps
def test_nanoseconds_that_end_go_on_in_microseconds():
    last = pd.Timestamp("2262-04-01").as_unit("ns")
    index = pd.date_range(end=last, periods=20, freq="D", unit="ns")
    ahead = forecaster(30).fit(series(index)).predict().index
    assert ahead[[0, -1]].strftime("%Y-%m-%d").tolist() == ["2262-04-02", "2262-05-01"]
    first = pd.date_range(pd.Timestamp("1677-09-22").as_unit("ns"), periods=20, freq="D", unit="ns")
    forecaster().backtest(series(first), windows=2)


def test_what_pandas_cannot_hold_is_refused():
    beyond = pd.PeriodIndex.from_ordinals(np.arange(20) + 400_000, freq="Y")
    with pytest.raises(gw.GatewiseError, match="beyond what pandas can hold"):
        forecaster().fit(pd.Series(np.sin(np.arange(20)), beyond))
    with pytest.raises(gw.GatewiseError, match="beyond what pandas can hold"):
        date_range(pd.Timestamp.max.as_unit("us"), periods=10**9, frequency="YS")


def test_steps_are_counted_before_they_are_made():
    first = pd.Timestamp("2000-01-01")
    for frequency in ("s", "h", "D", "B", "W", "3W", "MS", "2QE", "YS", "2M-15"):
        dates = date_range(first, periods=50, frequency=frequency)
        assert 40 < steps_between(dates[0], dates[-1], frequency) < 80


def test_a_step_of_a_stretch_is_not_laid_over_years():
    index = pd.DatetimeIndex(["2020-01-01 00:00:00", "2020-01-01 00:00:01", "2020-01-01 00:00:02", "2524-01-01"])
    assert exact_frequency(index, "y") == "s"
