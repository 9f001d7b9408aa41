"""ONNX's GRU, LSTM and RNN: their attributes, and their evaluation by our recurrences.

Shapes, with T steps, B sequences, S directions, D inputs, H units, G gates: X (T, B, D), W (S, G·H, D), R (S, G·H, H),
bias (S, 2·G·H), initial states (S, B, H), peepholes (S, 3·H); Y (T, S, B, H). With layout 1 the batch is the first axis
of X, Y and the states.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise import layouts, recurrence
from gatewise.cells import FORMS, Cell
from gatewise.errors import FLOATS, Array, GatewiseTypeError, GatewiseValueError, check_choice
from gatewise.interop.onnx import limits
from gatewise.interop.onnx.cells import DEFAULTS, GATES, STATES, Step, activations, cell_of
from gatewise.interop.onnx.tensors import check_size
from gatewise.layers.directions import parameter_names
from gatewise.layers.padding import reverse
from gatewise.recurrence import Weights

DIRECTIONS = {"forward": (0,), "reverse": (1,), "bidirectional": (0, 1)}
_COMMON = {"activation_alpha", "activation_beta", "activations", "clip", "direction", "hidden_size", "layout"}
ATTRIBUTES = {"GRU": _COMMON | {"linear_before_reset"}, "LSTM": _COMMON | {"input_forget"}, "RNN": _COMMON}
_PLAIN = {
    ("GRU", ("Sigmoid", "Tanh"), False): "gru/after",
    ("GRU", ("Sigmoid", "Tanh"), True): "gru/before",
    ("LSTM", ("Sigmoid", "Tanh", "Tanh"), False): "lstm",
    ("RNN", ("Tanh",), False): "rnn/tanh",
    ("RNN", ("Relu",), False): "rnn/relu",
}
"""Operator, activations and reset before: the form of our cell that is the same function."""


@dataclass(frozen=True)
class Recurrent:
    """A GRU, LSTM or RNN operator with its attributes."""

    kind: str
    direction: str
    hidden_size: int | None
    layout: int
    steps: tuple[Step, ...]
    """One a direction, without peepholes."""

    @classmethod
    def of(cls, kind: str, attributes: dict[str, Any]) -> Recurrent:
        """Return the operator; raise, by its name, if an attribute has a value that is none."""
        options = dict(attributes)
        direction, layout = options.get("direction", "forward"), options.get("layout", 0)
        check_choice("direction", direction, DIRECTIONS)
        for name in ("layout", "linear_before_reset", "input_forget"):
            check_choice(name, options.get(name, 0), (0, 1))
        clip = options.get("clip")
        if clip is not None and not clip >= 0:
            raise GatewiseValueError(f"clip is {clip}; need a number of at least 0.")
        before = kind == "GRU" and not options.get("linear_before_reset", 0)
        steps = tuple(
            Step(kind, functions, clip, before, bool(options.get("input_forget", 0)))
            for functions in _by_direction(kind, len(DIRECTIONS[direction]), options)
        )
        return cls(kind, direction, options.get("hidden_size"), layout, steps)

    @property
    def form(self) -> str | None:
        """Form of our cell that all directions have; None if none is the same function."""
        forms = {_form(step) for step in self.steps}
        return forms.pop() if len(forms) == 1 else None

    def __call__(self, *inputs: Array | None) -> tuple[Array, ...]:
        """Return Y, Y_h and for an LSTM Y_c for X, W, R, B, sequence_lens, initial_h, initial_c, P."""
        X, W, R, B, lens, *starts, P = (*inputs, *(None,) * 8)[:8]
        if X is None or W is None or R is None:
            raise GatewiseValueError(f"{self.kind} lacks X, W or R; need all three.")
        self._check(X, W, R)
        x = X if self.layout else X.swapaxes(0, 1)
        lengths = None if lens is None else _checked_lengths(lens, *x.shape[:2])
        H, S = R.shape[2], len(self.steps)
        bias = np.zeros((S, 2 * W.shape[1]), X.dtype) if B is None else _shaped("B", B, (S, 2 * W.shape[1]), X.dtype)
        initial = [self._start(value, x, H) for value in starts[: len(STATES[self.kind])]]
        peepholes = None if P is None else _shaped("P", P, (S, 3 * H), X.dtype).reshape(S, 3, H)
        check_size((*x.shape[:2], S, H))
        limits.take(x.shape[1])
        results = []
        for k, step in enumerate(self.steps):
            if peepholes is not None:
                step = Step(step.kind, step.activations, step.clip, False, step.input_forget, peepholes[k])
            cell, weights = _prepared(step, W[k], R[k], bias[k])
            start = np.stack([state[k] for state in initial])
            results.append(_run(cell, x, weights, start, lengths, DIRECTIONS[self.direction][k]))
        return self._joined(results)

    def _check(self, X: Array, W: Array, R: Array) -> None:
        if X.dtype not in FLOATS:
            raise GatewiseTypeError(f"X of {self.kind} has dtype {X.dtype}; need float32 or float64.")
        if X.ndim != 3 or R.ndim != 3:
            raise GatewiseValueError(f"X has shape {X.shape} and R {R.shape}; need three axes of both.")
        H, S = R.shape[2], len(self.steps)
        if H < 1 or self.hidden_size not in (None, H):
            raise GatewiseValueError(f"hidden_size is {self.hidden_size} and R has shape {R.shape}; need {H} of both.")
        rows = len(GATES[self.kind]) * H
        _shaped("W", W, (S, rows, X.shape[2]), X.dtype)
        _shaped("R", R, (S, rows, H), X.dtype)

    def _start(self, value: Array | None, x: Array, H: int) -> Array:
        """Initial states (directions, batch, H)."""
        S, n = len(self.steps), len(x)
        if value is None:
            return np.zeros((S, n, H), x.dtype)
        shape = (n, S, H) if self.layout else (S, n, H)
        checked = _shaped("an initial state", value, shape, x.dtype)
        return checked.swapaxes(0, 1) if self.layout else checked

    def _joined(self, results: Sequence[tuple[Array, Array]]) -> tuple[Array, ...]:
        Y = np.stack([y for y, _ in results], axis=2)  # (batch, time, directions, H)
        finals = [np.stack(parts, axis=self.layout) for parts in zip(*(final for _, final in results), strict=True)]
        return (Y if self.layout else np.ascontiguousarray(Y.transpose(1, 2, 0, 3)), *finals)


def _by_direction(kind: str, directions: int, options: dict[str, Any]) -> list[Any]:
    """The activations of each direction."""
    per = len(DEFAULTS[kind])
    names = options.get("activations") or DEFAULTS[kind] * directions
    if kind == "RNN" and directions == 1:
        names = names[:1]  # ONNX lists two as the default, whatever the direction
    if len(names) != per * directions:
        raise GatewiseValueError(
            f"activations is {list(names)}; need {per * directions}, {per} for each of {directions} direction(s)."
        )
    found = activations(names, options.get("activation_alpha", ()), options.get("activation_beta", ()))
    return [found[k * per : (k + 1) * per] for k in range(directions)]


def _form(step: Step) -> str | None:
    if step.clip is not None or step.input_forget or step.peepholes is not None:
        return None
    return _PLAIN.get((step.kind, tuple(f.name for f in step.activations), step.before))


def _prepared(step: Step, W: Array, R: Array, bias: Array) -> tuple[Cell, Weights]:
    """The cell of one direction and its weights in the order of its gates."""
    form, half = _form(step), len(W)
    if form is None:
        return cell_of(step), Weights(W, R, bias[:half], bias[half:])
    arrays = {"W": W[None], "R": R[None], "B": bias[None]}
    params, _ = layouts.to_params(arrays, "onnx", cell=step.kind.lower())
    return FORMS[form], Weights(*(params[name] for name in parameter_names(0, 0)))


def _run(
    cell: Cell, x: Array, weights: Weights, start: Array, lengths: Array | None, backward: int
) -> tuple[Array, Array]:
    """Outputs (batch, time, H) of one direction in the order of time, 0 past each length, and final states."""
    if not x.shape[1]:
        return np.zeros((len(x), 0, start.shape[2]), x.dtype), start
    steps = None if lengths is None else np.maximum(lengths, 1)
    ordered = np.array(reverse(x, steps) if backward else x, order="C")
    run = recurrence.forward(cell, ordered, weights, start, steps, keep=False, record=False)
    y, final = run.states[0], run.final
    if lengths is not None and not lengths.all():  # of an empty sequence nothing is read
        empty = (lengths == 0)[:, None]
        y = np.where(empty[:, :, None], 0, y)
        final = np.where(empty, start, final)
    return np.asarray(reverse(y, steps) if backward else y), final


def _checked_lengths(lens: Array, batch: int, time: int) -> Array:
    if lens.shape != (batch,) or lens.dtype.kind != "i":
        raise GatewiseValueError(f"sequence_lens is {lens.dtype} {lens.shape}; need integers of the shape ({batch},).")
    if ((lens < 0) | (lens > time)).any():
        raise GatewiseValueError(f"sequence_lens holds {lens.min()} to {lens.max()}; need 0 to {time}.")
    return lens.astype(np.int64)


def _shaped(name: str, value: Array, shape: tuple[int, ...], dtype: Any) -> Array:
    if value.shape != shape or value.dtype != dtype:
        raise GatewiseValueError(f"{name} is {value.dtype} with shape {value.shape}; need {dtype} with shape {shape}.")
    return value
