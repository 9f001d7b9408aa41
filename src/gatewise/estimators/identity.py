"""What tells one fit from another, for its checkpoint."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from gatewise.errors import Array
from gatewise.estimators.sequences import Sequences
from gatewise.estimators.targets import Targets
from gatewise.forecasting.preparation import Prepared
from gatewise.training.identity import digest


def parameters(estimator: Any) -> dict[str, Any]:
    """Return the parameters of an estimator that a fit depends on; of a generator only its kind."""
    described: dict[str, Any] = estimator._parameters_to_json()
    described.pop("warm_start", None)  # it does not change a fit by itself
    random_state = estimator.random_state
    if random_state is not None and not isinstance(random_state, int | np.integer):
        described["random_state"] = type(random_state).__name__
    return described


def of_sequences(estimator: Any, sequences: Sequences, targets: Targets, again: bool) -> dict[str, Any]:
    """Return what tells a fit of a classifier or regressor from others; `again` if it goes on from an earlier one."""
    kind, numbers = estimator._target_parts()
    return {
        "what": f"{type(estimator).__name__}.fit",
        "parameters": parameters(estimator),
        "X": digest(sequences.values),
        "lengths": digest(sequences.lengths),
        "y": digest(targets.values),
        "targets": {**kind, "numbers": _digest(numbers)},
        "weights": digest(targets.weights),
        "going on from": _digest(estimator._to_parts()[1]) if again else "nothing",
    }


def of_series(estimator: Any, data: Prepared) -> dict[str, Any]:
    """Return what tells a fit of a forecaster from others."""
    return {
        "what": f"{type(estimator).__name__}.fit",
        "parameters": parameters(estimator),
        "seasons": list(data.seasons),
        "data": {field.name: digest(getattr(data.panel, field.name)) for field in fields(data.panel)},
    }


def _digest(arrays: dict[str, Array]) -> str:
    return digest(np.concatenate([np.empty(0), *(np.ravel(array).astype(float) for array in arrays.values())]))
