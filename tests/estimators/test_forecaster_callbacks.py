"""Callbacks of a forecaster's fit: functions as `gatewise.train` takes, and those of scikit-learn."""

import numpy as np
import pytest

import gatewise as gw

Y = np.sin(np.arange(160.0)) + 0.3 * np.random.default_rng(0).normal(size=160)
OPTIONS = {"max_iter": 3, "n_networks": 1, "hidden_size": 4, "season": 7, "random_state": 0}


def test_functions_hear_of_every_epoch():
    heard = []
    fitted = gw.RecurrentForecaster(3, **OPTIONS).fit(
        Y, callbacks=[lambda record, network: heard.append((record, network))]
    )
    assert len(heard) >= 3
    assert all({"loss"} <= set(record) for record, _ in heard)
    assert all(isinstance(network, gw.Sequential) for _, network in heard)
    np.testing.assert_array_equal(fitted.predict(), gw.RecurrentForecaster(3, **OPTIONS).fit(Y).predict())


def test_a_function_may_stop_a_network():
    heard = []

    def stop(record, network):
        heard.append(network)
        return True

    gw.RecurrentForecaster(3, **OPTIONS).fit(Y, callbacks=[stop])
    assert len(heard) == len({id(network) for network in heard}) > 0


def test_what_is_no_function_is_refused():
    with pytest.raises(gw.GatewiseError, match="callbacks is"):
        gw.RecurrentForecaster(3, **OPTIONS).fit(Y, callbacks=["loss"])


def test_listeners_of_scikit_learn_hear_too():
    pytest.importorskip("sklearn.callback", reason="this scikit-learn has no callbacks")
    heard = []

    class Listener:
        def setup(self, estimator, context):
            heard.append("setup")

        def teardown(self, estimator, context):
            heard.append("teardown")

        def on_fit_task_begin(self, estimator, context):
            heard.append(f"begin {context.task_name}")

        def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
            heard.append(f"end {context.task_name}")
            return heard.count("end epoch") == 2

    gw.RecurrentForecaster(3, **OPTIONS).set_callbacks(Listener()).fit(Y)
    assert heard[:2] == ["setup", "begin fit"]
    assert heard[-2:] == ["end fit", "teardown"]
    assert heard.count("begin epoch") == heard.count("end epoch") >= 2
