"""Dates without a frequency are those that pandas gives with one."""

import pandas as pd
import pytest

from gatewise.forecasting.dates import before, date_range, keeps

FREQUENCIES = ["MS", "ME", "BMS", "BME", "2ME", "QS-FEB", "QE-NOV", "BQE-DEC", "YS-APR", "YE-JUN", "BYE-DEC", "2YE-DEC"]
FREQUENCIES += ["1M-15", "3M-31", "W-TUE", "4W-SUN", "D", "3D", "B", "h", "15min", "SME"]


@pytest.mark.parametrize("frequency", FREQUENCIES)
@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_they_are_those_of_pandas(frequency, zone):
    first = date_range(pd.Timestamp("2023-01-31 06:00", tz=zone), periods=2, frequency=frequency)[1]
    index = date_range(first, periods=29, frequency=frequency)
    found = before(index[-1], 29, frequency)
    assert found.equals(index)
    assert found.dtype == index.dtype
    assert keeps(index, frequency)
    assert not keeps(index.delete(7), frequency)
    moved = index.delete(3).insert(3, index[3] + pd.Timedelta("1min"))
    assert not keeps(moved, frequency)


def test_dates_far_back_are_found_too():
    assert before(pd.Timestamp("1700-01-01").as_unit("ns"), 100, "YS").year[0] == 1601
