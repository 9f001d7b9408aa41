"""Windows: a panel, a plan and origins that travel together."""

import numpy as np
from support.panels import panel_of, settings_for

from gatewise.forecasting import recurrent
from gatewise.forecasting.panel import Origins
from gatewise.forecasting.plan import Plan
from gatewise.forecasting.references import Reference
from gatewise.forecasting.selection import make_plans
from gatewise.forecasting.windows import Windows

Y = np.array([1.0, 2, 3, 4, np.nan, 6, 7, 8])


def windows(reference, *rows):
    panel = panel_of(Y, 10 * Y)
    plan = Plan(2, 3, 128, 2, (3,), reference, 0, size=np.array([1.0, 10]), noise=np.array([2.0, 20]))
    return Windows(panel, plan, Origins(np.array(rows), (np.array(rows) >= 8).astype(int)))


def test_rows_and_units_are_those_of_each_series():
    some = windows(Reference("naive"), 3, 14)
    assert some.behind.tolist() == [[0, 1, 2], [11, 12, 13]]
    assert some.ahead.tolist() == [[3, 4], [14, 15]]
    assert some.size.tolist() == [[1], [10]]
    assert some.noise.tolist() == [[2], [20]]
    np.testing.assert_array_equal(some.reference, [[3, 3], [60, 60]])
    np.testing.assert_array_equal(some.targets(some.reference), [[0.5, np.nan], [0.5, 1]])


def test_the_anchor_is_the_last_observation_or_a_mean():
    assert windows(Reference("drift"), 5).anchor.tolist() == [[4]]
    assert windows(Reference("seasonal", 3), 3).anchor.tolist() == [[2]]
    assert windows(Reference("seasonal", 3), 6).anchor.tolist() == [[5]]


def test_the_season_before_leaves_out_what_another_series_saw():
    some = windows(Reference("seasonal", 3), 6)
    np.testing.assert_array_equal(some.season_before(np.array([[3, 7, 8, 11, 16]])), [[1, np.nan, np.nan, 10, np.nan]])


def test_windows_without_an_observation_ahead_are_left_out():
    some = windows(Reference("naive"), 3, 4, 7, 8, 15)
    assert some.with_targets().origins.row.tolist() == [3, 4, 7, 8, 15]
    assert [part.origins.row.tolist() for part in some.chunks(2)] == [[3, 4], [7, 8], [15]]
    assert len(some.thinned(2)) == 2
    hidden = Windows(some.panel.hidden(some.panel.start + 4), some.plan, some.origins)
    assert hidden.with_targets().origins.row.tolist() == [3, 8]


def test_networks_read_as_many_features_as_are_declared():
    panel = panel_of(np.random.default_rng(0).normal(size=80))
    plan = make_plans(panel, settings_for(4))[0]
    some = Windows(panel, plan, panel.ends())
    x = recurrent.inputs(some, some.reference)
    assert x.shape == (1, plan.context + 4, recurrent.feature_count(panel))
    ahead = x[0, plan.context :]
    assert ahead[:, recurrent.FEATURES.index("ahead")].tolist() == [1] * 4
    np.testing.assert_allclose(ahead[:, recurrent.FEATURES.index("place")], [0.25, 0.5, 0.75, 1])
    assert x[0, : plan.context, recurrent.FEATURES.index("seen")].tolist() == [1] * plan.context
