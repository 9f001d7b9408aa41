"""Run tests against a changed file, each time in a forked child: with the live functions changed, or imported anew."""

from __future__ import annotations

import contextlib
import gc
import importlib
import importlib.machinery
import os
import resource
import select
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any, NamedTuple

import pytest

SECONDS = 180  # for one child, by the clock: one that waits for ever uses no processor
PROCESSOR_SECONDS = 60  # for one child
MEMORY = 8 << 30  # of a child's addresses, so that a changed size cannot take the machine's memory
UNCHANGED = 99  # exit code of a child that could not change the live functions
# What the tests import, but for Gatewise itself: a child that imports that anew has the rest already.
LIBRARIES = ("numpy", "scipy.special", "scipy.signal", "pandas", "sklearn.base", "safetensors.numpy")


class Job(NamedTuple):
    """A changed file, and the names of the tests that may notice."""

    path: Path
    source: str
    tests: list[str]


def options() -> list[str]:
    """Arguments of pytest: one process, stop at the first failure, leave no files in the tree."""
    folder = Path(tempfile.gettempdir()) / "pytest"
    return ["-n", "0", "-x", "-q", "-p", "no:cacheprovider", "--capture=sys", f"--basetemp={folder}"]


def forked(run: Callable[[Callable[[str], None]], int]) -> tuple[int, str]:
    """Status of a forked child that exits with what `run` returns, 0 only if it ends in time; and what it told."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS + 5))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            silence()
            code = run(lambda text: void(os.write(writing, text.encode())))
        finally:
            os._exit(code)
    os.close(writing)
    handle = os.pidfd_open(pid)
    select.select([handle], [], [], SECONDS)
    os.close(handle)
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)  # if it is still there
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    with os.fdopen(reading, encoding="utf-8") as told:
        return status, told.read()


def void(_: object) -> None:
    """Return nothing."""


def silence() -> None:
    """Send what this process prints nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


class Noticing:
    """A plugin of pytest that tells the name of the first test that fails, and ends the process there."""

    def __init__(self) -> None:
        self.tell: Callable[[str], None] = void

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Look at a report of a test's setup, call or teardown."""
        if report.failed:
            self.tell(report.nodeid)
            os._exit(1)


class Runner:
    """Answers jobs; a test that fails on the unchanged code too kills nothing."""

    def __init__(self) -> None:
        self.healthy: dict[str, bool] = {}
        self.works = False
        self.kills: Counter[tuple[Path, str]] = Counter()

    def attempt(self, job: Job | None, tests: list[str]) -> tuple[int, str]:
        """Exit code of a child that runs the tests, and the name of the one that failed; no job means no change."""
        raise NotImplementedError

    def answer(self, job: Job) -> str:
        """`survived`, `died: ` with the name of a test, `untested` where no test is left, or `unchanged`.

        The last means that the live functions cannot be changed so, and that only a new import will do.
        """
        tests = [name for name in job.tests if self.healthy.get(name, True)]
        if not tests:
            return "untested"
        tests.sort(key=lambda name: -self.kills[job.path, name])  # what killed others of this file comes first
        code, failed = self.attempt(job, tests)
        if failed and failed not in self.healthy:
            self.healthy[failed] = self.attempt(None, [failed])[0] == 0
            if not self.healthy[failed]:
                return self.answer(job)
        if not self.works and self.attempt(None, tests[:1])[0]:
            raise RuntimeError(f"{tests[0]} fails in a child though nothing is changed.")
        self.works = True
        self.kills[job.path, failed] += bool(failed)
        return {0: "survived", UNCHANGED: "unchanged"}.get(code, f"died: {failed or code}")


class Cold(Runner):
    """Each child imports the package with the changed file; this process has not imported any of it."""

    def __init__(self) -> None:
        super().__init__()
        for library in LIBRARIES:
            importlib.import_module(library)

    def attempt(self, job: Job | None, tests: list[str]) -> tuple[int, str]:
        """See `Runner`."""

        def run(tell: Callable[[str], None]) -> int:
            if job:
                import_changed(job)
            plugin = Noticing()
            plugin.tell = tell
            return int(pytest.main([*options(), *tests], plugins=[plugin]))

        return forked(run)


def import_changed(job: Job) -> None:
    """Let whoever imports the job's file from now on have the changed one."""
    path, code = str(job.path), compile(job.source, str(job.path), "exec")
    usual = importlib.machinery.SourceFileLoader.get_code

    def get_code(self: importlib.machinery.SourceFileLoader, fullname: str) -> CodeType | None:
        return code if self.path == path else usual(self, fullname)

    importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign]


class Warm(Runner, Noticing):
    """A plugin of pytest that answers the jobs in place of running the tests, with the live functions changed."""

    def __init__(self, jobs: list[Job], modules: Iterable[str], answers: int) -> None:
        Runner.__init__(self)
        Noticing.__init__(self)
        self.jobs, self.modules, self.answers = jobs, modules, answers
        self.items: dict[str, Any] = {}
        self.functions: dict[str, list[FunctionType]] = {}

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Answer each job with a line."""
        for module in self.modules:
            importlib.import_module(module)
        self.items = {item.nodeid: item for item in session.items}
        self.functions = live_functions({str(job.path) for job in self.jobs})
        gc.collect()
        gc.freeze()  # so that a child copies no memory to look for garbage
        for job in self.jobs:
            found = job._replace(tests=[name for name in job.tests if name in self.items])
            os.write(self.answers, f"{self.answer(found)}\n".encode())
        return True

    def attempt(self, job: Job | None, tests: list[str]) -> tuple[int, str]:
        """See `Runner`."""

        def run(tell: Callable[[str], None]) -> int:
            self.tell = tell
            if job and not change_functions(job, self.functions[str(job.path)]):
                return UNCHANGED
            items = [self.items[name] for name in tests]
            for item, following in zip(items, [*items[1:], None], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            return 0

        return forked(run)


def warm(jobs: list[Job], modules: Iterable[str]) -> Iterator[str]:
    """Answers to the jobs, in turn, from one child that imports `modules` and collects the tests once."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        silence()
        files = sorted({test.partition("::")[0] for job in jobs for test in job.tests})
        os._exit(pytest.main([*options(), *files], plugins=[Warm(jobs, modules, writing)]))
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as answers:
        for answer in answers:
            yield answer.strip()
    if os.waitpid(pid, 0)[1]:
        raise RuntimeError("The process that collected the tests ended early: run pytest on them by hand.")


def live_functions(paths: set[str]) -> dict[str, list[FunctionType]]:
    """Every function of this process that was made from one of the files, by file."""
    found: dict[str, list[FunctionType]] = {path: [] for path in paths}
    for function in gc.get_objects():
        if type(function) is FunctionType and function.__code__.co_filename in paths:
            found[function.__code__.co_filename].append(function)
    return found


def change_functions(job: Job, functions: list[FunctionType]) -> bool:
    """Give each function the code that the changed file has for it; False if one cannot have it."""
    path = str(job.path)
    old, new = (list(codes(compile(text, path, "exec"))) for text in (job.path.read_text(encoding="utf-8"), job.source))
    replacement = dict(zip(old, new, strict=False))
    changed = [replacement.get(function.__code__) for function in functions]
    for function, code in zip(functions, changed, strict=True):
        if len(old) != len(new) or code is None or code.co_freevars != function.__code__.co_freevars:
            return False
        function.__code__ = code
    return True


def codes(code: CodeType) -> Iterator[CodeType]:
    """The code and all that is defined in it, in the order of the text."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)
