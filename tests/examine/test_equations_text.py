"""The equations that slips are made from are those of the cells, forward and backward."""

import numpy as np
import pytest

import gatewise as gw
from gatewise.examine import passes
from gatewise.examine.equations import Form, backward, forward, run
from gatewise.examine.search import Search
from gatewise.examine.slips import catalogue, changes

D, H, B, T = 4, 5, 2, 3
FORMS = [
    Form("gru", "before", "keeps", biases="bc"),
    Form("gru", "before", "writes", biases="bc"),
    Form("gru", "after", "keeps", biases="bc"),
    Form("gru", "after", "writes", biases="bc"),
    Form("lstm", biases="bc"),
    Form("rnn", biases="bc"),
    Form("rnn", nonlinearity="relu", biases="bc"),
]
NAMES = {"W": "weight_ih_l0", "U": "weight_hh_l0", "b": "bias_ih_l0", "c": "bias_hh_l0"}


def layer_of(form):
    options = {"gru": {"reset": form.reset}, "rnn": {"nonlinearity": form.nonlinearity}}.get(form.cell, {})
    return getattr(gw, form.cell.upper())(D, H, dtype=np.float64, rng=0, **options)


def weights_of(form, layer):
    """The layer's weights by letter and gate, z as the form has it."""
    own = {}
    for matrix, name in NAMES.items():
        for gate, part in zip(form.gates, np.split(layer.params[name], len(form.gates)), strict=True):
            own[f"{matrix}_{gate}"] = -part if gate == "z" and form.update == "writes" else part
    return own


def case_of(form, layer, x, dy):
    state = {f"{s}_prev": np.zeros((B, H)) for s in form.states}
    steps = []
    for t in range(T):
        steps.append(run(forward(form), {**weights_of(form, layer), **state, "x": x[t]}))
        state = {f"{s}_prev": steps[-1][s] for s in form.states}
    last = {f"d{s}_next": np.zeros((B, H)) for s in form.states}
    owners = {f"{m}_{g}": ((m, g),) for m, g in form.slots()}
    return passes.Case(steps, dy, last, owners, sequence=True)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_lines_are_those_of_the_cells(form):
    rng = np.random.default_rng(1)
    layer, x, dy = layer_of(form), rng.normal(size=(T, B, D)), rng.normal(size=(T, B, H))
    case = case_of(form, layer, x, dy)
    y, _, tape = layer.forward(x.swapaxes(0, 1))
    np.testing.assert_allclose(np.array([step["h"] for step in case.steps]), y.swapaxes(0, 1), atol=1e-14)
    dx, dstate, grads = layer.backward(tape, dy.swapaxes(0, 1))
    own = passes.backward_pass(backward(form), case)
    np.testing.assert_allclose(own[passes.X], dx.swapaxes(0, 1), atol=1e-13)
    np.testing.assert_allclose(own[passes.H_PREV], (dstate[0] if form.cell != "lstm" else dstate.h[0]), atol=1e-13)
    for matrix, name in NAMES.items():
        for gate, part in zip(form.gates, np.split(grads[name], len(form.gates)), strict=True):
            sign = -1 if gate == "z" and form.update == "writes" else 1
            np.testing.assert_allclose(own[matrix, gate], sign * part, atol=1e-13)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_slip_that_shows_is_found_alone(form):
    rng = np.random.default_rng(2)
    case = case_of(form, layer_of(form), rng.normal(size=(T, B, D)), rng.normal(size=(T, B, H)))
    right = passes.backward_pass(backward(form), case)
    search = Search(form, case, right, 1e-9)
    assert search.explain().complete
    assert search.explain().slips == ()
    tried = 0
    for change in catalogue(form)[:: max(1, len(catalogue(form)) // 12)]:
        given = search._gradients((change,))
        if given is None or any(np.shape(given[key]) != np.shape(right[key]) for key in right):
            continue
        if all(np.allclose(given[key], right[key], rtol=1e-9) for key in right):
            continue
        found = Search(form, case, given, 1e-9).explain()
        assert found.complete, change.target
        assert len(found.slips) == 1, (change.target, [slip.target for slip in found.slips])
        tried += 1
    assert tried > 5


def test_the_catalogue_has_what_the_documentation_names():
    form = Form("gru", "before", "keeps")
    import ast

    texts = {(change.target, ast.unparse(change.line.tree)) for change in catalogue(form)}
    for line in [
        ("dh", "dy"),
        ("da_n", "dn * (1 - n) ** 2"),
        ("dr", "da_n * (h_prev @ U_n.T + b_n)"),
        ("ds", "da_n @ U_n.T"),
        ("dU_n", "da_n.T @ h_prev"),
        ("dU_z", "da_z.T @ h"),
        ("dh_prev", "da_r @ U_r + da_z @ U_z + ds * r"),
        ("dr", "dot(ds, h_prev)"),
    ]:
        assert line in texts, line
    forwards = {(c.target, ast.unparse(c.line.tree)) for c in changes(form, forward(form))}
    for line in [("s", "h_prev"), ("s", "dot(r, h_prev)"), ("n", "sigmoid(a_n)"), ("z", "tanh(a_z)")]:
        assert line in forwards, line
