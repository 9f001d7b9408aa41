"""Fits of one or several trainings as runs: kept in a checkpoint, or in none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from gatewise.errors import GatewiseValueError
from gatewise.training.checkpoint import Checkpoint, Stage, raise_different
from gatewise.training.identity import differences


class Unkept:
    """A run that no file holds."""

    def remember(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what `make` returns."""
        return make()

    def stage(self) -> None:
        """Return None, as `train` has it without a checkpoint."""

    def pause(self) -> None:
        """Do nothing."""


UNKEPT = Unkept()


class Part:
    """One fit of a run that consists of several."""

    def __init__(self, checkpoint: Checkpoint, name: str) -> None:
        self.checkpoint, self.name = checkpoint, name

    def check(self, run: Mapping[str, Any]) -> None:
        """Raise unless the fit that the file has here is this one."""
        different = differences(self.remember("run", lambda: dict(run)), run, {})
        if different:
            raise_different(self.checkpoint.path, different)

    def remember(self, name: str, make: Callable[[], Any]) -> Any:
        """Return what the file holds of this fit under a name, or else what `make` returns, which is kept."""
        return self.checkpoint.remember(f"{self.name}: {name}", make)

    def stage(self) -> Stage:
        """Return the next training."""
        return self.checkpoint.stage()

    def pause(self) -> None:
        """Raise `TrainingInterrupted` if a signal has come."""
        self.checkpoint.pause()


Run = Checkpoint | Part | Unkept


def part_of(run: Run, name: str) -> Part | None:
    """Return what one fit of a run is to be given as its checkpoint."""
    if isinstance(run, Unkept):
        return None
    return Part(run, name) if isinstance(run, Checkpoint) else Part(run.checkpoint, f"{run.name}, {name}")


class Keeping(NamedTuple):
    """What a fit is told of its checkpoint; the fields are arguments of `fit`.

    Examples
    --------
    >>> with Keeping().run(dict) as run:
    ...     run.remember("seed", lambda: 7), run.stage()
    (7, None)
    """

    checkpoint: str | os.PathLike[str] | Part | None = None
    every: int | str = 1
    resume: bool = False

    @contextmanager
    def run(self, facts: Callable[[], Mapping[str, Any]]) -> Iterator[Run]:
        """Keep what happens inside `with`.

        Parameters
        ----------
        facts : callable
            Returns what tells this fit from others, plain enough for JSON; not called without a checkpoint.

        Raises
        ------
        GatewiseError
            If there is nothing to resume from because no checkpoint is named, or it cannot be used, or is that of
            another fit.
        """
        if self.checkpoint is None:
            if self.resume:
                raise GatewiseValueError("resume is True, and there is no checkpoint: pass checkpoint=PATH too.")
            yield UNKEPT
        elif isinstance(self.checkpoint, Part):
            self.checkpoint.check(facts())
            yield self.checkpoint
        else:
            with Checkpoint(self.checkpoint, every=self.every, resume=self.resume, run=facts()) as checkpoint:
                yield checkpoint


NOWHERE = Keeping()
"""Of a fit that has no checkpoint."""
