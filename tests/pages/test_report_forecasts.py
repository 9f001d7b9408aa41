"""Pages of forecasters: the forecast first, the backtest, warnings, and series of every kind."""

import re

import numpy as np
import pandas as pd
import pytest
from outline import ids, plain, words
from report_pages import a_fitted_forecaster, a_page, some_series

import gatewise as gw
from gatewise.pages import backtests, outlook, series, upcoming


def section(page, id):
    [found] = re.findall(rf'<section id="{id}".*?</section>', page, flags=re.S)
    return found


def test_page_of_a_forecaster_says_what_the_backtest_found():
    model, page = a_fitted_forecaster(), a_page("forecaster")
    rolled, _ = outlook.rolled(model, some_series(), None)
    text, comparison = words(page), rolled.comparison()
    assert plain(comparison.verdict[1:]) in text
    for error in (*comparison.texts("mae").values(), *comparison.texts("mase").values()):
        assert error in text
    heads = re.findall(r'<th scope="col"[^>]*>(?:<abbr title="([^"]*)">)?', section(page, "errors"))
    assert heads[1:3] == ["mean absolute scaled error", "mean absolute error"]
    colors = re.findall(r'<tr class="(\w+)">', section(page, "errors"))
    assert len(colors) == len({*colors}) == len(comparison.measures)
    assert f"{len(rolled.windows)} forecasts of 2 steps each of 2 series" in text
    assert {"next", "series", "errors", "backtest", "loss", "gates", "flow", "certificate"} <= set(ids(page))
    network, seen = model.networks_[0], series.looked_into(model)
    assert seen.network is network
    assert seen.row_names()[1] == "plain, from 2024-10-25 on"
    assert len(seen.feature_names()) == network.input_size


def test_a_forecaster_without_dates():
    y = 10 + np.sin(np.arange(150) * 2 * np.pi / 12)
    model = type(a_fitted_forecaster())(6, season=12, max_updates=4, hidden_size=4, n_networks=1, random_state=0).fit(y)
    page = gw.report(model, y)
    assert {"next", "backtest", "by-step-ahead"} <= set(ids(page))


def seen_by(model, y, **options):
    return outlook.read_outlook(model, y, options.get("X"), options.get("ahead"), None)


def test_the_forecast_is_what_the_forecaster_predicts():
    model = a_fitted_forecaster()
    seen = seen_by(model, some_series())
    section, multiples = upcoming.upcoming_sections(seen)
    quantiles = model.predict_quantiles()
    for place, number_of in enumerate(seen.order):
        columns = section.store["series"][place]["sources"]["main"]
        expected = quantiles[some_series().columns[number_of]].to_numpy()
        ahead = [k for k, value in enumerate(columns["model"]) if value is not None]
        assert len(ahead) == model.horizon
        assert all(columns["truth"][k] is None for k in ahead)
        drawn = [[columns[name][k] for k in ahead] for name in ("lower", "model", "upper")]
        np.testing.assert_allclose(expected.T, drawn, rtol=1e-5)
    assert [example.label for example in multiples.examples] == [
        seen.names[k][:39] + "…" * (k == 0) for k in seen.order
    ]


def test_forecasts_start_at_the_last_observation_and_are_not_joined_to_each_other():
    model, seen = a_fitted_forecaster(), seen_by(a_fitted_forecaster(), some_series())
    [section] = [one for one in backtests.backtest_sections(seen) if one.id == "backtest"]
    sources = section.store["series"][0]["sources"]
    main, lines = sources["main"], sources["lines"]
    truth = dict(zip(main["time"], main["truth"], strict=True))
    windows, each = len(seen.backtest.windows), model.horizon + 2
    assert len(lines["model"]) == windows * each
    for k in range(windows):
        time, values = lines["time"][k * each : (k + 1) * each], lines["model"][k * each : (k + 1) * each]
        assert values[0] == truth[time[0]]
        assert all(value is not None for value in values[:-1])
        assert values[-1] is None
        assert np.diff(time[:-1]).tolist() == [86_400_000] * model.horizon
    ahead = upcoming.upcoming_sections(seen)[0].store["series"][0]["sources"]
    assert ahead["lines"]["model"][0] == [value for value in ahead["main"]["truth"] if value is not None][-1]


def test_poor_coverage_is_warned_of():
    from dataclasses import replace

    seen = seen_by(a_fitted_forecaster(), some_series())
    narrow = [
        window._replace(quantiles=np.repeat(window.quantiles[..., :1] - 1e3, 3, axis=-1))
        for window in seen.backtest.windows
    ]
    seen = replace(seen, backtest=replace(seen.backtest, windows=narrow))
    assert series.warning(seen).startswith("The 80 % interval is too narrow")
    exact = [window._replace(quantiles=np.nan_to_num(window.quantiles) * 0 + 1e9) for window in seen.backtest.windows]
    exact = [window._replace(truth=np.full_like(window.truth, 1e9)) for window in exact]
    assert series.warning(replace(seen, backtest=replace(seen.backtest, windows=exact))) == ""


def test_a_page_without_a_backtest_has_the_forecast():
    model = a_fitted_forecaster()
    page = gw.report(model, some_series().iloc[-3:])
    assert "There is no backtest: every series needs at least 4 steps" in words(page)
    assert {"next", "series"} <= set(ids(page))
    assert not {"errors", "backtest"} & set(ids(page))


def test_errors_are_grouped_as_the_step_suggests():
    time = pd.date_range("2024-01-01", periods=300, freq="D")
    y = pd.Series(np.random.default_rng(0).normal(size=300), time)
    model = type(a_fitted_forecaster())(5, max_updates=2, hidden_size=4, n_networks=1, random_state=0).fit(y)
    found = [one.id for one in backtests.backtest_sections(seen_by(model, y))]
    assert found == ["errors", "backtest", "by-step-ahead", "by-weekday"]  # two months are too few


@pytest.mark.parametrize(
    "index",
    [
        pd.period_range("1500", periods=40, freq="Y"),
        pd.date_range("2020-03-28", periods=40, freq="h", tz="Europe/Berlin"),
        pd.RangeIndex(5, 45),
    ],
    ids=["far", "zone", "numbers"],
)
def test_series_of_every_kind_of_index_have_a_page(index):
    y = pd.Series(np.random.default_rng(0).normal(size=40), index)
    y.iloc[-12:-9] = np.nan
    options = {"max_updates": 2, "hidden_size": 4, "n_networks": 1, "quantiles": (0.5,), "random_state": 0}
    page = gw.report(type(a_fitted_forecaster())(2, **options).fit(y), y)
    assert {"next", "errors", "backtest"} <= set(ids(page))
    assert "interval" not in section(page, "next")
    assert not re.search(r"\bnan\b", words(page), flags=re.I)


def test_what_comes_next_needs_what_is_known_ahead():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(70, 1))
    y = 3 * x[:, 0] + rng.normal(scale=0.1, size=70)
    model = type(a_fitted_forecaster())(2, max_updates=4, hidden_size=4, n_networks=1, random_state=0).fit(
        y[:60], x[:60]
    )
    assert "next" not in ids(gw.report(model, y[:60], x[:60]))
    assert "next" in ids(gw.report(model, y[:60], x[:60], ahead=x[60:62]))
    with pytest.raises(gw.GatewiseError, match="ahead is for forecasters"):
        gw.report(gw.GRU(1, 2, rng=0), ahead=x)
