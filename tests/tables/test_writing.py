"""Times are written as the table has them."""

import pandas as pd
import pytest

from gatewise.tables import parse_times

MONTHS = ["2024-01-01", "2024-02-01", "2024-03-01"]
NEXT = pd.DatetimeIndex(["2025-04-01"])


@pytest.mark.parametrize(
    ("cells", "following"),
    [
        (["01.01.2024", "01.02.2024", "01.03.2024"], "01.04.2025"),
        (["1.1.2024", "1.2.2024", "1.3.2024"], "1.4.2025"),
        (["1/1/24", "2/1/24", "3/13/24"], None),
        (["2024-01", "2024-02", "2024-03"], "2025-04"),
        (["2024/01/01", "2024/02/01", "2024/03/01"], "2025/04/01"),
        (["2024/01/01 00:00", "2024/02/01 00:00", "2024/03/01 00:00"], "2025/04/01 00:00"),
        (["Jan-1-2024", "Feb-1-2024", "Mar-1-2024"], "Apr-1-2025"),
        (["JAN 2024", "FEB 2024", "MAR 2024"], "APR 2025"),
        (["January 2024", "February 2024", "March 2024"], "April 2025"),
        (["2024Q1", "2024Q2", "2024Q3"], "2025Q2"),
        (["Q1 2024", "Q2 2024", "Q3 2024"], "Q2 2025"),
        (["202401", "202402", "202403"], 202504),
        (["20240101", "20240201", "20240301"], 20250401),
        (["2022", "2023", "2024"], 2025),
        (["2024.0", "2024.083", "2024.167"], 2025.25),
        (["1704067200", "1706745600", "1709251200"], 1743465600),
    ],
)
def test_the_next_time_looks_alike(table, cells, following):
    times = parse_times(table("t;x\n" + "".join(f"{cell};1\n" for cell in cells)), "t")
    if following is None:
        assert times.writers["t"](times.stamps) == cells
    else:
        assert list(times.writers["t"](NEXT)) == [following]


@pytest.mark.parametrize("cells", [MONTHS, ["2024-01-01T00:00", "2024-02-01T00:00"], ["1", "2"]])
def test_dates_and_step_numbers_stay_what_they_are(table, cells):
    assert parse_times(table("t;x\n" + "".join(f"{cell};1\n" for cell in cells)), "t").writers is None


def test_a_format_that_was_given_is_kept(table):
    times = parse_times(table("t;x\n03/04/2024;1\n04/04/2024;2\n"), "t", "%d/%m/%Y")
    assert times.writers["t"](NEXT) == ["01/04/2025"]
