"""Run the suite with the kernels off, and count the lines and branches that it passes over, room by room.

    pip install -e ".[reliability]"
    python reliability/covered.py --data /tmp/coverage

Child processes are counted too. `kernels/` is not: with the kernels off its loops do not run, and with them on they are
machine code, which has no lines to count. The folder afterwards holds what `reliability/mutants.py` wants: which test
ran which line (`coverage`), and each test's outcome and seconds (`outcomes.json`). Exit code 1: less than 95 % is
covered, or a test failed.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections import Counter
from pathlib import Path

import coverage
import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "gatewise"
NEEDED = 95.0  # percent of lines and branches together
KEYS = ("covered_lines", "num_statements", "covered_branches", "num_branches")
SETTINGS = """
[run]
branch = true
source_pkgs = gatewise
data_file = {folder}/coverage
parallel = true
patch = subprocess
sigterm = true
[report]
exclude_also =
    if TYPE_CHECKING:
    if typing.TYPE_CHECKING:
    raise NotImplementedError
    ^\\s*\\.\\.\\.$
"""


class Outcomes:
    """A plugin of pytest that keeps the seconds and the outcome of each test."""

    def __init__(self) -> None:
        self.tests: dict[str, dict[str, float | bool]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a report of a test's setup, call or teardown."""
        one = self.tests.setdefault(report.nodeid, {"seconds": 0.0, "passed": True})
        one["seconds"] = round(one["seconds"] + report.duration, 4)
        one["passed"] = bool(one["passed"]) and report.passed


def run(folder: Path, tests: list[str], *, add: bool) -> int:
    """Run the tests under coverage, in addition to those of an earlier run or anew; pytest's exit code."""
    if not add:
        shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "settings.ini"
    settings.write_text(SETTINGS.format(folder=folder), encoding="utf-8")
    os.environ |= {"GATEWISE_KERNELS": "0"}
    options = ["-n", "0", "-q", "-p", "no:cacheprovider", "--cov", f"--cov-config={settings}", "--cov-context=test"]
    options += ["--cov-append"] * add
    outcomes, kept = Outcomes(), folder / "outcomes.json"
    if kept.exists():
        outcomes.tests.update(json.loads(kept.read_text(encoding="utf-8")))
    code = pytest.main([*options, "--cov-report=", *(tests or [str(ROOT / "tests")])], plugins=[outcomes])
    kept.write_text(json.dumps(outcomes.tests, indent=0), encoding="utf-8")
    return int(code)


def files(folder: Path) -> dict[str, dict[str, float]]:
    """For each file of the package, below `src/gatewise`: how many lines and branches it has, and how many were run."""
    report = folder / "report.json"
    counted = coverage.Coverage(data_file=str(folder / "coverage"), config_file=str(folder / "settings.ini"))
    counted.load()
    counted.json_report(outfile=str(report))
    found = json.loads(report.read_text(encoding="utf-8"))["files"]
    return {str(Path(name).resolve().relative_to(PACKAGE)): one["summary"] for name, one in found.items()}


def table(counts: dict[str, dict[str, float]]) -> float:
    """Print a line for each room; the percentage of all of them together but `kernels`."""
    rooms: dict[str, Counter[str]] = {}
    for name, one in counts.items():
        room = rooms.setdefault(name.partition("/")[0].removesuffix(".py"), Counter())
        room.update({key: int(one[key]) for key in KEYS})
    print(f"{'':16} {'lines':>12} {'branches':>12}     together")
    for name in sorted(rooms):
        print(line(name, rooms[name]))
    together = sum((room for name, room in rooms.items() if name != "kernels"), Counter())
    print(line("without kernels", together))
    return share(together)


def share(room: Counter[str]) -> float:
    """Percent of lines and branches together that were run."""
    covered, all_of_them = (room[KEYS[k]] + room[KEYS[k + 2]] for k in (0, 1))
    return 100 * covered / all_of_them if all_of_them else 100.0


def line(name: str, room: Counter[str]) -> str:
    """One line of the table."""
    lines, branches = (f"{room[KEYS[k]]}/{room[KEYS[k + 1]]}" for k in (0, 2))
    return f"{name:16} {lines:>12} {branches:>12} {share(room):10.1f} %"


def main() -> int:
    """Read the command line, run, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", nargs="*", help="only these files or folders of tests")
    parser.add_argument("--data", type=Path, required=True, help="folder to write to, anew unless told otherwise")
    parser.add_argument("--again", action="store_true", help="only print what an earlier run left there")
    parser.add_argument("--add", action="store_true", help="add the tests named to what an earlier run left there")
    arguments = parser.parse_args()
    folder = arguments.data.resolve()
    code = 0 if arguments.again else run(folder, arguments.tests, add=arguments.add)
    return 0 if table(files(folder)) >= NEEDED and code == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
