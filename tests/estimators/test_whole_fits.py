"""A fit that fails or is interrupted, at any moment, leaves an estimator as it was: unfitted, or fitted as before."""

import inspect
import sys

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError

import gatewise as gw
from gatewise.estimators.steps import to_parts

rng = np.random.default_rng(0)
X, y = rng.normal(size=(24, 5, 2)), np.arange(24) % 2
X2, y2 = rng.normal(size=(30, 6, 2)) + 1, np.arange(30) % 2
SERIES, SERIES2 = (np.sin(np.arange(n) / 3) + 0.1 * rng.normal(size=n) for n in (60, 80))
OPTIONS = {"hidden_size": 3, "max_iter": 1, "random_state": 0}
RECURRENT = {
    "ridge_share": 0,
    "n_networks": 2,
    "early_stopping": True,
    "n_iter_no_change": 2,
    "validation_fraction": 0.2,
}
MODELS = {
    "classifier": (lambda: gw.RecurrentClassifier(**OPTIONS, **RECURRENT), (X, y), (X2, y2)),
    "regressor": (lambda: gw.RecurrentRegressor(**OPTIONS, **RECURRENT), (X, X[:, 0, 0]), (X2, y2 + 0.5)),
    "forecaster": (lambda: gw.RecurrentForecaster(2, context=4, **OPTIONS), (SERIES,), (SERIES2,)),
    "scaler": (gw.SequenceScaler, (X,), (X2,)),
}
WAYS = {
    "fit": lambda model, data: model.fit(*data),
    "partial_fit": lambda model, data: model.partial_fit(*data),
    "warm_start": lambda model, data: model.set_params(warm_start=True).fit(*data),
}


class Interrupted:
    """Counts the functions of gatewise that are called and, at a given one, does what Ctrl-C does."""

    def __init__(self, at=None):
        self.at, self.calls = at, 0

    def __enter__(self):
        sys.setprofile(self._called)
        return self

    def __exit__(self, *_):
        sys.setprofile(None)

    def _called(self, frame, event, _):
        code = frame.f_code  # what is raised in a generator that is thrown away is lost
        if event == "call" and "gatewise" in code.co_filename and not code.co_flags & inspect.CO_GENERATOR:
            self.calls += 1
            if self.calls == self.at:
                raise KeyboardInterrupt


def same(one, other):
    """Whether two estimators are saved as the same numbers."""
    (described, arrays), (described2, arrays2) = to_parts(one), to_parts(other)
    assert list(arrays) == list(arrays2)
    return repr(described) == repr(described2) and all(
        a.tobytes() == arrays2[name].tobytes() for name, a in arrays.items()
    )


def moments(prepare, work):
    """Some calls of a piece of work, from almost the first to almost the last: their number varies a little."""
    work(prepare())  # what is done once in a process is no part of it
    model = prepare()
    with Interrupted() as counted:
        work(model)
    assert counted.calls > 6
    some = np.random.default_rng(0).integers(1, counted.calls - 5, 8).tolist()
    return sorted({2, *some, max(2, counted.calls - 5)})


@pytest.mark.parametrize("name", MODELS)
def test_an_interrupted_first_fit_leaves_an_unfitted_estimator(name):
    make, data, _ = MODELS[name]
    for moment in moments(make, lambda model: model.fit(*data)):
        model = make()
        before = dict(vars(model))
        with pytest.raises(KeyboardInterrupt), Interrupted(moment):
            model.fit(*data)
        assert vars(model) == before
        with pytest.raises(gw.GatewiseError, match="not fitted"):
            to_parts(model)
        if hasattr(model, "predict"):
            with pytest.raises(NotFittedError):
                model.predict(*data[:1]) if name != "forecaster" else model.predict()
    assert same(model.fit(*data), make().fit(*data))


@pytest.mark.parametrize(
    ("name", "way"),
    [
        *((name, "fit") for name in MODELS),
        *((name, way) for name in ("classifier", "regressor") for way in ("partial_fit", "warm_start")),
    ],
)
def test_an_interrupted_later_fit_leaves_the_fit_before(name, way):
    make, data, later = MODELS[name]
    fitted, model = make().fit(*data), make().fit(*data)
    if way == "partial_fit":
        fitted, model = fitted.partial_fit(*data), model.partial_fit(*data)  # with an optimizer's memory
    for moment in moments(lambda: make().fit(*data), lambda model: WAYS[way](model, later)):
        with pytest.raises(KeyboardInterrupt), Interrupted(moment):
            WAYS[way](model, later)
        fitted.set_params(**model.get_params(deep=False))
        assert same(model, fitted)
    assert same(WAYS[way](model, later), WAYS[way](fitted, later))


def test_a_callback_that_raises_leaves_the_fit_before():
    model = gw.RecurrentForecaster(2, context=4, **OPTIONS).fit(SERIES)
    before = dict(vars(model))

    def fails(record, network):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        model.fit(SERIES2, callbacks=[fails])
    assert vars(model) == before


def test_a_forecaster_that_is_fitted_without_columns_forgets_their_names():
    import pandas as pd

    columns = pd.DataFrame({"holiday": np.arange(62) % 7 == 0}, dtype=float)
    model = gw.RecurrentForecaster(2, context=4, **OPTIONS).fit(pd.Series(SERIES), columns)
    assert list(model.feature_names_in_) == ["holiday"]
    assert not hasattr(model.fit(SERIES), "feature_names_in_")


def test_a_later_fit_replaces_the_networks_and_leaves_the_old_ones_alone():
    model = gw.RecurrentClassifier(**OPTIONS, **RECURRENT).fit(X, y)
    networks = model.model_
    weights = {name: value.copy() for name, value in networks.params.items()}
    model.partial_fit(X2, y2)
    assert all(np.array_equal(networks.params[name], value) for name, value in weights.items())
    assert any(not np.array_equal(model.model_.params[name], value) for name, value in weights.items())
