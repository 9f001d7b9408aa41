"""The cells of ONNX's GRU, LSTM and RNN: our own where the file says no more than they, else a step with its options.

Gates stand here as ONNX has them: z r h of the GRU, i o f c of the LSTM, i of the RNN.
Shapes: see `gatewise.cells.cell`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise.activations import relu, sigmoid, tanh
from gatewise.cells import Cell, Record, State
from gatewise.cells.cell import split
from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError
from gatewise.interop.onnx.pointwise import elu, hard_sigmoid, leaky_relu, softplus, softsign, thresholded_relu

GATES = {"GRU": ("update", "reset", "hidden"), "LSTM": ("input", "output", "forget", "cell"), "RNN": ("input",)}
STATES = {"GRU": ("hidden",), "LSTM": ("hidden", "cell"), "RNN": ("hidden",)}
DEFAULTS = {"GRU": ("Sigmoid", "Tanh"), "LSTM": ("Sigmoid", "Tanh", "Tanh"), "RNN": ("Tanh",)}
"""Activations f, g, h of each operator."""
FUNCTIONS: dict[str, tuple[Any, tuple[float, ...]]] = {
    "Affine": (lambda x, alpha, beta: alpha * x + beta, (1.0, 0.0)),
    "Elu": (lambda x, alpha: elu(x, alpha=alpha), (1.0,)),
    "HardSigmoid": (lambda x, alpha, beta: hard_sigmoid(x, alpha=alpha, beta=beta), (0.2, 0.5)),
    "LeakyRelu": (lambda x, alpha: leaky_relu(x, alpha=alpha), (0.01,)),
    "Relu": (relu, ()),
    "ScaledTanh": (lambda x, alpha, beta: alpha * np.tanh(beta * x), (1.0, 1.0)),
    "Sigmoid": (sigmoid, ()),
    "Softplus": (softplus, ()),
    "Softsign": (softsign, ()),
    "Tanh": (tanh, ()),
    "ThresholdedRelu": (lambda x, alpha: thresholded_relu(x, alpha=alpha), (1.0,)),
}
"""Each activation, and what alpha and beta are unless the file says: the defaults of the operators of these names.

ONNX Runtime takes 0 where ThresholdedRelu has no alpha; the specification says 1."""


@dataclass(frozen=True)
class Activation:
    """An activation with its alpha and beta, as far as it has them."""

    name: str
    options: tuple[float, ...] = ()

    def __call__(self, a: Array) -> Array:
        """Apply it."""
        return np.asarray(FUNCTIONS[self.name][0](a, *(a.dtype.type(option) for option in self.options)), a.dtype)


def activations(names: Sequence[str], alphas: Sequence[float], betas: Sequence[float]) -> tuple[Activation, ...]:
    """Return activations by their names; each that has an alpha or a beta takes the next one given.

    Raises
    ------
    GatewiseError
        If there is no such activation, or more numbers were given than are taken.
    """
    known = {name.lower(): name for name in FUNCTIONS}
    left = list(alphas), list(betas)
    found = []
    for name in names:
        if not isinstance(name, str) or name.lower() not in known:
            raise GatewiseValueError(f"the activation is {name!r}; need one of {', '.join(FUNCTIONS)}.")
        full = known[name.lower()]
        options = tuple(
            given.pop(0) if given else default for given, default in zip(left, FUNCTIONS[full][1], strict=False)
        )
        found.append(Activation(full, options))
    return tuple(found)


@dataclass(frozen=True)
class Step:
    """One step of an ONNX cell with all its options; `step` of a `Cell`."""

    kind: str
    activations: tuple[Activation, ...]
    clip: float | None = None
    before: bool = False
    """Whether the reset gate of a GRU acts on the state."""
    input_forget: bool = False
    """Whether the forget gate of an LSTM is 1 less its input gate."""
    peepholes: Any = None
    """(3, H): what the cell state counts in input, output and forget gate; None if it does not."""

    def __call__(self, p: Array, state_prev: State, U: Array, c: Array, /) -> tuple[State, Record]:
        """`step` of `Cell`."""
        step = {"GRU": self._gru, "LSTM": self._lstm, "RNN": self._rnn}[self.kind]
        return step(p, state_prev, U, c), ()

    def _apply(self, which: int, a: Array) -> Array:
        return self.activations[which](a if self.clip is None else np.clip(a, -self.clip, self.clip))

    def _rnn(self, p: Array, state_prev: State, U: Array, c: Array) -> State:
        (h,) = state_prev
        return (self._apply(0, p + h @ U.T + c),)

    def _gru(self, p: Array, state_prev: State, U: Array, c: Array) -> State:
        (h,) = state_prev
        H = h.shape[-1]
        p_z, p_r, p_n = split(p, 3)
        q_z, q_r = split(h @ U[: 2 * H].T + c[: 2 * H], 2)
        z, r = self._apply(0, p_z + q_z), self._apply(0, p_r + q_r)
        U_n, c_n = U[2 * H :], c[2 * H :]
        q_n = (r * h) @ U_n.T + c_n if self.before else r * (h @ U_n.T + c_n)
        n = self._apply(1, p_n + q_n)
        return (n + z * (h - n),)

    def _lstm(self, p: Array, state_prev: State, U: Array, c: Array) -> State:
        h, cell = state_prev
        a_i, a_o, a_f, a_c = split(p + h @ U.T + c, 4)
        peep = np.zeros((3, 1), p.dtype) if self.peepholes is None else self.peepholes
        i = self._apply(0, a_i + peep[0] * cell)
        f = 1 - i if self.input_forget else self._apply(0, a_f + peep[2] * cell)
        cell = f * cell + i * self._apply(1, a_c)
        o = self._apply(0, a_o + peep[1] * cell)
        return o * self.activations[2](cell), cell


def cell_of(step: Step) -> Cell:
    """Return the cell whose step it is; it has no backward step."""
    return Cell(
        f"onnx/{step.kind}",
        GATES[step.kind],
        tuple(name[0] for name in GATES[step.kind]),
        STATES[step.kind],
        (),
        step,
        _no_backward,
        _no_backward,
        _no_backward,
    )


def _no_backward(*arguments: Any) -> Any:
    raise GatewiseTypeError("a cell with options of ONNX has no backward step; need a plain GRU, LSTM or RNN.")
