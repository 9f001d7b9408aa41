"""Tables that were once read almost rightly: each is read rightly now, or refused by line and column."""

import numpy as np
import pandas as pd
import pytest
from table_files import cells, days, refused

from gatewise import tables
from gatewise.tables import SequenceRoles, SeriesRoles, parse_times, read_sequences, read_series, with_labels
from gatewise.tables.numerals import parse

DAYS = pd.date_range("2023-12-01", periods=90, freq="D")
HOURS = pd.date_range("2023-12-30", periods=72, freq="h")


def column(values):
    return "t;x\n" + "".join(f"{value};1\n" for value in values)


def spoiled(values, row, value):
    return [*values[:row], value, *values[row + 1 :]]


@pytest.mark.parametrize(
    ("values", "row", "value"),
    [
        (DAYS.strftime("%Y%m%d").tolist(), 60, "20240230"),
        (DAYS.strftime("%Y%m%d").tolist(), 60, "2024013"),
        (DAYS.strftime("%Y%m%d").tolist(), 89, "202402281"),
        (DAYS.strftime("%Y%j").tolist(), 40, "2023366"),
        (DAYS.strftime("%Y%j").tolist(), 0, "2023000"),
        (HOURS.strftime("%Y%m%d%H").tolist(), 23, "2023123024"),
        (HOURS.strftime("%Y%m%d%H%M").tolist(), 23, "202312302400"),
        (HOURS.strftime("%Y%m%d%H%M%S").tolist(), 23, "20231230240000"),
        (pd.date_range("2015-01", periods=40, freq="MS").strftime("%Y%m").tolist(), 5, "201513"),
    ],
)
def test_numbers_that_are_dates_but_for_one(table, values, row, value):
    assert parse_times(table(column(values)), "t").dated
    message = refused(lambda: parse_times(table(column(spoiled(values, row, value))), "t"), f"line {row + 2},", value)
    assert "column 't'" in message


def test_hours_that_run_from_1_to_24_are_refused_at_the_first_24(table):
    hours = [f"202008{day:02d}{hour:02d}" for day in range(1, 15) for hour in range(1, 25)]
    refused(lambda: parse_times(table(column(hours)), "t"), "line 25,", "2020080124")


def test_weeks_and_days_of_the_year(table):
    weeks = [f"{year}{week:02d}" for year, last in ((2020, 53), (2021, 52), (2022, 9)) for week in range(1, last + 1)]
    found = parse_times(table(column(weeks)), "t")
    assert found.stamps.equals(pd.date_range("2019-12-30", periods=len(weeks), freq="7D"))
    assert "ISO" in found.note
    refused(lambda: parse_times(table(column([*weeks[:53], "202153"])), "t"), "line 55,", "202153 is no week")
    found = parse_times(table(column(DAYS.strftime("%Y%j"))), "t")
    assert found.stamps.equals(pd.DatetimeIndex(DAYS))


@pytest.mark.parametrize("values", [range(1, 500), range(150000, 150300), range(1400, 2300), range(0, 90000, 300)])
def test_step_numbers_stay_step_numbers(table, values):
    assert parse_times(table(column(values)), "t").stamps.tolist() == list(values)


@pytest.mark.parametrize(
    ("form", "first", "last"),
    [("%b-%y", 1960, 1975), ("%b-%y", 1949, 1960), ("%d.%m.%y", 1949, 1960), ("%d/%m/%y", 1995, 2004)],
)
def test_two_digit_years_are_of_one_century(table, form, first, last):
    step = "MS" if form == "%b-%y" else "D"
    index = pd.date_range(f"{first}-01-01", f"{last}-12-31", freq=step)
    found = parse_times(table(column(index.strftime(form))), "t")
    assert found.stamps.equals(index)
    assert (f"two-digit years taken as {first} to {last}" in found.note) == (first < 1969)


def test_a_two_digit_leap_day_stays_in_2000(table):
    found = parse_times(table(column(["28.02.00", "29.02.00", "01.03.00"])), "t")
    assert found.stamps[1] == pd.Timestamp("2000-02-29")


def test_dates_beyond_those_of_pandas_are_refused_and_years_numbered(table):
    dates = [f"{year}-01-01" for year in range(2006, 2301)]
    refused(lambda: parse_times(table(column(dates)), "t"), "column 't'", "need 1678 to 2261")
    years = parse_times(table(column(range(1659, 2024))), "t")
    assert (years.stamps[0], years.note) == (1659, "step numbers")


def test_few_rows_may_not_span_a_century(table):
    rows = [f"{year}-01-01,{year}" for year in (*range(1960, 1969), 2060)]
    refused(lambda: read_series(table(days(*rows)), SeriesRoles.of("day", "x")), "line 11", "92 steps are missing")
    rows = [f"{year}-01-01,{year}" for year in range(1960, 2024) if not 1990 < year < 2000]
    assert len(read_series(table(days(*rows)), SeriesRoles.of("day", "x")).y[0]) == 64


@pytest.mark.parametrize(
    ("column", "problem", "row"),
    [
        (["1.13K", "870", "990"], "'1.13K' is in 'K' as others are not", 0),
        (["1.13K", "2K", "990"], "'990' is not in 'K' as others are", 2),
        (["12 kg", "3 kg", "5 K"], "'5 K' is not in 'kg'", 2),
        (["5 %", "7 %", "0.05"], "'0.05' is not in '%' as others are", 2),
        (["1.2M", "3K"], "'1.2M' is not in 'K'", 0),
        (["3 Mio", "4 Mio", "12"], "'12' is not in 'Mio' as others are", 2),
    ],
)
def test_what_multiplies_stands_beside_all_or_none(column, problem, row):
    found = parse(cells(*column))
    assert problem in found.problem
    assert found.row == row


def test_zero_needs_no_unit_and_powers_may_be_those_of_fortran():
    assert parse(cells("1.5K", "0", "2K")).problem is None
    found = parse(cells("0.25D-02", "1.5d+03", "2D0"))
    np.testing.assert_array_equal(found.values, [0.0025, 1500, 2])
    assert (found.unit, found.problem) == ("", None)
    assert parse(cells("5 d", "7 d")).unit == "d"


def test_a_target_keeps_the_unit_it_was_trained_in(table):
    def sales(unit, factor=1):
        rows = [f"2024-01-{day:02d},{factor * (day % 7)} {unit}" for day in range(1, 29)]
        return table(days(*rows), f"{unit}.csv")

    task = tables.read_forecast_task(sales("kW"), SeriesRoles.of("day", "x"), 2)
    assert task.units == {"x": "kW"}
    trained = tables.SeriesSchema(task.grid.columns, task.grid.step, {"x": 10}, task.units)
    words = ["W.csv, column 'x'", "the numbers are in 'W'; the model was trained on 'kW'"]
    refused(lambda: read_series(sales("W", 1000), task.roles, trained), *words)
    assert len(read_series(sales("kW"), task.roles, trained).y) == 1


@pytest.mark.parametrize(
    ("written", "labels"), [("1.0 0.0", "1 0"), ("1 0", "1 0"), ("1. 0.", "1 0"), ("007 1", "007 1")]
)
def test_labels_that_are_whole_numbers_are_alike_however_written(table, written, labels):
    one, other = written.split()
    content = f"id,x,kind\na,1,{one}\na,2,{one}\nb,3,{other}\nb,4,\nc,1,\n"
    roles = SequenceRoles.of("id", None, "kind", "x")
    found = table(content)
    assert with_labels(found, roles, read_sequences(found, roles)).labels.tolist() == [*labels.split(), None]
