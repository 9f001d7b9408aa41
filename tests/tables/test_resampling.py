"""Rows gathered to steps."""

import pandas as pd
import pytest
from table_files import refused

from gatewise.tables import SeriesRoles, arranged, read_series


def gathered(table, content, every="month", aggregate="sum", **options):
    found, roles, _ = arranged(table(content), SeriesRoles.of(every=every, aggregate=aggregate, **options))
    return read_series(found, roles), found.notes


def lines(*rows):
    return "sold;shop;pieces\n" + "".join(f"{row}\n" for row in rows)


def daily(first, last, pieces=1):
    return [f"{day:%d.%m.%Y};north;{pieces}" for day in pd.date_range(first, last)]


def test_order_lines_are_summed_by_the_month(table):
    rows = ["03.01.2024;north;2", "03.01.2024;north;3", "28.02.2024;south;4", "29.02.2024;north;5"]
    grid, notes = gathered(table, lines("01.01.2024;north;1", *rows, "31.03.2024;north;7"), target="pieces")
    assert grid.y[0].tolist() == [6, 9, 7]
    assert (grid.step.label, list(grid.writers["sold"](grid.y[0].index))) == (
        "month",
        ["2024-01", "2024-02", "2024-03"],
    )
    assert "rows of each month summed" in notes


def test_each_series_by_itself_and_nothing_is_zero(table):
    rows = [*daily("2024-01-01", "2024-04-30"), "05.02.2024;south;4", "06.04.2024;south;6"]
    grid, notes = gathered(table, lines(*rows), time="sold", target="pieces", series="shop")
    assert dict(zip(grid.names, (y.tolist() for y in grid.y), strict=True)) == {
        "north": [31, 29, 31, 30],
        "south": [4, 0, 6],
    }
    assert "1 month without rows counted as 0" in notes


def test_a_month_begun_is_no_month(table):
    grid, notes = gathered(table, lines(*daily("2024-01-15", "2024-04-12")), time="sold", target="pieces")
    assert grid.y[0].tolist() == [29, 31]
    assert any("2024-01, 2024-04 left out of the sums" in note for note in notes)
    grid, _ = gathered(table, lines(*daily("2024-01-15", "2024-04-12")), aggregate="mean", target="pieces")
    assert grid.y[0].tolist() == [1, 1, 1, 1]


def test_no_whole_month_is_said(table):
    content = lines(*daily("2024-01-15", "2024-02-12"))
    refused(lambda: gathered(table, content, time="sold", target="pieces"), "no whole month", "--every")


def test_means_leave_gaps_and_read_any_decimal_year(table):
    content = "t,x\n1958.2027,1\n1958.21,3\n1958.4,5\n"
    grid, _ = gathered(table, content, aggregate="mean", time="t", target="x")
    assert grid.y[0].fillna(-1).tolist() == [2, -1, 5]
    assert list(grid.writers["t"](grid.y[0].index)) == ["1958-03", "1958-04", "1958-05"]


@pytest.mark.parametrize(
    ("every", "first"), [("year", 2024), ("quarter", "2024Q1"), ("week", None), ("day", None), ("hour", None)]
)
def test_periods(table, every, first):
    rows = [f"{time:%Y-%m-%d %H:%M},1" for time in pd.date_range("2024-01-01", "2026-12-31 23:30", freq="12h")]
    grid, _ = gathered(table, "t,x\n" + "\n".join(rows) + "\n", every, "mean", time="t", target="x")
    assert grid.y[0].dropna().eq(1).all()
    assert grid.writers is None if first is None else grid.writers["t"](grid.y[0].index[:1])[0] == first


def test_the_unit_is_that_of_the_rows(table):
    found, _, _ = arranged(
        table("t;x\n2024-01-01;2 kg\n2024-02-01;3 kg\n2024-03-01;3 kg\n"),
        SeriesRoles.of("t", "x", every="month", aggregate="mean"),
    )
    assert found.numbers("x").unit == "kg"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"every": "fortnight"}, ["'fortnight'", "hour, day, week, month"]),
        ({"aggregate": None}, ["--sum or --mean"]),
        ({"every": None}, ["--every month"]),
        ({"known": "shop"}, ["targets alone", "shop"]),
        ({"time": None, "in_order": True}, ["needs dates", "--time COLUMN"]),
    ],
)
def test_what_cannot_be_gathered(table, options, words):
    content = lines("01.01.2024;north;1", "13.03.2024;north;1")
    refused(lambda: gathered(table, content, **{"time": "sold", "target": "pieces"} | options), *words)


def test_step_numbers_make_no_months(table):
    refused(lambda: gathered(table, "t,x\n1,1\n2,2\n", time="t", target="x"), "step numbers", "leave --every out")
