"""Who is asked what, and when. Only one worker ever runs; all others are stopped."""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gatewise.bench.cases import KINDS, Case
from gatewise.bench.machine import narrowed
from gatewise.bench.pool import PATIENCE, LostError, RefusedError, Worker
from gatewise.bench.results import Memory, Outcome, Race, Series, Start, schedule
from gatewise.bench.systems import FLOOR, OURS, floor, imported
from gatewise.errors import Array

PEERS = ("torch", "jax", "onnxruntime")
TOLERANCE = 1e-4  # of two systems' results, relative to the largest number in each array
Times = dict[Worker, list[float]]


@dataclass(frozen=True)
class Settings:
    """What to compare, and how long each system may take for each kind of work on each case."""

    cases: tuple[Case, ...]
    threads: tuple[int, ...]
    peers: tuple[str, ...] = PEERS
    required: bool = False  # whether a peer that is missing is a failure
    seconds: float = 2.0
    extras: bool = True  # first calls and memory
    patience: float = PATIENCE
    vectors: int | None = None  # their bytes, for Gatewise and NumPy; None leaves them as wide as they are

    @property
    def steps(self) -> int:
        """How often `advance` will be called."""
        return len(self.cases) * (len(KINDS) + self.extras) + self.extras


def run(settings: Settings, advance: Callable[[str], None] = lambda text: None) -> Outcome:
    """Compare Gatewise with every peer that can be imported; `advance` is called with a word after each step.

    Raises
    ------
    GatewiseError
        If the processor has no vectors as wide as the settings ask for.
    """
    narrowed(settings.vectors)
    outcome = Outcome(vectors=settings.vectors)
    with tempfile.TemporaryDirectory(prefix="gatewise-bench-") as name:
        folder = Path(name)
        systems = [OURS, *_installed(settings, outcome)]
        with _team([FLOOR, *systems], settings, folder, outcome) as team:
            for case in settings.cases:
                _race(team, case, settings, advance)
            systems = [name for name in systems if name in {w.system for w in team.workers}]
        if settings.extras:
            outcome.starts = _starts(systems, settings, folder, outcome)
            advance("first calls")
            for case in settings.cases:
                outcome.memory += _memory(systems, case, settings, folder, outcome)
                advance(f"{case.shape} memory")
    return outcome


def _installed(settings: Settings, outcome: Outcome) -> list[str]:
    """Return the peers that can be found; a line for each of the others."""
    found = [peer for peer in settings.peers if importlib.util.find_spec(imported(peer)) is not None]
    lines = [f"{peer}: not installed, left out." for peer in settings.peers if peer not in found]
    (outcome.failures if settings.required else outcome.notes).extend(lines)
    return found


class Team:
    """The workers of a run. Whoever fails is left out with a line, and the others go on."""

    def __init__(self, outcome: Outcome, folder: Path) -> None:
        self.workers: list[Worker] = []
        self.outcome, self.folder = outcome, folder

    def ask(self, worker: Worker, do: str, **arguments: Any) -> dict[str, Any] | None:
        """Return a worker's answer, or None if there is none."""
        try:
            return worker.ask(do, **arguments)
        except RefusedError as error:
            self.outcome.note(f"{error}; left out.")
        except LostError as error:
            self.outcome.failures.append(str(error))
            self.workers = [w for w in self.workers if w is not worker]
        return None


@contextmanager
def _team(systems: list[str], settings: Settings, folder: Path, outcome: Outcome) -> Iterator[Team]:
    """Yield a worker for each system and number of threads, those that can be imported."""
    team, started = Team(outcome, folder), []
    try:
        for system in systems:
            for threads in settings.threads:
                worker = Worker(system, threads, folder, settings.patience, **narrowed(settings.vectors))
                started.append(worker)
                if not _greet(team, worker, settings.required or system in (OURS, FLOOR)):
                    break
        yield team
    finally:
        for worker in started:
            worker.close()


def _greet(team: Team, worker: Worker, required: bool) -> bool:
    """Take a worker into the team if its system can be imported."""
    try:
        team.outcome.versions |= worker.ask("hello")["versions"]
    except (RefusedError, LostError) as error:
        (team.outcome.failures if required else team.outcome.notes).append(f"{error}; left out.")
        return False
    team.workers.append(worker)
    return True


def _race(team: Team, case: Case, settings: Settings, advance: Callable[[str], None]) -> None:
    """Build the case everywhere, hold the results against each other, then time each kind of work."""
    ready = {w: reply["kinds"] for w in list(team.workers) if (reply := team.ask(w, "build", case=case))}
    for worker in _wrong(team, [w for w in ready if w.system != FLOOR], case):
        del ready[worker]
    for kind in KINDS:
        racers = {w: kind if kind in kinds else "product" for w, kinds in ready.items() if {kind, "product"} & {*kinds}}
        times = _alternate(team, racers, settings.seconds)
        series = [Series(w.system, w.threads, tuple(rounds)) for w, rounds in times.items()]
        ran, floors = ([s for s in series if (s.system == FLOOR) is which] for which in (False, True))
        if ran:
            team.outcome.races.append(Race(case, kind, tuple(ran), tuple(floors), floor.FLOPS))
        advance(f"{case.shape} {kind}")


def _wrong(team: Team, workers: list[Worker], case: Case) -> list[Worker]:
    """Return the workers whose results are missing, or not those of the first: another function must not be timed."""
    reference: dict[str, Array] = {}
    first, wrong = "", []
    for worker in workers:
        path = team.folder / "results.npz"
        if team.ask(worker, "save", path=str(path)) is None:
            wrong.append(worker)
            continue
        with np.load(path) as file:
            found = dict(file)
        if not reference:
            reference, first = found, worker.name
        elif (worst := disagreement(found, reference)) is not None:
            team.outcome.failures.append(f"{worker.name}, {case.shape}: {worst} from {first}; not timed.")
            wrong.append(worker)
    return wrong


def disagreement(found: dict[str, Array], reference: dict[str, Array]) -> str | None:
    """Say where two systems' results differ by more than the tolerance, if they do; only shared names are compared."""
    for name in found.keys() & reference.keys():
        a, b = found[name], reference[name]
        if a.shape != b.shape:
            return f"{name} has shape {a.shape}, differs"
        error = np.abs(a - b).max(initial=0.0) / (np.abs(b).max(initial=0.0) or 1.0)
        if not error <= TOLERANCE:
            return f"{name} differs by {error:.1e}"
    return None


def _alternate(team: Team, racers: dict[Worker, str], seconds: float) -> Times:
    """Ask in turn, A B C A B C …, for a batch of calls each, until each has had about `seconds`."""
    estimates: dict[Worker, float] = {}
    for worker, kind in racers.items():
        if reply := team.ask(worker, "warm", kind=kind, seconds=seconds / 5):
            estimates[worker] = reply["seconds"]
    rounds, calls = schedule(estimates.values(), seconds)
    repetitions = dict(zip(estimates, calls, strict=True))
    times: Times = {worker: [] for worker in estimates}
    for _ in range(rounds):
        for worker in list(times):
            reply = team.ask(worker, "time", kind=racers[worker], repetitions=repetitions[worker])
            if reply is None:
                del times[worker]
            else:
                times[worker].append(reply["seconds"])
    return times


def _starts(systems: list[str], settings: Settings, folder: Path, outcome: Outcome) -> list[Start]:
    """Time import and first call of the smallest case in a fresh process, and again in a second one.

    Both share a cache of compiled code that is empty at first.
    """
    case, threads, found = min(settings.cases, key=lambda c: c.flops("train")), max(settings.threads), []
    for system in systems:
        cache = folder / f"cache-{system}"
        runs = [_fresh(system, threads, "first", case, settings, folder, outcome, str(cache)) for _ in range(2)]
        (a, first), (b, again) = runs
        if first and again:
            found.append(Start(system, case, first["kind"], a, first["seconds"], b, again["seconds"]))
    return found


def _memory(systems: list[str], case: Case, settings: Settings, folder: Path, outcome: Outcome) -> list[Memory]:
    """Measure the memory of training steps, each system in a fresh process."""
    threads, found = max(settings.threads), []
    for system in systems:
        _, reply = _fresh(system, threads, "memory", case, settings, folder, outcome)
        if reply:
            found.append(Memory(system, threads, case, **reply))
    return found


def _fresh(
    system: str, threads: int, do: str, case: Case, settings: Settings, folder: Path, outcome: Outcome, cache: str = ""
) -> tuple[float, dict[str, Any]]:
    """Ask a process that has done nothing yet; returns the seconds of its import, and its answer."""
    extra = narrowed(settings.vectors) | ({"GATEWISE_CACHE_DIR": cache} if cache else {})
    worker = Worker(system, threads, folder, settings.patience, **extra)
    try:
        seconds: float = worker.ask("hello")["import_seconds"]
        return seconds, worker.ask(do, case=case)
    except RefusedError as error:
        outcome.note(f"{error}; left out.")
    except LostError as error:
        outcome.failures.append(str(error))
    finally:
        worker.close()
    return 0.0, {}
