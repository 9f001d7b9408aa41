"""What users call X, in one form: a table, an array, or a list of sequences, as padded values with their lengths."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.utils import validation

from gatewise import plain
from gatewise.arrays import unmasked
from gatewise.errors import Array, GatewiseError, GatewiseTypeError, GatewiseValueError, check_names
from gatewise.layers.padding import valid_steps

LIMIT = 10.0
"""Standardized inputs are cut off at so many standard deviations."""


class Sequences(NamedTuple):
    """Sequences side by side: values (n, time, channels), NaN where there is none, and how long each is."""

    values: Array
    lengths: Array
    form: str
    """How they came: "table" (n, time), "array" (n, time, channels) or "list"."""

    def rows(self, index: Any) -> Self:
        """Return the sequences at `index`, without steps that none of them has."""
        lengths = self.lengths[index]
        return self._replace(values=self.values[index, : lengths.max()], lengths=lengths)

    def inside(self) -> Array:
        """(n, time), True up to the end of each sequence."""
        return valid_steps(self.lengths, self.values.shape[1])

    def observed(self) -> Array:
        """(n, time, channels), True where there is a value."""
        known: Array = ~np.isnan(self.values)
        return known & self.inside()[:, :, None]

    def like_input(self, values: Array) -> Any:
        """Return values (n, time, ...), one per step, in the form of X: an array with NaN past each end, or a list.

        Values that are not floats keep whatever stands past the end.
        """
        if self.form == "list":
            return [row[:length] for row, length in zip(values, self.lengths, strict=True)]
        if values.dtype.kind == "f":
            values = values.copy()
            values[~self.inside()] = np.nan
        return values


def read_sequences(estimator: Any, X: Any, *, reset: bool) -> Sequences:
    """Return X as `Sequences`, and note in `estimator` what it has seen, or check that X is of the same kind.

    Parameters
    ----------
    estimator : BaseEstimator
        With `reset` it gets `n_channels_in_`, `n_features_in_` (the steps of a table, else the channels) and, if the
        columns of X have names, `feature_names_in_`.
    X : array (n, time), array (n, time, channels), or list of arrays (time_i,) or (time_i, channels)
        Frames count as arrays. NaN is a missing value, and so is what is masked in a masked array; steps at the end of
        an array's row that hold nothing but NaN are past the end of that sequence.
    reset : bool
        Whether this is a fit.

    Raises
    ------
    GatewiseError
        If X is none of these, holds text or infinity, or does not fit what the estimator has seen.

    Examples
    --------
    >>> from sklearn.base import BaseEstimator
    >>> sequences = read_sequences(BaseEstimator(), [np.zeros((3, 2)), np.ones((1, 2))], reset=True)
    >>> sequences.values.shape, sequences.lengths, sequences.form
    ((2, 3, 2), array([3, 1]), 'list')
    """
    if reset:
        for name in ("feature_names_in_", "n_steps_in_"):
            estimator.__dict__.pop(name, None)
    X = unmasked(X)
    try:
        parts = _parts(X)
        if not reset and parts is None:
            _refuse_single(estimator, X)
        with np.errstate(over="ignore", invalid="ignore"):  # scikit-learn sums all numbers to look for NaN
            sequences = _read_array(estimator, X, reset) if parts is None else _read_list(estimator, parts, reset)
    except GatewiseError:
        raise
    except (ValueError, TypeError) as error:  # scikit-learn's own words
        kind = GatewiseTypeError if isinstance(error, TypeError) else GatewiseValueError
        raise kind(str(error)) from error
    _note_channels(estimator, sequences.values.shape[2], reset)
    return sequences


def _refuse_single(estimator: Any, X: Any) -> None:
    """Raise if X is one sequence, a table (time, channels) or a series (time,), where the fit had several."""
    if hasattr(estimator, "n_steps_in_") or not hasattr(estimator, "n_channels_in_"):
        return
    shape, channels = np.shape(X), estimator.n_channels_in_
    if (len(shape) == 2 and (channels > 1 or shape[1] == 1)) or len(shape) == 1:
        raise GatewiseValueError(
            f"X has shape {shape}; {type(estimator).__name__} was fitted with sequences of {channels} channel(s) and "
            f"needs (n, time, {channels}) or a list of (time_i, {channels}): if X is one sequence, wrap it in a list, "
            f"[X]."
        )


def _parts(X: Any) -> list[Any] | None:
    """The single sequences of a list; None if X is one table or array."""
    if getattr(X, "ndim", None) == 1 and X.dtype.kind == "O":
        X = list(X)
    if not isinstance(X, list | tuple) or not X:
        return None
    if any(hasattr(part, "__array__") and getattr(part, "ndim", getattr(part, "shape", ())) for part in X):
        return list(X)
    if not all(isinstance(part, list | tuple) for part in X):
        return None
    flat = all(np.ndim(value) == 0 for part in X for value in part[:1])
    return None if flat and len({len(part) for part in X}) == 1 else list(X)


def _read_array(estimator: Any, X: Any, reset: bool) -> Sequences:
    options: dict[str, Any] = {"dtype": [np.float64, np.float32], "ensure_all_finite": "allow-nan"}
    if getattr(X, "ndim", None) == 3:
        values = validation.check_array(
            X, allow_nd=True, ensure_2d=False, input_name="X", estimator=estimator, **options
        )
        if 0 in values.shape:
            raise GatewiseValueError(f"X has shape {values.shape}; need (n, time, channels), none of them 0.")
        return Sequences(values, _lengths(values), "array")
    if reset or hasattr(estimator, "n_steps_in_"):
        table = validation.validate_data(estimator, X, reset=reset, **options)
    else:
        table = validation.check_array(X, input_name="X", estimator=estimator, **options)
    if reset:
        estimator.n_steps_in_ = table.shape[1]
    values = table[:, :, None]
    return Sequences(values, _lengths(values), "table")


def _lengths(values: Array) -> Array:
    """Steps of each row up to the last that holds a value; at least 1."""
    n, T, _ = values.shape
    if not np.any(np.isnan(values[:, -1]).all(axis=1)):
        return np.full(n, T)
    seen: Array = np.any(~np.isnan(values), axis=2)
    return np.where(seen.any(axis=1), T - np.argmax(seen[:, ::-1], axis=1), 1)


def _read_list(estimator: Any, parts: Sequence[Any], reset: bool) -> Sequences:
    _note_names(estimator, parts, reset)
    rows = [_one(i, part) for i, part in enumerate(parts)]
    channels = rows[0].shape[1]
    for i, row in enumerate(rows):
        if row.shape[1] != channels:
            raise GatewiseValueError(
                f"X[{i}] has {row.shape[1]} channels and X[0] has {channels}; need the same in all: X[i] is "
                f"(time, channels), one row per step."
            )
    lengths = np.array([len(row) for row in rows])
    dtype = np.float32 if all(row.dtype == np.float32 for row in rows) else np.float64
    values = np.full((len(rows), lengths.max(), channels), np.nan, dtype)
    for into, row in zip(values, rows, strict=True):
        into[: len(row)] = row
    if (bad := np.argwhere(np.isinf(values))).size:
        i, t, c = (int(k) for k in bad[0])
        raise GatewiseValueError(
            f"X[{i}] holds infinity at step {t}, channel {c}; need finite numbers, or NaN where a value is missing."
        )
    return Sequences(values, lengths, "list")


def _one(i: int, part: Any) -> Array:
    """One sequence of a list as floats (time, channels)."""
    try:
        array = part.to_numpy(dtype=float, na_value=np.nan) if hasattr(part, "iloc") else np.asarray(part)
        if array.dtype.kind == "c":
            raise TypeError("Complex data not supported")
        array = array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
    except (ValueError, TypeError) as error:
        raise GatewiseTypeError(
            f"X[{i}] cannot be read as numbers ({error}); need a numeric array (time,) or (time, channels)."
        ) from error
    if array.ndim not in (1, 2) or 0 in array.shape:
        raise GatewiseValueError(
            f"X[{i}] has shape {array.shape}; need (time,) or (time, channels), at least one step and one channel."
        )
    return array.reshape(len(array), -1)


def _note_names(estimator: Any, parts: Sequence[Any], reset: bool) -> None:
    """Remember the channel names of frames; raise unless all frames, and those of the fit, have the same."""
    named = [(i, list(map(str, part.columns))) for i, part in enumerate(parts) if hasattr(part, "columns")]
    if reset and len(named) == len(parts):
        estimator.feature_names_in_ = np.array(named[0][1], dtype=object)
    if not named:
        return
    known = None if hasattr(estimator, "n_steps_in_") else getattr(estimator, "feature_names_in_", None)
    need = named[0][1] if known is None else list(known)
    for i, names in named:
        if names != need:
            raise GatewiseValueError(
                f"X[{i}] has the columns {', '.join(names)}; need exactly {', '.join(need)}, in this order."
            )


def _note_channels(estimator: Any, channels: int, reset: bool) -> None:
    if reset:
        estimator.n_channels_in_ = channels
        if not hasattr(estimator, "n_steps_in_"):
            estimator.n_features_in_ = channels
        return
    if channels != estimator.n_channels_in_:
        name = type(estimator).__name__
        raise GatewiseValueError(
            f"X has {channels} channels, but {name} was fitted with {estimator.n_channels_in_}: need the same ones."
        )


def like(X: Any, sequences: Sequences, values: Array) -> Any:
    """Return values (n, time, channels) in the form in which X came: table, array, list of arrays or of frames."""
    if sequences.form == "array":
        return values
    if sequences.form == "table":
        return values[:, :, 0]
    return [_part_like(part, row[:length]) for part, row, length in zip(X, values, sequences.lengths, strict=True)]


def _part_like(part: Any, values: Array) -> Any:
    if hasattr(part, "iloc"):  # a frame of pandas, or a Series
        return part.__class__(values.reshape(part.shape), index=part.index).set_axis(part.axes[-1], axis=part.ndim - 1)
    return values.reshape(np.shape(part))


class Inputs(NamedTuple):
    """How sequences become what a network reads: standardized, gaps filled, and where there were gaps in the fit, said.

    A missing value takes the last value seen before it, 0 (the mean) if there is none. A channel that had gaps in the
    fit gets two inputs more: whether the value was observed, and log(1 + steps since the last that was), after Che et
    al., *Recurrent neural networks for multivariate time series with missing values* (2018), section 2.
    """

    mean: Array
    scale: Array
    gaps: Array

    @classmethod
    def of(cls, sequences: Sequences) -> Self:
        """Take the statistics of all observed values of each channel, in float64."""
        seen = sequences.observed()
        inside = sequences.inside()[:, :, None]
        values = sequences.values
        count = np.maximum(1, seen.sum(axis=(0, 1)))
        with np.errstate(over="ignore", invalid="ignore"):
            mean = np.sum(values, axis=(0, 1), where=seen, dtype=np.float64) / count
            if not np.isfinite(mean).all():  # the sum is too large, not the mean
                mean = np.sum(values / count, axis=(0, 1), where=seen, dtype=np.float64)
            deviation = np.where(seen, values - mean, 0)
        if not np.isfinite(deviation).all():
            raise GatewiseValueError("X holds numbers whose differences are beyond 1.8e308; need a larger unit.")
        largest = np.maximum(np.abs(deviation).max(axis=(0, 1)), np.finfo(float).tiny)
        spread = largest * np.sqrt(np.sum((deviation / largest) ** 2, axis=(0, 1)) / count)
        constant = spread <= 10 * np.finfo(values.dtype).eps * np.abs(mean)
        gaps: Array = np.any(inside & ~seen, axis=(0, 1))
        return cls(mean, np.where(constant | (spread == 0), 1.0, spread), gaps)

    @classmethod
    def checked(cls, arrays: dict[str, Array]) -> Self:
        """Return those of a file; raise unless they fit together."""
        check_names("its inputs", arrays, cls._fields)
        inputs = cls(**arrays)
        plain.array("mean", inputs.mean, ("channels",), np.float64)
        plain.array("scale", inputs.scale, inputs.mean.shape, np.float64, above=0)
        plain.array("gaps", inputs.gaps, inputs.mean.shape, np.bool_)
        return inputs

    @property
    def size(self) -> int:
        """Inputs of the network a step."""
        return len(self.mean) + 2 * int(np.count_nonzero(self.gaps))

    def encode(self, sequences: Sequences) -> Array:
        """Return the input (n, time, size) in float32, 0 past each length."""
        values, inside = sequences.values, sequences.inside()[:, :, None]
        with np.errstate(over="ignore"):  # what lies beyond is cut off
            x = np.clip((values - self.mean) / self.scale, -LIMIT, LIMIT).astype(np.float32)
        x[~inside[:, :, 0]] = 0
        seen = ~np.isnan(x)
        if seen.all() and not self.gaps.any():
            return x
        t = np.arange(x.shape[1])[:, None]
        last = np.maximum.accumulate(np.where(seen, t, -1), axis=1)
        x = np.where(last < 0, np.float32(0), np.take_along_axis(x, np.maximum(last, 0), axis=1))
        since = np.log1p(t - last).astype(np.float32)
        said = np.concatenate([seen[:, :, self.gaps], since[:, :, self.gaps]], axis=2) * inside
        return np.concatenate([x, said.astype(np.float32)], axis=2)


def downsampled(x: Array, lengths: Array, factor: int) -> tuple[Array, Array]:
    """Return means over blocks of `factor` steps of x (n, time, inputs), 0 past each end, and each row's blocks.

    The last block of a sequence is the mean of the steps that it has.

    Examples
    --------
    >>> x, lengths = downsampled(np.array([[[1.0], [3.0], [5.0]]]), np.array([3]), 2)
    >>> x.ravel(), lengths
    (array([2., 5.]), array([2]))
    """
    if factor == 1:
        return x, lengths
    n, T, size = x.shape
    blocks = -(-T // factor)
    total = np.zeros((n, blocks, size), x.dtype)
    for k in range(factor):
        steps = x[:, k::factor]
        total[:, : steps.shape[1]] += steps
    count = np.clip(lengths[:, None] - factor * np.arange(blocks), 1, factor)
    return total / count[:, :, None].astype(x.dtype), -(-lengths // factor)
