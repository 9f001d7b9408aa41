"""Very large and very small numbers: an answer in the same proportion, or an error that says what to do."""

import numpy as np
import pandas as pd
import pytest

import gatewise as gw

SMALL = {"hidden_size": 4, "max_iter": 2, "n_networks": 1, "random_state": 0}
X = np.random.default_rng(0).normal(size=(30, 6, 2))
Y = X.mean((1, 2))
pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("unit", [2.0**-1000, 2.0**-660, 2.0**-30, 2.0**300])
@pytest.mark.parametrize("shape", ["one", "several", "steps"])
def test_predictions_have_the_unit_of_y(unit, shape):
    y = {"one": Y, "several": np.stack([Y, 1 - Y], 1), "steps": X[:, :, 0]}[shape]
    options = {**SMALL, "output": "all" if shape == "steps" else "last"}
    one, other = (gw.RecurrentRegressor(**options).fit(X, y * u) for u in (1.0, unit))
    np.testing.assert_array_equal(one.predict(X) * unit, other.predict(X))
    assert one.score(X, y) == other.score(X, y * unit)


@pytest.mark.parametrize("value", [1e200, -1e308])
@pytest.mark.parametrize("output", ["last", "all"])
def test_a_target_beyond_1e100_is_refused(value, output):
    y = X[:, :, 0].copy() if output == "all" else Y.copy()
    y[4] = value
    with pytest.raises(gw.GatewiseError, match=r"y holds .*e\+\d+ in row \d+; need numbers up to 1e\+100: change the"):
        gw.RecurrentRegressor(output=output, **SMALL).fit(X, y)


@pytest.mark.parametrize("value", [0.0, 1e-200, -3.0, 1e90])
@pytest.mark.parametrize("output", ["last", "all"])
def test_a_constant_is_predicted_to_its_own_scale(value, output):
    y = np.full((30, 6) if output == "all" else 30, value)
    found = (
        gw.RecurrentRegressor(output=output, **SMALL).fit([*X[:-1], X[-1, :4]], [*y[:-1], y[-1, ..., :4]])
        if output == "all"
        else gw.RecurrentRegressor(**SMALL).fit(X, y)
    )
    assert np.abs(np.concatenate([np.ravel(row) for row in found.predict(X)]) - value).max() <= max(
        1.0, abs(value) / 1e9
    )
    if 0 < value < 1:
        assert np.abs(np.ravel(found.predict(X)) / value - 1).max() < 1


def test_a_later_target_out_of_all_proportion_is_refused():
    model = gw.RecurrentRegressor(**SMALL).partial_fit(X, Y)
    with pytest.raises(gw.GatewiseError, match="out of all proportion to the first fit"):
        model.partial_fit(X, Y * 1e60)


@pytest.mark.parametrize("unit", [1e-300, 1e-200, 1e20, 1e300, 1e307])
@pytest.mark.parametrize("kind", [gw.RecurrentClassifier, gw.RecurrentRegressor])
def test_inputs_of_any_size_give_finite_answers(unit, kind):
    model = kind(**SMALL).fit(X * unit, Y > 0)
    answers = model.predict_proba if kind is gw.RecurrentClassifier else model.predict
    assert np.isfinite(answers(X * unit)).all()
    assert np.isfinite(answers(np.full((2, 6, 2), 1.7e308))).all()


def test_inputs_whose_differences_overflow_are_refused():
    with pytest.raises(gw.GatewiseError, match=r"beyond 1\.8e308; need a larger unit"):
        gw.RecurrentClassifier(**SMALL).fit(np.where(X > 0, 1.7e308, -1.7e308), Y > 0)


def test_float32_inputs_at_the_end_of_their_range():
    wide = (X * 8e37).astype(np.float32)
    assert np.isfinite(gw.RecurrentClassifier(**SMALL).fit(wide, Y > 0).predict_proba(wide)).all()


SERIES = pd.Series(np.sin(np.arange(60) / 3) + 0.1 * np.random.default_rng(1).normal(size=60))
DRIVERS = pd.DataFrame(np.random.default_rng(2).normal(size=(64, 2)), columns=["a", "b"])


def forecast(y, X=None, static=None):
    forecaster = gw.RecurrentForecaster(4, context=6, past_covariates=["b"] if X is not None else (), **SMALL)
    return forecaster.fit(y, X, static).predict(None if X is None else X[60:])


@pytest.mark.parametrize("unit", [2.0**-1000, 2.0**-660, 2.0**-60, 2.0**300])
def test_a_forecast_has_the_unit_of_the_series(unit):
    np.testing.assert_allclose(forecast(SERIES * unit) / unit, forecast(SERIES), rtol=1e-6)


@pytest.mark.parametrize("unit", [2.0**-1000, 2.0**-660, 2.0**-60, 2.0**300])
def test_the_unit_of_covariates_and_of_numbers_of_series_does_not_matter(unit):
    pd.testing.assert_series_equal(forecast(SERIES, DRIVERS), forecast(SERIES, DRIVERS * unit))
    both, static = pd.DataFrame({"p": SERIES, "q": SERIES[::-1].to_numpy()}), np.array([[1.0], [3.0]])
    pd.testing.assert_frame_equal(forecast(both, static=static), forecast(both, static=static * unit))


@pytest.mark.parametrize(
    ("what", "arguments"),
    [
        ("y is beyond", (SERIES * 1e200,)),
        ("column 'a' is beyond", (SERIES, DRIVERS * 1e200)),
        ("static column 0 is 1e", (pd.DataFrame({"p": SERIES, "q": SERIES}), None, [[1e200], [1.0]])),
    ],
)
def test_a_forecaster_refuses_what_is_beyond_1e100(what, arguments):
    with pytest.raises(gw.GatewiseError, match=f"{what}.*change the unit"):
        forecast(*arguments)
