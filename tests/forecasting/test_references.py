"""References: the simple forecasts are what their names say."""

import numpy as np
from support.panels import panel_of

from gatewise.forecasting.panel import Origins
from gatewise.forecasting.references import Reference, median


def test_references_are_what_their_names_say():
    y = np.arange(30) + np.array([0.0, 50, 100])[np.arange(30) % 3]
    panel = panel_of(y)
    at, steps = Origins(np.array([30]), np.array([0])), np.arange(4)

    def found(*parts):
        return Reference(*parts).forecast(panel, at, steps, 99)[0]

    np.testing.assert_allclose(found("naive"), y[-1])
    np.testing.assert_allclose(found("drift"), y[-1] + (y[-1] - y[0]) / 29 * (steps + 1))
    np.testing.assert_allclose(found("mean"), y.mean())
    np.testing.assert_allclose(found("seasonal", 3), [y[27], y[28], y[29], y[27]])
    np.testing.assert_allclose(found("seasonal", 3, 3), [y[24], y[25], y[26], y[24] - 0])
    np.testing.assert_allclose(found("rising", 3), [30, 81, 132, 33])


def test_median_is_the_median_without_gaps():
    values = np.random.default_rng(0).normal(size=(50, 5))
    values[np.random.default_rng(1).uniform(size=(50, 5)) < 0.4] = np.nan
    values[3] = np.nan
    expected = np.full(50, np.nan)
    some = np.isfinite(values).any(axis=1)
    expected[some] = np.nanmedian(values[some], axis=1)
    np.testing.assert_array_equal(median(values), expected)
