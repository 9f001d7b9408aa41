"""Alarms: planted faults are found, and values that go on as before raise no more false ones than asked for."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr

import gatewise as gw
from gatewise.forecasting.alarms import Alarms
from gatewise.forecasting.anomalies import Watch, looked_back

FITTED, STEPS = 400, 1600


def clean(seed=0, steps=FITTED + STEPS):
    """Hours of a day's wave with errors that depend on one another."""
    rng, noise = np.random.default_rng(seed), np.zeros(steps)
    for t in range(1, steps):
        noise[t] = 0.5 * noise[t - 1] + rng.standard_t(5)
    index = pd.date_range("2024-01-01", periods=steps, freq="h")
    return pd.Series(np.round(50 + 10 * np.sin(np.arange(steps) * 2 * np.pi / 24) + noise, 2), index, name="level")


@pytest.fixture(scope="module")
def forecaster():
    options = {"season": 24, "context": 24, "max_updates": 5, "n_networks": 1, "hidden_size": 4, "random_state": 0}
    return gw.RecurrentForecaster(1, **options).fit(clean()[:FITTED])


@pytest.mark.parametrize("width", [0.5, 1.0, 2.0], ids=["too wide", "right", "too narrow"])
@pytest.mark.parametrize("rate", [0.02, 0.1])
def test_the_rate_holds_whatever_the_distribution_claims(rate, width):
    alarms, rng = Alarms(rate), np.random.default_rng(1)
    raised = [bool(alarms.take(ndtr(width * z), 1e-3, False).kind) for z in rng.normal(size=12_000)]
    assert 0.3 * rate < np.mean(raised[4000:]) < 1.25 * rate


def test_nothing_is_held_against_a_gap():
    alarms = Alarms(0.01)
    gap, value = alarms.take(np.nan, 1e-3, False), alarms.take(0.4, 1e-3, False)
    assert np.isnan(gap.p_value)
    assert not gap.kind
    assert 0 < value.p_value <= 1


def test_clean_values_raise_few_alarms(forecaster):
    found = forecaster.anomalies(clean()[FITTED:], rate=0.02)
    assert list(found) == ["value", "forecast", "score", "p_value", "alarm", "kind"]
    assert found["alarm"].mean() < 0.03
    assert (found["kind"] != "").equals(found["alarm"])
    assert (found["p_value"] <= 0.02).equals(found["alarm"])


@pytest.mark.parametrize(
    ("kind", "steps", "fault"),
    [
        ("spike", 1, lambda part: part + 25),
        ("spike", 1, lambda part: part - 25),
        ("shift", 48, lambda part: part + 6),
        ("stuck", 10, lambda part: np.repeat(part.iloc[:1], len(part))),
    ],
    ids=["spike up", "spike down", "shift", "stuck"],
)
def test_a_planted_fault_is_found(forecaster, kind, steps, fault):
    y = clean()[FITTED:]
    part = slice(1000, 1000 + steps)
    y.iloc[part] = np.asarray(fault(y.iloc[part]))
    found = forecaster.anomalies(y, rate=0.01)
    assert kind in set(found["kind"].iloc[part])


def test_pieces_give_what_the_whole_gives_and_the_forecaster_stays(forecaster):
    y = clean()[FITTED : FITTED + 200]
    y.iloc[[3, 90]] = np.nan
    before = forecaster.predict()
    whole = forecaster.anomalies(y)
    watch, parts = forecaster.watch(), []
    for piece in np.split(np.arange(200), [1, 2, 60, 150]):
        parts.append(watch.update(y.iloc[piece]))
        numbers, arrays = json.loads(json.dumps(watch.numbers())), watch.arrays()
        watch = Watch(watch.state).load(numbers, arrays)
    pd.testing.assert_frame_equal(pd.concat(parts), whole)
    pd.testing.assert_series_equal(forecaster.predict(), before)
    assert whole["p_value"].isna().sum() == 2


def test_several_series_and_arrays():
    frame = pd.DataFrame({"a": clean(1, 300), "b": clean(2, 300)})
    options = {"season": 24, "context": 24, "max_updates": 2, "n_networks": 1, "hidden_size": 4, "random_state": 0}
    forecaster = gw.RecurrentForecaster(2, **options).fit(frame[:250])
    new = frame[250:].copy()
    new.iloc[20, 1] += 40
    found = forecaster.anomalies(new)
    assert found.index.equals(new.index)
    assert found["b", "kind"].iloc[20] == "spike"
    assert found["a", "kind"].iloc[20] == ""
    array = gw.RecurrentForecaster(2, **options).fit(frame["b"].to_numpy()[:250])
    assert array.anomalies(new["b"].to_numpy())["kind"].iloc[20] == "spike"


def test_no_values_give_no_rows(forecaster):
    assert len(forecaster.anomalies(clean()[FITTED:FITTED])) == 0


def test_looking_back_is_looking_on_from_there():
    index = pd.date_range("2024-01-01", periods=300, freq="h")
    frame = pd.DataFrame({"a": clean(1, 300), "b": clean(2, 300)}).set_axis(index)
    X = pd.DataFrame({"drive": np.sin(np.arange(300.0)), "seen": np.cos(np.arange(300.0))}, index)
    options = {"season": 24, "context": 24, "max_updates": 2, "n_networks": 1, "hidden_size": 4, "random_state": 0}
    forecaster = gw.RecurrentForecaster(2, past_covariates=["seen"], **options).fit(frame[:200], X[:200])
    expected = forecaster.anomalies(frame[200:], X[200:])
    forecaster.update(frame[200:], X[200:])
    found = looked_back(forecaster._state, frame, X, most=100)
    for name, part in zip(frame, found, strict=True):
        assert part["alarm"].equals(expected[name, "alarm"])
        # Smoothing starts at the first row here, and how much the series usually changes is taken from more rows.
        np.testing.assert_allclose(part["forecast"], expected[name, "forecast"], rtol=1e-4)
        np.testing.assert_allclose(part["score"], expected[name, "score"], atol=0.01)
    assert looked_back(forecaster._state, frame[:250], X[:250]) == []
    assert looked_back(forecaster._state, frame) == []


@pytest.mark.parametrize("rate", [0, 0.6, True])
def test_a_rate_out_of_range_is_refused(forecaster, rate):
    with pytest.raises(gw.GatewiseError, match="rate is"):
        forecaster.anomalies(clean()[FITTED:], rate=rate)
