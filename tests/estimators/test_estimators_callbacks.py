"""scikit-learn's callbacks: they hear of every epoch, see the network as it is, and may stop the fit."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

import gatewise as gw

callback = pytest.importorskip("sklearn.callback", reason="this scikit-learn has no callbacks")

rng = np.random.default_rng(0)
X, y = rng.normal(size=(24, 5, 2)), np.arange(24) % 2
OPTIONS = {"ridge_share": 0, "hidden_size": 3, "max_iter": 4, "n_networks": 1, "random_state": 0}


class Listener:
    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.heard, self.scores = [], []

    def setup(self, estimator, context):
        self.heard.append("setup")

    def teardown(self, estimator, context):
        self.heard.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.heard.append(f"begin {context.task_name}")

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.heard.append(f"end {context.task_name}")
        self.scores.append(fitted_estimator.score(X, y))
        return self.heard.count("end epoch") == self.stop_after


@pytest.mark.parametrize("kind", [gw.RecurrentClassifier, gw.RecurrentRegressor])
def test_a_listener_hears_of_every_epoch(kind):
    listener = Listener()
    model = kind(**OPTIONS).set_callbacks(listener).fit(X, y)
    epochs = ["begin epoch", "end epoch"] * 4
    assert listener.heard == ["setup", "begin fit", *epochs, "end fit", "teardown"]
    assert listener.scores[-1] == model.score(X, y)
    if kind is gw.RecurrentRegressor:
        assert len(set(listener.scores[:4])) == 4  # each of another network
    assert np.array_equal(model.predict(X), kind(**OPTIONS).fit(X, y).predict(X))


def test_a_listener_may_stop_the_fit():
    listener = Listener(stop_after=2)
    model = gw.RecurrentClassifier(**OPTIONS).set_callbacks(listener).fit(X, y)
    assert model.n_iter_ == 2
    assert listener.heard[-3:] == ["end epoch", "end fit", "teardown"]


def test_an_epoch_that_is_not_run_is_ended():
    listener = Listener()
    options = OPTIONS | {"max_iter": 50, "early_stopping": True, "n_iter_no_change": 2, "tol": 10.0}
    model = gw.RecurrentClassifier(**options).set_callbacks(listener).fit(X, y)
    assert model.n_iter_ < 50
    assert listener.heard.count("begin epoch") == listener.heard.count("end epoch")
    assert listener.heard[-1] == "teardown"


def test_a_fit_that_fails_is_torn_down_and_works_again():
    listener = Listener()
    model = gw.RecurrentClassifier(**OPTIONS).set_callbacks(listener)
    with pytest.raises(gw.GatewiseError):
        model.fit(X, y[:3])
    model.fit(X, y)
    assert listener.heard.count("setup") == listener.heard.count("teardown") == 1
    assert cross_val_score(clone(model), X, y, cv=2).shape == (2,)
