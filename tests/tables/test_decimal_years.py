"""Years with decimals, to and fro."""

import numpy as np
import pytest
from table_files import refused

from gatewise.tables import parse_times
from gatewise.tables.decimal_years import dates, read

NAMES = {2: "half years", 4: "quarters", 12: "months", 52: "52 steps a year, numbered"}


@pytest.mark.parametrize("cut", [False, True])
@pytest.mark.parametrize("decimals", [2, 3, 4, 8, 11])
@pytest.mark.parametrize("size", [2, 4, 12, 52])
def test_years_are_read_and_written_alike(size, decimals, cut):
    if size == 52 and decimals == 2:
        return
    years = np.arange(1949 * size + 1, 1952 * size) / size
    years = np.round(np.floor(years * 10**decimals + 1e-6) / 10**decimals if cut else years, decimals)
    reading = read(years)
    assert reading.note == f"decimal years: {NAMES[size]}"
    assert reading.write(reading.stamps).tolist() == years.tolist()
    if size != 52:
        months = (reading.stamps.year - 1949) * 12 + reading.stamps.month - 1
        assert months.tolist() == [k * 12 // size for k in range(1, 3 * size)]


@pytest.mark.parametrize(
    "values", [[1949.1, 1949.2], [1949.04, 1949.13], [0.5, 1.5], [1949.0, 1950.0], [1949.08, 1949.09], [2500.5, 2501.0]]
)
def test_years_that_are_none(values):
    assert read(np.array(values)) is None


def test_rounding_that_adds_up_is_no_matter():
    assert read(np.array([1959.16666666668, 1959.25000000002])).stamps.month.tolist() == [3, 4]


def test_years_off_every_grid_name_the_option(table):
    refused(lambda: parse_times(table("t,x\n1958.2027,1\n1958.2877,2\n1958.37,3\n"), "t"), "--every month --mean")


def test_dates_within_a_year():
    assert dates(np.array([2023.5, 2024.0])).strftime("%Y-%m-%d %H").tolist() == ["2023-07-02 12", "2024-01-01 00"]
