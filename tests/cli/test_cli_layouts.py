"""`gatewise forecast` over tables as people have them: what refusals name, and the list of real tables."""

import importlib.util
import shlex
import sys
from pathlib import Path

import pytest

from gatewise import cli
from gatewise.cli import checkpoints, forecast
from gatewise.tables import resampling

LIST = Path(__file__).parents[2] / "benchmarks" / "tables.py"
ORDERS = "sold,pieces\n" + "".join(f"2024-{month:02d}-{day:02d},3\n" for month in range(1, 7) for day in (1, 2, 9, 24))


@pytest.mark.parametrize(
    ("content", "arguments", "named"),
    [
        (ORDERS, "", "--every month --mean"),
        (ORDERS, "--every month", "--sum or --mean"),
        (ORDERS, "--sum", "--every month"),
        (ORDERS, "--wide", "leave --wide out"),
        ("year,a,b\n2001,1,2\n2002,3,4\n", "", "--target COLUMN"),
        ("Month,Day,x\n5,1,1\n5,2,2\n", "--time Month,Day", "--file-order"),
        ("when,x\nKW 1,1\nKW 2,2\n", "", "--time-format"),
        ("t,x\n1958.2027,1\n1958.2877,2\n1958.37,3\n", "--time t", "--every month --mean"),
    ],
)
def test_refusals_name_the_option(tmp_path, monkeypatch, capsys, content, arguments, named):
    (tmp_path / "a.csv").write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["gatewise", "forecast", "a.csv", *shlex.split(arguments)])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    out, err = capsys.readouterr()
    assert (caught.value.code, out) == (2, "")
    assert named in err
    assert len(err.splitlines()) == 1


def test_the_periods_of_the_option_are_those_of_the_reading():
    assert list(checkpoints.PERIODS) == list(resampling.PERIODS)


@pytest.mark.skipif(not LIST.exists(), reason="a source distribution has no benchmarks")
def test_the_real_tables_are_thirty_and_their_options_are_known(tmp_path):
    spec = importlib.util.spec_from_file_location("real_tables", LIST)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    (tmp_path / "a.csv").write_text(ORDERS)
    assert len({(case.package, case.table) for case in module.CASES}) == len(module.CASES) >= 30
    for case in module.CASES:
        for words in filter(None, (case.first, case.second)):
            forecast.command.make_context("forecast", [str(tmp_path / "a.csv"), *shlex.split(words)])
