"""Panels: many series end to end, looked back upon from any origin."""

import numpy as np
from support.panels import panel_of

from gatewise.forecasting.panel import Origins


def test_panel_looks_back_within_a_series_only():
    panel = panel_of([1, 2, np.nan], [np.nan, 10, 20])
    origins = Origins(np.array([0, 2, 3, 4, 5, 6]), np.array([0, 0, 0, 1, 1, 1]))
    np.testing.assert_array_equal(panel.last(origins), [np.nan, 2, 2, np.nan, 10, 20])
    np.testing.assert_array_equal(panel.mean(origins, 9)[[1, 4, 5]], [1.5, 10, 15])
    np.testing.assert_array_equal(panel.slope(origins, 9)[[1, 4, 5]], [1, 0, 10])
    rows = panel.rows(origins, np.array([-1, 0]))
    np.testing.assert_array_equal(rows, [[6, 0], [1, 2], [2, 6], [3, 4], [4, 5], [5, 6]])
    assert panel.origins(panel.start, panel.stop).row.tolist() == [1, 2, 5]


def test_the_phase_outlives_trimming():
    panel = panel_of(np.arange(50.0), np.arange(20.0))
    short = panel.tail(13)
    np.testing.assert_array_equal(short.phase(short.ends(2), 7), panel.phase(panel.ends(2), 7))
