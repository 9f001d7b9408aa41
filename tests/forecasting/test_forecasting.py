"""The parts of a forecaster: panel, references, ridge, intervals, measures, backtest; and what the whole must beat."""

import numpy as np
import pandas as pd
import pytest

import gatewise as gw
from gatewise.forecasting import calendar, intervals, linear
from gatewise.forecasting.design import Design
from gatewise.forecasting.folds import make_folds
from gatewise.forecasting.frequency import natural_seasons
from gatewise.forecasting.measures import measures
from gatewise.forecasting.panel import Origins, Panel
from gatewise.forecasting.recurrent import NetworkSettings, inputs
from gatewise.forecasting.references import Reference, median
from gatewise.forecasting.selection import make_plans
from gatewise.forecasting.settings import Settings
from gatewise.forecasting.windows import Windows

FAST = {"max_updates": 60, "n_networks": 1, "hidden_size": 8, "random_state": 0}


def panel_of(*series):
    none = [np.zeros((len(y), 0)) for y in series]
    return Panel.of(
        [np.asarray(y, float) for y in series], none, none, np.zeros((len(series), 0)), np.zeros(len(series), int)
    )


def settings_for(horizon, *seasons, context=8):
    network = NetworkSettings("gru", 4, 1, 0.0, 1e-3, 10, 5e-3, 16)
    return Settings(horizon, context, seasons, 0, (0.1, 0.5, 0.9), 1, network)


def test_panel_looks_back_within_a_series_only():
    panel = panel_of([1, 2, np.nan], [np.nan, 10, 20])
    origins = Origins(np.array([0, 2, 3, 4, 5, 6]), np.array([0, 0, 0, 1, 1, 1]))
    np.testing.assert_array_equal(panel.last(origins), [np.nan, 2, 2, np.nan, 10, 20])
    np.testing.assert_array_equal(panel.mean(origins, 9)[[1, 4, 5]], [1.5, 10, 15])
    np.testing.assert_array_equal(panel.slope(origins, 9)[[1, 4, 5]], [1, 0, 10])
    rows = panel.rows(origins, np.array([-1, 0]))
    np.testing.assert_array_equal(rows, [[6, 0], [1, 2], [2, 6], [3, 4], [4, 5], [5, 6]])
    assert panel.origins(panel.start, panel.stop).row.tolist() == [1, 2, 5]


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


def test_the_phase_outlives_trimming():
    panel = panel_of(np.arange(50.0), np.arange(20.0))
    short = panel.tail(13)
    np.testing.assert_array_equal(short.phase(short.ends(2), 7), panel.phase(panel.ends(2), 7))


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


def test_offsets_reach_their_levels():
    rng = np.random.default_rng(0)
    errors = rng.normal(size=(3000, 4)) * np.array([1, 2, 3, 4])
    levels = (0.1, 0.5, 0.9)
    found = intervals.offsets(np.repeat(errors[..., None], 3, axis=2), levels, intervals.growth(errors))
    np.testing.assert_allclose(found[:, 2] / [1, 2, 3, 4], 1.28, atol=0.12)
    np.testing.assert_allclose(found[:, 0] / [1, 2, 3, 4], -1.28, atol=0.12)
    assert not found[:, 1].any()
    few = intervals.offsets(np.repeat(errors[:5, :1, None], 3, axis=2), levels, np.ones(1))
    np.testing.assert_allclose(few[0], [errors[:5, 0].min(), 0, errors[:5, 0].max()])


def test_monotone_keeps_the_median():
    levels = (0.1, 0.3, 0.5, 0.9)
    values = np.array([[3.0, 0.5, 2.0, 1.0]])
    np.testing.assert_array_equal(intervals.monotone(values, levels), [[0.5, 0.5, 2.0, 2.0]])


def test_measures_by_hand():
    truth = np.array([1.0, 2.0, np.nan])
    quantiles = np.array([[0.0, 2.0, 3.0], [3.0, 4.0, 5.0], [0, 0, 0]])
    found = measures(truth, quantiles, (0.1, 0.5, 0.9), np.array([2.0, 4.0, 1.0]))
    assert found["mae"] == 1.5
    assert found["rmse"] == pytest.approx(np.sqrt(2.5))
    assert found["mase"] == 0.5
    assert found["smape"] == pytest.approx(100 * (1 / 3 + 2 / 6) * 2 / 2)
    assert found["coverage"] == 0.5
    losses = [0.1, 0.5, 0.2, 0.9, 1.0, 0.3]  # 0.1·1, 0.5·1, 0.1·2; 0.9·1, 0.5·2, 0.1·3
    assert found["pinball"] == pytest.approx(np.mean(losses))


def test_calendar_of_hours_and_of_places():
    hours = pd.date_range("2024-01-01", periods=48, freq="h")
    parts = calendar.parts_for(3600.0, 48 * 3600.0, 24, 48)
    found = calendar.features(parts, hours, np.arange(48))
    assert found.shape == (48, calendar.width(parts)) == (48, 24 + 6 + 7)
    np.testing.assert_array_equal(found[:, :24].argmax(axis=1), hours.hour)
    np.testing.assert_array_equal(found[:, 30:].argmax(axis=1), hours.day_of_week)
    assert natural_seasons(3600.0) == (24, 168)
    assert natural_seasons(86400.0) == (7,)
    assert natural_seasons(31 * 86400.0) == (12,)
    assert natural_seasons(365 * 86400.0) == ()
    places = calendar.features(calendar.parts_for(None, 0, 6, 100), None, np.arange(100))
    np.testing.assert_array_equal(places[:, :6].argmax(axis=1), np.arange(100) % 6)


def test_backtest_has_every_method_beside_the_model():
    index = pd.date_range("2024-01-01", periods=300, freq="h")
    y = pd.Series(np.sin(np.arange(300) * np.pi / 12) + 0.3 * np.random.default_rng(0).normal(size=300), index)
    forecaster = gw.RecurrentForecaster(12, season=24, **FAST)
    measured, forecasts = forecaster.backtest(y, windows=3, stride=6, return_forecasts=True)
    assert measured.index.get_level_values("method").unique().tolist() == ["model", "seasonal_naive", "naive", "drift"]
    assert measured.index.get_level_values("window").unique().tolist() == [1, 2, 3, "all"]
    assert np.isfinite(measured.to_numpy()).all()
    assert not hasattr(forecaster, "reference_")
    last = forecasts[forecasts["window"] == 3]
    assert last.index.equals(index[-12:])
    np.testing.assert_array_equal(last["truth"], y.iloc[-12:])
    np.testing.assert_array_equal(last["seasonal_naive"], y.iloc[-36:-24])
    np.testing.assert_array_equal(last["naive"], np.repeat(y.iloc[-13], 12))
    error = (forecasts["truth"] - forecasts["model"]).abs()
    assert measured.loc[("all", "model"), "mae"] == pytest.approx(error.mean())
    unit = np.abs(y.iloc[24:-12].to_numpy() - y.iloc[:-36].to_numpy()).mean()
    assert measured.loc[(3, "model"), "mase"] == pytest.approx(error[forecasts["window"] == 3].mean() / unit)


def test_seasonal_naive_is_that_of_the_season_named():
    index = pd.date_range("2024-01-01", periods=500, freq="h")
    y = pd.Series(np.random.default_rng(0).normal(size=500), index)
    forecaster = gw.RecurrentForecaster(6, season=(24, 168), **FAST)
    _, forecasts = forecaster.backtest(y, windows=1, return_forecasts=True)
    np.testing.assert_array_equal(forecasts["seasonal_naive"], y.iloc[-6 - 168 : -168])


@pytest.mark.parametrize("refit", [False, True])
def test_backtest_knows_nothing_of_the_future(refit):
    """What comes after an origin, past-only covariates too, does not change the forecasts made there."""
    rng = np.random.default_rng(1)
    y = pd.Series(rng.normal(size=90).cumsum())
    X = pd.DataFrame({"ahead": rng.normal(size=90), "behind": rng.normal(size=90)})
    changed_y, changed_x = y.copy(), X.copy()
    changed_y[82:] += 1000
    changed_x.loc[82:, "behind"] += 1000
    forecaster = gw.RecurrentForecaster(4, past_covariates=["behind"], **FAST)
    _, one = forecaster.backtest(y, X, windows=3, refit=refit, return_forecasts=True)
    _, other = forecaster.backtest(changed_y, changed_x, windows=3, refit=refit, return_forecasts=True)
    columns = ["model", "seasonal_naive", "drift", 0.1, 0.9]
    np.testing.assert_array_equal(one[columns][:8], other[columns][:8])
    assert (one["model"][8:] != other["model"][8:]).all()


def test_backtest_of_many_series_and_of_too_short_ones():
    rng = np.random.default_rng(2)
    series = [pd.Series(rng.normal(size=n).cumsum(), name=f"s{n}") for n in (30, 18, 25)]
    measured, forecasts = gw.RecurrentForecaster(3, **FAST).backtest(series, windows=2, return_forecasts=True)
    assert forecasts["series"].unique().tolist() == ["s30", "s18", "s25"]
    assert len(forecasts) == 3 * 2 * 3
    assert measured.loc[("all", "model"), "mase"] > 0
    with pytest.raises(gw.GatewiseError, match=r"y\[1\] \(s18\) has 18 rows; need at least 20"):
        gw.RecurrentForecaster(3, **FAST).backtest(series, windows=6)


def test_a_linear_series_is_forecast_as_well_as_by_its_own_equation():
    """AR(2): one-step error within a tenth of that of the true equation."""
    rng = np.random.default_rng(4)
    noise = rng.normal(size=900)
    y = np.zeros(900)
    for t in range(2, 900):
        y[t] = 1.5 * y[t - 1] - 0.7 * y[t - 2] + noise[t]
    found = gw.RecurrentForecaster(1, max_updates=150, n_networks=1, hidden_size=16, random_state=0).fit(y[:600])
    errors = []
    for t in range(600, 800):
        errors.append(found.predict()[0] - y[t])
        found.update(y[t : t + 1])
    assert np.mean(np.abs(errors)) < 1.1 * np.mean(np.abs(noise[600:800]))


def test_a_nonlinear_series_is_forecast_better_than_by_a_line():
    """The logistic map: no linear method does better than its mean; the network must."""
    y = np.empty(700)
    y[0] = 0.3
    for t in range(699):
        y[t + 1] = 3.8 * y[t] * (1 - y[t])
    found = gw.RecurrentForecaster(1, max_updates=250, n_networks=1, hidden_size=16, random_state=0)
    measured = found.backtest(y, windows=40)
    assert measured.loc[("all", "model"), "mae"] < 0.5 * np.abs(y - y.mean()).mean()
    assert measured.loc[("all", "model"), "mae"] < 0.5 * measured.loc[("all", "seasonal_naive"), "mae"]


def test_intervals_widen_as_a_walk_does():
    """Of a walk the error k steps ahead is √k times that of one step, and so is the interval."""
    y = np.random.default_rng(6).normal(size=900).cumsum()
    found = gw.RecurrentForecaster(9, **FAST).fit(y).predict_quantiles()
    width = found[:, 2] - found[:, 0]
    assert 1.9 < width[0] < 3.4
    assert 1.9 < width[8] / width[0] < 4.2


def test_intervals_cover_what_they_promise():
    """Nominal 80 % on 150 short walks covers 72 to 88 % of the steps held out."""
    rng = np.random.default_rng(5)
    walks = [scale * rng.normal(size=30).cumsum() for scale in np.exp(rng.normal(size=150))]
    found = gw.RecurrentForecaster(5, **FAST).fit([walk[:-5] for walk in walks])
    inside = [
        ((walk[-5:] >= part[0.1]) & (walk[-5:] <= part[0.9])).mean()
        for walk, part in zip(walks, found.predict_quantiles(), strict=True)
    ]
    assert 0.72 < np.mean(inside) < 0.88
