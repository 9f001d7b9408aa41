"""The section of a forecaster's page on unusual values."""

import numpy as np
import pandas as pd
from outline import ids, words

import gatewise as gw
from gatewise.pages import alarms, outlook


def spoiled():
    rng = np.random.default_rng(0)
    index = pd.date_range("2024-01-01", periods=400, freq="h")
    y = pd.DataFrame({name: 10 + np.sin(np.arange(400) * 2 * np.pi / 24) + rng.normal(0, 0.1, 400) for name in "ab"})
    y.iloc[350, 1] = 15
    return y.set_axis(index)


def fitted(y):
    options = {"season": 24, "context": 24, "max_updates": 2, "n_networks": 1, "hidden_size": 4, "random_state": 0}
    return gw.RecurrentForecaster(2, **options).fit(y)


def test_what_is_unusual_is_named_with_its_time():
    y = spoiled()
    model = fitted(y[:300]).update(y[300:])
    page = gw.report(model, y)
    assert "alarms" in ids(page)
    (section,) = alarms.alarm_sections(outlook.read_outlook(model, y, None, None, None), y, None)
    (table,) = section.tables
    rows = {(series, time): (value, why) for series, time, value, *_, why in table.rows}
    value, why = rows["b", "2024-01-15 14:00"]
    assert float(value) == 15
    assert why == "far from its forecast"
    assert "The figure shows" in section.intro
    assert section.intro in words(page)


def test_nothing_is_said_of_values_that_the_forecaster_has_not_seen():
    y = spoiled()
    model = fitted(y[:300])
    assert alarms.alarm_sections(outlook.read_outlook(model, y, None, None, None), y, None) == []
