"""Rows one a line: CSV and JSON lines without looking ahead, and numbers as strictly as one cell allows."""

import math

import pytest

from gatewise.errors import GatewiseError
from gatewise.tables.lines import Lines, Row, number


def rows(*lines, **options):
    reader = Lines(**options)
    return [row for row in map(reader.row, lines) if row is not None]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_csv_with_a_header(delimiter):
    lines = [delimiter.join(cells) for cells in (("a", "b c"), ("1", ""), ('"x"', "-2"))]
    assert rows("\ufeff" + lines[0], lines[1] + "\r", *lines[2:]) == [
        Row(["1", ""], ("a", "b c")),
        Row(["x", "-2"], ("a", "b c")),
    ]


def test_a_first_line_of_values_is_a_row():
    assert rows("1,n/a", "2,3") == [Row(["1", "n/a"]), Row(["2", "3"])]
    assert rows("1,2", "3,4", header=True) == [Row(["3", "4"], ("1", "2"))]
    assert rows("a,b", header=False) == [Row(["a", "b"])]


def test_known_names_serve_rows_without_a_header():
    assert rows("2024-01-01,4", names=["time", "y"]) == [Row(["2024-01-01", "4"], ("time", "y"))]
    assert rows("time,y", "2024-01-01,4", names=["time", "y"]) == [Row(["2024-01-01", "4"], ("time", "y"))]


def test_json_lines():
    assert rows('{"a": 1, "b": "x"}', "", "[1, null]") == [Row([1, "x"], ("a", "b")), Row([1, None])]


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        (["a,a"], "has 'a' twice"),
        (["a,b", "1"], r"has 1 cell\(s\); the header has 2"),
        (['{"a": 1}', "{"], "is no JSON"),
        (["[1]", "3"], "is 3; need a JSON object or list"),
    ],
)
def test_what_is_no_row_is_refused(lines, text):
    with pytest.raises(GatewiseError, match=text):
        rows(*lines)


def test_cells_are_found_by_name_or_are_all_there():
    assert Row(["1", "2", "3"], ("a", "b", "c")).of(["c", "a"]) == ["3", "1"]
    assert Row(["1", "2"]).of(["c", "a"]) == ["1", "2"]
    with pytest.raises(GatewiseError, match="has no 'd'; need the columns a, d"):
        Row(["1"], ("a",)).of(["a", "d"])
    with pytest.raises(GatewiseError, match="has 1 cells; need 2: a, d"):
        Row(["1"]).of(["a", "d"])


@pytest.mark.parametrize("cell", ["1", " -1.5 ", "+.5", "2.", "1e-3", "1E3", 7, 2.5])
def test_numbers(cell):
    assert number(cell, "a") == float(cell)


@pytest.mark.parametrize("cell", ["", " ", "n/a", "NaN", "-", None, math.nan])
def test_nothing(cell):
    assert math.isnan(number(cell, "a"))


@pytest.mark.parametrize(
    "cell", ["1,5", "1 000", "1_000", "0x10", "5 %", "inf", "1e999", "٣", True, [1], {}, math.inf, 10**400]
)
def test_what_is_no_number_is_refused(cell):
    with pytest.raises(GatewiseError, match="a is "):
        number(cell, "a")
