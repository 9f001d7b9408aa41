"""What is computed: a network of one layer, its data, and the floating-point operations it takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

import numpy as np

from gatewise.cells import FORMS, Cell
from gatewise.errors import Array, GatewiseValueError

KINDS = ("train", "infer")  # what is timed; a streaming step becomes one more


class Shape(NamedTuple):
    """Batch, time, input size and hidden size."""

    B: int
    T: int
    D: int
    H: int

    def __str__(self) -> str:
        return f"{self.B}, {self.T}, {self.D}, {self.H}"


SHAPES = (
    Shape(1, 32, 1, 50),
    Shape(8, 100, 32, 32),
    Shape(32, 100, 64, 64),
    Shape(32, 100, 128, 128),
    Shape(32, 100, 256, 256),
    Shape(8, 100, 512, 512),
    Shape(64, 100, 512, 512),
)


class Case(NamedTuple):
    """One line of the comparison: a cell, its form, its precision and the shape of its work."""

    cell: str
    reset: str
    dtype: str
    shape: Shape
    seed: int = 0

    def flops(self, kind: str) -> int:
        """Return the operations of the matrix products: 2·G·T·B·H·(D+H) forward, three times that with gradients."""
        (B, T, D, H), cell = self.shape, equations(self.cell)
        inputs = D + H if cell.recurrent else D
        return 2 * len(cell.gates) * T * B * H * inputs * (3 if kind == "train" else 1)

    def short(self) -> Case:
        """Return the same case with two time steps: it runs the same code, and needs hardly any memory."""
        return self._replace(shape=self.shape._replace(T=min(2, self.shape.T)))


class Problem(NamedTuple):
    """The arrays of a case; weights under PyTorch's names, gradients of the output as `dy`."""

    case: Case
    x: Array  # (B, T, D)
    state: tuple[Array, ...]  # h_0 (1, B, H), for an LSTM also c_0
    dy: Array  # (B, T, H)
    weights: Mapping[str, Array]


def problem(case: Case) -> Problem:
    """Draw the arrays of a case from its seed: the same in every process."""
    B, T, D, H = case.shape
    cell = equations(case.cell)
    rows = len(cell.gates) * H
    rng = np.random.default_rng(case.seed)

    def uniform(*shape: int) -> Array:
        return rng.uniform(-(H**-0.5), H**-0.5, shape).astype(case.dtype)

    weights = {"weight_ih_l0": uniform(rows, D)}
    if cell.recurrent:
        weights["weight_hh_l0"] = uniform(rows, H)
    weights["bias_ih_l0"] = uniform(rows)
    if cell.recurrent_bias:
        weights["bias_hh_l0"] = uniform(rows)
    state = tuple(rng.uniform(-0.5, 0.5, (1, B, H)).astype(case.dtype) for _ in state_names(case.cell))
    x, dy = (rng.standard_normal((B, T, N)).astype(case.dtype) for N in (D, H))
    return Problem(case, x, state, dy, weights)


def equations(cell: str) -> Cell:
    """Return the first form of the cell of this name; gates, states and weights are the same in any."""
    return next(form for form in FORMS.values() if form.name == cell)


def state_names(cell: str) -> tuple[str, ...]:
    """Return the letters of a cell's state."""
    return tuple(name[0] for name in equations(cell).states)


def check_known(case: Case, cells: Collection[str]) -> None:
    """Raise unless a system has the cell of the case.

    Raises
    ------
    GatewiseError
        If `cells`, those that the system has, lack it.
    """
    if case.cell not in cells:
        raise GatewiseValueError(f"has no {case.cell}, only {', '.join(cells)}.")


def named_results(
    cell: str,
    y: Array,
    dx: Array | None = None,
    dstate: tuple[Array, ...] = (),
    grads: Mapping[str, Array] | None = None,
) -> dict[str, Array]:
    """Return what a system computed under one set of names, to be held against the others."""
    found = {"y": y, **(grads or {})}
    if dx is not None:
        found["dx"] = dx
    found.update({f"d{name}_0": array for name, array in zip(state_names(cell), dstate, strict=False)})
    return found
