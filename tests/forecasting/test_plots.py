"""Pictures of forecasts: what they show, of which series, by which library."""

import re

import numpy as np
import pandas as pd
import pytest

import gatewise as gw
from gatewise.forecasting import plots

bokeh = pytest.importorskip("bokeh")

SMALL = {"max_updates": 4, "n_networks": 1, "hidden_size": 4, "random_state": 0}
MONTHS = pd.period_range("2015-01", periods=80, freq="M")
FRAME = pd.DataFrame({"a": np.sin(np.arange(80.0) ** 1.5), "b": np.arange(80.0) ** 1.1}, MONTHS)


@pytest.fixture(scope="module")
def fitted():
    return gw.RecurrentForecaster(5, **SMALL).fit(FRAME)


def lines(figure):
    """The x and y of the lines of a Bokeh figure, by their place: the observations, then the median."""
    sources = [renderer.data_source.data for renderer in figure.renderers if type(renderer.glyph).__name__ == "Line"]
    return [(source["x"], source["y"]) for source in sources]


def test_it_shows_observations_median_and_interval(fitted):
    figure = fitted.plot(series="a", library="bokeh")
    (times, values), (ahead, median) = lines(figure)
    np.testing.assert_array_equal(values, FRAME["a"][-20:])
    assert times[-1] == ahead[0] == MONTHS[-1].to_timestamp()
    assert median[0] == values[-1]
    np.testing.assert_array_equal(median[1:], fitted.predict()["a"])
    area = next(r.data_source.data for r in figure.renderers if type(r.glyph).__name__ == "VArea")
    quantiles = fitted.predict_quantiles()["a"]
    np.testing.assert_array_equal(area["y1"][1:], quantiles[0.1])
    np.testing.assert_array_equal(area["y2"][1:], quantiles[0.9])
    assert figure.title.text == "a"


def test_history_horizon_and_levels_may_be_said(fitted):
    figure = fitted.plot(series=["b"], library="bokeh", history=FRAME, horizon=8, levels=(0.05, 0.95))
    (_, values), (_, median) = lines(figure)
    np.testing.assert_array_equal(values, FRAME["b"])
    assert len(median) == 9
    assert figure.legend[0].items[0].label.value == "90 % interval"
    assert len(lines(fitted.plot(series="a", history=7, library="bokeh"))[0][0]) == 7


def test_several_series_stand_one_below_the_other(fitted, monkeypatch):
    titles = [figure.title.text for figure in fitted.plot(library="bokeh").children]
    assert titles == ["a", "b"]
    monkeypatch.setattr(plots, "MOST", 1)
    assert fitted.plot(library="bokeh").title.text == "a"


def test_long_frames_are_histories_too():
    long = FRAME.rename_axis("ds").reset_index().melt("ds", var_name="unique_id", value_name="y")
    fitted = gw.RecurrentForecaster(5, **SMALL).fit(long)
    np.testing.assert_array_equal(lines(fitted.plot(series="b", history=long, library="bokeh"))[0][1], FRAME["b"])


def test_arrays_are_drawn_over_their_numbers():
    fitted = gw.RecurrentForecaster(5, **SMALL).fit(FRAME["a"].to_numpy())
    (steps, _), (ahead, _) = lines(fitted.plot(library="bokeh"))
    assert (steps[0], ahead[-1]) == (60, 84)


def test_mistakes_are_named(fitted, monkeypatch):
    for options, message in (
        ({"series": "c"}, "series is ['c']; need some of 'a', 'b'"),
        ({"library": "plotly"}, "library is 'plotly'; need one of 'matplotlib', 'bokeh'"),
        ({"history": 0}, "history is 0; need at least 1"),
        ({"history": FRAME["a"]}, "history holds 1 series; need the 2 of the fit"),
        ({"levels": (0.1, 1.0)}, "levels holds 1.0"),
    ):
        with pytest.raises(gw.GatewiseError, match=re.escape(message)):
            fitted.plot(**options)
    monkeypatch.setattr(plots, "find_spec", lambda name: None)
    with pytest.raises(gw.GatewiseError, match="plot needs matplotlib or Bokeh, which is not installed"):
        fitted.plot()


def test_matplotlib_draws_the_same(fitted):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    from matplotlib import pyplot

    axes = fitted.plot()
    assert [axis.get_title(loc="left") for axis in axes] == ["a", "b"]
    observed, median = axes[0].lines
    np.testing.assert_array_equal(observed.get_ydata(), FRAME["a"][-20:])
    np.testing.assert_array_equal(median.get_ydata()[1:], fitted.predict()["a"])
    assert fitted.plot(series="a").get_title(loc="left") == "a"
    pyplot.close("all")
