"""One forward and one backward pass, equation by equation with its numbers: small enough to follow with a pencil.

The numbers come from the very code that trains; the equations are those of the documentation's Mathematics page.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

import numpy as np

from gatewise import recurrence
from gatewise.errors import Array, GatewiseValueError
from gatewise.layers.stack import Recurrent

EPSILON = 1e-5


class Line(NamedTuple):
    """`name = equation = value`; the equation is empty for what is given."""

    section: str
    name: str
    equation: str
    value: Array


Equations = tuple[tuple[str, str], ...]

_PRE = (("p_t", "x_t Wᵀ + b"), ("q_t", "h_{t-1} Uᵀ + c"))
_RZ = (("r", "σ(p_r + q_r)"), ("z", "σ(p_z + q_z)"))
_NEW = (("h_t", "n + z ⊙ (h_{t-1} − n)"),)
_GRU_BACK = (
    ("dn", "dh_t ⊙ (1 − z)"),
    ("da_n", "dn ⊙ (1 − n ⊙ n)"),
    ("dz", "dh_t ⊙ (h_{t-1} − n)"),
    ("da_z", "dz ⊙ z ⊙ (1 − z)"),
)
FORWARD: dict[str, Equations] = {
    "gru/after": (*_PRE, *_RZ, ("n", "tanh(p_n + r ⊙ q_n)"), *_NEW),
    "gru/before": (
        _PRE[0],
        ("q_rz", "h_{t-1} U_rzᵀ + c_rz"),
        *_RZ,
        ("s", "r ⊙ h_{t-1}"),
        ("q_n", "s U_nᵀ + c_n"),
        ("n", "tanh(p_n + q_n)"),
        *_NEW,
    ),
    "lstm": (
        *_PRE,
        ("i", "σ(p_i + q_i)"),
        ("f", "σ(p_f + q_f)"),
        ("g", "tanh(p_g + q_g)"),
        ("o", "σ(p_o + q_o)"),
        ("c_t", "f ⊙ c_{t-1} + i ⊙ g"),
        ("h_t", "o ⊙ tanh(c_t)"),
    ),
    "rnn/tanh": (*_PRE, ("h_t", "tanh(p_t + q_t)")),
    "rnn/relu": (*_PRE, ("h_t", "relu(p_t + q_t)")),
}
BACKWARD: dict[str, Equations] = {
    "gru/after": (
        *_GRU_BACK,
        ("dr", "da_n ⊙ q_n"),
        ("da_r", "dr ⊙ r ⊙ (1 − r)"),
        ("dp_t", "[da_r, da_z, da_n]"),
        ("dq_t", "[da_r, da_z, da_n ⊙ r]"),
        ("back_{t-1}", "dh_t ⊙ z + dq_t U"),
    ),
    "gru/before": (
        *_GRU_BACK,
        ("ds", "da_n U_n"),
        ("dr", "ds ⊙ h_{t-1}"),
        ("da_r", "dr ⊙ r ⊙ (1 − r)"),
        ("dp_t", "[da_r, da_z, da_n]"),
        ("back_{t-1}", "dh_t ⊙ z + ds ⊙ r + [da_r, da_z] U_rz"),
    ),
    "lstm": (
        ("do", "dh_t ⊙ tanh(c_t)"),
        ("dc_t", "cback_t + dh_t ⊙ o ⊙ (1 − tanh(c_t) ⊙ tanh(c_t))"),
        ("di", "dc_t ⊙ g"),
        ("df", "dc_t ⊙ c_{t-1}"),
        ("dg", "dc_t ⊙ i"),
        ("da_i", "di ⊙ i ⊙ (1 − i)"),
        ("da_f", "df ⊙ f ⊙ (1 − f)"),
        ("da_g", "dg ⊙ (1 − g ⊙ g)"),
        ("da_o", "do ⊙ o ⊙ (1 − o)"),
        ("dp_t", "[da_i, da_f, da_g, da_o]"),
        ("cback_{t-1}", "dc_t ⊙ f"),
        ("back_{t-1}", "dp_t U"),
    ),
    "rnn/tanh": (("dp_t", "dh_t ⊙ (1 − h_t ⊙ h_t)"), ("back_{t-1}", "dp_t U")),
    "rnn/relu": (("dp_t", "dh_t ⊙ (h_t > 0)"), ("back_{t-1}", "dp_t U")),
}


class Check(NamedTuple):
    """One element of dU against the central difference of the loss."""

    row: int
    column: int
    backward: float
    difference: float


def _form(layer: Recurrent) -> str:
    """The form of the layer's cell; raise unless its equations stand here and the layer is as simple as they are."""
    form = layer.cell.form
    if form not in FORWARD:
        raise GatewiseValueError(
            f"there are no equations to fill in for a cell {form}; need one of {', '.join(FORWARD)}: "
            f"gatewise.trace shows the numbers of any cell."
        )
    if layer.num_layers > 1 or layer.bidirectional or not layer.bias:
        raise GatewiseValueError(f"{layer!r} is too much for a pencil; need one layer in one direction, with biases.")
    return form


def passes(layer: Recurrent, x: Array) -> tuple[list[Line], Check]:
    """Return every line of one forward and one backward pass over x (1, T, D) for L = ½ Σ_t h_t · h_t, and a check.

    The layer is a single one in one direction, with biases, in float64.

    Raises
    ------
    GatewiseError
        If the equations of the layer's cell are not among those of this module, or the layer has several directions or
        layers, or no biases.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> lines, check = passes(gw.GRU(1, 1, dtype="float64", rng=0), np.ones((1, 2, 1)))
    >>> [line.name for line in lines if line.section == "forward, t = 1"]
    ['p_1', 'q_1', 'r', 'z', 'n', 'h_1']
    >>> abs(check.backward - check.difference) < 1e-9
    True
    """
    form = _form(layer)
    y, _, tape = layer.forward(x)
    dx, _, grads, (passed,) = layer.backward_passes(tape, y)
    steps = [_values(passed, form, t) | {"dx_t": dx[0, t]} for t in range(x.shape[1])]
    lines = list(_given(layer, x, steps))
    for t, values in enumerate(steps, 1):
        lines += _filled(f"forward, t = {t}", FORWARD[form], values, t)
    lines.append(Line("loss", "L", "½ Σ h_t ⊙ h_t", np.array([_loss(layer, x)])))
    lines += _backward_lines(form, steps)
    lines += _gradient_lines(form, layer, grads)
    return lines, _check(layer, x, grads["weight_hh_l0"])


def _values(passed: recurrence.Pass, form: str, t: int) -> dict[str, Array]:
    """Every quantity of step t by its letter, each a vector."""
    run = passed.run
    cell, (W, U, b, c) = run.cell, run.weights
    state, before, record, dstate = (
        tuple(a[:, t] for a in arrays)
        for arrays in (run.states, run.previous(), recurrence.recorded(run), passed.dstates)
    )
    dtotal, drecord = cell.record_gradients(dstate, state, before, record, U)
    dp, dq, dbefore = cell.step_backward(dstate, state, before, record, U)
    letters = cell.letters
    quantities = {"x_t": run.x[:, t], "p_t": run.x[:, t] @ W.T + b, "q_t": before[0] @ U.T + c, "dp_t": dp, "dq_t": dq}
    quantities |= dict(zip(letters, record, strict=False)) | dict(
        zip([f"d{letter}" for letter in letters], drecord, strict=False)
    )
    quantities |= {f"da_{k}": part for k, part in zip(letters, np.split(dp, len(letters), axis=-1), strict=True)}
    for letter, after, prior, total, carried in zip("hc", state, before, dtotal, dbefore, strict=False):
        back = "back" if letter == "h" else "cback"
        quantities |= {
            f"{letter}_t": after,
            f"{letter}_{{t-1}}": prior,
            f"d{letter}_t": total,
            f"{back}_{{t-1}}": carried,
        }
    if form == "gru/before":
        H = run.states[0].shape[-1]
        s = record[0] * before[0]
        quantities |= {"q_rz": quantities.pop("q_t")[:, : 2 * H], "s": s, "q_n": s @ U[2 * H :].T + c[2 * H :]}
        quantities["ds"] = dp[:, 2 * H :] @ U[2 * H :]
    return {name: value[0] for name, value in quantities.items()}


def _given(layer: Recurrent, x: Array, steps: list[dict[str, Array]]) -> Iterator[Line]:
    for letter, name in zip("WUbc", layer.params, strict=True):
        yield Line("given", letter, "", layer.params[name])
    for t, x_t in enumerate(x[0], 1):
        yield Line("given", f"x_{t}", "", x_t)
    for letter in "hc"[: len(layer.cell.states)]:
        yield Line("given", f"{letter}_0", "", steps[0][f"{letter}_{{t-1}}"])


def _filled(section: str, equations: Equations, values: dict[str, Array], t: int) -> list[Line]:
    return [Line(section, _at(name, t), _at(equation, t), values[name]) for name, equation in equations]


def _at(text: str, t: int) -> str:
    """An equation of step t with its index filled in."""
    return text.replace("_{t-1}", f"_{t - 1}").replace("_t", f"_{t}")


def _backward_lines(form: str, steps: list[dict[str, Array]]) -> Iterator[Line]:
    T = len(steps)
    nothing = np.zeros_like(steps[-1]["h_t"])
    for name in ("back", "cback")[: 1 + (form == "lstm")]:
        yield Line(f"backward, t = {T}", f"{name}_{T}", "", nothing)
    for t in range(T, 0, -1):
        section, values = f"backward, t = {t}", steps[t - 1]
        yield Line(section, f"dh_{t}", f"h_{t} + back_{t}", values["dh_t"])
        yield from _filled(section, (*BACKWARD[form], ("dx_t", "dp_t W")), values, t)


def _gradient_lines(form: str, layer: Recurrent, grads: dict[str, Array]) -> Iterator[Line]:
    dq = "dq_t" if form == "gru/after" else "dp_t"
    dU = f"Σ {dq}ᵀ h_{{t-1}}" + (", rows of n: Σ da_nᵀ s" if form == "gru/before" else "")
    sums = ("Σ dp_tᵀ x_t", dU, "Σ dp_t", f"Σ {dq}")
    for letter, equation, name in zip("WUbc", sums, layer.params, strict=True):
        yield Line("gradients", f"d{letter}", equation, grads[name])


def _loss(layer: Recurrent, x: Array) -> float:
    return float(0.5 * np.sum(layer(x)[0] ** 2))


def _check(layer: Recurrent, x: Array, dU: Array) -> Check:
    """The largest element of dU, measured."""
    row, column = (int(i) for i in np.unravel_index(np.argmax(np.abs(dU)), dU.shape))
    U = layer.params["weight_hh_l0"]
    start, losses = U[row, column], []
    for sign in (1, -1):
        U[row, column] = start + sign * EPSILON
        losses.append(_loss(layer, x))
    U[row, column] = start
    return Check(row, column, float(dU[row, column]), (losses[0] - losses[1]) / (2 * EPSILON))


def text(layer: Recurrent, lines: list[Line], check: Check, digits: int) -> str:
    """Return the lines as aligned text, section by section."""
    letters, H = layer.cell.letters, layer.hidden_size
    out = ["back_t is what comes back to h_t from step t + 1" + ", cback_t to c_t" * (len(layer.cell.states) > 1) + "."]
    if len(letters) > 1:
        out.append(f"The rows of W, U, b, c and the parts between bars stand in the order {', '.join(letters)}.")
    names = max(len(line.name) for line in lines)
    for section, group in groupby(lines, key=lambda line: line.section):
        out += ["", section]
        own = list(group)
        equations = max(len(line.equation) for line in own)
        for line in own:
            head = f"  {line.name:<{names}} = " + (f"{line.equation:<{equations}} = " if line.equation else "")
            rows = [_numbers(row, H, digits) for row in np.atleast_2d(line.value)]
            out.append(head + ("\n" + " " * len(head)).join(rows))
    out += ["", f"check, with ε = {EPSILON:g}"]
    out.append(f"  dU[{check.row}, {check.column}] by the backward pass = {check.backward: .{digits + 4}f}")
    out.append(f"  (L(U + ε) − L(U − ε)) / 2ε      = {check.difference: .{digits + 4}f}")
    return "\n".join(out)


def _numbers(row: Array, part: int, digits: int) -> str:
    """Numbers side by side, with a bar after each `part` of them if that divides them."""
    shown = [f"{number: .{digits}f}" for number in row]
    size = part if len(row) % part == 0 else len(row)
    return " |".join(" ".join(shown[k : k + size]) for k in range(0, len(shown), size))
