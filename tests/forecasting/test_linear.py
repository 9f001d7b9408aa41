"""The linear path: its ridge regressions, for all windows and for each phase of a season."""

import numpy as np
from support.panels import panel_of, settings_for

import gatewise as gw
from gatewise.forecasting import linear
from gatewise.forecasting.design import Design
from gatewise.forecasting.selection import make_plans
from gatewise.forecasting.windows import Windows


def test_ridge_is_that_of_scikit_learn():
    from sklearn.linear_model import Ridge
    from sklearn.preprocessing import StandardScaler

    panel = panel_of(np.random.default_rng(0).normal(size=200).cumsum())
    plan = make_plans(panel, settings_for(3))[0]
    windows = Windows(panel, plan, panel.origins(panel.start + 20, panel.stop - 3))
    targets = windows.targets(windows.reference)
    found = linear.solve(windows, targets, np.array([0.5, 40.0]))
    for k, penalty in enumerate((0.5, 40.0)):
        for step in range(3):
            x = Design(windows).of_step(step)
            x = np.where(x.std(axis=0) > 1e-9, x, 0)
            z = StandardScaler().fit_transform(x)
            expected = Ridge(alpha=penalty).fit(z, targets[:, step]).predict(z)
            got = found.at(k).forecast(windows)
            np.testing.assert_allclose(got[:, step], expected, atol=1e-8)


def test_a_phase_is_a_weighted_ridge_around_the_path_of_all_phases():
    from sklearn.linear_model import Ridge

    panel = panel_of(np.random.default_rng(0).normal(size=240).cumsum())
    plan = make_plans(panel, settings_for(2, 6))[0]
    origins = panel.origins(panel.start + 30, panel.stop - 2)
    windows = Windows(panel, plan, origins)
    targets = windows.targets(windows.reference)
    whole = linear.solve(windows, targets, np.array([5.0]))
    (found,) = linear.by_phase(windows, targets, whole, [0.3])
    assert found.weight.shape[0] == plan.phases == 6
    x = Design(windows).of_step(1)
    z = np.column_stack([(x - x.mean(axis=0)) / np.where(x.std(axis=0) > 1e-9, x.std(axis=0), np.inf), np.ones(len(x))])
    apart = np.abs(origins.row % 6 - 2)
    weight = np.exp(-0.5 * (2 * np.minimum(apart, 6 - apart)) ** 2)
    base = whole.forecast(windows)[:, 1]
    ridge = Ridge(alpha=0.3 * weight.sum(), fit_intercept=False).fit(z, targets[:, 1] - base, sample_weight=weight)
    here = origins.row % 6 == 2
    expected = base[here] + ridge.predict(z[here])
    np.testing.assert_allclose(found.forecast(windows)[here, 1], expected, atol=1e-8)


def test_a_law_that_differs_by_the_hour_is_learned():
    """The sign of the coefficient depends on the place in the season: no one line tells both."""
    rng = np.random.default_rng(7)
    sign, y = np.resize([1.0, 1, 1, -1, -1, -1], 6 * 200), np.zeros(6 * 200)
    for t in range(1, len(y)):
        y[t] = 0.9 * sign[t] * y[t - 1] + rng.normal()
    found = gw.RecurrentForecaster(1, season=6, max_updates=5, n_networks=1, random_state=0).fit(y[:-300])
    assert found.phases_ == 6
    errors = []
    for t in range(len(y) - 300, len(y)):
        errors.append(found.predict()[0] - y[t])
        found.update(y[t : t + 1])
    assert np.mean(np.abs(errors)) < 0.75 * np.mean(np.abs(y[-300:]))
