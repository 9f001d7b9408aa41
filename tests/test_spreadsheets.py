"""Cells that a spreadsheet would run are written so that it does not, and read as they were."""

import hypothesis.strategies as st
import pandas as pd
import pytest
from hypothesis import given

from gatewise.cli import output
from gatewise.spreadsheets import harmless, original, to_csv
from gatewise.tables import read_table

RUN = [
    "=1+1",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "-",
    "\t=1",
    "\r=1",
    "\n=1",
    "=",
    "＝1+1",
    "＋1",
    "－1",
    "＠x",
    "-5 kg",
    "+x",
    "-1e",
]
LEFT = ["", "a", "-5", "+5", "-1.5e3", ".5", "-.5e-3", "5-1", "a=b", "'tis", "'5", "2024-01-01", "é"]


@pytest.mark.parametrize("cell", RUN)
def test_what_could_be_a_formula_gets_a_quote(cell):
    assert harmless(cell) == f"'{cell}"
    assert original(harmless(cell)) == cell


@pytest.mark.parametrize("cell", LEFT)
def test_all_else_stays(cell):
    assert harmless(cell) == original(cell) == cell


@given(st.text("'=+-@1.e a\t＝", max_size=6))
def test_writing_and_reading_are_inverse(cell):
    assert original(harmless(cell)) == cell
    assert harmless(cell)[:1] not in tuple("=@\t＝")


def test_frames_are_written_and_read_as_they_were(tmp_path):
    names = ["=A", "'=A", "-5", "B", "@x", "''-x", "a,b", '"q"']
    frame = pd.DataFrame(
        {"@shop": names, "kind": pd.Categorical(["=1", "b"] * 4), "change": [-1.5] * 8, "-n": range(8)}
    )
    text = to_csv(frame)
    assert text.splitlines()[:3] == ["'@shop,kind,change,'-n", "'=A,'=1,-1.5,0", "''=A,b,-1.5,1"]
    (tmp_path / "a.csv").write_text(text)
    table = read_table(tmp_path / "a.csv")
    assert table.names == list(frame.columns)
    assert table.data["@shop"].to_pylist() == names
    assert table.data["kind"].to_pylist() == ["=1", "b"] * 4
    assert frame["@shop"].tolist() == names


def test_what_was_no_formula_keeps_its_quote(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n'5,'tis\n'-5,it's\n")
    assert read_table(tmp_path / "a.csv").data.to_pydict() == {"a": ["'5", "'-5"], "b": ["'tis", "it's"]}


def test_repeated_names_of_columns():
    frame = pd.DataFrame([["=1", "x"]], columns=["a", "a"])
    assert to_csv(frame) == "a,a\n'=1,x\n"


def test_files_of_results_hold_no_formula():
    frame = pd.DataFrame({"=shop": ["=A", "B"], "median": [-1.0, 2.0]})
    assert output.result_files("forecast", frame, {})["forecast.csv"] == "'=shop,median\n'=A,-1.0\nB,2.0\n"
