"""Tables as people have them: each nuisance is handled and said, or refused with file, line, column and what to do."""

import gzip
import re
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from pyarrow import csv

import gatewise as gw
from gatewise.tables import (
    SequenceRoles,
    SeriesRoles,
    SeriesSchema,
    choose_columns,
    columns_from_json,
    drop_unanswered,
    encode,
    parse_times,
    read_sequences,
    read_series,
    read_table,
    with_labels,
    with_targets,
)
from gatewise.tables.numerals import parse


@pytest.fixture
def table(tmp_path):
    """Read what a file holds: text, bytes, or a frame as Parquet."""

    def read(content, name="a.csv"):
        path = tmp_path / name
        if isinstance(content, pa.Table):
            parquet.write_table(content, path)
        else:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_table(path)

    return read


def refused(call, *words):
    """Return the message of a refusal, on one line, that holds the words."""
    with pytest.raises(gw.GatewiseError) as caught:
        call()
    message = str(caught.value)
    for word in words:
        assert word in message, message
    assert "\n" not in message
    return message


def cells(*values):
    return pa.chunked_array([list(values)], pa.string())


def days(*rows, header="day,x"):
    return "\n".join([header, *rows]) + "\n"


# Files


@pytest.mark.parametrize(
    "content",
    [
        "name,x\na,1\nb,2\n",
        "name,x\r\na,1\r\nb,2\r\n",
        "name,x\na,1\nb,2",
        "name,x\n\na,1\n\n\nb,2\n\n",
        "\ufeffname,x\na,1\nb,2\n",
        "name;x\na;1\nb;2\n",
        "name\tx\na\t1\nb\t2\n",
        "name|x\na|1\nb|2\n",
        '"name","x"\n"a","1"\n"b","2"\n',
        " name , x\n a , 1\nb,2 \n",
        "name,x,\na,1,\nb,2,\n",
        "name,x\na,1\n,\nb,2\n",
        gzip.compress(b"name,x\na,1\nb,2\n", mtime=0),  # else the test's name holds the time of day
        "name,x\na,1\nb,2\n".encode("utf-16"),
    ],
)
def test_one_table_in_many_dialects(table, content):
    found = table(content)
    assert found.names == ["name", "x"]
    assert found.data.to_pydict() == {"name": ["a", "b"], "x": ["1", "2"]}
    assert found.numbers("x").values.tolist() == [1, 2]


def test_what_was_done_is_said(table):
    assert table("a,b\n1,2\n,\n").notes == ["1 empty row dropped"]
    assert table("a\n1\n".encode("utf-16")).notes == ["encoded as UTF-16"]
    assert table("größe;x\n1;2\n".encode("cp1252")).notes == ["not UTF-8: read as Windows-1252"]
    assert table("größe;x\n1;2\n".encode("cp1252")).names == ["größe", "x"]


def test_unicode_names_and_quoted_newlines(table):
    found = table('日付,"wert\n(°C)",ключ\n2024-01-01,"1\n",ä\n"x\ny",2,ü\n')
    assert found.names == ["日付", "wert\n(°C)", "ключ"]
    assert found.where(0).endswith("a.csv, line 3")
    assert found.where(1).endswith("a.csv, line 5")
    assert found.data["日付"].to_pylist() == ["2024-01-01", "x\ny"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["is empty"]),
        (b" \n\n", ["is empty"]),
        (b"\xef\xbb\xbf", ["is empty"]),
        ("a,b\n", ["holds no row below its column names"]),
        ("a,b", ["holds no row below its column names"]),
        ("a,b\n,\n\n,\n", ["no value"]),
        ("a,b\n1,2\n3\n", ["line 3: 1 field(s) where the header has 2", "commas"]),
        ('a,b\n"x\ny",2\n\n1,2,3\n', ["line 5: 3 field(s) where the header has 2", "quote values"]),
        ('a,b\n1,2\n"3,4\n5,6\n', ["line 3", "never closed"]),
        ("a,b,a\n1,2,3\n", ["column 'a'", "columns 1 and 3"]),
        (b"\x89PNG\r\n\x1a\n\0\0\0", ["binary"]),
        (bytes(range(256)), ["binary"]),
        (b"PK\x03\x04 sheet", ["workbook", "CSV"]),
        (b"PAR1 and nothing more", ["damaged Parquet"]),
        (b"\x1f\x8b\x08 and nothing more", ["damaged gzip"]),
        (b"\xff\xfea", ["UTF-16"]),
    ],
)
def test_files_that_are_no_tables(table, content, words):
    refused(lambda: table(content), "a.csv", *words)


def test_paths_that_are_no_files(tmp_path):
    refused(lambda: read_table(tmp_path), "is a directory", "need a CSV or Parquet file")
    refused(lambda: read_table(tmp_path / "no.csv"), "no.csv", "no such file")


def test_missing_columns_are_named_with_those_alike(table):
    found = table("Temperature,x\n1,2\n")
    refused(lambda: found.require(["temperature", "x"]), "no column 'temperature'", "Did you mean 'Temperature'?")
    refused(lambda: table("1,2\n3,4\n").require(["x"]), "line of names missing?")


def test_lines_are_found_far_down(table):
    rows = [f'"{k}\n",{k}' for k in range(500)] + ["x,warm"]
    found = table("a,b\n" + "\n".join(rows) + "\n")
    assert found.where(499) == f"{found.source}, line 1000"
    assert found.where(500) == f"{found.source}, line 1002"
    assert found.numbers("b").row == 500


# Numbers


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


# Kinds of columns


def test_columns_are_told_apart(table):
    found = table(
        "n,word,flag,day,constant,empty,id,word1\n"
        "1,a,yes,2024-01-01,7,,007,x\n2,b,no,2024-01-02,7,n/a,008,x\n3,a,,2024-01-03,7,,009,x\n"
    )
    columns = choose_columns(found, found.names)
    assert [str(column) for column in columns] == [
        "n number",
        "word text → one-hot (2 levels)",
        "flag yes/no",
        "id text → one-hot (3 levels)",
    ]
    assert found.notes == [
        "id: kept as text because of leading zeros",
        "left out: day (times), constant (always 7), empty (empty), word1 (always x)",
    ]
    expected = [[1, 1, 0, 1, 1, 0, 0], [2, 0, 1, 0, 0, 1, 0], [3, 1, 0, np.nan, 0, 0, 1]]
    np.testing.assert_array_equal(encode(found, columns), expected)
    assert columns[1].channels == ["word=a", "word=b"]
    assert columns_from_json([column._asdict() for column in columns]) == columns


def test_text_with_many_levels_is_left_out(table):
    found = table("name,x\n" + "".join(f"n{k},{k}\n" for k in range(60)))
    assert [column.name for column in choose_columns(found, found.names)] == ["x"]
    assert found.notes == ["left out: name (text with 60 levels)"]


def test_mostly_numbers_are_refused_with_the_line(table):
    found = table("a,b\n1,x\n2,y\nerror,z\n")
    refused(lambda: choose_columns(found, ["a"]), "a.csv, line 4, column 'a': 'error' is no number", "leave the cell")


@pytest.mark.parametrize(
    ("trained", "later", "words"),
    [
        ("a\n1\n2\n", "a\n1\nwarm\n", ["line 3, column 'a'", "'warm' is no number; the model was trained on numbers"]),
        ("a\n1 kg\n2 kg\n", "a\n1 lb\n", ["'lb'", "trained on 'kg'"]),
        ("a\nx\ny\n", "a\n1\n2\n", ["column 'a'", "'1', '2'", "trained on 'x', 'y'"]),
        ("a\nyes\nno\n", "a\nyes\nmaybe\n", ["line 3", "'maybe' is neither yes nor no"]),
        ("a\n1\n2\n", "b\n1\n", ["no column 'a'", "which the model was trained on"]),
    ],
)
def test_columns_of_another_kind_are_refused(table, trained, later, words):
    columns = choose_columns(table(trained), ["a"])
    refused(lambda: encode(table(later, "b.csv"), columns), "b.csv", *words)


def test_unknown_levels_are_none_of_the_known(table):
    columns = choose_columns(table("a\nx\ny\n"), ["a"])
    later = table("a\nx\nz\n")
    np.testing.assert_array_equal(encode(later, columns), [[1, 0], [0, 0]])
    assert later.notes == ["a: 'z' unknown to the model: read as none of its levels"]


def test_parquet_keeps_its_types(table):
    stamps = pd.date_range("2024-01-01", periods=3, tz="Europe/Berlin", freq="D")
    frame = pd.DataFrame(
        {
            "time": stamps,
            "whole": pd.array([1, None, 3], "Int64"),
            "category": pd.Categorical(["a", "b", "a"]),
            "flag": [True, False, True],
            "text": ["1,5", "2,5", None],
        }
    )
    decimals = pa.array([Decimal("1.5"), Decimal("2.25"), None])
    found = table(pa.Table.from_pandas(frame).append_column("decimal", decimals), "a.parquet")
    kinds = [str(column) for column in choose_columns(found, found.names)]
    assert kinds == [
        "whole number",
        "category text → one-hot (2 levels)",
        "flag yes/no",
        "text number",
        "decimal number",
    ]
    assert found.where(2).endswith("a.parquet, row 3")
    np.testing.assert_array_equal(found.numbers("whole").values, [1, np.nan, 3])
    assert parse_times(found, "time").stamps.equals(pd.DatetimeIndex(["2024-01-01", "2024-01-02", "2024-01-03"]))


@pytest.mark.parametrize("cell", [[1, 2], {"a": 1}, b"\x00\x01"])
def test_nested_columns_are_refused(table, cell):
    found = table(pa.table({"a": [cell, cell], "b": [1, 2]}), "a.parquet")
    refused(
        lambda: choose_columns(found, ["a", "b"]), "a.parquet, column 'a': its type is", "make columns of its parts"
    )
    assert [column.name for column in choose_columns(found, ["b"])] == ["b"]


# Times


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


# Series


@pytest.mark.parametrize(
    ("frequency", "form", "label", "horizon"),
    [
        ("h", "%Y-%m-%d %H:%M", "1 h", 24),
        ("15min", "%Y-%m-%d %H:%M", "15 min", 96),
        ("min", "%Y-%m-%d %H:%M", "1 min", 60),
        ("D", "%Y-%m-%d", "1 day", 7),
        ("W", "%Y-%m-%d", "1 week", 12),
        ("MS", "%Y-%m-%d", "month", 12),
        ("ME", "%Y-%m-%d", "month", 12),
        ("QS", "%Y-%m-%d", "quarter", 4),
        ("YS", "%Y", "year", 4),
        ("B", "%Y-%m-%d", "workday", 5),
        ("4W", "%Y-%m-%d", "4 weeks", 10),
    ],
)
def test_the_step_is_found_and_gaps_are_filled(table, frequency, form, label, horizon):
    index = pd.date_range("2019-01-01", periods=40, freq=frequency)
    rows = [f"{stamp:{form}},{k}" for k, stamp in enumerate(index) if k not in (7, 8, 30)]
    found = table(days(*rows))
    panel = read_series(found, SeriesRoles("day", ("x",)))
    assert panel.step.label == label
    assert panel.step.horizon() == horizon
    assert panel.y[0].index.equals(index.rename("day"))
    assert panel.y[0].index.freq == index.freq or frequency == "4W"
    assert np.flatnonzero(panel.y[0].isna()).tolist() == [7, 8, 30]
    assert "3 missing steps filled with gaps" in found.notes


@pytest.mark.parametrize(("frequency", "season"), [("h", 168), ("D", 7), ("MS", 12), ("QS", 4), ("B", 5), ("YS", None)])
def test_the_season_follows_from_the_step(table, frequency, season):
    index = pd.date_range("2000-01-01", periods=24, freq=frequency)
    panel = read_series(table(days(*(f"{stamp},1" for stamp in index))), SeriesRoles("day", ("x",)))
    assert panel.step.season(1000) == season
    assert panel.step.season(4) is None
    assert frequency != "h" or panel.step.season(100) == 24


def test_unsorted_repeated_and_differing_rows(table):
    rows = [f"2024-01-{k:02d},{k}" for k in range(1, 21)]
    swapped = [rows[1], rows[0], *rows[2:]]
    found = table(days(*swapped, rows[4]))
    assert read_series(found, SeriesRoles("day", ("x",))).y[0].tolist() == list(range(1, 21))
    assert found.notes == ["times sorted", "1 repeated row dropped"]
    found = table(days(*rows, "2024-01-05,7"))
    assert read_series(found, SeriesRoles("day", ("x",))).y[0].iloc[4] == 6
    assert found.notes == ["times sorted", "1 step with differing rows averaged, as line 6 and line 22"]
    found = table(days(*rows, "2024-01-05,"))
    assert read_series(found, SeriesRoles("day", ("x",))).y[0].iloc[4] == 5


def test_contradictions_everywhere_are_refused(table):
    rows = [f"2024-01-{k:02d},{k + s}" for k in range(1, 9) for s in (0, 1)]
    refused(
        lambda: read_series(table(days(*rows)), SeriesRoles("day", ("x",))),
        "line 3, column 'day': line 2 and line 3 both tell of 2024-01-01",
        "--series",
    )


def test_the_hour_that_daylight_saving_repeats_is_averaged_and_named(table):
    index = pd.date_range("2024-10-25", periods=96, freq="h", tz="Europe/Berlin")
    found = table(days(*(f"{stamp:%Y-%m-%d %H:%M},{k}" for k, stamp in enumerate(index))))
    panel = read_series(found, SeriesRoles("day", ("x",)))
    assert panel.y[0][pd.Timestamp("2024-10-27 02:00")] == 50.5
    assert any("daylight saving" in note for note in found.notes)
    spring = pd.date_range("2024-03-30", periods=48, freq="h", tz="Europe/Berlin")
    found = table(days(*(f"{stamp:%Y-%m-%d %H:%M},{k}" for k, stamp in enumerate(spring))))
    assert np.isnan(read_series(found, SeriesRoles("day", ("x",))).y[0][pd.Timestamp("2024-03-31 02:00")])


def test_jitter_is_rounded_and_said(table):
    rng = np.random.default_rng(0)
    stamps = pd.date_range("2024-01-01", periods=50, freq="10min") + pd.to_timedelta(rng.uniform(-20, 20, 50), "s")
    found = table(days(*(f"{stamp},{k}" for k, stamp in enumerate(stamps))))
    panel = read_series(found, SeriesRoles("day", ("x",)))
    assert panel.y[0].tolist() == list(range(50))
    assert panel.step.label == "10 min"
    assert found.notes == ["50 times rounded to steps of 10 min"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["2024-01-01,1"], ["column 'day'", "single time stamp"]),
        (["2024-01-01,1", "2024-01-01,1"], ["single time stamp"]),
        (
            [f"2024-01-{d},{k}" for k, d in enumerate(("01 00:00", "01 07:13", "03 11:00", "04 01:07", "09 23:00"))],
            ["no regular step", "mean of each"],
        ),
        (["2024-01-01,1", "2024-01-02,1", "2024-01-03,1", "2204-01-04,1"], ["line 5", "steps are missing"]),
        (["2024-01-01,", "2024-01-02,"], ["column 'x'", "no series with a value"]),
        (["2024-01-01,1", "2024-01-02,1e200"], ["line 3, column 'x'", "too large"]),
        (["2024-01-01,1", "2024-01-02,warm"], ["line 3, column 'x': 'warm' is no number; need numbers"]),
    ],
)
def test_series_that_cannot_be_used(table, rows, words):
    refused(lambda: read_series(table(days(*rows)), SeriesRoles("day", ("x",))), "a.csv", *words)


def test_long_tables_with_everything_beside(table):
    rows = []
    for shop, size in (("north", "big"), ("south", "small")):
        for k in range(1, 9):
            units = "" if k > 6 else str(k + (10 if shop == "south" else 0))
            rows.append(f"2024-01-{k:02d},{shop},{units},{k % 2},{k / 2},{size}")
    found = table(days(*rows, header="day,shop,units,promo,stock,size"))
    roles = SeriesRoles("day", ("units",), "shop", ("promo",), ("stock",), ("size",))
    panel = read_series(found, roles)
    assert panel.names == ["north", "south"]
    assert [y.tolist() for y in panel.y] == [[1, 2, 3, 4, 5, 6], [11, 12, 13, 14, 15, 16]]
    assert panel.ahead == 2
    assert panel.covariates[1]["promo"].tolist() == [1, 0, 1, 0, 1, 0, 1, 0]
    assert panel.covariates[0].columns.tolist() == ["promo", "stock"]
    assert panel.static.to_dict("index") == {
        "north": {"size=big": 1, "size=small": 0},
        "south": {"size=big": 0, "size=small": 1},
    }
    assert SeriesRoles.from_json({**roles._asdict(), "known": ["promo"]}) == roles


def test_wide_tables_are_one_series_a_target(table):
    found = table(days("2024-01-01,1,", "2024-01-02,2,5", "2024-01-03,,6", header="day,x,y"))
    panel = read_series(found, SeriesRoles("day", ("x", "y")))
    assert [y.tolist() for y in panel.y] == [[1, 2], [5, 6]]
    assert panel.names == ["x", "y"]
    assert panel.y[1].index[0] == pd.Timestamp("2024-01-02")


def test_short_series_share_the_step_of_the_others(table):
    rows = [f"2024-{k:02d}-01,{s},{k}" for s, last in (("a", 9), ("b", 1), ("c", 2)) for k in range(1, last + 1)]
    panel = read_series(table(days(*rows, header="day,s,x")), SeriesRoles("day", ("x",), "s"))
    assert [y.index.freqstr for y in panel.y] == ["MS", "MS", "MS"]


def test_static_columns_must_not_change(table):
    rows = [f"2024-01-{k:02d},a,{k},{k // 4}" for k in range(1, 7)]
    found = table(days(*rows, header="day,shop,units,size"))
    roles = SeriesRoles("day", ("units",), "shop", static=("size",))
    refused(lambda: read_series(found, roles), "line 5, column 'size': changes within series 'a'")
    refused(lambda: read_series(found, roles._replace(series=None)), "--static needs --series")
    refused(lambda: read_series(found, roles._replace(past=("units",))), "'units' has two roles")


def test_a_model_takes_only_what_is_new(table):
    trained = read_series(table(days(*(f"2024-01-{k:02d},{k}" for k in range(1, 11)))), SeriesRoles("day", ("x",)))
    place = int(trained.step.places(trained.y[0].index[-1:])[0][0])
    known = SeriesSchema(trained.columns, trained.step, {"x": place})
    found = table(days("2024-01-09,9", "2024-01-10,10", "2024-01-12,12", "2024-01-13,"))
    panel = read_series(found, SeriesRoles("day", ("x",)), known)
    assert panel.y[0].to_dict() == {pd.Timestamp("2024-01-12"): 12}
    assert panel.ahead == 1
    assert len(read_series(table(days("2024-01-09,9")), SeriesRoles("day", ("x",)), known).y[0]) == 0
    far = read_series(table(days("2024-01-12,9", "2024-01-20,8")), SeriesRoles("day", ("x",)), known)
    assert len(far.y[0]) == 9
    off = table(days("2024-01-12 08:00,9", "2024-01-20,8"))
    refused(
        lambda: read_series(off, SeriesRoles("day", ("x",)), known), "line 2, column 'day'", "off the steps of 1 day"
    )
    hourly = table(days(*(f"2024-01-12 {k:02d}:00,{k}" for k in range(12))))
    refused(
        lambda: read_series(hourly, SeriesRoles("day", ("x",)), known), "steps are 1 h", "trained on steps of 1 day"
    )
    refused(
        lambda: read_series(table(days("1,9", "2,8")), SeriesRoles("day", ("x",)), known), "trained on steps of 1 day"
    )


# Sequences


STEPS = "id,t,x,w,kind\nb,2,4,u,up\nb,1,3,v,up\na,1,1,u,down\na,3,,u,down\na,2,2,v,down\n"


def test_sequences_are_cut_and_sorted(table):
    found = table(STEPS)
    roles = SequenceRoles("id", "t", "kind")
    sequences = with_labels(found, roles, read_sequences(found, roles))
    assert sequences.names == ["b", "a"]
    assert sequences.channels == ["x", "w=u", "w=v"]
    np.testing.assert_array_equal(sequences.X[0], [[3, 0, 1], [4, 1, 0]])
    np.testing.assert_array_equal(sequences.X[1], [[1, 1, 0], [2, 0, 1], [np.nan, 1, 0]])
    assert sequences.labels.tolist() == ["up", "down"]
    assert found.notes == ["steps sorted by time"]
    assert SequenceRoles.from_json(roles._asdict()) == roles


def test_sequences_without_times_keep_the_order_of_the_file(table):
    found = table("id,x\na,1\nb,5\na,2\nb,4\n")
    assert [x.ravel().tolist() for x in read_sequences(found, SequenceRoles("id")).X] == [[1, 2], [5, 4]]
    assert found.notes == ["rows of each sequence brought together, in the order of the file"]


def test_two_labels_in_a_sequence_are_refused(table):
    found = table("id,x,kind\na,1,up\na,2,\na,3,down\nb,1,up\nb,2,up\n")
    roles = SequenceRoles("id", None, "kind")
    words = ["a.csv, line 4, column 'kind'", "sequence 'a' is 'down' here and 'up' before"]
    refused(lambda: with_labels(found, roles, read_sequences(found, roles)), *words)


def test_sequences_without_a_label_are_left_out_and_said(table):
    found = table("id,x,kind\na,1,1\na,2,\nb,1,\nb,2,\nc,3,x\n")
    roles = SequenceRoles("id", None, "kind")
    sequences = drop_unanswered(found, with_labels(found, roles, read_sequences(found, roles)))
    assert (sequences.names, sequences.labels.tolist()) == (["a", "c"], ["1", "x"])
    assert found.notes == ["1 sequence without an answer left out: b"]


def test_targets_of_sequences_or_of_steps(table):
    roles = SequenceRoles("id", None, "y", ("x",))
    found = table("id,x,y\na,1,5\na,2,\nb,1,7\nb,2,7\n")
    whole = with_targets(found, roles, read_sequences(found, roles))
    assert (whole.per_step, whole.targets.tolist()) == (False, [5, 7])
    found = table("id,x,y\na,1,5\na,2,6\nb,1,\nb,2,7\n")
    steps = with_targets(found, roles, read_sequences(found, roles))
    assert steps.per_step
    np.testing.assert_array_equal(np.concatenate(steps.targets), [5, 6, np.nan, 7])
    sequences = read_sequences(found, roles)
    refused(
        lambda: with_targets(found, roles, sequences, per_step=False), "line 3, column 'y': changes within sequence"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("id,x\na,1\n,2\n", ["line 3, column 'id': no name of a sequence"]),
        ("id,x\na,7\nb,7\n", ["no column is left to learn from"]),
        ("id,y\na,1\n", ["no column 'x'"]),
    ],
)
def test_sequences_that_cannot_be_used(table, content, words):
    features = ("x",) if "y" in content else ()
    refused(lambda: read_sequences(table(content), SequenceRoles("id", features=features)), "a.csv", *words)


def test_a_million_rows(tmp_path):
    count = 1_000_000
    stamps = np.datetime64("2000-01-01T00:00") + np.arange(count)
    values = np.arange(count) % 1000
    data = pa.table({"time": pa.array(stamps.astype("datetime64[s]")), "x": values, "w": ["a", "b"] * (count // 2)})
    text = pa.BufferOutputStream()
    csv.write_csv(data, text)
    content = text.getvalue().to_pybytes().replace(b",999,", b",n/a,", 1)
    (tmp_path / "big.csv").write_bytes(content)
    found = read_table(tmp_path / "big.csv")
    panel = read_series(found, SeriesRoles("time", ("x",), past=("w",)))
    assert len(panel.y[0]) == count
    assert panel.y[0].isna().sum() == 1
    assert re.search(r"1 cell \(n/a\)", " ".join(found.notes))
    assert found.where(count - 1).endswith("line 1000001")
