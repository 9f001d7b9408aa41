"""DataFrames as tables: the same checks as files, in their own words."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from table_files import refused

from gatewise.tables import SeriesRoles, as_table, choose_columns, parse_times, read_series

DAYS = pd.date_range("2024-01-01", periods=4, freq="D")


def test_a_frame_reads_as_the_file_it_came_from(table):
    text = "day,x,w,flag\n2024-01-01,1,a,yes\n2024-01-02,,b,no\n,,,\n2024-01-03,3,a,yes\n"
    from_file, frame = table(text), pd.DataFrame([line.split(",") for line in text.splitlines()[1:]])
    from_frame = as_table(frame.set_axis(["day", "x", "w", "flag"], axis=1))
    assert from_frame.notes == from_file.notes == ["1 empty row dropped"]
    assert choose_columns(from_frame, ["x", "w", "flag"]) == choose_columns(from_file, ["x", "w", "flag"])
    roles = SeriesRoles.of("day", "x", past=["w", "flag"])
    one, other = read_series(from_frame, roles), read_series(from_file, roles)
    pd.testing.assert_series_equal(one.y[0], other.y[0])
    pd.testing.assert_frame_equal(one.covariates[0], other.covariates[0])


def test_types_of_pandas_are_kept():
    frame = pd.DataFrame(
        {
            "whole": pd.array([1, None, 3, 4], "Int64"),
            "category": pd.Categorical(["a", "b", "a", "b"]),
            "flag": [True, False, True, False],
            "period": pd.period_range("2024-01", periods=4, freq="M"),
            5: [1.0, np.nan, 3.0, 4.0],
        }
    )
    found = as_table(frame)
    assert found.names == ["whole", "category", "flag", "period", "5"]
    kinds = [str(column) for column in choose_columns(found, found.names)]
    assert kinds == ["whole number", "category text → one-hot (2 levels)", "flag yes/no", "5 number"]
    assert parse_times(found, "period").stamps.equals(pd.date_range("2024-01", periods=4, freq="MS"))


@pytest.mark.parametrize(
    ("index", "names"),
    [
        (None, ["x"]),
        ([4, 5, 9, 2], ["x"]),
        (pd.Index([4, 5, 9, 2], name="n"), ["n", "x"]),
        (DAYS, ["index", "x"]),
        (DAYS.rename("day"), ["day", "x"]),
        (DAYS.to_period("D"), ["index", "x"]),
        (pd.MultiIndex.from_arrays([list("aabb"), DAYS], names=["shop", "day"]), ["shop", "day", "x"]),
    ],
)
def test_an_index_with_a_name_or_dates_is_a_column(index, names):
    frame = pd.DataFrame({"x": [1, 2, 3, 4]}, index=index)
    assert as_table(frame).names == names
    assert frame.columns.tolist() == ["x"]


def test_a_table_is_itself(table):
    found = table("a\n1\n")
    assert as_table(found) is found


@pytest.mark.parametrize(
    ("frame", "words"),
    [
        (pd.DataFrame({"x": []}), ["holds no row"]),
        (pd.DataFrame({"x": [None, None]}), ["no value"]),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), ["column 'a'", "columns 1 and 2"]),
        (pd.DataFrame([[1, 2]], columns=[0, "0"]), ["column '0'", "columns 1 and 2"]),
        (pd.DataFrame({"x": [1]}, pd.Index([1], name="x")), ["column 'x'", "columns 1 and 2"]),
        (pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "c")])), ["2 levels"]),
        (pd.DataFrame({"x": ["1", 2]}), ["column 'x'", "values of type int, str", "need one type"]),
        (pd.Series([1, 2]), ["table is a Series", "path or a DataFrame of pandas or polars"]),
        (None, ["table is a NoneType"]),
    ],
)
def test_frames_that_are_no_tables(frame, words):
    refused(lambda: as_table(frame), *words)


def test_rows_of_a_frame_are_named_from_1():
    frame = pd.DataFrame({"day": DAYS, "x": ["1", "2", "warm", "4"]})
    refused(
        lambda: read_series(as_table(frame), SeriesRoles.of("day", "x")), "the DataFrame, row 3, column 'x': 'warm'"
    )


def test_frames_of_other_libraries_are_tables_too():
    frame = pd.DataFrame(
        {"shop": ["A "] * 40, "day": pd.date_range("2024-01-01", periods=40), "sales": np.arange(40.0)}
    )
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    assert as_table(arrow).data.to_pydict() == as_table(frame).data.to_pydict()
