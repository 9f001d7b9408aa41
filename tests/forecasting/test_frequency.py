"""Steps of time stamps: which one is inferred, the grid it makes, and the seasons it suggests."""

import numpy as np
import pandas as pd
import pytest

import gatewise as gw
from gatewise.forecasting.axes import regular
from gatewise.forecasting.dates import date_range
from gatewise.forecasting.frequency import Step, dominant_step, exact_frequency, months_of, natural_seasons

MONTHS = pd.period_range("2015-01", periods=40, freq="M")


def days(months, day):
    return pd.DatetimeIndex([pd.Timestamp(m.year, m.month, min(day, m.days_in_month)) for m in months])


CASES = {
    "first days": (days(MONTHS, 1), "MS", "month", 12),
    "last days": (days(MONTHS, 31), "ME", "month", 12),
    "the 15th": (days(MONTHS, 15), "1M-15", "month", 12),
    "the 30th": (days(MONTHS, 30), "1M-30", "month", 12),
    "every two months": (days(MONTHS[::2], 1), "2MS", "2 months", 6),
    "the 15th of every two months": (days(MONTHS[::2], 15), "2M-15", "2 months", 6),
    "every four months": (days(MONTHS[::4], 1), "4MS", "4 months", 3),
    "every five months": (days(MONTHS[::5], 20), "5M-20", "5 months", None),
    "quarters": (days(MONTHS[::3], 1), None, "quarter", 4),
    "last working days": (pd.date_range("2015-01-01", periods=40, freq="BME"), "BME", "month", 12),
    "first working days": (pd.date_range("2015-01-01", periods=40, freq="BMS"), "BMS", "month", 12),
    "quarters' last working days": (pd.date_range("2015-01-01", periods=40, freq="BQE"), None, "quarter", 4),
    "half years": (days(MONTHS[::6], 1), None, "half year", 2),
    "years": (pd.date_range("1980-01-01", periods=40, freq="YS"), None, "year", None),
    "years on a 15th": (pd.DatetimeIndex([f"{y}-06-15" for y in range(1980, 2020)]), "12M-15", "year", None),
    "every five years": (pd.date_range("1800-01-01", periods=40, freq="5YS"), None, "5 years", None),
    "four weeks": (pd.date_range("2015-01-01", periods=40, freq="28D"), None, "4 weeks", 13),
    "working days": (pd.bdate_range("2015-01-01", periods=40), "B", "workday", 5),
    "weeks": (pd.date_range("2015-01-04", periods=160, freq="W"), None, "1 week", 52),
    "hours": (pd.date_range("2015-01-01", periods=600, freq="h"), "h", "1 h", 168),
}


@pytest.mark.parametrize("name", CASES)
def test_both_questions_about_a_step_get_one_answer(name):
    index, frequency, label, season = CASES[name]
    bare = pd.DatetimeIndex(index, freq=None)
    assert frequency in (None, exact_frequency(bare, "y"))  # None: pandas has several names for it
    step = dominant_step(bare, np.zeros(len(bare), int))
    assert (step.label, step.season(len(bare) * 2)) == (label, season)
    places, away = step.places(bare)
    assert not away.any()
    assert (np.diff(places) == 1).all()
    assert step.times(places).equals(bare)
    axis, grid = regular(bare, "y")
    assert grid.equals(bare)
    assert axis.past(len(bare)).equals(bare)


@pytest.mark.parametrize("name", [name for name in CASES if name != "half years"])
def test_gaps_do_not_change_the_step(name):
    index, _, label, _ = CASES[name]
    bare = pd.DatetimeIndex(index, freq=None).delete([3, 9] if len(index) > 12 else [3])
    _, grid = regular(bare, "y")
    assert grid.equals(pd.DatetimeIndex(index, freq=None))
    assert dominant_step(bare, np.zeros(len(bare), int)).label == label


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_days_of_the_month_go_on(zone):
    last = pd.Timestamp("2024-01-31 06:00", tz=zone)
    dates = date_range(last, periods=4, frequency="1M-31", name="t")
    assert dates.strftime("%m-%d %H").tolist() == ["01-31 06", "02-29 06", "03-31 06", "04-30 06"]
    assert date_range(None, dates[-1], periods=4, frequency="1M-31", name="t").equals(dates)
    assert date_range(dates[0], dates[-1], frequency="1M-31").equals(dates)
    assert dates.tz == last.tz


def test_a_forecast_of_the_15th_is_for_the_15th(tmp_path):
    y = pd.Series(np.arange(40.0) % 12 + np.random.default_rng(0).normal(size=40), days(MONTHS, 15))
    forecaster = gw.RecurrentForecaster(3, max_updates=3, n_networks=1, hidden_size=4, random_state=0)
    assert forecaster.fit(y).seasons_ == (12,)
    assert forecaster.predict().index.strftime("%Y-%m-%d").tolist() == ["2018-05-15", "2018-06-15", "2018-07-15"]
    gw.save(forecaster, tmp_path / "forecaster.safetensors")
    for one in (forecaster, gw.load(tmp_path / "forecaster.safetensors")):
        one.update(pd.Series([5.0], [pd.Timestamp("2018-06-15")]))
        assert one.predict().index[0] == pd.Timestamp("2018-07-15")
        with pytest.raises(gw.GatewiseError, match="off the steps"):
            one.update(pd.Series([5.0], [pd.Timestamp("2018-08-14")]))


@pytest.mark.parametrize("frequency", ["MS", "ME", "BME", "QS", "QE", "2MS"])
@pytest.mark.parametrize("periods", [False, True])
def test_a_month_has_one_place_in_the_year_whenever_a_series_began(frequency, periods):
    places = set()
    for year in (1990, 1998, 2007, 2014):
        index = pd.DatetimeIndex(pd.date_range(f"{year}-01-01", periods=48, freq=frequency), freq=None)
        index = index.to_period(frequency[0]) if periods and len(frequency) == 2 else index
        axis, _ = regular(index, "y")
        places.add(axis.number_of_first(48) % (12 // months_of(frequency)))
    assert len(places) == 1


def test_seasons_are_days_weeks_and_years():
    seconds = {"half hour": 1800.0, "day": 86400.0, "half year": 183 * 86400.0, "ten days": 10 * 86400.0}
    assert [natural_seasons(s) for s in seconds.values()] == [(48, 336), (7,), (2,), (37,)]
    assert natural_seasons(86400.0, workdays=True) == (5,)
    assert natural_seasons(None) == natural_seasons(7 * 3600.0 + 1) == ()


def test_a_step_that_was_stored_goes_on():
    assert Step(kind="months", size=1, anchor=0, month_end=True).frequency == "ME"
    assert Step("count", 1).seconds is None
