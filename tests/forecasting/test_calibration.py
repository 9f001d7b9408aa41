"""What calibration makes of held-out errors: widths by step, by series and by recent changes, and bounds."""

import numpy as np
import pytest

import gatewise as gw
from gatewise.forecasting import calibration, dependence, held, volatility
from gatewise.forecasting.distribution import GRID
from gatewise.forecasting.panel import Panel
from gatewise.forecasting.plan import Plan, spread
from gatewise.forecasting.references import Reference
from gatewise.forecasting.windows import Windows

FAST = {"max_updates": 5, "n_networks": 1, "hidden_size": 4, "random_state": 0}
LOW, HIGH = GRID.index(0.1), GRID.index(0.9)


def windows_of(series, horizon, first=1):
    none = [np.zeros((len(one), 0)) for one in series]
    panel = Panel.of(series, none, none, np.zeros((len(series), 0)), np.zeros(len(series), int))
    noise = spread(panel, 1)
    plan = Plan(horizon, 1, 1, 1, (), Reference("naive"), 0, noise, noise)
    return Windows(panel, plan, panel.origins(panel.start + first, panel.stop))


def calibrated(series, horizon, first=1):
    windows = windows_of(series, horizon, first)
    return calibration.calibrate([windows], [windows.reference])[0]


def test_offsets_of_a_walk_are_those_of_normal_steps():
    """Of a walk of normal steps the noise is √(2/π), and the quantile 0.9 of step h lies 1.28 √h away."""
    rng = np.random.default_rng(0)
    found = calibrated([rng.normal(size=3000).cumsum()], 4).offsets * (2 / np.pi) ** 0.5
    np.testing.assert_allclose(found[:, HIGH], 1.2816 * np.arange(1, 5) ** 0.5, rtol=0.08)
    np.testing.assert_allclose(found[:, LOW], -1.2816 * np.arange(1, 5) ** 0.5, rtol=0.08)
    assert not found[:, GRID.index(0.5)].any()


def test_a_bound_lies_on_each_side_of_the_median():
    """Errors of one sign, of a series that rises at every step: both bounds are off the median, and levels in order."""
    found = calibrated([np.arange(40.0) + 0.1 * np.random.default_rng(0).random(40)], 3).offsets
    assert (found[:, LOW] < 0).all()
    assert (found[:, HIGH] > 0).all()
    assert (np.diff(found, axis=1) > 0).all()


def test_widths_grow_smoothly_where_errors_are_few():
    rng = np.random.default_rng(1)
    few = calibrated([rng.normal(size=24).cumsum()], 8).offsets[:, HIGH]
    assert (np.diff(few) > -0.02 * few[:-1]).all()
    assert few[7] / few[0] > 1.3


def test_a_loud_series_is_wider_than_a_quiet_one():
    """Walks and noise of the same mean change: noise comes back, so its errors are smaller."""
    rng = np.random.default_rng(2)
    walks = [rng.normal(size=400).cumsum() for _ in range(3)]
    noises = [rng.normal(size=400) / 2**0.5 for _ in range(3)]
    scale = calibrated(walks + noises, 8).scale
    assert scale[:3].min() > 1.5 * scale[3:].max()


def test_own_width_leaves_the_window_itself_out():
    """A window whose errors are enormous does not widen its own unit, but that of windows far from it."""
    error = np.ones((40, 2))
    error[0] = 1000
    one = held.Held(error, np.ones((40, 1, 2)), np.repeat([0, 1], 20), np.arange(40), np.ones(40))
    of_others, scale = held.series_widths(one, 2)
    assert of_others[0] < of_others[19]
    assert scale[0] > scale[1]


def test_recent_changes_widen():
    quiet, loud = np.ones(60), np.ones(60)
    quiet[1::2], loud[1::2] = 2, 2
    loud[-12:] *= 5
    usual, recent = volatility.changes(windows_of([quiet, loud], 1, first=59))
    np.testing.assert_allclose(usual[0], 1)
    np.testing.assert_allclose(recent[0], 1)
    assert recent[1] > 2 > usual[1]


def test_changing_noise_is_followed():
    """Where the spread of steps drifts, recent changes count; where it does not, hardly."""
    rng = np.random.default_rng(3)
    drift = np.exp(np.sin(np.arange(1500) / 60))
    changing = calibrated([(drift * rng.normal(size=1500)).cumsum()], 3)
    steady = calibrated([rng.normal(size=1500).cumsum()], 3)
    assert changing.recent == 1
    assert steady.recent < 1


def test_what_never_was_negative_has_no_negative_bound():
    counts = np.random.default_rng(0).poisson(0.7, size=80).astype(float)
    found = gw.RecurrentForecaster(4, **FAST).fit(counts).predict_quantiles(levels=(0.001, 0.1, 0.5, 0.9))
    assert (found >= 0).all()
    assert (found[:, 3] > found[:, 2]).all()
    other = gw.RecurrentForecaster(4, **FAST).fit(counts - 1).predict_quantiles(levels=(0.001,))
    assert other.min() < -1


def test_a_negative_observation_lifts_the_bound():
    degrees = 2 + np.abs(np.random.default_rng(0).normal(size=60).cumsum())
    forecaster = gw.RecurrentForecaster(3, **FAST).fit(degrees)
    assert forecaster.predict_quantiles(levels=(0.001,)).min() >= 0
    forecaster.update(np.array([-4.0, -6.0]))
    assert forecaster.predict().min() < 0


@pytest.mark.filterwarnings("ignore:horizon is")  # longer than the series can judge
@pytest.mark.parametrize("length", [3, 8, 14, 30])
def test_short_walks_are_covered(length):
    """Nominal 80 % on walks of a few points, each fitted alone, too short for folds or not."""
    rng = np.random.default_rng(length)
    inside = []
    for _ in range(12):
        walk = rng.normal(size=length + 3).cumsum() - 50
        band = gw.RecurrentForecaster(3, **FAST).fit(walk[:-3]).predict_quantiles()
        inside.append((walk[-3:] > band[:, 0]) & (walk[-3:] < band[:, 2]))
    assert 0.6 < np.mean(inside) <= 0.98


def test_the_median_of_a_line_is_inside():
    line = 100 + 3 * np.arange(90.0) + np.random.default_rng(0).normal(size=90)
    band = gw.RecurrentForecaster(6, **FAST).fit(line).predict_quantiles()
    assert (band[:, 0] < band[:, 1]).all()
    assert (band[:, 1] < band[:, 2]).all()


def test_a_constant_has_no_width():
    band = gw.RecurrentForecaster(3, **FAST).fit(np.full(40, 7.0)).predict_quantiles()
    np.testing.assert_allclose(band, 7)


def test_ties_of_a_walk_and_of_a_common_level():
    rng = np.random.default_rng(0)
    walk = dependence.estimated(rng.normal(size=(4000, 5)).cumsum(axis=1), np.full(5, 4000.0))
    np.testing.assert_allclose(walk.correlations(np.arange(5))[0], np.arange(1, 6) ** -0.5, atol=0.06)
    level = rng.normal(size=(4000, 1)) + rng.normal(size=(4000, 5))
    common = dependence.estimated(level, np.full(5, 4000.0))
    assert 0.3 < common.correlations(np.arange(5))[0, 4] < 0.6


def test_probabilities_of_paths_are_uniform_and_tied():
    drawn = dependence.Dependence.of_walk(4).uniforms(20000, 6, np.random.default_rng(0))
    np.testing.assert_allclose(np.quantile(drawn, [0.1, 0.5, 0.9], axis=0).T, [[0.1, 0.5, 0.9]] * 6, atol=0.02)
    assert 0.6 < np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1] < 0.75
