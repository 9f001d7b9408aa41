"""The simple methods of a backtest: fitted before each origin, or before the first where there are many series."""

from dataclasses import replace

import numpy as np
from support.panels import panel_of

from gatewise.forecasting import simple
from gatewise.forecasting.smoothing.fitting import fit

LEVELS = (0.1, 0.5, 0.9)


def some_series(length, count=2):
    rng = np.random.default_rng(0)
    return [
        np.cumsum(rng.normal(0.1, 1, length)) + 50 + 5 * np.tile([1, -1, 2, -2], length)[:length] for _ in range(count)
    ]


def before(series, windows, horizon):
    """What lies before the origin of each window."""
    return lambda window: panel_of(*(y[: len(y) - horizon * (windows - window)] for y in series))


def test_every_method_has_its_own_ordered_quantiles():
    past = before(some_series(60), 3, 4)
    found = simple.quantiles(past, 3, 4, 4, LEVELS)
    assert found.shape == (3, 2, len(simple.SIMPLE), 4, 3)
    assert (np.diff(found, axis=-1) >= 0).all()
    medians = found[..., 1].reshape(6, len(simple.SIMPLE), 4)
    assert all(len(np.unique(one, axis=0)) == len(simple.SIMPLE) for one in medians)


def test_a_window_shows_nothing_to_those_before_it():
    series = some_series(60)
    changed = [np.concatenate([y[:52], y[52:] + 1000]) for y in series]
    one, other = (simple.quantiles(before(y, 3, 4), 3, 4, 4, LEVELS) for y in (series, changed))
    np.testing.assert_array_equal(one[:2], other[:2])
    assert (one[2] != other[2]).any()


def test_of_many_series_smoothing_is_fitted_before_the_first_origin(monkeypatch):
    series, place = some_series(1100), list(simple.SIMPLE).index("theta")
    past = before(series, 3, 4)
    each = simple.quantiles(past, 3, 4, 4, LEVELS)
    monkeypatch.setattr(simple, "MOST_FITS", 0)
    once = simple.quantiles(past, 3, 4, 4, LEVELS)
    np.testing.assert_allclose(once[0], each[0], rtol=1e-9)
    earliest = past(0).tail(1000)
    theta = fit(earliest, 4, ["theta"])["theta"]
    grown = panel_of(*(y[1100 - 12 - 1000 : 1100 - 4] for y in series))
    grown = replace(grown, first=earliest.first)
    expected = theta.forecast(grown, grown.ends(), np.arange(4))
    np.testing.assert_allclose(once[2, :, place, :, 1], expected, rtol=1e-9)
    assert (once[2] != each[2]).any()
