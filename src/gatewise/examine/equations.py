"""The equations of each cell as text, forward and backward: evaluated, changed term by term, and shown to readers.

The lines are Python, in the letters of the mathematics, on row vectors: x (B, D), h_prev (B, H), W_g (H, D),
U_g (H, H), b_g and c_g (H,) for each gate g. A line is parsed once; what `slips` changes in it is a node of its tree,
and what `letters` prints is the same tree. Tests hold every line against the cells of the library.

Functions of the lines: `sigmoid`, `tanh`, `relu`; `dsigmoid(z)` = z (1 − z), `dtanh(n)` = 1 − n² and `drelu(h)` =
[h > 0], each of the *output*; `total(da)`, the sum over the batch; `dot(a, b)`, a matrix product where ⊙ is meant.
"""

from __future__ import annotations

import ast
from functools import cache
from types import CodeType
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array

Environment = dict[str, Any]


class Form(NamedTuple):
    """Which network: what the forward pass of a cell may choose."""

    cell: str
    """"gru", "lstm" or "rnn"."""
    reset: str = ""
    """Of a GRU: "before" or "after"."""
    update: str = ""
    """Of a GRU: z "keeps" the old state or "writes" the new one."""
    nonlinearity: str = "tanh"
    """Of an Elman network: "tanh", "relu" or "sigmoid"."""
    biases: str = "b"
    """"" none, "b" one a gate, "bc" two a gate, "c" one inside r ⊙ (·), "bcn" one a gate and two for the candidate."""

    @property
    def gates(self) -> str:
        """The letters of the gates, in the library's order."""
        return {"gru": "rzn", "lstm": "ifgo", "rnn": "n"}[self.cell]

    @property
    def states(self) -> tuple[str, ...]:
        """The letters of the states; the first is the output."""
        return ("h", "c") if self.cell == "lstm" else ("h",)

    def bias_slots(self) -> list[tuple[str, str]]:
        """Return (matrix, gate) of every bias."""
        sides = {"": "", "b": "b", "bc": "bc", "c": "c", "bcn": "b"}[self.biases]
        slots = [(side, gate) for side in sides for gate in self.gates]
        return [*slots, ("c", "n")] if self.biases == "bcn" else slots

    def slots(self) -> list[tuple[str, str]]:
        """Return (matrix, gate) of every block of the weights."""
        return [(matrix, gate) for matrix in "WU" for gate in self.gates] + self.bias_slots()


class Line(NamedTuple):
    """`target = tree`; `code` is the tree compiled."""

    target: str
    tree: ast.expr
    code: CodeType


def sigmoid(a: Array) -> Array:
    """1 / (1 + e^−a)."""
    value: Array = 0.5 + 0.5 * np.tanh(0.5 * a)
    return value


def _dot(a: Array, b: Array) -> Array:
    value: Array = np.ones_like(b) * (a * b).sum(axis=-1, keepdims=True)
    return value


FUNCTIONS: dict[str, Any] = {
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "relu": lambda a: np.maximum(a, 0),
    "dsigmoid": lambda z: z * (1 - z),
    "dtanh": lambda n: 1 - n**2,
    "drelu": lambda h: (h > 0).astype(float),
    "total": lambda a: a.sum(axis=0),
    "dot": _dot,
    "swap": lambda a: np.swapaxes(a, -1, -2),
    "__builtins__": {},
}


def line(target: str, tree: ast.expr) -> Line:
    """Return a line of a program, compiled."""
    whole = ast.fix_missing_locations(ast.Expression(tree))
    return Line(target, tree, compile(whole, f"<{target}>", "eval"))


def parse(text: str) -> ast.expr:
    """Return the tree of an expression."""
    return ast.parse(text, mode="eval").body


def _lines(text: str) -> tuple[Line, ...]:
    pairs = (row.split(" = ", 1) for row in text.strip().splitlines())
    return tuple(line(target.strip(), parse(value.strip())) for target, value in pairs)


def run(lines: tuple[Line, ...], environment: Environment) -> Environment:
    """Evaluate `lines` one after the other into `environment`, which is returned."""
    for target, _, code in lines:
        environment[target] = eval(code, FUNCTIONS, environment)
    return environment


@cache
def forward(form: Form) -> tuple[Line, ...]:
    """Return the forward step of a cell."""
    return _lines({"gru": _gru_forward, "lstm": _lstm_forward, "rnn": _rnn_forward}[form.cell](form))


@cache
def backward(form: Form) -> tuple[Line, ...]:
    """Return the backward step of a cell, gradients of weights included."""
    text = {"gru": _gru_backward, "lstm": _lstm_backward, "rnn": _rnn_backward}[form.cell](form)
    gates, dq_n, state = form.gates, "da_n", dict.fromkeys(form.gates, "h_prev")
    if form.reset == "after":
        dq_n = "dq_n"
    elif form.reset == "before":
        state["n"] = "(r * h_prev)"
    recurrent = {gate: dq_n if gate == "n" else f"da_{gate}" for gate in gates}
    text += "".join(f"dW_{gate} = da_{gate}.T @ x\n" for gate in gates)
    text += "".join(f"dU_{gate} = {recurrent[gate]}.T @ {state[gate]}\n" for gate in gates)
    for side, gate in form.bias_slots():
        text += f"d{side}_{gate} = total({recurrent[gate] if side == 'c' else f'da_{gate}'})\n"
    text += "dx = " + " + ".join(f"da_{gate} @ W_{gate}" for gate in gates) + "\n"
    products = [f"{recurrent[gate]} @ U_{gate}" for gate in gates]
    if form.cell == "gru":
        products.insert(0, "dh * z" if form.update == "keeps" else "dh * (1 - z)")
    if form.reset == "before":
        products[-1:] = ["ds * r"]
    return _lines(text + "dh_prev = " + " + ".join(products))


def _pre(form: Form, gate: str) -> str:
    """Return the pre-activation of a gate."""
    slots = form.bias_slots()
    inner = "".join(f" + {side}_{gate}" for side in "bc" if (side, gate) in slots)
    return f"a_{gate} = x @ W_{gate}.T + h_prev @ U_{gate}.T{inner}\n"


def _gru_forward(form: Form) -> str:
    slots = form.bias_slots()
    b_n, c_n = (f" + {side}_n" if (side, "n") in slots else "" for side in "bc")
    text = _pre(form, "r") + "r = sigmoid(a_r)\n" + _pre(form, "z") + "z = sigmoid(a_z)\n"
    if form.reset == "before":
        text += f"s = r * h_prev\na_n = x @ W_n.T + s @ U_n.T{b_n}{c_n}\n"
    else:
        text += f"q_n = h_prev @ U_n.T{c_n}\na_n = x @ W_n.T{b_n} + r * q_n\n"
    new = "z * h_prev + (1 - z) * n" if form.update == "keeps" else "(1 - z) * h_prev + z * n"
    return f"{text}n = tanh(a_n)\nh = {new}\n"


def _gru_backward(form: Form) -> str:
    text = "dh = dy + dh_next\n"
    if form.update == "keeps":
        text += "dn = dh * (1 - z)\ndz = dh * (h_prev - n)\n"
    else:
        text += "dn = dh * z\ndz = dh * (n - h_prev)\n"
    text += "da_n = dn * dtanh(n)\nda_z = dz * dsigmoid(z)\n"
    before = "ds = da_n @ U_n\ndr = ds * h_prev\n"
    text += before if form.reset == "before" else "dq_n = da_n * r\ndr = da_n * q_n\n"
    return text + "da_r = dr * dsigmoid(r)\n"


def _lstm_forward(form: Form) -> str:
    kind = {"i": "sigmoid", "f": "sigmoid", "g": "tanh", "o": "sigmoid"}
    text = "".join(_pre(form, gate) + f"{gate} = {kind[gate]}(a_{gate})\n" for gate in form.gates)
    return text + "c = f * c_prev + i * g\ntanh_c = tanh(c)\nh = o * tanh_c\n"


def _lstm_backward(form: Form) -> str:
    text = "dh = dy + dh_next\ndo = dh * tanh_c\ndc = dc_next + dh * o * dtanh(tanh_c)\n"
    text += "df = dc * c_prev\ndi = dc * g\ndg = dc * i\n"
    text += "".join(f"da_{gate} = d{gate} * dsigmoid({gate})\n" for gate in "ifo")
    return text + "da_g = dg * dtanh(g)\ndc_prev = dc * f\n"


def _rnn_forward(form: Form) -> str:
    return _pre(form, "n") + f"h = {form.nonlinearity}(a_n)\n"


def _rnn_backward(form: Form) -> str:
    return f"dh = dy + dh_next\nda_n = dh * d{form.nonlinearity}(h)\n"
