"""Steps side by side."""

import pandas as pd
import pytest
from table_files import refused

from gatewise.tables import SeriesRoles, arranged, as_table, read_series

MONTHS = "JAN,FEB,MAR,APR,MAY,JUN,JUL,AUG,SEP,OCT,NOV,DEC"


def read(table, content, **options):
    found, roles, _ = arranged(table(content), SeriesRoles.of(**options))
    return read_series(found, roles)


@pytest.mark.parametrize("names", [MONTHS, MONTHS.title(), ",".join(map(str, range(1, 13)))])
@pytest.mark.parametrize("options", [{}, {"wide": True}])
def test_a_row_a_year_of_months(table, names, options):
    rows = [f"{year}," + ",".join(str(100 * year + month) for month in range(1, 13)) for year in (2001, 2000)]
    grid = read(table, f"YEAR,{names}\n" + "\n".join(rows) + "\n", **options)
    assert grid.y[0].tolist() == [100 * year + month for year in (2000, 2001) for month in range(1, 13)]
    assert grid.step.label == "month"
    last = [next(iter(write(grid.y[0].index[-1:]))) for write in grid.writers.values()]
    assert last == [2001, 12 if names.startswith("1") else names.split(",")[-1]]


def test_a_row_a_year_of_quarters_and_series(table):
    content = "shop;year;Q1;Q2;Q3;Q4\nnorth;2001;1,5;2,5;;4,5\nsouth;2001;5;6;7;8\nnorth;2002;9;;;\n"
    grid = read(table, content, wide=True, series="shop")
    assert grid.names == ["north", "south"]
    assert grid.y[0].fillna(-1).tolist() == [1.5, 2.5, -1, 4.5, 9]
    refused(lambda: read(table, content, wide=True), "line 3", "2001 is there a second time", "--series")


@pytest.mark.parametrize("years", ["1960,1961,1962", "X1960,X1961,X1962", "1960 [YR1960],1961 [YR1961],1962 [YR1962]"])
def test_a_row_a_series_of_years(table, years):
    content = f"Country Name,Country Code,{years}\nPeru,PER,6.9,6.8,6.7\nMali,MLI,7.0,,7.1\n"
    grid = read(table, content, wide=True)
    assert (grid.names, grid.step.label) == (["Peru", "Mali"], "year")
    assert grid.y[1].fillna(-1).tolist() == [7.0, -1, 7.1]
    grid = read(table, content, wide=True, series="Country Code")
    assert grid.names == ["PER", "MLI"]


def test_frames_with_years_as_numbers():
    frame = pd.DataFrame({"land": ["Peru", "Mali"], 1960: [7, 8], 1961: [6.5, 7.5], 1962: [6, 7]})
    found, roles, _ = arranged(as_table(frame), SeriesRoles.of(wide=True))
    assert read_series(found, roles).y[0].tolist() == [7, 6.5, 6]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b\n1,2\n", ["no 12 columns of months", "--time and --target"]),
        (f"{MONTHS}\n" + ",".join("1" * 12) + "\n", ["no column of years", "--time"]),
        ("land,1960,1961,1962\nPeru,1,2,3\nPeru,4,5,6\n", ["no column tells its rows apart", "--series"]),
        (f"year,{MONTHS}\n2000,{'1,' * 11}2\n2000,{'1,' * 11}2\n", ["line 3", "2000 is there a second time"]),
    ],
)
def test_wide_tables_that_cannot_be_read(table, content, words):
    refused(lambda: read(table, content, wide=True), *words)


def test_a_bad_cell_is_named_by_its_line(table):
    rows = f"2000,{'1,' * 11}2\n2001,{'1,' * 11}warm\n"
    refused(lambda: read(table, f"year,{MONTHS}\n{rows}", wide=True), "line 3", "'warm' is no number")
