"""The gradient certificate: every hand-written gradient against central differences, in float64.

For a scalar L = Σ dy ⊙ y + Σ dstate ⊙ state with fixed random dy and dstate, the backward pass claims ∂L/∂a for every
parameter, the input and the initial state. Each claim is compared with the fourth-order central difference

    (8 (L(a + εv) − L(a − εv)) − (L(a + 2εv) − L(a − 2εv))) / 12ε

along a random direction v through the whole array, and along sampled single elements.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from gatewise.cells.derivatives import derivative_errors
from gatewise.errors import Array, GatewiseTypeError, check_number
from gatewise.layers import RECURRENT, Layer
from gatewise.layers.cell import RecurrentCell
from gatewise.layers.layer import Rng, generator
from gatewise.layers.padding import valid_steps
from gatewise.layers.parts import example_input, plain_layers
from gatewise.layers.stack import Recurrent
from gatewise.layers.trees import leaves, mapped
from gatewise.recurrence import Run

TOLERANCE = 1e-7
# ε shrinks while a check fails: a smaller step may stay clear of a kink of relu, a wrong gradient fails at each.
STEPS = (1e-3, 1e-5, 1e-6)
CLEARANCE = 1e-3
_HEADER = ("array", "shape", "direction", "element", "worst at", "")


class ArrayCheck(NamedTuple):
    """The outcome for one array: relative errors of the directional and of the worst single-element derivative."""

    name: str
    shape: tuple[int, ...]
    direction: float
    element: float
    where: tuple[int, ...]
    part: str = ""
    """Of a recurrent layer's weights that fail: which line of its cell's backward step is wrong, as "gate update"."""

    @property
    def worst(self) -> float:
        """The larger of the two errors."""
        return max(self.direction, self.element)


@dataclass(frozen=True, repr=False)
class Report:
    """The outcome of `gradcheck`, one row per array; it prints, and shows in a notebook, as a table."""

    checks: tuple[ArrayCheck, ...]
    tolerance: float = TOLERANCE

    @property
    def worst(self) -> float:
        """The largest relative error of all checks."""
        return max(check.worst for check in self.checks)

    @property
    def ok(self) -> bool:
        """Whether every error is within the tolerance."""
        return self.worst <= self.tolerance

    def table(self) -> str:
        """Return one line per array: name, shape, both errors, and the worst element."""
        from gatewise.printing import text_table

        return text_table(_HEADER, self._rows())

    def _rows(self) -> list[tuple[Any, ...]]:
        return [
            (
                ", ".join(filter(None, (c.name, c.part))),
                c.shape,
                f"{c.direction:.1e}",
                f"{c.element:.1e}",
                c.where,
                _verdict(c.worst, self.tolerance),
            )
            for c in self.checks
        ]

    def _summary(self) -> str:
        return f"worst relative error {self.worst:.1e}, tolerance {self.tolerance:.0e}"

    def __str__(self) -> str:
        return f"{self.table()}\n{self._summary()}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        from gatewise.printing import html_table

        return html_table(_HEADER, self._rows(), caption=self._summary())


def gradcheck(
    layer: Layer | RecurrentCell,
    x: Array | None = None,
    *,
    state: Any = None,
    lengths: Any = None,
    samples: int = 8,
    rng: Rng = 0,
    tolerance: float = TOLERANCE,
) -> Report:
    """Hold every gradient of a layer, model or cell against central differences, on a float64 copy of it.

    Parameters
    ----------
    layer : Layer or cell
        Anything with the three-part forward and backward; it is not changed. Dropout is checked under a fixed mask.
    x : ndarray, optional
        Input as `layer.forward` takes it, converted to float64; random, 3 sequences of 5 steps, if None.
    state : optional
        Initial state as `layer.forward` takes it; random if None.
    lengths : array of int (batch,), optional
        Valid steps of each sequence.
    samples : int
        Single elements checked in each array, beside one random direction through all of it.
    rng : int or numpy.random.Generator
        Source of directions, elements, and of what is None above.
    tolerance : float
        Largest relative error that counts as equal.

    Returns
    -------
    Report
        `report.worst` (relative error), `report.ok`, `report.table()`. The error of a derivative is
        |claimed − measured| over the largest of both and the root mean square of the array's gradient.

    Raises
    ------
    GatewiseError
        If the layer refuses x, state or lengths.

    Examples
    --------
    >>> import gatewise as gw
    >>> report = gw.gradcheck(gw.GRU(3, 4, num_layers=2, rng=0))
    >>> report.ok, report.worst < 1e-9
    (True, True)
    """
    check_number("samples", samples, 0, integer=True)
    rng = generator(rng)
    problem = _Problem(layer, x, state, lengths, rng)
    claimed = problem.gradients()
    checks = [
        _check_array(problem.loss, name, array, claimed.get(name), samples, rng, tolerance)
        for name, array in problem.arrays.items()
    ]
    return Report(tuple(_blamed(layer, check, tolerance) for check in checks), tolerance)


def _blamed(layer: Layer | RecurrentCell, check: ArrayCheck, tolerance: float) -> ArrayCheck:
    """`check` with the part of the cell that is wrong, if it fails for a weight of a recurrent layer."""
    if check.worst <= tolerance:
        return check
    for prefix, plain, _ in plain_layers(layer.layer if isinstance(layer, RecurrentCell) else layer):
        if isinstance(plain, Recurrent) and check.name.startswith((f"{prefix}weight_", f"{prefix}bias_")):
            side = "q" if "_hh" in check.name else "p"
            errors = {key: e for key, e in derivative_errors(plain.cell).items() if not e <= tolerance}
            key = max((k for k in errors if k[0] == side), key=lambda k: errors[k], default=next(iter(errors), None))
            return check if key is None else check._replace(part=f"{'state' if key[0] == 'state' else 'gate'} {key[1]}")
    return check


_BUILDERS: dict[str, Callable[..., Recurrent]] = {
    " ".join([layer.__name__, *options.values()]): partial(layer, **options)
    for layer in RECURRENT.values()
    for options in layer.form_options().values()
}
_OPTIONS = list(product(_BUILDERS, (1, 2), (1, 2), *[(False, True)] * 3))
CONFIGURATIONS = len(_OPTIONS)


def certificate(samples: int = 3, seed: int = 0) -> Iterator[tuple[dict[str, Any], Report]]:
    """Check every cell × reset × layers × direction × lengths × bias × initial state; yield options and report."""
    for cell, layers, directions, ragged, bias, random_state in _OPTIONS:
        layer = _BUILDERS[cell](
            input_size=3,
            hidden_size=5,
            num_layers=layers,
            bidirectional=directions == 2,
            bias=bias,
            dropout=0.3 if layers > 1 else 0.0,
            dtype=np.float64,
            rng=seed,
        )
        rng = np.random.default_rng(seed)
        lengths = [4, 1, 3] if ragged else None
        x, state = _clear_data(layer, lengths, random_state, rng)
        options = {
            "cell": cell,
            "layers": layers,
            "directions": directions,
            "lengths": ragged,
            "bias": bias,
            "initial state": "random" if random_state else "zero",
        }
        yield options, gradcheck(layer, x, state=state, lengths=lengths, samples=samples, rng=rng)


def _clear_data(layer: Recurrent, lengths: Any, random_state: bool, rng: np.random.Generator) -> tuple[Array, Any]:
    """Random x and initial state (or zeros) that keep relu clear of its kink, where it has no derivative."""
    for _ in range(1000):
        x = rng.standard_normal((3, 4, layer.input_size))
        state = layer(x[:, :0])[1]
        if random_state:
            state = mapped(lambda a: rng.standard_normal(a.shape), state)
        runs = layer.forward(x, state, lengths=lengths, training=True, rng=0)[2].runs
        if getattr(layer, "nonlinearity", None) != "relu" or min(map(_distance_to_kink, runs)) > CLEARANCE:
            break
    return x, state


def _distance_to_kink(run: Run) -> float:
    """The smallest |pre-activation| of an Elman run at a valid step."""
    W, U, b, c = run.weights
    a = run.x @ W.T + b + run.previous()[0] @ U.T + c
    valid = True if run.lengths is None else valid_steps(run.lengths, run.x.shape[1])[:, :, None]
    return float(np.abs(a).min(initial=np.inf, where=valid))


class _Problem:
    """A scalar function of named float64 arrays, which may be changed in place, and its claimed gradients."""

    def __init__(
        self,
        layer: Layer | RecurrentCell,
        x: Array | None,
        state: Any,
        lengths: Any,
        rng: np.random.Generator,
    ) -> None:
        if not isinstance(layer, Layer | RecurrentCell):
            raise GatewiseTypeError(f"gradcheck got a {type(layer).__name__}; need a gatewise layer, model or cell.")
        self.layer = layer.astype(np.float64)
        self.lengths = lengths
        self.x: Array = _example_input(self.layer, rng) if x is None else np.array(x)
        if not np.issubdtype(self.x.dtype, np.integer):
            self.x = self.x.astype(np.float64)
        if state is None:
            outputs, _ = self._forward(None)
            state = outputs if isinstance(self.layer, RecurrentCell) else outputs[1]
            self.state = mapped(lambda a: rng.standard_normal(a.shape), state)
        else:
            self.state = mapped(lambda a: np.array(a, np.float64), state)
        outputs, _ = self._forward(self.state)
        self.cotangent = mapped(lambda a: rng.standard_normal(a.shape), outputs)
        self.arrays = self._named(self.layer.params, self.x, self.state)

    def loss(self) -> float:
        outputs, _ = self._forward(self.state)
        pairs = zip(leaves(outputs), leaves(self.cotangent), strict=True)
        return float(sum(np.vdot(output, d) for (_, output), (_, d) in pairs))

    def gradients(self) -> dict[str, Array]:
        claimed: tuple[Array | None, Any, dict[str, Array]]
        _, tape = self._forward(self.state)
        if isinstance(self.layer, RecurrentCell):
            claimed = self.layer.backward(tape, self.cotangent)
        else:
            claimed = self.layer.backward(tape, *self.cotangent)
        dx, dstate, grads = claimed
        return self._named(grads, dx, dstate)

    def _forward(self, state: Any) -> tuple[Any, Any]:
        """Return all outputs as one tree, and the tape."""
        if isinstance(self.layer, RecurrentCell):
            return self.layer.forward(self.x, state)
        y, final, tape = self.layer.forward(self.x, state, lengths=self.lengths, training=True, rng=0)
        return (y, final), tape

    def _named(self, params: dict[str, Array], x: Array | None, state: Any) -> dict[str, Array]:
        named = dict(params)
        if x is not None and self.x.dtype == np.float64:
            named["x"] = x
        return named | {"state" + path: leaf for path, leaf in leaves(state)}


def _check_array(
    loss: Callable[[], float],
    name: str,
    array: Array,
    claimed: Array | None,
    samples: int,
    rng: np.random.Generator,
    tolerance: float,
) -> ArrayCheck:
    if claimed is None or claimed.shape != array.shape:
        return ArrayCheck(name, array.shape, np.inf, np.inf, ())
    if array.size == 0:
        return ArrayCheck(name, array.shape, 0.0, 0.0, ())
    scale = float(np.sqrt(np.mean(claimed**2)))
    direction = _error(loss, array, claimed, rng.standard_normal(array.shape), scale, tolerance)
    worst = 0.0
    where: tuple[int, ...] = ()
    for flat in rng.permutation(array.size)[:samples]:
        index = tuple(int(i) for i in np.unravel_index(flat, array.shape))
        unit = np.zeros(array.shape)
        unit[index] = 1
        error = _error(loss, array, claimed, unit, scale, tolerance)
        if not error <= worst:
            worst, where = error, index
    return ArrayCheck(name, array.shape, direction, worst, where)


def _error(loss: Callable[[], float], array: Array, claimed: Array, v: Array, scale: float, tolerance: float) -> float:
    """Relative error of the claimed derivative along `v`."""
    derivative = float(np.vdot(claimed, v))
    best = np.inf
    for step in STEPS:
        measured = _central_difference(loss, array, v, step)
        size = max(abs(derivative), abs(measured), scale, 1e-8)
        error = abs(derivative - measured) / size
        best = min(best, error) if np.isfinite(error) else best
        if best <= tolerance:
            break
    return best


def _central_difference(loss: Callable[[], float], array: Array, v: Array, step: float) -> float:
    start = array.copy()

    def at(k: int) -> float:
        array[...] = start + k * step * v
        return loss()

    difference = (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * step)
    array[...] = start
    return difference


def _example_input(layer: Layer | RecurrentCell, rng: np.random.Generator) -> Array:
    if isinstance(layer, RecurrentCell):
        return rng.standard_normal((3, layer.layer.input_size))
    return example_input(layer, rng, (3, 5), any_size=4)


def _verdict(error: float, tolerance: float) -> str:
    return "ok" if error <= tolerance else "FAILS"
