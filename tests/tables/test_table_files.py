"""Files and frames as tables: dialects that are read, and files that are refused."""

import gzip

import pyarrow as pa
import pytest
from table_files import refused

from gatewise.tables import parse_times, read_table


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


def test_what_a_file_should_not_hold_is_refused_in_a_line(table):
    refused(lambda: table('day,x\n2024-01-01,"' + "y\n" * 100_000), "a.csv, line 2 cannot be read as CSV", "field")
    message = refused(
        lambda: table(",".join(["a"] * 5000) + "\n1" + ",1" * 4999 + "\n"), "column 'a'", "columns 1 and 2"
    )
    assert len(message) < 200
    far = pa.table({"day": pa.array([0, 2**31 - 1], pa.int32()).cast(pa.date32()), "x": [1, 2]})
    refused(
        lambda: parse_times(table(far, "a.parquet"), "day"), "a.parquet, row 2, column 'day'", "of the year 5881580"
    )
