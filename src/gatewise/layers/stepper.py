"""One step after the other, with the state kept: what every stepper is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from gatewise.errors import (
    Array,
    GatewiseTypeError,
    GatewiseValueError,
    check_array,
    check_names,
    check_number,
)
from gatewise.layers.layer import Layer


class Stepper(ABC):
    """A layer or model that runs as the data come: it keeps the state, and takes one step or many at a time.

    `layer.stepper(batch=None)` makes one. With `batch=None` it is a single stream, x_t (D,), with a number that many
    side by side, x_t (batch, D), each with a state of its own; every one starts from zeros.

    The weights are not copied: what is written to the layer's `params`, by whatever means, counts from the next step
    on. Dropout and noise do nothing. A stepper belongs to one thread at a time; any number of them may share a layer.

    Attributes
    ----------
    layer : Layer
    batch : int or None

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> gru = gw.GRU(3, 8, rng=0)
    >>> x = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    >>> stream = gru.stepper()
    >>> steps = [stream.step(x_t) for x_t in x[:20]]
    >>> rest = stream.process(x[20:])
    >>> whole, state = gru(x[None])
    >>> bool(np.allclose(np.vstack([*steps, rest]), whole[0], atol=1e-6)), bool(np.allclose(stream.state, state))
    (True, True)
    """

    keeps_time: bool = True
    """Whether a block gives an output for every step, not one for all it has seen."""

    def __init__(self, layer: Layer, batch: int | None) -> None:
        if batch is not None:
            check_number("batch", batch, 1, integer=True)
        self.layer = layer
        self.batch = batch
        self._rows = 1 if batch is None else int(batch)

    @abstractmethod
    def step(self, x: Array, out: Array | None = None) -> Array:
        """Take one step.

        Parameters
        ----------
        x : ndarray (D,), or (batch, D)
            Input of this step, finite and of the layer's dtype; integers for an `Embedding`, without the last axis.
        out : ndarray, optional
            Where to write the output; contiguous, of its shape and dtype. A new array if None.

        Returns
        -------
        ndarray (H,), or (batch, H)
            The output after this step: what the layer gives for the last step of all it has seen.

        Raises
        ------
        GatewiseError
            If x or out does not fit; the state is then as before.
        """

    def process(self, x: Array, out: Array | None = None, *, every_step: bool | None = None) -> Array:
        """Take all steps of a block in one call.

        Parameters
        ----------
        x : ndarray (time, D), or (batch, time, D)
            At least one step.
        out : ndarray, optional
            As in `step`.
        every_step : bool, optional
            Whether to return the output after each step or after the last one alone; by default as the model does.

        Returns
        -------
        ndarray (time, H), or (batch, time, H)
            Of a recurrent layer with a kernel the very numbers of a call with the whole sequence, however it is cut
            into blocks. Without `every_step` (H,), or (batch, H).

        Raises
        ------
        GatewiseError
            If x or out does not fit, or outputs for every step are asked of a model that gives one for all steps, as
            one with `Last` does.
        """
        if every_step and not self.keeps_time:
            raise GatewiseValueError(
                f"every_step is True, and {type(self.layer).__name__} gives one output for all steps it has seen; "
                f"call step for each of them, or leave every_step out."
            )
        y = self._pass(self._block(x))
        if self.keeps_time and every_step is False:
            y = y[:, -1]
        return self._handed_over(y[0] if self.batch is None else y, out)

    @abstractmethod
    def _pass(self, x: Array) -> Array:
        """Take the steps in x (rows, time, ...); return (rows, time, ...) or, unless `keeps_time`, (rows, ...)."""

    @property
    def state(self) -> Any:
        """The state as the layer's call takes and returns it, (layers, batch, H); a copy. Set it to go on from there.

        None sets it to zeros. For models of several layers it is a tuple with one entry per layer.
        """
        return self._state()

    @state.setter
    def state(self, state: Any) -> None:
        self._set_state(state)

    @abstractmethod
    def _state(self) -> Any:
        """Return a copy of the state."""

    @abstractmethod
    def _set_state(self, state: Any) -> None:
        """Set the state, None to zeros; raise unless it fits, and then change nothing."""

    @abstractmethod
    def reset(self, rows: Any = None) -> None:
        """Start anew from zeros: all streams, or those of some rows of the batch.

        Parameters
        ----------
        rows : int, sequence of int or of bool, optional
            Which rows.

        Raises
        ------
        GatewiseError
            If there is no such row.
        """

    @abstractmethod
    def state_dict(self) -> dict[str, Array]:
        """Return copies of all that goes from step to step as named arrays, to save and to load."""

    def load_state_dict(self, arrays: Mapping[str, Array]) -> None:
        """Go on from what `state_dict` returned.

        Raises
        ------
        GatewiseError
            If a name, shape or dtype is not that of this stepper; nothing is changed then.
        """
        check_names("the state", arrays, self.state_dict())
        self._load(arrays)

    @abstractmethod
    def _load(self, arrays: Mapping[str, Array]) -> None:
        """`load_state_dict` of arrays whose names are right."""

    def copy(self) -> Self:
        """Return a stepper of the same layer in the same state, which goes its own way from here."""
        twin = type(self)(self.layer, self.batch)
        twin.load_state_dict(self.state_dict())
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        return _revived, (type(self), self.layer, self.batch, self.state_dict())

    def __repr__(self) -> str:
        return f"{self.layer!r}.stepper({'' if self.batch is None else self.batch})"

    def _block(self, x: Array) -> Array:
        """The block as (rows, time, ...); raise unless there is a time axis with a step in it."""
        axes = 1 if self.batch is None else 2
        if isinstance(x, np.ndarray) and (x.ndim < axes or x.shape[axes - 1] == 0):
            need = "(time, ...)" if axes == 1 else "(batch, time, ...)"
            raise GatewiseValueError(f"x has shape {x.shape}; need {need} with at least one step.")
        if not isinstance(x, np.ndarray):
            raise GatewiseTypeError(f"x is a {type(x).__name__}; need a NumPy array: pass np.asarray(x, dtype).")
        if self.batch is not None and len(x) != self.batch:
            raise GatewiseValueError(f"x has shape {x.shape}; need ({self.batch}, time, ...), as the stepper has rows.")
        return x[None] if self.batch is None else x

    def _checked_out(self, out: Array, shape: tuple[int, ...], dtype: Any) -> Array:
        """Return `out`; raise unless results can be written there."""
        check_array("out", out, shape, dtype)
        if not out.flags.carray:
            raise GatewiseValueError(
                f"out is read-only or not contiguous; need an array that rows can be written to: np.empty({shape}, "
                f"np.{dtype})."
            )
        return out

    def _handed_over(self, y: Array, out: Array | None) -> Array:
        """Return y, or `out` with its values."""
        if out is None:
            return y
        self._checked_out(out, y.shape, y.dtype)[...] = y
        return out


def checked_rows(rows: Any, count: int) -> Any:
    """Return an index of some of `count` rows, of all if `rows` is None; raise if there are no such."""
    if rows is None:
        return slice(None)
    found = np.atleast_1d(np.asarray(rows))
    if found.dtype == bool and found.shape == (count,):
        return found
    if not found.size:
        return np.zeros(0, np.int64)
    if found.ndim != 1 or found.dtype.kind not in "iu":
        raise GatewiseTypeError(f"rows is {rows!r}; need row numbers, or one bool for each of {count} row(s).")
    if found.min() < 0 or found.max() >= count:
        raise GatewiseValueError(f"rows is {rows!r}; need numbers from 0 to {count - 1}.")
    return found


class StatelessStepper(Stepper):
    """A layer that keeps nothing between steps: embedding, dropout, noise, and the last of what there is."""

    def __init__(self, layer: Layer, batch: int | None) -> None:
        super().__init__(layer, batch)
        self.keeps_time = layer.keeps_time

    def step(self, x: Array, out: Array | None = None) -> Array:  # noqa: D102
        x = np.asarray(x)
        x = x[None, None] if self.batch is None else x[:, None]
        y = self._pass(x)
        y = y[:, 0] if self.keeps_time else y
        return self._handed_over(y[0] if self.batch is None else y, out)

    def _pass(self, x: Array) -> Array:
        return self.layer(x)[0]

    def _state(self) -> None:
        return None

    def _set_state(self, state: Any) -> None:
        if state is not None:
            raise GatewiseTypeError(f"the state of {type(self.layer).__name__} is {state!r}; it has none: need None.")

    def reset(self, rows: Any = None) -> None:  # noqa: D102
        checked_rows(rows, self._rows)

    def state_dict(self) -> dict[str, Array]:  # noqa: D102
        return {}

    def _load(self, arrays: Mapping[str, Array]) -> None:
        pass


def _revived(kind: type[Stepper], layer: Layer, batch: int | None, arrays: Mapping[str, Array]) -> Stepper:
    """The stepper that was copied or pickled."""
    stepper = kind(layer, batch)
    stepper.load_state_dict(arrays)
    return stepper
