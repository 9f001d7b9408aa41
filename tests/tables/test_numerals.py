"""Cells of text as numbers."""

import numpy as np
import pytest
from table_files import cells

from gatewise.tables.numerals import parse


@pytest.mark.parametrize(
    ("column", "values", "unit"),
    [
        (["1", "-2.5", "+3e2", None], [1, -2.5, 300, np.nan], ""),
        (["12,5", "7"], [12.5, 7], ""),
        (["1.234,5", "1.234.567", "12"], [1234.5, 1234567, 12], ""),
        (["1,234.5", "1,234,567", "12"], [1234.5, 1234567, 12], ""),
        (["1,234", "999"], [1234, 999], ""),
        (["0,123", "1,200"], [0.123, 1.2], ""),
        (["1 234", "1\xa0234,5", "1\u202f000"], [1234, 1234.5, 1000], ""),
        (["1'234.5"], [1234.5], ""),
        (["−5", "3"], [-5, 3], ""),
        (["12 kg", "3kg", "4"], [12, 3, 4], "kg"),
        (["12.5°C", "-3 °C"], [12.5, -3], "°C"),
        (["$1,200.50", "$3"], [1200.5, 3], "$"),
        (["5 %", "7%"], [5, 7], "%"),
        (["n/a", "NaN", "-", "NULL", "1"], [np.nan, np.nan, np.nan, np.nan, 1], ""),
        (["inf", "-Infinity", "1e999", "2"], [np.nan, np.nan, np.nan, 2], ""),
    ],
)
def test_cells_that_are_numbers(column, values, unit):
    found = parse(cells(*column))
    assert found.problem is None
    np.testing.assert_array_equal(found.values, values)
    assert found.unit == unit


def test_a_lone_comma_is_decided_by_the_separator(table):
    assert table('a,b\n"1,234",x\n').numbers("a").values.tolist() == [1234]
    assert table("a;b\n1,234;x\n").numbers("a").values.tolist() == [1.234]


@pytest.mark.parametrize(
    ("column", "problem", "row"),
    [
        (["1", "2", "warm"], "'warm' is no number", 2),
        (["12.5", "3.5", "12,5"], "'12,5' has not the decimal sign '.' of others", 2),
        (["12,5", "12.5", "3,5"], "'12.5' has not the decimal sign ',' of others", 1),
        (["12 kg", "3 kg", "5 lb"], "'5 lb' is not in 'kg' as others are", 2),
        (["1 234", "5 6"], "'5 6' is no number", 1),
        (["1", "2024-01-01"], "'2024-01-01' is no number", 1),
        (["1", "12:30"], "'12:30' is no number", 1),
        (["1", "infos"], "'infos' is no number", 1),
        (["1", "x" * 90], f"'{'x' * 39}…' is no number", 1),
    ],
)
def test_cells_that_are_none(column, problem, row):
    found = parse(cells(*column))
    assert (found.problem, found.row) == (problem, row)
    assert np.isnan(found.values[row])


def test_notes_on_numbers_count_what_was_read_as_missing():
    assert parse(cells("n/a", "1", "n/a", "?")).notes == ("3 cells (n/a, ?) read as missing",)
    assert parse(cells("1", "inf")).notes == ("1 cell (infinite) read as missing",)
    assert "decimal comma" in parse(cells("1,5")).notes
