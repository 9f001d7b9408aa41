"""Roles that are clear without an option, and those that are not."""

import pytest
from table_files import refused

from gatewise.tables import SeriesRoles, arranged


@pytest.mark.parametrize(
    ("content", "time", "targets", "series"),
    [
        ("year,volume\n1871,1120\n1872,1160\n", "year", "volume", None),
        ("volume,year\n1120,1871\n1160,1872\n", "year", "volume", None),
        (",time,Nile\n1,1871,1120\n2,1872,1160\n", "time", "Nile", None),
        (",time,x\n1,1949,112\n2,1949.08333,118\n", "time", "x", None),
        (",x\n1,112\n2,118\n", "row", "x", None),
        ("x\n112\n118\n", "row", "x", None),
        ("112\n118\n", "row", "column 1", None),
        ("1950\n1951\n", "row", "column 1", None),
        ("2024-01-01,5\n2024-01-02,6\n", "column 1", "column 2", None),
        ("when,x\n2024-01-01,5\n2024-01-02,6\n", "when", "x", None),
        (",Europe\n1951,5\n1952,6\n", "unnamed 1", "Europe", None),
        ("year,quarter,x\n1959,1,5\n1959,2,6\n", "year, quarter", "x", None),
        ("Year,Month,Day,x\n1959,1,1,5\n1959,1,2,6\n", "Year, Month, Day", "x", None),
        ("Date,Month,Year,x\n1959-01-01,Jan,1959,5\n1959-02-01,Feb,1959,6\n", "Date", "x", None),
        ("symbol,date,price\nA,2024-01-01,5\nB,2024-01-01,6\nA,2024-01-02,5\n", "date", "price", "symbol"),
        ("time,x\n1,5\n2,6\n3,7\n", "time", "x", None),
    ],
)
def test_roles_that_are_clear(table, content, time, targets, series):
    found, roles, asked = arranged(table(content), SeriesRoles.of())
    assert (roles.time, roles.targets, roles.series) == (time, (targets,), series)
    assert asked == roles
    assert any(f"--target {targets}" in note and note.endswith("taken") for note in found.notes)


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        ("year,a,b\n1871,1,2\n1872,3,4\n", {}, ["a, b", "--target COLUMN"]),
        ("year,name\n1871,a\n1872,b\n", {}, ["no column of numbers", "--target"]),
        ("ordered,shipped,x\n2024-01-01,2024-01-02,1\n2024-01-02,2024-01-03,2\n", {}, ["ordered, shipped", "--time"]),
        ("Month,Day,x\n5,1,1\n5,2,2\n6,1,3\n", {"time": ["Month", "Day"], "target": "x"}, []),
        ("when,x\nKW 1,1\nKW 2,2\n", {}, ["no time can be read from when", "--time-format", "--file-order"]),
        ("year,volume\n1871,1120\n", {"target": "volumes"}, ["Did you mean 'volume'"]),
        ("date,x\n03/04/2024,1\n04/04/2024,2\n", {}, []),
    ],
)
def test_roles_that_are_not(table, content, options, words):
    found = table(content)
    if words:
        refused(lambda: arranged(found, SeriesRoles.of(**options)), *words)
    else:
        assert arranged(found, SeriesRoles.of(**options)).roles.targets == ("x",)


def test_the_order_of_the_file_can_be_asked_for(table):
    _, roles, _ = arranged(table("when,x\nKW 1,1\nKW 2,2\n"), SeriesRoles.of(in_order=True))
    assert (roles.time, roles.targets, roles.in_order) == ("row", ("x",), True)
