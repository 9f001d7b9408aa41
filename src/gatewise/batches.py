"""Training data as one object, cut into batches of rows whose common padding is trimmed away, and its weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from gatewise.errors import (
    Array,
    GatewiseTypeError,
    GatewiseValueError,
    check_choice,
    check_lengths,
    check_number,
    check_unmasked,
)
from gatewise.layers.padding import spread, valid_steps

ClassWeight = str | Mapping[int, float] | Sequence[float] | Array


class Samples(NamedTuple):
    """Rows of input and target that belong together; lengths and weights may be absent."""

    x: Array
    y: Array
    lengths: Array | None = None
    weights: Array | None = None

    @classmethod
    def checked(cls, x: Any, y: Any, lengths: Any = None, weights: Any = None) -> Self:
        """Return the parts as arrays; raise unless they have the same number of rows, at least one."""
        check_unmasked("x", x)
        check_unmasked("y", y)
        x, y = np.asarray(x), np.asarray(y)
        if x.ndim < 2 or y.ndim < 1:
            raise GatewiseValueError(f"x has shape {x.shape}, y {y.shape}; need x (n, time, ...) and y (n, ...).")
        lengths = None if lengths is None else check_lengths(lengths, len(x), x.shape[1])
        weights = None if weights is None else _checked_weights(weights)
        rows = {name: len(a) for name, a in (("x", x), ("y", y), ("weights", weights)) if a is not None}
        if len(set(rows.values())) > 1 or not len(x):
            counts = ", ".join(f"{name} has {count}" for name, count in rows.items())
            raise GatewiseValueError(f"{counts} rows; need the same number in each, at least 1.")
        return cls(x, y, lengths, weights)

    def rows(self, index: Any, trim: bool = False) -> Self:
        """Return the rows at `index`; with `trim`, y has a time axis too and is cut with x to the longest length."""
        x, y, lengths, weights = (None if a is None else _at(a, index) for a in self)
        assert x is not None
        assert y is not None
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

    def split(self, validation: float | tuple[Any, ...] | None) -> tuple[Self, Self | None]:
        """Return the rows to train on and those held out, if any.

        Parameters
        ----------
        validation : (x, y), (x, y, lengths), (x, y, lengths, weights), float or None
            Held-out rows, or the share of rows, taken from the end, that is held out.

        Raises
        ------
        GatewiseError
            If the parts do not fit one another, or no row is left to train on.
        """
        if validation is None:
            return self, None
        if isinstance(validation, tuple | list):
            if not 2 <= len(validation) <= 4:
                raise GatewiseValueError(f"validation has {len(validation)} parts; need (x, y[, lengths[, weights]]).")
            return self, self.checked(*validation)
        check_number("validation", validation, 0, 1, open_low=True)
        first = len(self.x) - max(1, round(validation * len(self.x)))
        if first < 1:
            raise GatewiseValueError(f"validation={validation} leaves no row of {len(self.x)} to train on: lower it.")
        return self.rows(slice(first)), self.rows(slice(first, None))

    def loss_weights(self, per_step: bool) -> dict[str, Array]:
        """Return the keyword that gives a loss its weights, if there are any.

        With `per_step`, the target has a time axis, and steps past each length have weight 0.
        """
        weights = self.weights
        if self.lengths is not None and per_step:
            mask = valid_steps(self.lengths, self.x.shape[1])
            weights = mask if weights is None else spread(weights, mask.ndim) * spread(mask, weights.ndim)
        return {} if weights is None else {"weights": weights}

    def weight(self, per_step: bool) -> float:
        """Return what these rows count in a mean over several batches; 0 if there is nothing to learn from."""
        weights = self.loss_weights(per_step).get("weights")
        return float(len(self.x) if weights is None else weights.sum())

    def with_class_weight(self, class_weight: ClassWeight | None) -> Self:
        """Return the same rows with each weight times that of its class.

        Parameters
        ----------
        class_weight : {"balanced"}, mapping, sequence or None
            Weight of each class, for integer targets; "balanced" is n / (classes · count), n and counts being those of
            the targets whose weight is not 0.

        Raises
        ------
        GatewiseError
            If the targets are no classes, or a class has no weight.
        """
        if class_weight is None:
            return self
        y = self.y
        if not np.issubdtype(y.dtype, np.integer):
            raise GatewiseTypeError(f"class_weight needs integer targets; y has dtype {y.dtype}: encode the classes.")
        weights = np.ones(y.shape)
        if self.lengths is not None and y.ndim > 1:
            weights *= valid_steps(self.lengths, y.shape[1])
        if self.weights is not None:
            weights *= spread(self.weights, weights.ndim)
        counts = weights != 0
        weights[counts] *= class_weights(class_weight, y[counts])[y[counts]]
        return self._replace(weights=weights)


def class_weights(class_weight: ClassWeight, y: Array) -> Array:
    """Return one weight per class, (classes,) in float64, of the classes that y holds.

    Examples
    --------
    >>> class_weights("balanced", np.array([0, 0, 0, 1]))
    array([0.66666667, 2.        ])
    """
    if y.min() < 0:
        raise GatewiseValueError(f"y holds class {y.min()}; need 0 or more: number classes from 0, weigh padding 0.")
    classes = int(y.max()) + 1
    if isinstance(class_weight, str):
        check_choice("class_weight", class_weight, ("balanced",))
        counts = np.bincount(y.ravel(), minlength=classes)
        return y.size / (np.count_nonzero(counts) * np.maximum(counts, 1))
    if isinstance(class_weight, Mapping):
        return np.array([class_weight.get(k, 1.0) for k in range(classes)])
    weights = np.asarray(class_weight, float)
    if weights.ndim != 1 or len(weights) < classes:
        raise GatewiseValueError(
            f"class_weight has shape {weights.shape}; need one weight for each of {classes} classes."
        )
    return weights


def _checked_weights(weights: Any) -> Array:
    check_unmasked("weights", weights)
    array = np.asarray(weights)
    if array.dtype.kind not in "biuf" or array.ndim < 1:
        raise GatewiseTypeError(f"weights is {weights!r}; need numbers (n,) or (n, time).")
    if not (np.isfinite(array) & (array >= 0)).all() or not array.any():
        raise GatewiseValueError("weights must be finite, at least 0, and not all 0: mark gaps with 0.")
    return array


def _at(a: Array, index: Any) -> Array:
    """`a[index]`; of row numbers faster."""
    numbers = isinstance(index, np.ndarray) and index.dtype.kind == "i"
    found: Array = a.take(index, axis=0) if numbers else a[index]
    return found


def _cut(a: Array, time: int, longest: int) -> Array:
    """`a` without its steps past `longest`, if its second axis is time."""
    return a[:, :longest] if a.ndim > 1 and a.shape[1] == time else a
