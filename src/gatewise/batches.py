"""Training data as one object, cut into batches of rows whose common padding is trimmed away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import numpy as np

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError, check_lengths


class Samples(NamedTuple):
    """Rows of input and target that belong together; lengths and weights may be absent."""

    x: Array
    y: Array
    lengths: Array | None = None
    weights: Array | None = None

    @classmethod
    def checked(cls, x: Any, y: Any, lengths: Any = None, weights: Any = None) -> Self:
        """Return the parts as arrays; raise unless they have the same number of rows, at least one."""
        x, y = np.asarray(x), np.asarray(y)
        if x.ndim < 2 or y.ndim < 1:
            raise GatewiseValueError(f"x has shape {x.shape}, y {y.shape}; need x (n, time, ...) and y (n, ...).")
        lengths = None if lengths is None else check_lengths(lengths, len(x), x.shape[1])
        weights = None if weights is None else _checked_weights(weights)
        rows = {name: len(a) for name, a in (("x", x), ("y", y), ("weights", weights)) if a is not None}
        if len(set(rows.values())) > 1 or not len(x):
            found = ", ".join(f"{name} has {count}" for name, count in rows.items())
            raise GatewiseValueError(f"{found} rows; need the same number in each, at least 1.")
        return cls(x, y, lengths, weights)

    def rows(self, index: Any, trim: bool = False) -> Self:
        """Return the rows at `index`; with `trim`, y has a time axis too and is cut with x to the longest length."""
        x, y = self.x[index], self.y[index]
        lengths, weights = (None if a is None else a[index] for a in (self.lengths, self.weights))
        if lengths is not None and len(lengths):
            T, longest = x.shape[1], int(lengths.max())
            x = x[:, :longest]
            if trim:
                y = _cut(y, T, longest)
                weights = None if weights is None else _cut(weights, T, longest)
        return type(self)(x, y, lengths, weights)

    def batches(self, size: int, rng: np.random.Generator | None = None, trim: bool = False) -> Iterator[Self]:
        """Yield batches of `size` rows (the last may be smaller), in random order if `rng` is given."""
        order = np.arange(len(self.x)) if rng is None else rng.permutation(len(self.x))
        for start in range(0, len(order), size):
            yield self.rows(order[start : start + size], trim)


def _checked_weights(weights: Any) -> Array:
    found = np.asarray(weights)
    if found.dtype.kind not in "biuf" or found.ndim < 1:
        raise GatewiseTypeError(f"weights is {weights!r}; need numbers (n,) or (n, time).")
    if not (np.isfinite(found) & (found >= 0)).all() or not found.any():
        raise GatewiseValueError("weights must be finite, at least 0, and not all 0: mark gaps with 0.")
    return found


def _cut(a: Array, time: int, longest: int) -> Array:
    """`a` without its steps past `longest`, if its second axis is time."""
    return a[:, :longest] if a.ndim > 1 and a.shape[1] == time else a
