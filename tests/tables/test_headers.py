"""Files whose first line is a row already, and names that are numbers."""

import pytest

from gatewise.tables import read_table


@pytest.mark.parametrize(
    "content",
    [
        "112\n118\n132\n",
        "2024-01-01,1\n2024-01-02,2\n",
        "01.01.2024;1,5\n02.01.2024;2,5\n",
        "north,2024-01-01,5\nsouth,2024-01-01,6\n",
        "-0.003 0.083\n0.018 0.083\n",
        "north,1.5\nsouth,2.5\n",
        "1949,112\n1950,118\n",
    ],
)
def test_a_first_line_of_values_is_kept(table, content):
    found = table(content)
    assert len(found) == len(content.splitlines())
    assert found.names[0] == "column 1"
    assert any("first line is a row of values" in note for note in found.notes)
    assert found.where(1) == f"{found.source}, line 2"


@pytest.mark.parametrize(
    "content",
    [
        "x\n112\n118\n",
        "day,x\n2024-01-01,1\n",
        "country,1960,1961\nPeru,6.9,6.8\nMali,7.0,7.0\n",
        "1960,1961,1962\n6.9,6.8,6.7\n",
        "0\n112\n118\n",
        "0,1\n1.5,2.5\n3.5,4.5\n",
        ",time,Nile\n1,1871,1120\n2,1872,1160\n",
        "shop,2024-01,2024-02\nnorth,5,6\nsouth,7,8\n",
        "a,b\nc,d\ne,f\n",
        "5,6\n",
    ],
)
def test_names_are_names(table, content):
    if len(content.splitlines()) > 1:
        found = table(content)
        assert len(found) == len(content.splitlines()) - 1
        assert not found.notes


def test_an_option_decides(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("1949,112\n1950,118\n")
    assert read_table(path, header=True).names == ["1949", "112"]
    path.write_text("a,b\nc,d\n")
    assert read_table(path, header=False).names == ["column 1", "column 2"]
