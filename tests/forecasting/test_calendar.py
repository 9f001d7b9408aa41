"""The calendar: what a time stamp says, as columns."""

import numpy as np
import pandas as pd

from gatewise.forecasting import calendar
from gatewise.forecasting.frequency import natural_seasons


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
