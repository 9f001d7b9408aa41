"""What comes out: times of rounds, and the medians, ratios and shares made of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median

from gatewise.bench.cases import Case
from gatewise.bench.systems import OURS


@dataclass(frozen=True)
class Series:
    """One system on one number of threads: the median call of each round, in seconds."""

    system: str
    threads: int
    rounds: tuple[float, ...]

    @property
    def seconds(self) -> float:
        """The median over rounds."""
        return median(self.rounds)


@dataclass(frozen=True)
class Race:
    """All systems at one kind of work on one case; their rounds ran in turn, so round k of one pairs with k of another.

    `floor` holds the large product's series, and `product_flops` its operations.
    """

    case: Case
    kind: str
    series: tuple[Series, ...]
    floor: tuple[Series, ...]
    product_flops: int

    def systems(self) -> list[str]:
        """Return who took part, ours first."""
        return list(dict.fromkeys(s.system for s in self.series))

    def best(self, system: str) -> Series | None:
        """Return the system at its quickest number of threads."""
        found = [s for s in self.series if s.system == system]
        return min(found, key=lambda s: s.seconds) if found else None

    def ratio(self, peer: str) -> float | None:
        """Return how many times as long as ours the peer takes, both at their best."""
        ours, theirs = self.best(OURS), self.best(peer)
        return paired_ratio(theirs.rounds, ours.rounds) if ours and theirs else None

    def rate(self, threads: int) -> float | None:
        """Return the large product's operations a second."""
        return next((self.product_flops / s.seconds for s in self.floor if s.threads == threads), None)

    def speed(self, series: Series) -> float:
        """Return the operations a second of a series."""
        return self.case.flops(self.kind) / series.seconds

    def share_of_all(self, series: Series) -> float | None:
        """Return the operations a second of a series over those of the large product on the most threads."""
        floor = max(self.floor, key=lambda s: s.threads, default=None)
        return self._share_of(floor, series) if floor else None

    def share(self, series: Series) -> float | None:
        """Return the operations a second of a series over those of the large product on as many threads."""
        floor = next((s for s in self.floor if s.threads == series.threads), None)
        return self._share_of(floor, series) if floor else None

    def _share_of(self, floor: Series, series: Series) -> float:
        return self.case.flops(self.kind) / self.product_flops * paired_ratio(floor.rounds, series.rounds)


@dataclass(frozen=True)
class Start:
    """A fresh process: seconds of the import, and of building the network with its first call."""

    system: str
    case: Case
    kind: str
    import_seconds: float
    first_call: float
    imports_again: float
    first_call_again: float


@dataclass(frozen=True)
class Memory:
    """Resident bytes of a process before and at the peak of training steps; not `exact`: the peak of its whole life."""

    system: str
    threads: int
    case: Case
    before: int
    peak: int
    exact: bool

    @property
    def step(self) -> int:
        """What training adds."""
        return self.peak - self.before


@dataclass
class Outcome:
    """Everything a run found. `failures`: what should have worked; `notes`: what could not be compared, and why.

    `vectors`: the bytes to which vectors were narrowed, if they were.
    """

    versions: dict[str, str] = field(default_factory=dict)
    races: list[Race] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)
    memory: list[Memory] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    vectors: int | None = None

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)


def paired_ratio(numerators: Sequence[float], denominators: Sequence[float]) -> float:
    """Return the median of the ratios of each round."""
    return median(n / d for n, d in zip(numerators, denominators, strict=True))


def schedule(estimates: Iterable[float], seconds: float) -> tuple[int, list[int]]:
    """Return the number of rounds, 5 to 21, and each one's calls a round, so that each takes about `seconds` in all."""
    estimates = [max(e, 1e-9) for e in estimates]
    rounds = min(21, max(5, int(seconds / max(estimates, default=1.0))))
    return rounds, [max(1, int(seconds / rounds / e)) for e in estimates]
