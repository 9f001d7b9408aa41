"""Indexes that are nearly right: converted where that is certain, refused by name where it is not."""

import numpy as np
import pandas as pd
import pytest

import gatewise as gw

SMALL = {"hidden_size": 4, "max_iter": 2, "n_networks": 1, "context": 4, "random_state": 0}
DATES = pd.date_range("2023-10-27", periods=64, freq="h")
VALUES = 10 + np.sin(np.arange(64))
Y = pd.Series(VALUES[:60], DATES[:60])
ZONED = Y.tz_localize("UTC").tz_convert("Europe/Berlin")  # over a change of the clock


def forecaster(horizon=3):
    return gw.RecurrentForecaster(horizon, **SMALL)


def refused(message, use):
    with pytest.raises(gw.GatewiseError, match=message):
        use()


def series(index):
    return pd.Series(VALUES[: len(index)], index)


def test_rows_in_any_order_are_put_in_order():
    pd.testing.assert_series_equal(
        forecaster().fit(Y.sample(frac=1, random_state=0)).predict(), forecaster().fit(Y).predict()
    )
    new = series(DATES[60:63])
    one, other = (forecaster().fit(Y).update(rows) for rows in (new, new[::-1]))
    pd.testing.assert_series_equal(one.predict(), other.predict())


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (DATES[[0, 1, 1, 2]], "2023-10-27 01:00:00 more than once"),
        (pd.DatetimeIndex([DATES[0], pd.NaT, pd.NaT]), "a row without a time stamp"),
        (pd.MultiIndex.from_product([["a"], ["b"], DATES[:4]]), "3 levels; need two: ids and times"),
        (DATES[:4].astype(str), "index of str; need dates.*to_datetime"),
        (DATES[:4].astype(object), "index of object; need dates.*to_datetime"),
        ([DATES[0], "tomorrow", 3], "index of object; need dates"),
        (np.arange(4) / 2, "index of float64; need dates"),
        (pd.timedelta_range("0h", periods=4, freq="h"), "index of timedelta64"),
        (pd.CategoricalIndex(list("abcd")), "index of category"),
    ],
)
def test_what_is_no_index_of_steps_is_refused(index, message):
    refused(message, lambda: forecaster().fit(series(index)))


@pytest.mark.parametrize("scale", [1, 1000, 10**9])
def test_numbers_that_jitter_about_their_steps_are_refused_as_such_dates_are(scale):
    rng = np.random.default_rng(0)
    index = 1_700_000_000 * scale + 300 * scale * np.arange(64) + rng.integers(-scale, scale + 1, 64)
    refused("off its steps of", lambda: forecaster().fit(series(index)))
    refused("off its steps of", lambda: forecaster().fit(series(pd.to_datetime(index * (10**9 // scale)))))


def test_the_advice_for_numbers_that_jitter_makes_them_even():
    index = 300 * np.arange(64) + np.random.default_rng(0).integers(-5, 6, 64)
    y = series(index)
    assert forecaster().fit(y.groupby((y.index / 300).round().astype(int)).mean()).predict().index[0] == 64


@pytest.mark.filterwarnings("ignore:horizon is")  # of series of a few steps
@pytest.mark.parametrize(
    ("index", "following"),
    [
        (np.delete(np.arange(30), [3, 4, 9]), 30),
        (np.arange(30)[::-1], 30),
        (pd.Index(range(30), dtype="Int64"), 30),
        (np.array([-100, 0, 100], np.int8), 200),
        (np.arange(30, dtype=np.uint64), 30),
        (1_700_000_000_000 + 300_000 * np.arange(30), 1_700_009_000_000),
    ],
)
def test_even_numbers_go_on(index, following):
    assert forecaster().fit(series(index)).predict().index[0] == following


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ([0, 1, 10**9], "3 rows from 0 to 1000000000, about 1,000,000,000 steps of 1"),
        ([0, 1, 10**18], "about 1,000,000,000,000,000,000 steps"),
        (np.array([2**63, 2**63 + 1], np.uint64), "need numbers up to"),
        (pd.DatetimeIndex(["2020-01-01 00:00", "2020-01-01 00:01", "2020-01-01 00:02", "2024-01-01"]), "steps of min"),
        (pd.DatetimeIndex([0, 1, 2, 10**18]), "steps of ns"),
        (pd.PeriodIndex(["2020-01-01", "2020-01-02", "9000-01-01"], freq="D"), "steps of D"),
        (pd.PeriodIndex(["2000-01", "2000-03", "2000-06", "2000-08"], freq="2M"), "2000-06, which is off its steps"),
    ],
)
def test_a_grid_far_longer_than_the_rows_is_refused_before_it_is_made(index, message):
    refused(message, lambda: forecaster().fit(series(pd.Index(index))))


@pytest.mark.filterwarnings("ignore:horizon is")  # of series of a few steps
@pytest.mark.parametrize(
    ("fitted", "far"),
    [
        (series(range(60)), 10**12),
        (Y, pd.Timestamp("9999-01-01")),
        (Y.to_period(), pd.Period("9999-01-01 00:00", "h")),
        (series(pd.date_range("2000-01-15", periods=5, freq="MS")), pd.Timestamp("9999-01-01")),
    ],
)
def test_a_new_row_far_away_is_refused_at_once(fitted, far):
    model = forecaster().fit(fitted)
    refused(
        "steps after .*, the last one known; need steps closer", lambda: model.update(pd.Series([1.0], pd.Index([far])))
    )


def test_new_rows_in_another_zone_are_the_same_instants():
    X = pd.DataFrame({"a": VALUES}, DATES.tz_localize("UTC").tz_convert("Europe/Berlin"))
    utc, tokyo = X.tz_convert("UTC"), X.tz_convert("Asia/Tokyo")
    plain = forecaster().fit(ZONED[:50], X).update(ZONED[50:], X).predict(X)
    mixed = forecaster().fit(ZONED[:50], tokyo).update(ZONED[50:].tz_convert("UTC"), utc).predict(tokyo)
    pd.testing.assert_series_equal(plain, mixed)
    assert str(mixed.index.tz) == "Europe/Berlin"


@pytest.mark.parametrize(
    ("fitted", "new", "message"),
    [
        (ZONED, series(DATES[60:62]), "without a zone; need those of Europe/Berlin.*tz_localize"),
        (Y, series(DATES[60:62].tz_localize("UTC")), "zone UTC; need dates without a zone"),
        (Y, series(DATES[60:62].to_period()), "index of periods; need dates"),
        (Y, series([60, 61]), "index of whole numbers; need dates"),
        (Y.to_period(), series(DATES[60:62]), "index of dates; need periods"),
        (Y.to_period(), series(pd.period_range("2030Q1", periods=2, freq="Q")), "periods of 'Q-DEC'; need 'h'"),
        (series(range(60)), series(DATES[60:62]), "index of dates; need whole numbers"),
        (Y, series(pd.DatetimeIndex([DATES[60], pd.NaT])), "without a time stamp"),
        (Y, series(DATES[[60, 60]]), "12:00:00 twice"),
        (Y, series(DATES[60:62] + pd.Timedelta("1min")), "off the steps of 'h'"),
        (Y, series(pd.MultiIndex.from_product([["a"], DATES[60:62]])), "2 levels"),
    ],
)
def test_new_rows_of_another_kind_are_refused(fitted, new, message):
    refused(message, lambda: forecaster().fit(fitted).update(new))


def test_the_unit_of_the_dates_does_not_matter():
    model = forecaster().fit(Y)
    assert model.update(series(DATES[60:62].as_unit("ns"))).predict().index[0] == DATES[62]
