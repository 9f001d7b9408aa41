"""Targets and weights of sequences as users give them: checked, and laid out as the network is trained on them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from gatewise.arrays import unmasked
from gatewise.errors import Array, GatewiseError, GatewiseTypeError, GatewiseValueError
from gatewise.estimators.sequences import Sequences


class Targets(NamedTuple):
    """What the network is to give, one row per sequence or one per step, and what each counts; None if all the same."""

    values: Array
    weights: Array | None


def with_weight(sequences: Sequences, targets: Targets) -> tuple[Sequences, Targets]:
    """Leave out the sequences whose weights are all 0."""
    weights = targets.weights
    if weights is None:
        return sequences, targets
    positive = weight_per_row(weights) > 0
    if positive.all():
        return sequences, targets
    rest = sequences.rows(positive)
    at = positive if weights.ndim == 1 else (positive, slice(rest.values.shape[1]))
    return rest, Targets(targets.values[at], weights[at])


def weight_per_row(weights: Array) -> Array:
    """Return the weight of each row, all its steps together."""
    total: Array = weights.reshape(len(weights), -1).sum(axis=1)
    return total


def row_weights(sample_weight: Any, rows: int) -> Array | None:
    """Return `sample_weight` as float64 (rows,); raise unless it can be one."""
    if sample_weight is None:
        return None
    try:
        weights = np.array(unmasked(sample_weight), dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise GatewiseTypeError(f"sample_weight cannot be read as numbers ({error}); need one per sequence.") from error
    if weights.shape != (rows,):
        raise GatewiseValueError(f"sample_weight has shape {weights.shape}; need ({rows},), one weight per sequence.")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise GatewiseValueError("sample_weight holds numbers below 0 or not finite; need 0 or more for each sequence.")
    if not weights.any():
        raise GatewiseValueError("sample_weight is zero for every sequence; need one that is more.")
    return weights


def targets_per_sequence(y: Any, rows: int, *, kind: Any) -> Array:
    """Return y with `rows` rows, read by `kind` (a function of y); raise with scikit-learn's words if it cannot be."""
    try:
        targets: Array = kind(y)
    except (ValueError, TypeError) as error:
        if isinstance(error, GatewiseError):
            raise
        raise (GatewiseTypeError if isinstance(error, TypeError) else GatewiseValueError)(str(error)) from error
    if len(targets) != rows:
        raise GatewiseValueError(f"y has {len(targets)} targets and X has {rows} sequences; need one per sequence.")
    return targets


def unmasked_labels(y: Any) -> Any:
    """Return labels as plain arrays; raise if any is masked."""
    masked = sum(int(np.ma.getmaskarray(part).sum()) for part in _masked_parts(y))
    if masked:
        raise GatewiseValueError(f"y has {masked} label(s) masked; need every label: leave out what has none.")
    return unmasked(y)


def _masked_parts(y: Any) -> list[Any]:
    parts = [y, *y] if isinstance(y, list | tuple) else [y]
    return [part for part in parts if isinstance(part, np.ma.MaskedArray)]


def targets_per_step(y: Any, sequences: Sequences) -> Array:
    """Return the targets of all steps of all sequences, one after the other; raise unless there is one for each step.

    A row of a table or array may go on past the end of its sequence.
    """
    n, T, _ = sequences.values.shape
    if len(y) != n:
        raise GatewiseValueError(f"y has {len(y)} rows and X has {n} sequences; need one row of targets per sequence.")
    rows = [np.asarray(unmasked(row)) for row in y]
    for i, (row, length) in enumerate(zip(rows, sequences.lengths, strict=True)):
        longest = length if sequences.form == "list" else T
        if row.ndim < 1 or len(row) not in (length, longest) or row.shape[1:] != rows[0].shape[1:]:
            raise GatewiseValueError(
                f"y[{i}] has shape {row.shape} and X[{i}] has {length} steps; output='all' needs one target per step, "
                f"of the same shape in all."
            )
    return np.concatenate([row[:length] for row, length in zip(rows, sequences.lengths, strict=True)])


def by_step(flat: Array, sequences: Sequences) -> Array:
    """Return values of all steps, one after the other, as (n, time, ...) with 0 past each end."""
    inside = sequences.inside()
    values = np.zeros((*inside.shape, *flat.shape[1:]), flat.dtype)
    values[inside] = flat
    return values
