"""GRU, LSTM, RNN and MinGRU as objects: names, starting weights, copies, and the cells that take one step."""

import copy
import itertools
import pickle

import numpy as np
import pytest
from forms import FORMS, STEPS, pack, parts
from recurrent_cases import assert_same, cells, make, with_recurrent_weights

import gatewise as gw


@cells
def test_names_and_shapes_are_pytorchs(cell):
    G, D, H, recurrent = FORMS[cell].gates, 2, 3, FORMS[cell].cell.recurrent
    for layers, two, bias in itertools.product((1, 2, 3), (False, True), (False, True)):
        need = {}
        for number in range(layers):
            for end in ("", "_reverse")[: 1 + two]:
                size = D if number == 0 else H * (1 + two)
                need[f"weight_ih_l{number}{end}"] = (G * H, size)
                if recurrent:
                    need[f"weight_hh_l{number}{end}"] = (G * H, H)
                if bias:
                    need |= {f"bias_{side}_l{number}{end}": (G * H,) for side in ("ih", "hh")[: 1 + recurrent]}
        params = make(cell, layers=layers, two=two, bias=bias).layer.params
        assert {name: value.shape for name, value in params.items()} == need
        assert list(params) == list(need)


@cells
def test_starting_weights_are_uniform_reproducible_and_never_repeat(cell):
    kind, _, options, *_ = FORMS[cell]
    H = 25
    build = [kind(5, H, num_layers=2, bidirectional=True, dtype=np.float64, rng=seed, **options) for seed in (1, 1, 2)]
    for name, value in build[0].params.items():
        np.testing.assert_array_equal(value, build[1].params[name])
        assert not (value == build[2].params[name]).any()
        assert np.abs(value).max() <= H**-0.5
        assert np.abs(value).max() > 0.8 * H**-0.5
        assert abs(value.mean()) < 0.3 * H**-0.5
    everything = np.concatenate([value.ravel() for value in build[0].params.values()])
    assert len(np.unique(everything)) == len(everything)
    given = kind(5, H, num_layers=2, bidirectional=True, dtype=np.float64, rng=np.random.default_rng(1), **options)
    np.testing.assert_equal(dict(given.params), dict(build[0].params))
    fresh = [kind(5, H, **options).params["weight_ih_l0"] for _ in range(2)]
    assert (fresh[0] != fresh[1]).all()


@with_recurrent_weights
def test_orthogonal_start(cell):
    kind, _, options, *_ = FORMS[cell]
    H = 6
    layer = kind(4, H, num_layers=2, bidirectional=True, init="orthogonal", dtype=np.float64, rng=0, **options)
    blocks = [
        block
        for name, value in layer.params.items()
        if name.startswith("weight_hh")
        for block in np.split(value, FORMS[cell].gates)
    ]
    assert len(blocks) == 4 * FORMS[cell].gates
    for block in blocks:
        np.testing.assert_allclose(block @ block.T, np.eye(H), rtol=0, atol=1e-13)
    for a, b in itertools.combinations(blocks, 2):
        assert np.abs(a - b).max() > 0.1
    assert np.abs(layer.params["weight_ih_l0"]).max() <= H**-0.5


def gate_biases(layer, gate):
    """The sum of both biases of a gate, (H,) for each layer and direction."""
    rows = np.split(np.arange(len(layer.params["bias_ih_l0"])), len(layer.cell.gates))[layer.cell.gates.index(gate)]
    names = [name for name in layer.params if name.startswith("bias_ih")]
    return [(layer.params[n] + layer.params[n.replace("ih", "hh")])[rows] for n in names]


def test_forget_bias_sets_that_gate_only():
    plain, layer = (
        gw.LSTM(2, 3, num_layers=2, bidirectional=True, dtype=np.float64, rng=0, forget_bias=f) for f in (None, 1.5)
    )
    for bias in gate_biases(layer, "forget"):
        np.testing.assert_array_equal(bias, np.full(3, 1.5))
    for gate in ("input", "candidate", "output"):
        np.testing.assert_array_equal(gate_biases(layer, gate), gate_biases(plain, gate))
    np.testing.assert_array_equal(layer.params["weight_ih_l1"], plain.params["weight_ih_l1"])


def test_chrono_start_draws_memories_up_to_the_longest():
    gru = gw.GRU(2, 200, chrono=50, dtype=np.float64, rng=0)
    lstm = gw.LSTM(2, 200, chrono=50, dtype=np.float64, rng=0)
    for layer, gate in ((gru, "update"), (lstm, "forget")):
        (bias,) = gate_biases(layer, gate)
        steps = np.exp(bias)
        assert 1 <= steps.min() < 3
        assert 45 < steps.max() <= 49
        assert steps.mean() == pytest.approx(25, abs=3)
    np.testing.assert_array_equal(gate_biases(lstm, "input")[0], -gate_biases(lstm, "forget")[0])


# Parameters


def test_writing_into_an_entry_and_replacing_it_are_the_same():
    a, b = (make("gru_after", layers=2).layer for _ in range(2))
    x = np.ones((2, 3, 2))
    new = np.random.default_rng(9).normal(size=a.params["weight_hh_l1"].shape)
    entry = a.params["weight_hh_l1"]
    before = a(x)[0]
    a.params["weight_hh_l1"] = new
    b.params["weight_hh_l1"][...] = new
    np.testing.assert_array_equal(a(x)[0], b(x)[0])
    assert np.abs(a(x)[0] - before).max() > 1e-3
    assert a.params["weight_hh_l1"] is entry
    new[...] = 0
    assert (entry != 0).all(), "the layer shares the caller's array"
    a.params["weight_hh_l1"] += 1
    np.testing.assert_array_equal(a.params["weight_hh_l1"], b.params["weight_hh_l1"] + 1)


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
@cells
def test_copies_and_pickles_keep_the_layer_and_its_rules(cell, twin_of):
    case = make(cell, layers=2, two=True, ragged=True)
    twin = twin_of(case.layer)
    y, state, tape = case.forward(twin)
    assert_same((y, state, None), (*case.forward()[:2], None))
    assert_same(case.backward(tape, twin), case.backward(case.forward()[2]))
    assert repr(twin) == repr(case.layer)
    twin.params["weight_ih_l0"][...] = 0
    assert (case.layer.params["weight_ih_l0"] != 0).all()
    with pytest.raises(gw.GatewiseError, match="there is no parameter 'new'"):
        twin.params["new"] = np.zeros(2)


def test_a_cells_copy_still_shares_its_entries_with_its_layer():
    for twin_of in (copy.deepcopy, lambda cell: pickle.loads(pickle.dumps(cell))):
        cell = twin_of(gw.LSTMCell(2, 3, rng=0))
        cell.params["weight_ih"][...] = 0
        assert (cell.layer.params["weight_ih_l0"] == 0).all()


@cells
def test_astype_copies(cell):
    case = make(cell, layers=2, two=True)
    single = case.layer.astype(np.float32)
    assert single.dtype == np.float32
    assert {value.dtype for value in single.params.values()} == {np.dtype(np.float32)}
    assert case.layer.dtype == np.float64
    assert {value.dtype for value in case.layer.params.values()} == {np.dtype(np.float64)}
    y, state = single(case.x.astype(np.float32), pack([s.astype(np.float32) for s in parts(case.state)]))
    np.testing.assert_allclose(y, case.layer(case.x, case.state)[0], rtol=0, atol=2e-6)
    assert {a.dtype for a in (y, *parts(state))} == {np.dtype(np.float32)}
    with pytest.raises(gw.GatewiseError, match="there is no parameter"):
        single.params["new"] = np.zeros(2, np.float32)


@cells
def test_config_rebuilds_the_layer(cell):
    case = make(cell, layers=2, two=True, bias=False)
    twin = type(case.layer)(**case.layer.config())
    twin.params.update(case.layer.params)
    assert_same((*case.forward()[:2], None), (*case.forward(twin)[:2], None))


# One step


@pytest.mark.parametrize("cell", STEPS)
@pytest.mark.parametrize("bias", [True, False])
def test_a_cell_is_one_step_of_the_layer(cell, bias):
    case = make(cell, T=1, bias=bias)
    one = FORMS[cell].step(2, 3, bias=bias, dtype=np.float64, **FORMS[cell].options)
    assert list(one.params) == [name.removesuffix("_l0") for name in case.layer.params]
    one.params.update({name.removesuffix("_l0"): value for name, value in case.layer.params.items()})
    y, state, tape = case.forward()
    dx, dstate, grads = case.layer.backward(tape, np.zeros_like(case.dy), case.dstate)
    after, step_tape = one.forward(case.x[:, 0], pack([s[0] for s in parts(case.state)]))
    dx1, dh, grads1 = one.backward(step_tape, pack([d[0] for d in parts(case.dstate)]))
    np.testing.assert_array_equal(parts(after)[0], y[:, 0])
    np.testing.assert_array_equal([a[None] for a in parts(after)], parts(state))
    np.testing.assert_array_equal(dx1, dx[:, 0])
    np.testing.assert_array_equal([d[None] for d in parts(dh)], parts(dstate))
    for name, gradient in grads1.items():
        np.testing.assert_array_equal(gradient, grads[name + "_l0"])
    for name in FORMS[cell].values:
        np.testing.assert_array_equal(getattr(step_tape, name), getattr(tape, name)[:, 0])
