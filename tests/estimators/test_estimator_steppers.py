"""Fitted estimators step by step: what `predict` gives on each prefix, and `update` and `predict` at each value."""

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import NotFittedError

import gatewise as gw

QUICK = {"hidden_size": 4, "max_iter": 2, "random_state": 0, "n_networks": 2}
CASES = {
    "as it comes": {},
    "no segments": {"segments": 0},
    "every step": {"output": "all"},
    "both directions": {"bidirectional": True, "segments": 2},
}
cases = pytest.mark.parametrize("options", CASES.values(), ids=CASES)


def sequences(gaps=False, n=12, time=9, channels=2):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, time, channels)).cumsum(axis=1)
    if gaps:
        X[rng.random(X.shape) < 0.2] = np.nan
    return list(X)


def fitted(kind, options, gaps=False, targets=1):
    X = sequences(gaps)
    total = np.array([np.nan_to_num(x) for x in X]).sum(axis=2)
    y = total if options.get("output") == "all" else total[:, -1]
    if kind is gw.RecurrentClassifier:
        y = np.where(y > 0, "up", "down")
    elif targets > 1:
        y = np.stack([y, -2 * y], axis=-1)
    return kind(**QUICK | options).fit(X, list(y) if options.get("output") == "all" else y), X


def last(predicted, options):
    return predicted[0][-1] if options.get("output") == "all" else predicted[0]


@cases
@pytest.mark.parametrize("gaps", [False, True], ids=["whole", "gaps"])
def test_a_classifier_gives_what_it_predicts_on_each_prefix(options, gaps):
    model, X = fitted(gw.RecurrentClassifier, options, gaps)
    stepper = model.stepper()
    for t, x_t in enumerate(X[0]):
        label = stepper.step(x_t)
        prefix = [X[0][: t + 1]]
        assert label == last(model.predict(prefix), options)
        np.testing.assert_allclose(stepper.predict_proba(), last(model.predict_proba(prefix), options), atol=1e-5)


@cases
@pytest.mark.parametrize("targets", [1, 2])
def test_a_regressor_gives_what_it_predicts_on_each_prefix_of_each_row(options, targets):
    model, X = fitted(gw.RecurrentRegressor, options, targets=targets)
    stepper = model.stepper(3)
    block = stepper.copy().process(np.stack(X[:3]))
    for t in range(len(X[0])):
        got = stepper.step(np.stack([x[t] for x in X[:3]]))
        expected = model.predict([x[: t + 1] for x in X[:3]])
        expected = [part[-1] for part in expected] if options.get("output") == "all" else expected
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(block[:, t], got, rtol=1e-6)


@cases
def test_states_of_estimators_are_saved_copied_and_reset(options):
    model, X = fitted(gw.RecurrentRegressor, options, gaps=True)
    rows = np.stack(X[:3])
    stepper, other = model.stepper(3), model.stepper(3)
    stepper.process(rows[:, :5])
    other.load_state_dict(stepper.state_dict())
    twin = stepper.copy()
    expected = stepper.process(rows[:, 5:])
    np.testing.assert_array_equal(other.process(rows[:, 5:]), expected)
    np.testing.assert_array_equal(twin.process(rows[:, 5:]), expected)
    stepper.reset([1])
    got, fresh = stepper.step(rows[:, 0]), model.stepper(3).step(rows[:, 0])
    assert np.isclose(got, fresh, rtol=1e-5).tolist() == [False, True, False]
    with pytest.raises(gw.GatewiseError, match="rows"):
        stepper.reset(3)
    with pytest.raises(gw.GatewiseError, match="lacks"):
        other.load_state_dict({})
    before = other.state_dict()
    with pytest.raises(gw.GatewiseError, match="steps"):
        other.load_state_dict(before | {"inputs.steps": np.zeros(2, np.int64)})
    assert all(np.array_equal(value, before[name]) for name, value in other.state_dict().items())


@pytest.mark.parametrize("x", [[1.0], [1.0, np.inf], ["a", "b"], [[1.0, 2.0]], 3.0])
def test_a_step_that_an_estimator_cannot_take_changes_nothing(x):
    model, X = fitted(gw.RecurrentClassifier, {})
    stepper = model.stepper()
    stepper.step(X[0][0])
    before = stepper.state_dict()
    with pytest.raises(gw.GatewiseError, match="x"):
        stepper.step(x)
    assert all(np.array_equal(value, before[name]) for name, value in stepper.state_dict().items())


def test_an_estimator_that_was_fitted_again_asks_for_a_new_stepper():
    model, X = fitted(gw.RecurrentRegressor, {})
    stepper = model.stepper()
    with pytest.raises(gw.GatewiseError, match="at least one step"):
        stepper.predict_proba() if hasattr(model, "classes_") else stepper._answer()
    with pytest.raises(gw.GatewiseError, match="no classes"):
        stepper.predict_proba()
    model.fit(X, np.arange(len(X)))
    with pytest.raises(gw.GatewiseError, match="fitted again"):
        stepper.step(X[0][0])
    with pytest.raises(NotFittedError):
        gw.RecurrentRegressor().stepper()
    with pytest.raises(gw.GatewiseError, match="batch"):
        model.stepper(0)


def series(count, n=90):
    index = pd.date_range("2024-01-01", periods=n, freq="D")
    wave = 10 + np.sin(np.arange(n) * 2 * np.pi / 7)
    noise = np.random.default_rng(0).normal(0, 0.1, (n, count))
    return pd.DataFrame(wave[:, None] + noise, index, [f"s{k}" for k in range(count)])


FORMS = {
    "series": lambda frame: frame["s0"],
    "frame": lambda frame: frame,
    "list": lambda frame: [frame[name] for name in frame],
    "array": lambda frame: frame["s0"].to_numpy(),
    "arrays": lambda frame: frame.to_numpy(),
}
FORECASTER = {"season": 7, "max_updates": 5, "n_networks": 1, "hidden_size": 4, "random_state": 0}


def of_all(forecast):
    """A forecast in any container as an array, (horizon,) or (horizon, series)."""
    return np.stack(forecast, axis=1) if isinstance(forecast, list) else np.asarray(forecast)


@pytest.mark.parametrize("form", FORMS)
def test_a_forecaster_gives_what_update_and_predict_give(form):
    frame = series(2)
    y = FORMS[form](frame.iloc[:80])
    forecaster = gw.RecurrentForecaster(3, **FORECASTER).fit(y)
    untouched = of_all(forecaster.predict())
    stepper = forecaster.stepper()
    for t in range(80, 86):
        row = FORMS[form](frame.iloc[t : t + 1])
        values = frame.iloc[t].to_numpy()
        got = stepper.step(values if form in ("frame", "list", "arrays") else values[0])
        np.testing.assert_array_equal(of_all(forecaster.predict()), untouched)
        updated = forecaster.update(row)
        untouched = of_all(updated.predict())
        np.testing.assert_allclose(got, untouched, rtol=1e-12)
    quantiles = stepper.predict_quantiles()
    assert quantiles.shape == (*got.shape, 3)
    np.testing.assert_allclose(quantiles[..., 1], got)


def test_what_a_forecaster_keeps_does_not_grow():
    frame = series(2, 260)
    stepper = gw.RecurrentForecaster(3, **FORECASTER).fit(frame).stepper()
    memory = stepper.forecaster._state.fitted.plan.memory
    assert memory < len(frame)
    sizes = {name: value.shape for name, value in stepper.state_dict().items()}
    for t in range(5):
        stepper.update(frame.iloc[t].to_numpy())
        assert {name: value.shape for name, value in stepper.state_dict().items()} == sizes
    assert sizes["y"] == (2 * memory + 1,)


def test_a_forecaster_takes_covariates_and_gaps_and_goes_on_from_a_saved_state():
    frame = series(1, 120)
    X = pd.DataFrame({"ahead": np.arange(120.0) % 3, "past": np.arange(120.0) % 5}, frame.index)
    forecaster = gw.RecurrentForecaster(2, past_covariates=["past"], **FORECASTER).fit(frame["s0"][:80], X[:80])
    stepper = forecaster.stepper()
    for t in range(80, 95):
        value = np.nan if t == 90 else frame["s0"].iloc[t]
        ahead = X[["ahead"]].iloc[t + 1 : t + 3]
        got = stepper.step(value, X.iloc[t].to_numpy(), ahead.to_numpy())
        row = frame["s0"][t : t + 1] if t != 90 else pd.Series([np.nan], frame.index[t : t + 1])
        np.testing.assert_allclose(got, forecaster.update(row, X[t : t + 1]).predict(ahead), rtol=1e-12)
    saved = stepper.state_dict()
    other = gw.RecurrentForecaster(2, past_covariates=["past"], **FORECASTER).fit(frame["s0"][:80], X[:80]).stepper()
    other.load_state_dict(saved)
    next_step = (frame["s0"].iloc[95], X.iloc[95].to_numpy(), X[["ahead"]].iloc[96:98].to_numpy())
    twin, expected = stepper.copy(), stepper.step(*next_step)
    np.testing.assert_array_equal(other.step(*next_step), expected)
    np.testing.assert_array_equal(twin.step(*next_step), expected)
    stepper.reset()
    assert int(stepper.state_dict()["steps"]) == 0


def test_states_of_smoothing_are_saved_too():
    months = pd.period_range("2000-01", periods=150, freq="M")
    wave = 20 + 0.05 * np.arange(150) + 3 * np.sin(np.arange(150) * np.pi / 6)
    y = pd.Series(wave + np.random.default_rng(0).normal(0, 0.3, 150), months)
    forecaster = gw.RecurrentForecaster(6, max_updates=5, n_networks=1, hidden_size=4, random_state=0).fit(y[:60])
    assert forecaster._state.fitted.combination.methods.smoothed
    stepper, other = forecaster.stepper(), forecaster.stepper()
    for value in y[60:148]:
        stepper.update(value)
    assert int(stepper._twin._state.panel.stop[0]) < 148
    saved = stepper.state_dict()
    other.load_state_dict(saved)
    expected = stepper.step(y.iloc[148])
    np.testing.assert_array_equal(other.step(y.iloc[148]), expected)
    np.testing.assert_allclose(expected, forecaster.update(y[60:149]).predict(), rtol=1e-9)
    with pytest.raises(gw.GatewiseError, match="smoothed0"):
        other.load_state_dict(saved | {"smoothed0.level": np.zeros(3)})


def test_a_forecaster_takes_blocks_and_text_and_has_a_state():
    y = series(1, 100)["s0"]
    X = pd.DataFrame({"sky": np.where(np.arange(100) % 3 == 0, "clear", "cloudy")}, y.index)
    forecaster = gw.RecurrentForecaster(2, **FORECASTER).fit(y[:80], X[:80])
    stepper = forecaster.stepper()
    begin = stepper.state
    rows = [X.iloc[[t]].reset_index(drop=True) for t in range(80, 83)]
    ahead = [X.iloc[t + 1 : t + 3] for t in range(80, 83)]
    block = stepper.process(y.to_numpy()[80:83], rows, ahead)
    stepper.state = begin
    for t in range(3):
        one = stepper.step(y.iloc[80 + t], rows[t], ahead[t])
        np.testing.assert_array_equal(one, forecaster.update(y[80 + t : 81 + t], X[80 + t : 81 + t]).predict(ahead[t]))
        np.testing.assert_array_equal(one, block[t])
    stepper.state = None
    assert all(np.array_equal(value, begin[name], equal_nan=True) for name, value in stepper.state.items())
    with pytest.raises(gw.GatewiseError, match=r"X has \[2\] rows"):
        stepper.step(1.0, X[:2], ahead[0])
    with pytest.raises(gw.GatewiseError, match="X has 2 step"):
        stepper.process(y[80:83], rows[:2])
    with pytest.raises(gw.GatewiseError, match="X_future"):
        stepper.process(y[80:83], rows, [*ahead[:2], ahead[2][:1]])
    assert int(stepper.state["steps"]) == 0


@pytest.mark.parametrize("y", [[1.0], [1.0, 2.0, 3.0], ["a", "b"], 1.0, [1.0, np.inf]])
def test_a_value_that_a_forecaster_cannot_take_changes_nothing(y):
    stepper = gw.RecurrentForecaster(3, **FORECASTER).fit(series(2)).stepper()
    before = stepper.state_dict()
    with pytest.raises(gw.GatewiseError):
        stepper.step(y)
    assert all(np.array_equal(value, before[name], equal_nan=True) for name, value in stepper.state_dict().items())
    with pytest.raises(gw.GatewiseError, match="cut y into series"):
        stepper.load_state_dict(before | {"stop": before["stop"] + 1})
