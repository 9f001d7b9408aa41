"""Which line of a backward step is wrong: the errors of each gate and state, and of nothing else."""

import numpy as np
import pytest

from gatewise.cells import FORMS
from gatewise.cells.cell import plain_cell
from gatewise.cells.derivatives import derivative_errors

WRONG = 1.1
RELATIVE = (WRONG - 1) / WRONG  # |claimed − measured| over the larger of them


def scaled(cell, kind, index):
    """The cell whose backward step gives one gradient a tenth too large."""

    def step_backward(*arguments):
        dp, dq, dstate = cell.step_backward(*arguments)
        H = dstate[0].shape[-1]
        if kind == "state":
            return dp, dq, tuple(d * WRONG if k == index else d for k, d in enumerate(dstate))
        dp, dq = dp.copy(), dq.copy()
        (dp if kind == "p" else dq)[:, index * H : (index + 1) * H] *= WRONG
        return dp, dq, dstate

    return cell._replace(step_backward=step_backward)


def parts_of(cell):
    """Every part of a backward step: kind, name and number."""
    yield from (("p", gate, k) for k, gate in enumerate(cell.gates))
    yield from (("q", gate, k) for k, gate in enumerate(cell.gates) if cell.recurrent)
    yield from (("state", state, k) for k, state in enumerate(cell.states))


@pytest.mark.parametrize("form", FORMS)
def test_every_part_of_a_right_step_is_listed_and_right(form):
    errors = derivative_errors(FORMS[form])
    assert list(errors) == [(kind, name) for kind, name, _ in parts_of(FORMS[form])]
    assert max(errors.values()) < 1e-9


@pytest.mark.parametrize(
    ("form", "part"), [(form, part) for form, cell in FORMS.items() for part in parts_of(cell)], ids=str
)
def test_only_the_wrong_part_is_wrong_and_by_how_much(form, part):
    kind, name, index = part
    errors = derivative_errors(scaled(FORMS[form], kind, index), seed=1)
    assert errors.pop((kind, name)) == pytest.approx(RELATIVE, rel=1e-6)
    assert max(errors.values()) < 1e-9


def linear(factor, claimed):
    """A cell h = factor p + q, whose backward step claims another factor."""

    def forward(p, q, state_prev):
        return (factor * p[0] + q[0],), ()

    def backward(dstate, state, state_prev, record):
        (dh,) = dstate
        return (claimed * dh,), (dh,), (0 * dh,)

    return plain_cell("linear", ("sum",), ("s",), ("hidden",), (), forward, backward, lambda *_: None)


@pytest.mark.parametrize("factor", [1e-4, 1.0, 1e4])
def test_an_error_is_relative_however_small_the_gradient(factor):
    # Linear in p, so that nothing but rounding is left of the difference: 1e-16 of the other terms, by a step of 1e-3.
    assert derivative_errors(linear(factor, WRONG * factor))["p", "sum"] == pytest.approx(RELATIVE, rel=1e-6)


def test_no_gradient_where_there_is_none_is_right():
    errors = derivative_errors(linear(0.0, 0.0))
    assert errors["p", "sum"] < 1e-3  # in units of at least 1e-8
    assert errors["q", "sum"] < 1e-9


@pytest.mark.parametrize("form", FORMS)
def test_gradients_of_the_record_and_jacobians_take_any_leading_axes(form):
    cell, rng, H = FORMS[form], np.random.default_rng(0), 3
    rows = len(cell.gates) * H
    U, c = rng.normal(size=(rows * cell.recurrent, H)), rng.normal(size=rows * cell.recurrent)
    p, before, dstate = (
        rng.normal(size=(8, rows)),
        *(tuple(rng.normal(size=(8, H)) for _ in cell.states) for _ in range(2)),
    )
    state, record = cell.step(p, before, U, c)

    def blocks(arrays):
        return tuple(a.reshape(2, 4, *a.shape[1:]) for a in arrays)

    flat = cell.record_gradients(dstate, state, before, record, U)
    deep = cell.record_gradients(blocks(dstate), blocks(state), blocks(before), blocks(record), U)
    for plain, shaped in zip(flat, deep, strict=True):
        for one, other in zip(plain, shaped, strict=True):
            np.testing.assert_allclose(other, one.reshape(other.shape), rtol=1e-12)
    J = cell.jacobian(blocks(state), blocks(before), blocks(record), U)
    np.testing.assert_allclose(J.reshape(8, *J.shape[2:]), cell.jacobian(state, before, record, U), rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_titles_name_gates_by_their_letters_and_states_by_theirs(form):
    cell = FORMS[form]
    titles = {name: cell.title(name) for name in (*cell.gates, *cell.states)}
    for gate, letter in zip(cell.gates, cell.letters, strict=True):
        assert titles[gate] == ("candidate" if gate == "candidate" else f"{gate} gate {letter}")
    assert titles["hidden"] == "hidden state h"
    assert titles.get("cell", "cell state c") == "cell state c"
    assert cell.title("recurrent_candidate") == "recurrent side of the candidate, q_n"
    assert cell.title("record_0") == "record 0"
    assert cell.name == form.split("/")[0]
