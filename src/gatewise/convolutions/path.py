"""A fitted ridge on features of sequences: what answers beside the networks where sequences are few."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np

from gatewise import plain
from gatewise.convolutions.features import blocks_of
from gatewise.convolutions.kernels import Convolutions
from gatewise.convolutions.segments import segments
from gatewise.errors import Array, check_names

ROWS_AT_ONCE = 256
_OWN = ("center", "coefficients", "intercept")


class RidgePath(NamedTuple):
    """A ridge whose outputs are intercept + Σ coefficient · (feature - center)."""

    convolutions: Convolutions
    center: Array
    """Mean of each feature in the fit, float32 (features,)."""
    coefficients: Array
    """float32 (outputs, features)."""
    intercept: Array
    """float64 (outputs,)."""

    def outputs(self, x: Array, lengths: Array) -> Array:
        """Return float64 (n, outputs) for x (n, time, inputs); those of one sequence do not depend on the others."""
        found = np.empty((len(x), len(self.intercept)))
        coefficients = self.coefficients.astype(np.float64)
        for start in range(0, len(x), ROWS_AT_ONCE):
            some = slice(start, start + ROWS_AT_ONCE)
            features = np.concatenate(blocks_of(self.convolutions, x[some], lengths[some]), axis=1) - self.center
            for into, row in zip(found[some], features.astype(np.float64), strict=True):
                # Row by row, for all rows at once are summed in another order if there are others.
                into[:] = np.einsum("op,p->o", coefficients, row)
        return np.asarray(found + self.intercept)

    def to_arrays(self) -> dict[str, Array]:
        """Return all there is to it, for a file."""
        return {**self.convolutions._asdict(), **{name: getattr(self, name) for name in _OWN}}

    @classmethod
    def from_arrays(cls, arrays: dict[str, Array], channels: int, inputs: int, outputs: int) -> Self:
        """Return the ridge of a file; raise unless its arrays fit together and these numbers."""
        check_names("its ridge", arrays, (*Convolutions._fields, *_OWN))
        convolutions = Convolutions.checked({name: arrays[name] for name in Convolutions._fields}, channels)
        width = sum(convolutions.sizes) + segments(np.zeros((1, 1, inputs)), np.ones(1, int)).shape[1]
        plain.array("center", arrays["center"], (width,), np.float32)
        plain.array("coefficients", arrays["coefficients"], (outputs, width), np.float32)
        plain.array("intercept", arrays["intercept"], (outputs,), np.float64)
        return cls(convolutions, *(arrays[name] for name in _OWN))
