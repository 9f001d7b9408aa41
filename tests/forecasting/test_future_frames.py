"""Covariates as frames: matched by name and by date, refused where a match is not certain."""

import numpy as np
import pandas as pd
import pytest

import gatewise as gw

SMALL = {"hidden_size": 4, "max_iter": 2, "n_networks": 1, "context": 4, "random_state": 0}
DATES = pd.date_range("2024-01-01", periods=63, freq="D")
Y = pd.Series(np.sin(np.arange(60)), DATES[:60])
X = pd.DataFrame(np.random.default_rng(0).normal(size=(63, 2)), DATES, ["a", "b"])
AHEAD = X[60:]
FITTED = gw.RecurrentForecaster(3, **SMALL).fit(Y, X)
BASE = FITTED.predict(AHEAD)


def fit(y, x):
    return gw.RecurrentForecaster(3, **SMALL).fit(y, x)


@pytest.mark.parametrize(
    "same",
    [
        AHEAD[::-1],
        AHEAD[["b", "a"]],
        AHEAD.assign(c="text"),
        X,
        AHEAD.astype("Float64"),
        AHEAD.set_axis(AHEAD.index.as_unit("s")),
        AHEAD.to_numpy(),
    ],
)
def test_order_extra_columns_and_units_do_not_matter(same):
    pd.testing.assert_series_equal(FITTED.predict(same), BASE)


def test_a_gap_of_an_extension_dtype_is_a_gap():
    whole = AHEAD.round()
    gaps = whole.mask(np.eye(3, 2, dtype=bool))
    pd.testing.assert_series_equal(FITTED.predict(gaps.astype("Int64")), FITTED.predict(gaps))
    yes = AHEAD > 0
    pd.testing.assert_series_equal(FITTED.predict(yes.astype("boolean")), FITTED.predict(yes.astype(float)))


class Frame:
    """What frames of other libraries have."""

    columns = ("a", "b")

    def __array__(self, *_, **__):
        return np.zeros((3, 2))


LEVELS = pd.MultiIndex.from_tuples([("x", "a"), ("x", "b")])
BAD = {
    "a date twice": (pd.concat([AHEAD, AHEAD[1:2]]), "2024-03-02 00:00:00 twice in its rows"),
    "a column twice": (pd.concat([AHEAD, AHEAD], axis=1), "a twice in its columns"),
    "names alike": (AHEAD.set_axis([0, "0"], axis=1), "columns 0 and '0'; need names that differ"),
    "levels of rows": (AHEAD.set_axis(pd.MultiIndex.from_product([["s"], AHEAD.index])), "rows of 2 levels"),
    "levels of columns": (AHEAD.set_axis(LEVELS, axis=1), "columns of 2 levels"),
    "a date less": (AHEAD.iloc[[0, 2]], "lacks 2024-03-02 00:00:00; need the 3 steps"),
    "no rows": (AHEAD[:0], "lacks 2024-03-01"),
    "a column less": (AHEAD[["a"]], "lacks b"),
    "a zone": (AHEAD.tz_localize("UTC"), "zone UTC; need dates without a zone"),
    "periods": (AHEAD.to_period("D"), "index of periods; need dates"),
    "numbers": (AHEAD.reset_index(drop=True), "index of whole numbers; need dates"),
    "text as index": (AHEAD.set_axis(AHEAD.index.astype(str)), "index of str.*to_datetime"),
    "no time": (AHEAD.set_axis(pd.DatetimeIndex([*DATES[60:62], pd.NaT])), "row without a time stamp"),
    "objects": (AHEAD.astype(object), "column 'a' has dtype object; need numbers: use pd.to_numeric"),
    "text": (AHEAD.astype(str), "column 'a' has dtype str; need numbers"),
    "categories": (AHEAD.round().astype("category"), "dtype category; need numbers.*get_dummies"),
    "dates as values": (AHEAD.assign(a=AHEAD.index), "dtype datetime64.*need numbers"),
    "infinity": (AHEAD * np.inf, "infinite at 2024-03-01"),
    "another library": (Frame(), "a frame of .*; need one of pandas.*to_pandas"),
    "too short": (AHEAD.to_numpy()[:2], "shape .2, 2.; need .3, 2."),
}


@pytest.mark.parametrize("case", BAD)
def test_a_frame_that_does_not_match_is_refused(case):
    frame, message = BAD[case]
    with pytest.raises(gw.GatewiseError, match=message):
        FITTED.predict(frame)


TIMES = ["a date twice", "a column twice", "names alike", "levels of rows", "levels of columns", "a zone", "periods"]


@pytest.mark.parametrize("case", [*TIMES, "objects", "infinity", "another library", "no time"])
def test_it_is_refused_in_fit_and_update_too(case):
    frame, _ = BAD[case]
    with pytest.raises(gw.GatewiseError, match="X of y"):
        fit(Y[-3:].set_axis(DATES[60:]), frame)
    with pytest.raises(gw.GatewiseError, match="X_new of y_new"):
        gw.RecurrentForecaster(3, **SMALL).fit(Y, X).update(Y[-3:].set_axis(DATES[60:]), frame)


def test_columns_with_names_alike_are_not_one_column():
    with pytest.raises(gw.GatewiseError, match="columns 1 and '1'"):
        fit(Y, X.set_axis([1, "1"], axis=1))


def test_covariates_in_any_order_of_rows_are_the_same():
    pd.testing.assert_series_equal(fit(Y, X[::-1]).predict(AHEAD), BASE)


@pytest.mark.parametrize("dtype", [object, str, "string", "category"])
def test_a_series_that_holds_no_numbers_is_refused(dtype):
    with pytest.raises(gw.GatewiseError, match=r"y has dtype .*; need numbers: use pd\.to_numeric"):
        fit(Y.round(1).astype(dtype), None)


def test_a_series_with_gaps_of_an_extension_dtype_is_one_with_nan():
    y = (10 * Y).round().mask(Y > 0.9)
    pd.testing.assert_series_equal(fit(y.astype("Int64"), None).predict(), fit(y, None).predict())


def test_frames_of_series_need_names_that_differ():
    with pytest.raises(gw.GatewiseError, match="two columns 'p'"):
        fit(pd.concat([Y, Y], axis=1).set_axis(["p", "p"], axis=1), None)
    with pytest.raises(gw.GatewiseError, match="y has no columns"):
        fit(pd.DataFrame(index=DATES), None)
