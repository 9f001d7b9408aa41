"""Small pages of every kind, with hostile text wherever a user's text can stand."""

import functools

import numpy as np
import pandas as pd

import gatewise as gw
from gatewise.pages import day_ahead_page

HOSTILE = '</script><img src=x onerror="window.hacked=1">\'@index{safe}$x{{7*7}}'
NAMES = ["truth", "model", "same_hour_last_week", "same_hour_yesterday"]
KINDS = ("layer", "classifier", "forecaster", "demo")


def a_layer(**options):
    x = np.random.default_rng(0).normal(size=(3, 20, 2)).astype(np.float32)
    layer = gw.LSTM(2, 6, bidirectional=True, rng=0)
    facts = {HOSTILE: HOSTILE}
    return gw.report(layer, x, lengths=[20, 12, 5], title=HOSTILE, facts=facts, compare="rnn", **options)


@functools.cache
def some_sequences():
    """Ragged frames with a hostile column, and a class for each that their first channel tells."""
    rng = np.random.default_rng(1)
    names = np.array([f"up {HOSTILE}", "down"])
    kinds = rng.integers(0, 2, 40)
    columns = ["a", HOSTILE, "c", "d"]
    rows = [pd.DataFrame(rng.normal(0, 1, (int(n), 4)), columns=columns) for n in rng.integers(5, 15, 40)]
    rows = [row.assign(a=row["a"] + 2 * kind) for row, kind in zip(rows, kinds, strict=True)]
    return rows, names[kinds]


@functools.cache
def a_fitted_classifier():
    rows, labels = some_sequences()
    return gw.RecurrentClassifier(hidden_size=6, max_iter=4, random_state=0).fit(rows, labels)


def a_classifier():
    return gw.report(a_fitted_classifier(), *some_sequences(), compare="rnn", title=HOSTILE)


@functools.cache
def some_series():
    """Two chaotic series: no straight line foretells them, a network does."""
    time = pd.date_range("2024-01-01", periods=300, freq="D")
    y = np.empty((300, 2))
    y[0] = 0.3, 0.6
    for t in range(1, 300):
        y[t] = 3.8 * y[t - 1] * (1 - y[t - 1])
    return pd.DataFrame(10 * y, time, columns=[HOSTILE, "plain"])


@functools.cache
def a_fitted_forecaster():
    from gatewise.estimators.forecaster import RecurrentForecaster

    options = {"context": 4, "hidden_size": 8, "max_updates": 80, "n_networks": 1, "calendar": False, "random_state": 0}
    return RecurrentForecaster(2, learning_rate_init=0.02, **options).fit(some_series())


def a_forecaster():
    return gw.report(a_fitted_forecaster(), some_series(), title=HOSTILE)


def a_forecast(hours=21 * 24, start="2018-07-01", seed=0):
    """Hourly traffic, and forecasts of it, each with more noise than the one before."""
    rng = np.random.default_rng(seed)
    time = pd.date_range(start, periods=hours, freq="h", name="time")
    truth = 3000 + 2000 * np.sin(np.arange(hours) * 2 * np.pi / 24)
    return pd.DataFrame({name: truth + rng.normal(0, 50.0 * k, hours) for k, name in enumerate(NAMES)}, time)


def a_demo():
    forecast = a_forecast(28 * 24, seed=3)
    forecast = forecast.assign(lower=forecast["model"] - 90, upper=forecast["model"] + 90)
    errors = {name: {"mae": 100.0 * k, "rmse": 150.0 * k} for k, name in enumerate(NAMES[1:], 1)}
    return day_ahead_page(
        title="Traffic",
        history=[{"epoch": k, "loss": 1 / k, "validation_loss": 1.2 / k} for k in range(1, 6)],
        forecast=forecast,
        metrics=errors | {"seconds": 1.0, "seed": 0, "coverage": 0.9},
        facts={"Data": HOSTILE},
        named_days={"2018-07-04": HOSTILE},
        model=gw.Sequential(gw.GRU(6, 8, rng=0), gw.Dense(8, 1, rng=1)),
        x=np.random.default_rng(4).normal(size=(3, 48, 6)).astype(np.float32),
        features=["volume", HOSTILE],
        days=[HOSTILE, "Jul 5"],
    )


@functools.cache
def a_page(kind):
    """One page of `kind`, made once in each process."""
    return {"layer": a_layer, "classifier": a_classifier, "forecaster": a_forecaster, "demo": a_demo}[kind]()
