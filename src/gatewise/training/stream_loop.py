"""Training on a stream as an object that takes blocks, makes updates, and can be stopped and continued in between."""

from __future__ import annotations

import copy
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np

from gatewise.errors import (
    GatewiseError,
    GatewiseTypeError,
    GatewiseValueError,
    check_finite,
    check_names,
    check_number,
)
from gatewise.layers import Layer
from gatewise.layers.layer import Rng, generator
from gatewise.layers.parts import plain_layers
from gatewise.layers.stack import Recurrent
from gatewise.layers.trees import leaves, with_leaves
from gatewise.losses import Loss, named_loss
from gatewise.optimizers import Optimizer, named_optimizer
from gatewise.sight.doctor import examine
from gatewise.sight.spots import Case
from gatewise.threads import single_threaded_blas
from gatewise.training.gradients import BatchGradients, clipped_step
from gatewise.training.history import History
from gatewise.training.loop import NORMS_KEPT
from gatewise.training.state import check_optimizer, check_weights, floats, joined, plain, separated
from gatewise.training.thinning import Thinned
from gatewise.training.windows import Window, checked_block, window_gradients

PARTS = ("model", "optimizer", "window", "state")


class StreamLoop:
    """Truncated backpropagation through time, block by block; `gatewise.train_stream` is this loop.

    `add` a block; while the loop is `ready`, `step`; at the end of the stream one more `step` if steps are `waiting`.

    Parameters
    ----------
    model, loss, optimizer, k1, k2, clip, rng
        As in `gatewise.train_stream`.

    Attributes
    ----------
    updates : int
        Updates made or, where every weight was 0, passed over.
    steps : int
        Time steps of the stream that have been trained on.
    waiting : int
        Time steps added and not yet trained on.
    state
        State of the model after the last step that has been trained on, with the weights before that update; None
        before the first. It is not part of `state_dict`.
    history : Thinned
        Its `records()` are the history so far.

    Raises
    ------
    GatewiseError
        If an argument is of the wrong type or out of its range, or the model cannot run step by step.

    Examples
    --------
    >>> import gatewise as gw
    >>> from gatewise.training import StreamLoop
    >>> model = gw.Sequential(gw.GRU(1, 4, rng=0), gw.Dense(4, 1, rng=1))
    >>> loop = StreamLoop(model, "mse", "adam", k1=5, k2=10)
    >>> x = np.ones((2, 12, 1), np.float32)
    >>> loop.add(x, x)
    >>> while loop.ready:
    ...     record = loop.step()
    >>> loop.updates, loop.steps, loop.waiting
    (2, 10, 2)
    """

    def __init__(
        self,
        model: Layer,
        loss: str | Loss,
        optimizer: str | Optimizer,
        *,
        k1: int,
        k2: int | None = None,
        clip: float | None = None,
        rng: Rng = None,
    ) -> None:
        check_streams(model)
        check_number("k1", k1, 1, integer=True)
        check_number("k2", k1 if k2 is None else k2, k1, integer=True)
        if clip is not None:
            check_number("clip", clip, 0, open_low=True)
        self.model, self.loss, self.optimizer = model, named_loss(loss), named_optimizer(optimizer)
        self.k1, self.k2, self.clip = int(k1), int(k1 if k2 is None else k2), clip
        self.rng = generator(rng)
        self.updates = self.steps = self._seen = 0
        self.history = Thinned()
        self._window: Window | None = None  # steps held; the first `_seen` have been trained on
        self._state: Any = None  # before them
        self.state: Any = None
        self._recent_norms: deque[float] = deque(maxlen=NORMS_KEPT)
        self._last_time = time.perf_counter()

    @property
    def waiting(self) -> int:  # noqa: D102
        return 0 if self._window is None else self._window.x.shape[1] - self._seen

    @property
    def ready(self) -> bool:
        """Whether k1 steps wait, enough for an update."""
        return self.waiting >= self.k1

    @property
    def place(self) -> str:
        """Where the training stands, in words."""
        return f"after {self.updates} update{'s' * (self.updates != 1)}"

    def add(self, x: Any, y: Any, resets: Any = None, weights: Any = None) -> None:
        """Take the next block of the stream; it is copied.

        Raises
        ------
        GatewiseError
            If its parts do not fit one another or the blocks before.
        """
        self._window = checked_block(self._window, x, y, resets, weights)

    def forget(self) -> None:
        """Drop the steps held and the state: the next block begins a new stream."""
        self._window, self._state, self.state, self._seen = None, None, None, 0

    @single_threaded_blas()
    def step(self) -> dict[str, Any]:
        """Make one update for the next k1 steps, or for all that are waiting if those are fewer; return its record.

        Raises
        ------
        NonFiniteError
            If the loss or a gradient is not finite; nothing has been applied.
        GatewiseError
            If nothing is waiting, or a block does not fit the model or the loss.
        """
        if not self.waiting:
            raise GatewiseValueError("no steps are waiting; need a block first: call add(x, y).")
        assert self._window is not None
        new = min(self.k1, self.waiting)
        end = self._seen + new
        mark = max(0, end + self.k1 - self.k2)  # where the next window begins
        window, before = self._window.part(0, end), self.rng.bit_generator.state
        try:
            gradients, states = window_gradients(self.model, self.loss, window, new, mark, self._state, self.rng)
        except GatewiseError as error:
            raise self._failure(window, before, error=error) from error
        norm = self._apply(gradients, window, before) if gradients.weight else 0.0
        self._window, self._state, self._seen = self._window.part(mark), states.marked, end - mark
        self.state = states.final
        self.updates += 1
        self.steps += new
        return self._record(gradients.value, norm)

    def _apply(self, gradients: BatchGradients, window: Window, before: Any) -> float:
        norm, applied = clipped_step(self.model, self.optimizer, gradients, self.clip)
        if not applied:
            raise self._failure(window, before, value=gradients.value, norm=norm)
        self._recent_norms.append(norm)
        return norm

    def _record(self, loss: float, norm: float) -> dict[str, Any]:
        now = time.perf_counter()
        seconds, self._last_time = now - self._last_time, now
        record = {"update": self.updates, "step": self.steps, "loss": loss, "gradient_norm": norm, "seconds": seconds}
        self.history.add(record)
        return record

    def records(self) -> History:
        """Return the history so far."""
        return self.history.records()

    def _failure(self, window: Window, before: Any, **outcome: Any) -> GatewiseError:
        """Return the error that says why an update failed; `before` is the generator's state before it."""
        rng, number = copy.deepcopy(self.rng), self.updates + 1
        rng.bit_generator.state = before
        rows, norms = np.arange(len(window.x)), list(self._recent_norms)
        case = Case(self.model, self.loss, window.samples(), rows, rng, 0, number, norms, self.updates, **outcome)
        error = examine(case)
        if error is not None:
            error.history = self.records()
            return error
        if case.error is not None:
            return type(case.error)(f"update {number}: {case.error}")
        return GatewiseValueError(
            f"update {number}: the gradient norm is {case.norm:g}: scale the loss or pass clip=1."
        )

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of the state: arrays and what JSON can hold, enough to continue bit for bit.

        Returns
        -------
        dict
            `k1`, `k2`, `updates`, `steps`, `seen` (steps of the window that have been trained on), `rng`, `history`,
            `recent_norms`; arrays `model/NAME`, `optimizer/KEY`, of the steps that are held `window/x`, `window/y`,
            `window/resets` and perhaps `window/weights`, and `state/PATH` before them. Settings are not part of it, nor
            is the place in the stream: give the loop what follows the last block added.
        """
        window = {} if self._window is None else self._window._asdict()
        parts: dict[str, Mapping[str, Any]] = {
            "model": self.model.params,
            "optimizer": self.optimizer.state_dict(),
            "window": {name: array for name, array in window.items() if array is not None},
            "state": {path or ".": array for path, array in leaves(self._state)},
        }
        return joined(self._numbers(), parts)

    def _numbers(self) -> dict[str, Any]:
        return {
            "k1": self.k1,
            "k2": self.k2,
            "updates": self.updates,
            "steps": self.steps,
            "seen": self._seen,
            "rng": plain(self.rng.bit_generator.state),
            "history": self.history.numbers(),
            "recent_norms": np.array(self._recent_norms, np.float64),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that a loop with the same settings gave.

        Raises
        ------
        GatewiseError
            If a name, type, shape or dtype does not fit.
        """
        numbers, parts = separated(state, PARTS)
        check_names("state", numbers, self._numbers())
        for key in ("k1", "k2"):
            if numbers[key] != getattr(self, key):
                raise GatewiseValueError(
                    f"state has {key} {numbers[key]}; need {getattr(self, key)}: give this loop the same."
                )
        check_weights("model", parts["model"], self.model.params)
        check_optimizer(parts["optimizer"], self.model.params)
        recent = floats("recent_norms", numbers["recent_norms"])
        for key in ("updates", "steps", "seen"):
            check_number(key, numbers[key], 0, integer=True)
        window = {"weights": None, **parts["window"]}
        held = checked_block(None, **window) if parts["window"] else None
        if numbers["seen"] > (0 if held is None else held.x.shape[1]):
            raise GatewiseValueError(f"state has seen {numbers['seen']} steps of its window; need at most all of it.")
        self._window = held
        self._state = self._loaded_state({"" if path == "." else path: a for path, a in parts["state"].items()})
        self.optimizer.load_state_dict(parts["optimizer"])
        self.model.params.update(parts["model"])
        self.rng.bit_generator.state = numbers["rng"]
        self.updates, self.steps, self._seen = (int(numbers[key]) for key in ("updates", "steps", "seen"))
        self.history.load(numbers["history"])
        self._recent_norms.clear()
        self._recent_norms.extend(recent)
        self._last_time = time.perf_counter()

    def _loaded_state(self, arrays: Mapping[str, Any]) -> Any:
        """The state with these arrays, in the form in which the model has it."""
        if not arrays or self._window is None:
            return None
        for path, array in arrays.items():
            check_finite(f"state{path}", array)
        return with_leaves(self.model(self._window.x[:, :0])[1], arrays)


def check_streams(model: Any) -> None:
    """Raise unless `model` gives an output at every step that depends on no later one."""
    if not isinstance(model, Layer):
        raise GatewiseTypeError(f"model is a {type(model).__name__}; need a gatewise layer or Sequential.")
    for prefix, layer, _ in plain_layers(model):
        place = f"layer {prefix.rstrip('.')}, {layer}," if prefix else str(layer)
        if not layer.keeps_time:
            raise GatewiseValueError(
                f"{place} gives one output for a whole sequence; a stream needs one at every step: leave it out."
            )
        if isinstance(layer, Recurrent) and layer.bidirectional:
            raise GatewiseValueError(
                f"{place} reads from the end too, and a stream has none: build it with bidirectional=False."
            )
