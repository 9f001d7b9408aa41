"""One file that holds where a run stands: the state of each training that it consists of, written as it goes."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn, Self

from gatewise.errors import GatewiseTypeError, GatewiseValueError, TrainingInterrupted, check_number
from gatewise.storage import check_places, write_whole
from gatewise.training.checkpoint_file import Content, Kept, read, to_bytes
from gatewise.training.identity import as_json, differences, enumeration
from gatewise.training.signals import Watch

SHARE = 50
"""A write that took some time is followed by at least so many times as much work, so that about 2 % go into writing.

With 20, a GRU of 64 units, whose write takes 1.6 ms, measured 10 % longer; with 50, 4 %."""
NAME = "run.checkpoint"
"""In a folder."""
UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}


class Checkpoint:
    """The checkpoint of a run, which comes to one or several trainings, its stages, always in the same order.

    Parameters
    ----------
    path : str or path
        The file, or a folder that is there and gets a file `run.checkpoint`. It is replaced in one step, so that a kill
        leaves the one before whole.
    every : int or str
        Epochs, or updates of a stream, between two writes, or a time such as "30 s", "5 min" or "1 h". Never does more
        than about 2 % of the time go into writing: a write waits until the one before has paid off.
    resume : bool
        Whether to continue what the file holds; without a file the run starts at its beginning. If False, the first
        write replaces a checkpoint that is there.
    run : mapping
        What tells this run from others, plain enough for JSON.

    Raises
    ------
    GatewiseError
        If the folder is absent or cannot be written to, `every` cannot be read, what is there is no checkpoint, or with
        `resume` it is damaged or that of another run: the error names what differs.

    Notes
    -----
    Inside `with`, in the main thread, SIGINT and SIGTERM let the trainings finish their batch and write, and end them
    with `TrainingInterrupted`; a second signal ends them at once. Other threads cannot take signals.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np, gatewise as gw
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "run.checkpoint"
    >>> x = np.random.default_rng(0).normal(size=(32, 5, 1)).astype(np.float32)
    >>> options = {"loss": "mse", "optimizer": "adam", "epochs": 2, "rng": 0}
    >>> def fit(resume):
    ...     model = gw.Sequential(gw.GRU(1, 4, rng=0), gw.Last(), gw.Dense(4, 1, rng=1))
    ...     with Checkpoint(path, resume=resume, run={"task": "two trainings"}) as checkpoint:
    ...         for target in (x.sum(axis=1), x.max(axis=1)):
    ...             gw.train(model, x, target, **options, checkpoint=checkpoint.stage())
    ...     return model.params["2.bias"][0]
    >>> bool(fit(resume=False) == fit(resume=True))  # the second has nothing left to train
    True
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every: int | str = 1,
        resume: bool = False,
        run: Mapping[str, Any] | None = None,
    ) -> None:
        if not isinstance(path, str | os.PathLike):
            raise GatewiseTypeError(f"checkpoint is {path!r}; need the path of a file.")
        self.path = Path(path) / NAME if Path(path).is_dir() else Path(path)
        self.every, self.seconds = _interval(every)
        self._run = json.loads(as_json(dict(run or {}), "run"))
        self._remembered: dict[str, Any] = {}
        self._stages: dict[int, Kept] = {}
        self._count = 0  # stages that the run has come to
        self._lock = threading.RLock()
        self._changed, self._took = False, 0.0
        self.written = time.perf_counter()
        self._watch = Watch(self._stop_at_once)
        self._hurried = False
        check_places([self.path])
        if self.path.exists():
            self._take(read(self.path), resume)

    def _take(self, content: Content, resume: bool) -> None:
        """Continue from what a file holds, if that is wanted and fits."""
        if not resume:
            return
        different = differences(content.run, self._run, {})
        if different:
            raise_different(self.path, different)
        self._remembered, self._stages = dict(content.remembered), dict(content.stages)

    def stage(self) -> Stage:
        """Return the next training of this run; call it in the order of the run, not from threads side by side."""
        with self._lock:
            self._count += 1
            return Stage(self, self._count - 1)

    def remember(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what the file holds under a name, or else what `make` returns, which is kept: a seed, for example."""
        with self._lock:
            if name not in self._remembered:
                self._remembered[name] = json.loads(as_json(make(), name))
                self._changed = True
            return self._remembered[name]

    @property
    def interrupted(self) -> bool:
        """Whether a signal has come, and trainings are to end after their batch."""
        return bool(self._watch.received)

    def pause(self, where: str = "between two trainings") -> None:
        """Raise `TrainingInterrupted` if a signal has come."""
        if self.interrupted:
            raise TrainingInterrupted(self._watch.received, str(self.path), where)

    @contextmanager
    def waiting(self, where: str) -> Iterator[None]:
        """Let a signal raise `TrainingInterrupted` within, where the run waits for something outside."""
        self._watch.at_first = partial(self.pause, where)
        try:
            self.pause(where)
            yield
        finally:
            self._watch.at_first = None

    def _stop_at_once(self, number: int) -> NoReturn:
        self._hurried = True
        raise TrainingInterrupted(number, str(self.path), "", at_once=True)

    def __enter__(self) -> Self:
        self._watch.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._changed and not self._hurried and (error is None or isinstance(error, TrainingInterrupted)):
                self.write()
            if error is None:
                self.pause("when it was complete")
        finally:
            self._watch.__exit__(kind, error, trace)

    def write(self) -> None:
        """Write the file now.

        Raises
        ------
        GatewiseError
            If it cannot be written; what was there before is whole.
        """
        with self._lock:
            started = time.perf_counter()
            write_whole(self.path, to_bytes(Content(self._run, self._remembered, self._stages)))
            self.written = time.perf_counter()
            self._changed, self._took = False, self.written - started

    def keep(self, number: int, kept: Kept) -> None:
        """Let the next write hold this of a stage."""
        with self._lock:
            self._stages[number] = kept
            self._changed = True

    def kept(self, number: int) -> Kept | None:
        """Return what the file had of a stage, or what was kept since."""
        return self._stages.get(number)

    @property
    def rest(self) -> float:
        """Seconds of work after which a next write pays."""
        return max(SHARE * self._took, self.seconds)


class Stage:
    """One training of a run: what its checkpoint holds of it, and when it is written."""

    def __init__(self, checkpoint: Checkpoint, number: int) -> None:
        self.checkpoint, self.number = checkpoint, number
        self._run: dict[str, Any] = {}
        self._written = checkpoint.written  # with what this stage had noted

    def begin(self, run: Mapping[str, Any]) -> Kept | None:
        """Return what to continue from, if there is anything.

        Parameters
        ----------
        run : mapping
            What tells this training from others, plain enough for JSON.

        Raises
        ------
        GatewiseError
            If the file has another training in this place.
        """
        self.checkpoint.pause()
        self._written = self.checkpoint.written
        self._run = json.loads(as_json(dict(run), "run"))
        kept = self.checkpoint.kept(self.number)
        if kept is None:
            return None
        different = differences(kept.run, self._run, kept.now)
        if different:
            raise_different(self.checkpoint.path, different)
        self._run = dict(kept.run)
        return kept

    def due(self, count: int | None) -> bool:
        """Whether to note and write: `count` epochs or updates have been completed, or None in the middle of one."""
        every = self.checkpoint.every
        return (every is None or (count is not None and count % every == 0)) and self.pays

    @property
    def pays(self) -> bool:
        """Whether enough work has been done since the last write."""
        return time.perf_counter() - self._written >= self.checkpoint.rest

    def note(self, state: Mapping[str, Any], now: Mapping[str, Any], *, done: bool = False) -> None:
        """Keep a state for the next write."""
        self.checkpoint.keep(self.number, Kept(self._run, now, state, done))

    def write(self) -> None:
        """Write the file, with what the other stages have noted."""
        self.checkpoint.write()
        self._written = self.checkpoint.written


def raise_different(path: Path, different: list[str]) -> NoReturn:
    """Raise the error that says how this training is not the one of a file."""
    raise GatewiseValueError(
        f"{path} is the checkpoint of another training: {enumeration(different)}. Need the same to continue it: "
        f"give what it was begun with, or another path, or resume=False to replace it."
    )


def _interval(every: int | str) -> tuple[int | None, float]:
    """Epochs between two writes, None if it is time that counts, and seconds."""
    if not isinstance(every, str):
        check_number("every", every, 1, integer=True)
        return int(every), 0.0
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h)\s*", every)
    if match is None:
        raise GatewiseValueError(f'every is {every!r}; need a number of epochs, or a time such as "30 s" or "5 min".')
    return None, float(match[1]) * UNITS[match[2]]
