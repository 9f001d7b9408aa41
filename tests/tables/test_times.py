"""Columns as points in time."""

import pandas as pd
import pytest
from table_files import refused

from gatewise.tables import (
    parse_times,
)


@pytest.mark.parametrize(
    ("column", "first", "second", "note"),
    [
        (["2024-01-01", "2024-01-02"], "2024-01-01", "2024-01-02", ""),
        (["2024-01-01 5:00", "2024-01-01T06:00:00.5"], "2024-01-01 05:00", "2024-01-01 06:00:00.5", ""),
        (["2024-01", "2024-02"], "2024-01-01", "2024-02-01", ""),
        (["2024", "2025"], "2024-01-01", "2025-01-01", "years"),
        (["202401", "202402"], "2024-01-01", "2024-02-01", "read as %Y%m"),
        (["20240131", "20240201"], "2024-01-31", "2024-02-01", "read as %Y%m%d"),
        (["1704067200", "1704070800"], "2024-01-01", "2024-01-01 01:00", "seconds since 1970, in UTC"),
        (["1704067200000", "1704070800000"], "2024-01-01", "2024-01-01 01:00", "milliseconds since 1970, in UTC"),
        (["13/04/2024", "14/04/2024"], "2024-04-13", "2024-04-14", "day first"),
        (["04/13/2024 1:00 PM", "04/14/2024 2:00 AM"], "2024-04-13 13:00", "2024-04-14 02:00", "month first"),
        (["3.4.2024", "4.4.2024"], "2024-04-03", "2024-04-04", "day first"),
        (["03.04.24 13:00", "03.04.24 14:00"], "2024-04-03 13:00", "2024-04-03 14:00", "day first"),
        (["2024Q1", "2024Q2"], "2024-01-01", "2024-04-01", "quarters"),
        (["Q1 2024", "Q2 2024"], "2024-01-01", "2024-04-01", "quarters"),
        (["Jan 2024", "Feb 2024"], "2024-01-01", "2024-02-01", ""),
        (["January 5, 2024", "January 6, 2024"], "2024-01-05", "2024-01-06", ""),
        (
            ["2024-01-01T00:30Z", "2024-01-01 01:30 UTC"],
            "2024-01-01 00:30",
            "2024-01-01 01:30",
            "given with offsets, worked with in UTC",
        ),
        (
            ["2024-03-31 01:30+01:00", "2024-03-31 03:30+02:00"],
            "2024-03-31 00:30",
            "2024-03-31 01:30",
            "given with offsets, worked with in UTC",
        ),
        (
            ["2024-03-31T00:00+01:00", "2024-04-01T00:00+02:00"],
            "2024-03-31",
            "2024-04-01",
            "days of their own time zone",
        ),
    ],
)
def test_times_in_many_formats(table, column, first, second, note):
    found = parse_times(table("t;x\n" + "".join(f"{cell};1\n" for cell in column)), "t")
    assert found.stamps.tolist() == [pd.Timestamp(first), pd.Timestamp(second)]
    assert found.note == note


def test_step_numbers_and_formats_given(table):
    assert parse_times(table("t,x\n1,1\n2,1\n"), "t").stamps.tolist() == [1, 2]
    found = parse_times(table("t,x\n03/04/2024,1\n"), "t", "%d/%m/%Y")
    assert found.stamps.tolist() == [pd.Timestamp("2024-04-03")]
    refused(lambda: parse_times(table("t,x\n03/14/2024,1\n"), "t", "%d/%m/%Y"), "line 2", "'03/14/2024'", "%d/%m/%Y")


@pytest.mark.parametrize(
    ("column", "words"),
    [
        (["03/04/2024", "04/04/2024"], ["line 2", "day or month first", "--time-format", "%d/%m/%Y"]),
        (["13/04/2024", "14/04/2024", "04/13/2024"], ["line 4", "'04/13/2024' beside '13/04/2024'"]),
        (["2024-01-01", "2024-01-02", "03.01.2024"], ["line 4", "'03.01.2024'", "as '2024-01-01' is"]),
        (["2024-01-01", "2024-02-30"], ["line 3", "'2024-02-30'"]),
        (["2024-01-01", ""], ["line 3", "no time here"]),
        (["2024-01-01T00:00Z", "2024-01-01T01:00"], ["line 3", "no offset from UTC"]),
        (["hello", "you"], ["line 2", "'hello' is no time"]),
        (["12:30", "12:31"], ["line 2", "'12:30' is no time"]),
        (["0.5", "1.5"], ["line 2", "neither a date"]),
    ],
)
def test_times_that_are_none(table, column, words):
    found = table("t;x\n" + "".join(f"{cell};1\n" for cell in column))
    refused(lambda: parse_times(found, "t"), "a.csv", "column 't'", *words)
