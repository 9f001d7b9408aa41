"""The best epoch so far: its weights, and how long ago it was."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gatewise.errors import Array
from gatewise.layers.layer import Params
from gatewise.training.signals import whole


class Best:
    """With `patience`, a copy of the weights of the epoch with the lowest loss, and whether to wait any longer.

    An epoch counts as better for `patience` if its loss is lower by more than `tol`; the weights are those of the
    lowest loss, by however little.
    """

    def __init__(self, params: Params, patience: int | None, tol: float) -> None:
        self._params = params
        self._patience = patience
        self._tol = tol
        self._lowest = self._reference = np.inf
        self._waited = 0
        self.weights: dict[str, Array] = {}
        """Those of the best epoch; empty before the first, and without `patience`."""

    def note(self, loss: float) -> None:
        """Take the loss of an epoch into account, and the weights as they are."""
        self._waited += 1
        if loss < self._reference - self._tol:
            self._reference, self._waited = loss, 0
        if self._patience is not None and loss < self._lowest:
            self._lowest = loss
            self.weights = {name: array.copy() for name, array in self._params.items()}

    @property
    def exhausted(self) -> bool:
        """Whether `patience` epochs have passed without a better one."""
        return self._patience is not None and self._waited >= self._patience

    def restore(self) -> None:
        """Put the best weights into the model, if there are any."""
        with whole:
            self._params.update(self.weights)

    def numbers(self) -> dict[str, Any]:
        """Return the state without the weights, plain enough for JSON."""
        return {"lowest": float(self._lowest), "reference": float(self._reference), "waited": self._waited}

    def load(self, numbers: Mapping[str, Any], weights: Mapping[str, Array]) -> None:
        """Continue from what `numbers` returned, and a copy of these weights."""
        self._lowest, self._reference = float(numbers["lowest"]), float(numbers["reference"])
        self._waited = int(numbers["waited"])
        self.weights = {name: array.copy() for name, array in weights.items()}
