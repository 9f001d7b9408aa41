"""Kinds of columns: found out once, kept with a model, insisted on later."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from table_files import refused

from gatewise.tables import (
    choose_columns,
    columns_from_json,
    encode,
    parse_times,
)


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
