"""How a loop is kept in a checkpoint: continued from it, noted while it runs, and ended by a signal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np

from gatewise.errors import GatewiseError, GatewiseValueError, TrainingInterrupted
from gatewise.layers import Layer
from gatewise.layers.layer import Rng
from gatewise.losses import Loss
from gatewise.optimizers import Optimizer
from gatewise.optimizers.stored import settings, values_of
from gatewise.training.checkpoint import Checkpoint, Stage
from gatewise.training.checkpoint_file import UNREADABLE, Kept
from gatewise.training.identity import described, described_model, random_state
from gatewise.training.signals import Watch

CheckpointLike = str | os.PathLike[str] | Stage
"""A file, or a stage of a run that has several trainings."""


class Loop(Protocol):
    """What a loop has, whatever it goes over."""

    model: Layer
    loss: Loss
    optimizer: Optimizer
    rng: np.random.Generator
    clip: float | None

    @property
    def place(self) -> str:
        """Where it stands, in words."""

    def state_dict(self) -> dict[str, Any]:
        """Return all that it needs to continue."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state."""


class Keeper:
    """Keeps one loop in a stage of a checkpoint; without a stage it does nothing."""

    def __init__(self, loop: Loop, stage: Stage | None) -> None:
        self.loop, self.stage = loop, stage
        self.done = False
        """Whether the training had ended itself."""

    def resume(self, rng: Rng, facts: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        """Continue the loop from the checkpoint if it has it; return what `pause` was given beside the state, or {}.

        Parameters
        ----------
        rng : int, numpy.random.Generator or None
            What the loop was given.
        facts : callable
            Returns what tells this training from others, beside what every loop has.

        Raises
        ------
        GatewiseError
            If the checkpoint holds another training, or its state does not fit this one.
        """
        if self.stage is None:
            return {}
        random = "fresh entropy" if rng is None else random_state(self.loop.rng)
        kept = self.stage.begin({**common_facts(self.loop), "rng": random, **facts()})
        if kept is None:
            return {}
        try:
            return self._load(kept)
        except GatewiseError as error:
            raise type(error)(f"{self.stage.checkpoint.path}: {error}") from error
        except UNREADABLE as error:
            text = f"{self.stage.checkpoint.path}: its state does not fit this training ({error!r})"
            raise GatewiseValueError(f"{text}; need a checkpoint that was not changed.") from error

    def _load(self, kept: Kept) -> dict[str, Any]:
        beside = dict(kept.now["beside"])
        changed = values_of(kept.now["optimizer"], self.loop.optimizer)
        self.loop.load_state_dict(kept.state)
        vars(self.loop.optimizer).update(changed)
        self.done = kept.done
        return beside

    def pause(self, count: int | None = None, **beside: Any) -> None:
        """Write if it is time, and end the training if a signal has come.

        Parameters
        ----------
        count : int, optional
            Epochs, or updates of a stream, if one has just been completed.
        **beside
            What `resume` is to return beside the state.
        """
        if self.stage is None:
            return
        interrupted = self.stage.checkpoint.interrupted
        if interrupted or self.stage.due(count):
            self._note(beside)
            if interrupted:
                self.stage.checkpoint.pause(self.loop.place)
            self.stage.write()

    @contextmanager
    def waiting(self, **beside: Any) -> Iterator[None]:
        """Note the state and end the training if a signal comes while the next data are waited for."""
        if self.stage is None:
            yield
            return
        try:
            with self.stage.checkpoint.waiting(self.loop.place):
                yield
        except TrainingInterrupted:
            self._note(beside)
            raise

    def finish(self, *, done: bool, **beside: Any) -> None:
        """Note the last state of a training; with `done` it has ended itself, and nothing will continue it."""
        if self.stage is not None:
            self._note(beside, done)
            if self.stage.pays:
                self.stage.write()

    def _note(self, beside: Mapping[str, Any], done: bool = False) -> None:
        assert self.stage is not None
        loop = self.loop
        now = {"optimizer": settings(loop.optimizer), "rng": random_state(loop.rng), "beside": beside}
        self.stage.note(loop.state_dict(), now, done=done)


def common_facts(loop: Loop) -> dict[str, Any]:
    """What tells a training from others, of any loop."""
    return {
        "model": described_model(loop.model),
        "loss": described(loop.loss),
        "optimizer": settings(loop.optimizer),
        "clip": loop.clip,
    }


@contextmanager
def stage_of(checkpoint: CheckpointLike | None, every: int | str, resume: bool, what: str) -> Iterator[Stage | None]:
    """Yield the stage that a training is, under the watch of signals."""
    if checkpoint is None:
        if resume:
            raise GatewiseValueError("resume is True and there is no checkpoint; need its file: pass checkpoint=PATH.")
        with Watch():
            yield None
    elif isinstance(checkpoint, Stage):
        yield checkpoint
    else:
        with Checkpoint(checkpoint, every=every, resume=resume, run={"what": what}) as whole:
            yield whole.stage()
