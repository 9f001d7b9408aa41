"""Exponential smoothing and Theta: the numbers of statsmodels, and what holds for every form."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from support.panels import panel_of

from gatewise.errors import GatewiseValueError
from gatewise.forecasting.panel import Origins
from gatewise.forecasting.smoothing.fitting import ets, fit
from gatewise.forecasting.smoothing.forms import ETS, FORMS
from gatewise.forecasting.smoothing.grid import View
from gatewise.forecasting.smoothing.smoothed import Smoothed, chosen
from gatewise.forecasting.smoothing.theta import fit_theta

GOLDEN = np.load(Path(__file__).parents[1] / "golden" / "smoothing.npz")
Y = GOLDEN["y"]
AHEAD = np.arange(9)
INDICES = {"AAdN": [[0.0]], "AAdA": [[9.0, -6.0, -8.0, 5.0]], "MAdM": [[1.1, 0.94, 0.91, 1.05]]}


def given(name):
    """The states and parameters that the golden numbers were made with."""
    values = {"alpha": 0.4, "beta": 0.07, "phi": 0.9, "gamma": 0.0 if name == "AAdN" else 0.2}
    values |= {
        "level": 101.5,
        "slope": 0.8,
        "exponent": 0,
        "begun": 1,
        "criterion": 0,
        "multiplicative": name[0] == "M",
    }
    arrays = {key: np.array([value], float) for key, value in values.items()}
    return Smoothed(**arrays, season=np.array(INDICES[name]))


def seasonal(rng, length, m=4, slope=0.5):
    t = np.arange(length)
    level = 50 + slope * t + np.cumsum(rng.normal(0, 1, length))
    return level * (1 + 0.3 * np.sin(2 * np.pi * t / m)) + rng.normal(0, 1, length)


def everywhere(panel):
    """Every origin of every series, the ends too."""
    return panel.origins(panel.start + 1, panel.stop + 1)


@pytest.mark.parametrize("name", INDICES)
def test_recursion_is_that_of_statsmodels(name):
    panel = panel_of(Y)
    filtered = given(name).filtered(panel)
    each = Origins(np.arange(len(Y)), np.zeros(len(Y), int))
    np.testing.assert_allclose(filtered.forecast(each, AHEAD[:1])[:, 0], GOLDEN[f"{name}.fitted"], rtol=0, atol=1e-10)
    some = slice(
        3 if name == "MAdM" else 9
    )  # statsmodels 0.15 leaves the last index of a multiplicative season as it was
    found = filtered.forecast(panel.ends(), AHEAD)[0]
    np.testing.assert_allclose(found[some], GOLDEN[f"{name}.forecast"][some], rtol=0, atol=1e-10)


def test_enough_rounds_fit_as_well_as_statsmodels(monkeypatch):
    monkeypatch.setattr("gatewise.forecasting.smoothing.optimizing.ROUNDS", 30)
    panel = panel_of(Y)
    for name, one in fit(panel, 1, ["ANN", "AAN"]).items():
        at_start = replace(one, begun=np.ones(1))
        each = Origins(np.arange(len(Y)), np.zeros(len(Y), int))
        error = Y - at_start.forecast(panel, each, AHEAD[:1])[:, 0]
        assert (error**2).sum() < 1.001 * GOLDEN[f"{name}.sse"]
        if name == "ANN":  # with a trend, other parameters fit as well
            np.testing.assert_allclose(one.forecast(panel, panel.ends(), AHEAD)[0], GOLDEN[f"{name}.best"], rtol=1e-4)


@pytest.mark.parametrize("kind", ["none", "additive", "multiplicative"])
def test_theta_is_that_of_statsmodels(kind):
    """With its smoothing, which starts from the first observation."""
    values = Y - 2 * Y.max() if kind == "additive" else Y
    panel = panel_of(values)
    one = fit_theta(View.of(panel, 1 if kind == "none" else 4), 0.5)
    first = np.ldexp(values[0], -one.exponent.astype(int))
    index = one.season[0, 0]
    level = (first / index if one.multiplicative else first - index) - one.slope
    theirs = replace(one, alpha=GOLDEN[f"theta.{kind}.alpha"][None], level=level)
    forecast = theirs.forecast(panel, panel.ends(), AHEAD)[0]
    expected = GOLDEN[f"theta.{kind}"] - (2 * Y.max() if kind == "additive" else 0)
    np.testing.assert_allclose(forecast, expected, rtol=1e-9)


def test_scale_changes_nothing():
    rng = np.random.default_rng(0)
    y = [seasonal(rng, 40), rng.normal(0, 1, 40), 5 + np.arange(12.0)]
    panel, fitted = panel_of(*y), fit(panel_of(*y), 4)
    for scale in (2.0**-980, 2.0**990, 2.0**3):
        scaled = panel_of(*(one * scale for one in y))
        for name, one in fit(scaled, 4).items():
            expected = fitted[name].forecast(panel, panel.ends(), AHEAD)
            np.testing.assert_allclose(one.forecast(scaled, scaled.ends(), AHEAD) / scale, expected, rtol=1e-9)


@pytest.mark.parametrize("name", FORMS)
def test_an_origin_sees_nothing_at_or_after_its_row(name):
    rng = np.random.default_rng(1)
    panel = panel_of(seasonal(rng, 30), seasonal(rng, 41))
    one = fit(panel.hidden(panel.stop - 9), 4, [name])[name]
    origins = everywhere(panel)
    forecast = one.forecast(panel, origins, AHEAD)
    assert np.isfinite(forecast).all()
    for back in (0, 4, 12):
        cut = panel.stop - back
        some = np.flatnonzero(origins.row <= cut[origins.series])
        np.testing.assert_array_equal(one.forecast(panel.hidden(cut), origins.at(some), AHEAD), forecast[some])


@pytest.mark.parametrize("name", FORMS)
def test_a_trimmed_panel_gives_the_same_forecasts(name):
    rng = np.random.default_rng(2)
    y = [seasonal(rng, 33), seasonal(rng, 20), np.full(7, np.nan)]
    y[0][[0, 1, 27, 28, 29]] = np.nan
    panel = panel_of(*y)
    one = fit(panel, 4, [name])[name]
    trimmed = panel.tail(6)
    rows = panel.stop - (trimmed.stop - trimmed.start)
    after = one.advanced(panel, rows)
    np.testing.assert_allclose(
        after.forecast(trimmed, trimmed.ends(), AHEAD), one.forecast(panel, panel.ends(), AHEAD), rtol=1e-12
    )
    again = after.advanced(trimmed, trimmed.stop)
    np.testing.assert_array_equal(again.level, one.advanced(panel, panel.stop).level)


def test_a_gap_is_predicted_through():
    rng = np.random.default_rng(3)
    y = seasonal(rng, 60)
    gappy = y.copy()
    gappy[40:45] = np.nan
    panel, whole = panel_of(gappy), panel_of(y)
    for one in fit(panel, 4).values():
        at = Origins(np.array([40]), np.array([0]))
        forecast = one.forecast(whole, at, AHEAD)
        after = Origins(np.array([45]), np.array([0]))
        np.testing.assert_allclose(one.forecast(panel, after, AHEAD[:4]), forecast[:, 5:], rtol=1e-9)


@pytest.mark.parametrize(
    "y", [[3.0], [1.0, 2.0, 4.0], [0.0] * 30, [7.0] * 30, [np.nan] * 5 + [2.0], [-1e300, 1e300, 0.0], [np.nan, np.nan]]
)
def test_any_series_is_forecast(y):
    panel = panel_of(y, np.arange(25.0))
    for one in fit(panel, 4).values():
        forecast = one.forecast(panel, panel.ends(), AHEAD)
        assert np.isfinite(forecast[0]).all() == np.isfinite(y).any()
        assert np.isfinite(forecast[1]).all()


def test_a_constant_stays_and_a_line_goes_on():
    panel = panel_of(np.full(30, 7.0), 3 + 2 * np.arange(30.0))
    best = ets(fit(panel, 4)).forecast(panel, panel.ends(), AHEAD)
    np.testing.assert_allclose(best[0], 7.0)
    np.testing.assert_allclose(best[1], 63 + 2.0 * AHEAD, rtol=1e-6)


def test_the_criterion_finds_the_form_that_made_a_series():
    rng = np.random.default_rng(4)
    t = np.arange(120)
    season = np.array([1.3, 0.9, 0.7, 1.1])[t % 4]
    panel = panel_of(
        (20 + t) * season * np.exp(rng.normal(0, 0.02, 120)),
        100 + 20 * season + rng.normal(0, 0.5, 120),
        np.cumsum(rng.normal(0, 1, 120)),
    )
    fitted = fit(panel, 4, list(ETS))
    names = list(ETS)
    best = [names[k] for k in np.argmin([fitted[name].criterion for name in names], axis=0)]
    assert best[0] in ("MAM", "MAdM")
    assert best[1][-1] in "AM"
    assert best[2][-1] == "N"


def test_a_series_that_is_not_positive_gets_no_multiplicative_season():
    panel = panel_of(seasonal(np.random.default_rng(5), 40) - 60, seasonal(np.random.default_rng(6), 40))
    fitted = fit(panel, 4, ["AAA", "MAM"])
    assert fitted["MAM"].multiplicative.tolist() == [0, 1]
    assert np.isinf(fitted["MAM"].criterion[0])
    np.testing.assert_allclose(fitted["MAM"].level[0], fitted["AAA"].level[0])


def test_series_beside_a_series_do_not_change_it():
    rng = np.random.default_rng(7)
    y = [seasonal(rng, n) for n in (25, 60, 33)]
    together, alone = fit(panel_of(*y), 4), fit(panel_of(y[2]), 4)
    for name, one in alone.items():
        np.testing.assert_allclose(together[name].criterion[2:], one.criterion, rtol=1e-6)


def test_a_long_series_is_fitted_to_its_end_and_filtered_from_its_start():
    rng = np.random.default_rng(8)
    panel = panel_of(seasonal(rng, 1500, slope=0.1), seasonal(rng, 50))
    for one in fit(panel, 4, ["AAdA", "theta"]).values():
        forecast = one.forecast(panel, everywhere(panel), AHEAD)
        assert np.isfinite(forecast).all()


def test_arrays_are_all_of_it():
    panel = panel_of(seasonal(np.random.default_rng(9), 40))
    fitted = fit(panel, 4, ["ANN", "MAM"])
    mixed = chosen(list(fitted.values()), np.array([1]))
    again = Smoothed.from_arrays(mixed.arrays())
    assert {array.dtype for array in again.arrays().values()} == {np.dtype(float)}
    expected = fitted["MAM"].forecast(panel, panel.ends(), AHEAD)
    np.testing.assert_array_equal(again.forecast(panel, panel.ends(), AHEAD), expected)
    damaged = mixed.arrays() | {"level": np.zeros(2)}
    with pytest.raises(GatewiseValueError, match=r"level has shape"):
        Smoothed.from_arrays(damaged)
    with pytest.raises(GatewiseValueError, match="lacks alpha"):
        Smoothed.from_arrays({"season": np.zeros((1, 4))})


def test_an_unknown_form_is_refused():
    with pytest.raises(GatewiseValueError, match="form"):
        fit(panel_of(Y), 4, ["XXX"])
