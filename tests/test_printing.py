"""Numbers and tables as text: aligned decimals, whole numbers, widths of a terminal."""

import pytest

from gatewise.printing import aligned, column_texts, text_table

ROWS = [["a name that is longer than any other name here", "1,234.50", "0.25"], ["short", "7.25", "100.00"]]


@pytest.mark.parametrize("width", [30, 40, 80])
def test_a_table_fits_its_width_and_cuts_no_number(width):
    lines = text_table(["name", "first", "second"], ROWS, right=(1, 2), width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert lines[2].split()[-2:] == ["1,234.50", "0.25"]
    assert ("…" in lines[2]) == (width < 66)


def test_a_table_that_cannot_fit_stays_whole():
    lines = text_table(["name", "first", "second"], ROWS, right=(1, 2), width=15).splitlines()
    assert lines[2].startswith(ROWS[0][0])
    assert lines[3].split() == ROWS[1]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([3.2059, 12.5, None], ["3.21", "12.50", "–"]),
        ([1234567.0, 800.0], ["1,234,567", "800"]),
        ([0.01234, 500.0], ["0.012", "500.000"]),
        ([1e-12, 2e-12], ["1e-12", "2e-12"]),
        ([0.0, float("nan")], ["0", "–"]),
        ([-1.5, 2.25], ["-1.50", "2.25"]),
    ],
)
def test_numbers_of_a_column_have_the_same_decimals(values, texts):
    assert aligned(values) == texts


def test_large_numbers_are_whole_and_columns_share_their_decimals():
    assert column_texts({"step": [5000060.0, 5000061.0]})["step"] == ["5000060", "5000061"]
    texts = column_texts({"lower": [53.0031, 9.5], "upper": [101.25, 57.24]})
    assert texts == {"lower": ["53.00", "9.50"], "upper": ["101.25", "57.24"]}
    assert column_texts({"x": [1e-12]})["x"] == ["1e-12"]
