"""Times in several columns, and none at all."""

import pandas as pd
import pytest
from table_files import refused

from gatewise.tables import SeriesRoles, read_series
from gatewise.tables.composed import read


@pytest.mark.parametrize(
    ("content", "last", "parts"),
    [
        ("year,quarter\n1959,1\n1959,2\n", "1959-04-01", [1959, 2]),
        ("Year,Qtr\n1959,Q1\n1959,Q2\n", "1959-04-01", [1959, "Q2"]),
        ("quarter,year\n1,1959\n2,1959\n", "1959-04-01", [2, 1959]),
        ("YEAR,MONTH\n1959,1\n1959,2\n", "1959-02-01", [1959, 2]),
        ("year,month\n1959,JAN\n1959,FEB\n", "1959-02-01", [1959, "FEB"]),
        ("yr,mon\n1959,01\n1959,02\n", "1959-02-01", [1959, "02"]),
        ("year,month,day\n2024,2,28\n2024,2,29\n", "2024-02-29", [2024, 2, 29]),
        ("year,week\n2020,53\n2021,1\n", "2021-01-04", [2021, 1]),
        ("year,month,day,hour\n2024,2,28,0\n2024,2,28,1\n", "2024-02-28 01:00", [2024, 2, 28, 1]),
        ("date,hour\n2024-02-28,22\n2024-02-28,23\n", "2024-02-28 23:00", ["2024-02-28", 23]),
        ("date;time\n28.02.2024;22:30\n28.02.2024;23:00\n", "2024-02-28 23:00", ["28.02.2024", "23:00"]),
        ("day,hour\n02/28/2024,10:00 PM\n02/28/2024,11:00 PM\n", "2024-02-28 23:00", ["02/28/2024", "11:00 PM"]),
        ("a,b\n1959,Q1\n1959,Q2\n", "1959-04-01", [1959, "Q2"]),
    ],
)
def test_columns_that_make_a_time(table, content, last, parts):
    found = table(content)
    times = read(found, found.names)
    assert times.stamps[1] == pd.Timestamp(last)
    assert [list(write(times.stamps))[1] for write in times.writers.values()] == parts
    assert list(times.writers) == found.names


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("Month,Day\n5,1\n5,2\n", ["none is the year", "--file-order"]),
        ("year,month\n2024,1\n2024,13\n", ["line 3", "'month'", "'13' is no month", "1 to 12"]),
        ("year,month,day\n2023,2,28\n2023,2,29\n", ["line 3", "'day'", "'29' is no day"]),
        ("year,week\n2023,52\n2023,53\n", ["line 3", "'53' is no week"]),
        ("date,hour\n2024-01-01,23\n2024-01-01,24\n", ["line 3", "'24' is no hour", "0 to 23"]),
        ("date,time\n2024-01-01,23:00\n2024-01-01,24:00\n", ["line 3", "'24:00' is no time of day"]),
        ("year,quarter\n2024,1\n,2\n", ["line 3", "'year'"]),
        ("year,day\n2024,1\n2024,2\n", ["make no time together", "--time year,quarter"]),
        ("year,quarter\n24,1\n24,2\n", ["line 2", "'24' is no year"]),
    ],
)
def test_parts_that_make_none(table, content, words):
    found = table(content)
    refused(lambda: read(found, found.names), *words)


def test_rows_count_where_there_is_no_time(table):
    roles = SeriesRoles.of(target="x", series="s", in_order=True)
    grid = read_series(table("s,x\na,1\nb,5\na,2\nb,6\n"), roles)
    assert [y.tolist() for y in grid.y] == [[1, 2], [5, 6]]
    assert [y.index.tolist() for y in grid.y] == [[1, 2], [1, 2]]
