"""One forward and one backward pass, equation by equation with its numbers: small enough to follow with a pencil.

The numbers come from the very code that trains; the equations are those of the documentation's Mathematics page.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

import numpy as np

from gatewise import recurrence
from gatewise.cells import FORMS, Cell
from gatewise.cells.cell import Equations
from gatewise.errors import Array, GatewiseValueError
from gatewise.layers.stack import Recurrent

EPSILON = 1e-5


class Line(NamedTuple):
    """`name = equation = value`; the equation is empty for what is given."""

    section: str
    name: str
    equation: str
    value: Array


class Check(NamedTuple):
    """One element of dU against the central difference of the loss."""

    row: int
    column: int
    backward: float
    difference: float


def _equations(layer: Recurrent) -> Equations:
    """The equations of the layer's cell; raise unless it has them and the layer is as simple as they are."""
    cell = layer.cell
    if cell.equations is None:
        raise GatewiseValueError(
            f"there are no equations to fill in for a cell {cell.form}; need one of {', '.join(FORMS)}: "
            f"gatewise.trace shows the numbers of any cell."
        )
    if layer.num_layers > 1 or layer.bidirectional or not layer.bias:
        raise GatewiseValueError(f"{layer!r} is too much for a pencil; need one layer in one direction, with biases.")
    return cell.equations


def passes(layer: Recurrent, x: Array) -> tuple[list[Line], Check]:
    """Return every line of one forward and one backward pass over x (1, T, D) for L = ½ Σ_t h_t · h_t, and a check.

    The layer is a single one in one direction, with biases, in float64.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> lines, check = passes(gw.GRU(1, 1, dtype="float64", rng=0), np.ones((1, 2, 1)))
    >>> [line.name for line in lines if line.section == "forward, t = 1"]
    ['p_1', 'q_1', 'r', 'z', 'n', 'h_1']
    >>> abs(check.backward - check.difference) < 1e-9
    True
    """
    equations = _equations(layer)
    y, _, tape = layer.forward(x)
    dx, _, grads, (passed,) = layer.backward_passes(tape, y)
    steps = [_values(passed, t) | {"dx_t": dx[0, t]} for t in range(x.shape[1])]
    lines = list(_given(layer, x, steps))
    for t, values in enumerate(steps, 1):
        lines += _filled(f"forward, t = {t}", equations.forward, values, t)
    lines.append(Line("loss", "L", "½ Σ h_t ⊙ h_t", np.array([_loss(layer, x)])))
    lines += _backward_lines(layer.cell, equations.backward, steps)
    lines += _gradient_lines(layer, grads)
    return lines, _check(layer, x, grads)


def _values(passed: recurrence.Pass, t: int) -> dict[str, Array]:
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
    values = {"x_t": run.x[:, t], "p_t": run.x[:, t] @ W.T + b, "q_t": before[0] @ U.T + c, "dp_t": dp, "dq_t": dq}
    values |= dict(zip(letters, record, strict=False)) | dict(
        zip([f"d{letter}" for letter in letters], drecord, strict=False)
    )
    values |= {f"da_{k}": part for k, part in zip(letters, np.split(dp, len(letters), axis=-1), strict=True)}
    for letter, after, prior, total, carried in zip("hc", state, before, dtotal, dbefore, strict=False):
        back = "back" if letter == "h" else "cback"
        values |= {f"{letter}_t": after, f"{letter}_{{t-1}}": prior, f"d{letter}_t": total, f"{back}_{{t-1}}": carried}
    if len(cell.phases) > 1:
        H = U.shape[1]
        s = record[0] * before[0]
        values |= {"q_rz": values.pop("q_t")[:, : 2 * H], "s": s, "q_n": s @ U[2 * H :].T + c[2 * H :]}
        values["ds"] = dp[:, 2 * H :] @ U[2 * H :]
    return {name: value[0] for name, value in values.items()}


def _given(layer: Recurrent, x: Array, steps: list[dict[str, Array]]) -> Iterator[Line]:
    for letter, name in _weights(layer).items():
        yield Line("given", letter, "", layer.params[name])
    for t, x_t in enumerate(x[0], 1):
        yield Line("given", f"x_{t}", "", x_t)
    for letter in "hc"[: len(layer.cell.states)]:
        yield Line("given", f"{letter}_0", "", steps[0][f"{letter}_{{t-1}}"])


def _weights(layer: Recurrent) -> dict[str, str]:
    """Names of the parameters by their letters."""
    letters = {"weight_ih": "W", "weight_hh": "U", "bias_ih": "b", "bias_hh": "c"}
    return {letters[name.removesuffix("_l0")]: name for name in layer.params}


def _filled(section: str, equations: str, values: dict[str, Array], t: int) -> list[Line]:
    return [Line(section, _at(name, t), _at(equation, t), values[name]) for name, equation in _lines(equations)]


def _lines(equations: str) -> list[list[str]]:
    """Name and right side of each equation."""
    return [line.split(" = ", 1) for line in equations.strip().splitlines()]


def _at(text: str, t: int) -> str:
    """An equation of step t with its index filled in."""
    return text.replace("_{t-1}", f"_{t - 1}").replace("_t", f"_{t}")


def _backward_lines(cell: Cell, equations: str, steps: list[dict[str, Array]]) -> Iterator[Line]:
    T = len(steps)
    nothing = np.zeros_like(steps[-1]["h_t"])
    for name in ("back", "cback")[: len(cell.states)]:
        yield Line(f"backward, t = {T}", f"{name}_{T}", "", nothing)
    for t in range(T, 0, -1):
        section, values = f"backward, t = {t}", steps[t - 1]
        yield Line(section, f"dh_{t}", f"h_{t} + back_{t}", values["dh_t"])
        yield from _filled(section, f"{equations}dx_t = dp_t W", values, t)


def _gradient_lines(layer: Recurrent, grads: dict[str, Array]) -> Iterator[Line]:
    cell = layer.cell
    dq = "dq_t" if cell.equations and "\ndq_t = " in cell.equations.backward else "dp_t"
    dU = f"Σ {dq}ᵀ h_{{t-1}}" + (", rows of n: Σ da_nᵀ s" if len(cell.phases) > 1 else "")
    sums = {"W": "Σ dp_tᵀ x_t", "U": dU, "b": "Σ dp_t", "c": f"Σ {dq}"}
    for letter, name in _weights(layer).items():
        yield Line("gradients", f"d{letter}", sums[letter], grads[name])


def _loss(layer: Recurrent, x: Array) -> float:
    return float(0.5 * np.sum(layer(x)[0] ** 2))


def _check(layer: Recurrent, x: Array, grads: dict[str, Array]) -> Check:
    """The largest element of dU, or of dW if there is no U, measured."""
    name = _weights(layer)[_checked(layer)]
    dU, U = grads[name], layer.params[name]
    row, column = (int(i) for i in np.unravel_index(np.argmax(np.abs(dU)), dU.shape))
    start, losses = U[row, column], []
    for sign in (1, -1):
        U[row, column] = start + sign * EPSILON
        losses.append(_loss(layer, x))
    U[row, column] = start
    return Check(row, column, float(dU[row, column]), (losses[0] - losses[1]) / (2 * EPSILON))


def _checked(layer: Recurrent) -> str:
    """The letter of the matrix whose gradient is checked."""
    return "U" if layer.cell.recurrent else "W"


def text(layer: Recurrent, lines: list[Line], check: Check, digits: int) -> str:
    """Return the lines as aligned text, section by section."""
    letters, H, U = layer.cell.letters, layer.hidden_size, _checked(layer)
    out = ["back_t is what comes back to h_t from step t + 1" + ", cback_t to c_t" * (len(layer.cell.states) > 1) + "."]
    if len(letters) > 1:
        weights = ", ".join(_weights(layer))
        out.append(f"The rows of {weights} and the parts between bars stand in the order {', '.join(letters)}.")
    names = max(len(line.name) for line in lines)
    for section, group in groupby(lines, key=lambda line: line.section):
        out += ["", section]
        values = list(group)
        equations = max(len(line.equation) for line in values)
        for line in values:
            head = f"  {line.name:<{names}} = " + (f"{line.equation:<{equations}} = " if line.equation else "")
            rows = [_numbers(row, H, digits) for row in np.atleast_2d(line.value)]
            out.append(head + ("\n" + " " * len(head)).join(rows))
    out += ["", f"check, with ε = {EPSILON:g}"]
    out.append(f"  d{U}[{check.row}, {check.column}] by the backward pass = {check.backward: .{digits + 4}f}")
    out.append(f"  (L({U} + ε) − L({U} − ε)) / 2ε      = {check.difference: .{digits + 4}f}")
    return "\n".join(out)


def _numbers(row: Array, part: int, digits: int) -> str:
    """Numbers side by side, with a bar after each `part` of them if that divides them."""
    shown = [f"{number: .{digits}f}" for number in row]
    size = part if len(row) % part == 0 else len(row)
    return " |".join(" ".join(shown[k : k + size]) for k in range(0, len(shown), size))
