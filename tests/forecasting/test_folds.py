"""Folds and windows: what is fitted lies before what is measured, and nothing reads beyond its origin."""

import numpy as np
import pytest
from support.panels import panel_of, settings_for

from gatewise.forecasting.design import Design
from gatewise.forecasting.folds import make_folds
from gatewise.forecasting.panel import Origins
from gatewise.forecasting.recurrent import inputs
from gatewise.forecasting.references import Reference
from gatewise.forecasting.selection import make_plans
from gatewise.forecasting.windows import Windows


@pytest.mark.parametrize("length", [60, 200, 3000])
def test_folds_train_before_what_they_hold_out(length):
    panel = panel_of(np.random.default_rng(0).normal(size=length).cumsum(), np.ones(length // 2))
    plan = make_plans(panel, settings_for(4))[0]
    folds = make_folds(panel, plan)
    assert len(folds) == (1 if length > 2000 else 3)
    for before, train, after, held_out in folds:
        assert after is panel
        for series in (0, 1):
            first = held_out.row[held_out.series == series].min()
            assert np.isnan(before.y[first : panel.stop[series]]).all()
            assert train.row[train.series == series].max() < first
            assert first - panel.start[series] >= length // (1 + series) // 2 - 4


def test_nothing_reads_beyond_its_origin():
    """Changing everything from an origin on changes neither references, nor linear columns, nor network inputs."""
    y = 10 + np.sin(np.arange(120) / 3) + np.random.default_rng(0).normal(size=120)
    changed = y.copy()
    changed[80:] = 1e6
    here = Origins(np.array([80, 60]), np.array([0, 0]))
    later = Origins(np.array([81]), np.array([0]))
    one, other = panel_of(y), panel_of(changed)
    plan = make_plans(one, settings_for(9, 6))[0]

    def seen(panel, origins):
        windows = Windows(panel, plan, origins)
        design = Design(windows)
        columns = [design.of_step(step) for step in plan.steps]
        return [windows.reference, *columns, inputs(windows, windows.reference)]

    for a, b in zip(seen(one, here), seen(other, here), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(seen(one, later)[-1], seen(other, later)[-1])
    kinds = ["naive", "drift", "mean"]
    for kind in [*map(Reference, kinds), Reference("seasonal", 6, 3), Reference("rising", 6)]:
        both = [kind.forecast(panel, here, plan.steps, 99) for panel in (one, other)]
        np.testing.assert_array_equal(*both)


def test_units_of_a_fold_know_nothing_of_what_comes_after_its_cut():
    """Held-out ends that change a hundred times as much leave the units in which folds are fitted as they are."""
    y = np.random.default_rng(0).normal(size=100).cumsum()
    wild = y.copy()
    wild[85:] = y[85:] + 100 * np.arange(1, 16)
    units = []
    for panel in (panel_of(y), panel_of(wild)):
        plan = make_plans(panel_of(y), settings_for(5))[0]
        fold = make_folds(panel, plan)[-1]
        for windows in (fold.training(plan), fold.measured(plan)):
            units.append((windows.plan.size, windows.plan.noise))
    for size, noise in units[1:]:
        np.testing.assert_array_equal(size, units[0][0])
        np.testing.assert_array_equal(noise, units[0][1])
