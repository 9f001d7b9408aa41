"""What came out, as text and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from gatewise.bench.machine import machine
from gatewise.bench.results import Memory, Outcome, Race, Series, Start
from gatewise.bench.systems import OURS
from gatewise.printing import text_table

MIB = 2**20


def as_text(outcome: Outcome) -> str:
    """Return the tables, with what they mean, and the notes."""
    parts = [heading(outcome)]
    parts += [_race_table(outcome.races)] if outcome.races else []
    parts += [_start_table(outcome.starts)] if outcome.starts else []
    parts += [_memory_table(outcome.memory)] if outcome.memory else []
    parts += ["\n".join(outcome.notes)] if outcome.notes else []
    parts += ["\n".join(f"FAILED: {line}" for line in outcome.failures)] if outcome.failures else []
    return "\n\n".join(parts)


def heading(outcome: Outcome) -> str:
    """Return the versions, the machine and what was computed."""
    versions = ", ".join(f"{name} {version}" for name, version in outcome.versions.items())
    where = machine(outcome.vectors)
    cases = [race.case for race in outcome.races]
    what = sorted({f"{c.cell}{f' reset={c.reset}' if c.cell == 'gru' else ''}, {c.dtype}" for c in cases})
    system = f"{where['cpu']}, {where['cores']} cores, {where['system']}"
    caches = (f"L{level} {size // 1024} KiB" for level, size in where["caches"].items())
    inside = ", ".join([f"vectors of {where['vectors']} bytes" if where["vectors"] else "no kernels", *caches])
    return "\n".join(filter(None, [versions, system, inside, *what]))


def _race_table(races: Sequence[Race]) -> str:
    peers = list(dict.fromkeys(s for race in races for s in race.systems() if s != OURS))
    header = ["B, T, D, H", "", OURS, "GFLOP/s", "of sgemm"]
    for peer in peers:
        header += [peer, "ratio"]
    rows = [_race_row(race, peers) for race in races]
    legend = (
        "Milliseconds (threads), each system at its quickest number of threads; medians of alternating rounds.\n"
        "ratio: time over ours, round by round. train: forward and all gradients; infer: forward only.\n"
        "GFLOP/s: operations of the matrix products a second; of sgemm: the same over those of a 1024 × 1024 product\n"
        f"of NumPy on the most threads, here {_rates(races)}."
    )
    return text_table(header, rows, right=range(2, len(header))) + "\n\n" + legend


def _rates(races: Sequence[Race]) -> str:
    """Say how fast the large product ran, for each number of threads."""
    found: dict[int, list[float]] = {}
    for race in races:
        for series in race.floor:
            found.setdefault(series.threads, []).append(race.product_flops / series.seconds)
    rates = (f"{median(rates) / 1e9:.0f} ({threads})" for threads, rates in sorted(found.items()))
    return f"{', '.join(rates) or 'unknown'} GFLOP/s"


def _race_row(race: Race, peers: Sequence[str]) -> list[str]:
    ours = race.best(OURS)
    rate, share = (race.speed(ours) / 1e9, race.share_of_all(ours)) if ours else (None, None)
    row = [str(race.case.shape), race.kind, _time(ours), _known(rate, "{:.3g}"), _known(share, "{:.0%}")]
    for peer in peers:
        row += [_time(race.best(peer)), _known(race.ratio(peer), "{:.2f}")]
    return row


def _start_table(starts: Sequence[Start]) -> str:
    header = ["fresh process", "B, T, D, H", "", "import", "first call", "import again", "first call again"]
    rows = [
        [s.system, str(s.case.shape), s.kind]
        + [f"{t:.2f}" for t in (s.import_seconds, s.first_call, s.imports_again, s.first_call_again)]
        for s in starts
    ]
    legend = (
        "Seconds. first call: building the network and calling it once, compiling included.\n"
        "The cache of compiled code is empty for the first process, and filled for the second (again)."
    )
    return text_table(header, rows, right=(3, 4, 5, 6)) + "\n\n" + legend


def _memory_table(memory: Sequence[Memory]) -> str:
    ours = {m.case: m.step for m in memory if m.system == OURS}
    header = ["B, T, D, H", "system", "before", "peak", "of the step", "ours / theirs"]
    rows = [_memory_row(m, ours.get(m.case)) for m in memory]
    legend = (
        "Resident MiB of a process of its own: before training steps (imported, compiled, data in place, two time\n"
        "steps trained), at their peak, and the difference. What a process held already and uses again is not in it."
    )
    if not all(m.exact for m in memory):
        legend += "\nThis system cannot reset the peak: it is that of the whole process."
    return text_table(header, rows, right=(2, 3, 4, 5)) + "\n\n" + legend


def _memory_row(m: Memory, ours: int | None) -> list[str]:
    sizes = [f"{size / MIB:.1f}" for size in (m.before, m.peak, m.step)]
    ratio = ours / m.step if ours is not None and m.step > 0 and m.system != OURS else None
    return [str(m.case.shape), m.system, *sizes, _known(ratio, "{:.2f}")]


def _time(series: Series | None) -> str:
    return f"{1e3 * series.seconds:.3g} ({series.threads})" if series else "–"


def _known(value: float | None, form: str) -> str:
    return "–" if value is None else form.format(value)


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return everything, times in seconds, memory in bytes."""
    return {
        "versions": outcome.versions,
        "machine": machine(outcome.vectors),
        "races": [_race_json(race) for race in outcome.races],
        "starts": [_plain(start) for start in outcome.starts],
        "memory": [_plain(m) | {"step": m.step} for m in outcome.memory],
        "notes": outcome.notes,
        "failures": outcome.failures,
    }


def _race_json(race: Race) -> dict[str, Any]:
    return {
        **race.case._asdict(),
        "kind": race.kind,
        "flops": race.case.flops(race.kind),
        "sgemm": {str(s.threads): race.rate(s.threads) for s in race.floor},
        "series": [_series_json(race, s) for s in race.series],
        "best": _each(race, lambda name: getattr(race.best(name), "threads", None)),
        "ratios": _each(race, race.ratio, skip=OURS),
    }


def _series_json(race: Race, s: Series) -> dict[str, Any]:
    return {
        "system": s.system,
        "threads": s.threads,
        "seconds": s.seconds,
        "rounds": list(s.rounds),
        "flops_a_second": race.speed(s),
        "share_of_sgemm": race.share(s),
        "share_of_sgemm_on_all": race.share_of_all(s),
    }


def _each(race: Race, value: Callable[[str], Any], skip: str = "") -> dict[str, Any]:
    return {name: value(name) for name in race.systems() if name != skip}


def _plain(record: Start | Memory) -> dict[str, Any]:
    fields = {name: value for name, value in vars(record).items() if name != "case"}
    return {**fields, **record.case._asdict()}
