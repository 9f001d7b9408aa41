"""Dates with the name of a month, in any order."""

import pandas as pd
import pytest
from table_files import refused

from gatewise.tables import parse_times
from gatewise.tables.named_months import read


@pytest.mark.parametrize(
    ("cells", "dates"),
    [
        (["Jan-1-1995", "Feb-1-1995"], ["1995-01-01", "1995-02-01"]),
        (["1 Jan 95", "2 Jan 95"], ["1995-01-01", "1995-01-02"]),
        (["1-Jan-68", "1-Jan-69"], ["2068-01-01", "1969-01-01"]),
        (["95 Jan 1", "95 Dec 31"], ["1995-01-01", "1995-12-31"]),
        (["1995 Jan", "1995 february"], ["1995-01-01", "1995-02-01"]),
        (["95-Jan", "96-Jan"], ["1995-01-01", "1996-01-01"]),
        (["Jan '95", "Feb '95"], ["1995-01-01", "1995-02-01"]),
        (["Sept 2001", "Oct. 2001"], ["2001-09-01", "2001-10-01"]),
        (["1995JAN31", "1995FEB28"], ["1995-01-31", "1995-02-28"]),
        (["31DEC2024", "01JAN2025"], ["2024-12-31", "2025-01-01"]),
        (["January 1st, 1995", "January 2nd, 1995"], ["1995-01-01", "1995-01-02"]),
        (["Sunday, January 1, 1995 10:30 PM", "Mon Jan 2 1995 12:00 AM"], ["1995-01-01 22:30", "1995-01-02"]),
        (["2. May 2024", "3. May 2024"], ["2024-05-02", "2024-05-03"]),
    ],
)
def test_orders(cells, dates):
    assert read(pd.Series(cells)).tolist() == [pd.Timestamp(date) for date in dates]


@pytest.mark.parametrize(
    "cells",
    [
        ["5 Jan", "6 Jan"],
        ["Jan 1", "Jan 2", "Jan 3", "Feb 1"],
        ["31 Feb 1995"],
        ["Foo 1 1995"],
        ["Jan 1 1995 25:00"],
        ["Jan 1 1995 13:00 PM"],
        ["1 Jan 195"],
        ["1 Jan 95 7"],
        ["Jan"],
    ],
)
def test_dates_that_are_none(cells):
    assert read(pd.Series(cells)).isna().all()


def test_one_odd_cell_is_named(table):
    refused(lambda: parse_times(table("t,x\nJan-1-1995,1\nFeb-30-1995,2\n"), "t"), "line 3", "'Feb-30-1995'")
    refused(
        lambda: parse_times(table("t,x\nJan-1-1995,1\nJan-2-1995,1\n1 Feb 1995,2\n"), "t"), "line 4", "'1 Feb 1995'"
    )
