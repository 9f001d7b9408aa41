"""Steps of a pool: sums and maxima that go along, or, for means over parts of what has been seen, all of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gatewise.errors import (
    Array,
    GatewiseTypeError,
    GatewiseValueError,
    check_array,
    check_dtype,
    check_finite,
    check_names,
)
from gatewise.layers.pool import Pool
from gatewise.layers.stepper import Stepper, checked_rows

FIRST = 64  # steps that there is room for at first; doubled whenever they are used up


class PoolStepper(Stepper):
    """What `Pool` gives for the steps seen so far.

    With one part it keeps a sum, a maximum and a count. The borders of several parts move with every step, so that all
    steps have to be kept, and each costs as much as there are.
    """

    keeps_time = False
    layer: Pool

    def __init__(self, layer: Pool, batch: int | None) -> None:
        super().__init__(layer, batch)
        if layer.bidirectional:
            raise GatewiseValueError(
                "Pool(bidirectional=True) cannot step: half of what it reads comes from the reverse direction, which "
                "reads from the end that a stream does not have; use one direction."
            )
        N = layer.input_size
        self._whole = "mean" in layer.kinds and layer.parts > 1
        self._count = np.zeros(self._rows, np.int64)
        self._steps = np.zeros((self._rows, FIRST if self._whole else 0, N))
        self._sums = np.zeros((self._rows, N))
        self._highest = np.full((self._rows, N), -np.inf)
        self._last = np.zeros((self._rows, N))

    def step(self, x: Array, out: Array | None = None) -> Array:  # noqa: D102
        x = np.asarray(x)
        y = self._pass(x[None, None] if self.batch is None else x[:, None])
        return self._handed_over(y[0] if self.batch is None else y, out)

    def _pass(self, x: Array) -> Array:
        dtype = check_dtype(x.dtype)
        check_array("x", x, (self._rows, "time", self.layer.input_size), dtype)
        check_finite("x", x)
        if self._whole:
            self._keep(x)
            seen = self._steps[:, : self._count.max()].astype(dtype)
            return self.layer(seen, lengths=self._count)[0]
        self._count += x.shape[1]
        self._sums += x.sum(axis=1, dtype=np.float64)
        np.maximum(self._highest, x.max(axis=1), out=self._highest)
        self._last[:] = x[:, -1]
        means = self._sums / self._count[:, None]
        summaries = {"last": self._last, "mean": means, "max": self._highest}
        return np.concatenate([summaries[kind] for kind in self.layer.kinds], axis=1).astype(dtype)

    def _keep(self, x: Array) -> None:
        """Append x to the steps of each row."""
        T, end = x.shape[1], int(self._count.max()) + x.shape[1]
        if end > self._steps.shape[1]:
            longer = np.zeros((self._rows, max(end, 2 * self._steps.shape[1]), self.layer.input_size))
            longer[:, : self._steps.shape[1]] = self._steps
            self._steps = longer
        for row, start in enumerate(self._count):
            self._steps[row, start : start + T] = x[row]
        self._count += T

    def _state(self) -> dict[str, Array]:
        return self.state_dict()

    def _set_state(self, state: Any) -> None:
        if state is None:
            self.reset()
        elif isinstance(state, Mapping):
            self.load_state_dict(state)
        else:
            raise GatewiseTypeError(f"the state of Pool is a {type(state).__name__}; need what `state` gave, or None.")

    def reset(self, rows: Any = None) -> None:  # noqa: D102
        index = checked_rows(rows, self._rows)
        self._count[index] = 0
        self._sums[index], self._highest[index], self._last[index], self._steps[index] = 0, -np.inf, 0, 0

    def state_dict(self) -> dict[str, Array]:  # noqa: D102
        if self._whole:
            return {"count": self._count.copy(), "steps": self._steps[:, : self._count.max()].copy()}
        return {
            "count": self._count.copy(),
            "sums": self._sums.copy(),
            "highest": self._highest.copy(),
            "last": self._last.copy(),
        }

    def _load(self, arrays: Mapping[str, Array]) -> None:
        check_names("the state", arrays, self.state_dict())
        rows, N = self._rows, self.layer.input_size
        count = check_array("count", arrays["count"], (rows,), np.int64)
        if (count < 0).any():
            raise GatewiseValueError(f"count is {count}; need numbers of steps, 0 or more.")
        if self._whole:
            steps = check_array("steps", arrays["steps"], (rows, int(count.max()), N), np.float64)
            self._steps = np.array(steps) if steps.shape[1] else np.zeros((rows, FIRST, N))
        else:
            names = ("sums", "highest", "last")
            parts = [check_array(name, arrays[name], (rows, N), np.float64) for name in names]
            self._sums[:], self._highest[:], self._last[:] = parts
        self._count[:] = count
