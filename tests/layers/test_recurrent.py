"""GRU, LSTM and RNN over whole sequences: against scalar loops, and the promises of the interface."""

import copy
import itertools
import pickle
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import naive
import numpy as np
import pytest
from forms import FORMS, STEPS, pack, parts, random_state
from hypothesis import given, settings
from hypothesis import strategies as st

import gatewise as gw

cells = pytest.mark.parametrize("cell", FORMS)
with_recurrent_weights = pytest.mark.parametrize("cell", [name for name in FORMS if FORMS[name].cell.recurrent])


@dataclass
class Case:
    """A layer with random weights, and all that its two passes take."""

    cell: str
    layer: object
    x: np.ndarray
    state: object
    lengths: np.ndarray | None
    dy: np.ndarray
    dstate: object

    def forward(self, layer=None):
        return (layer or self.layer).forward(self.x, self.state, lengths=self.lengths)

    def backward(self, tape, layer=None):
        return (layer or self.layer).backward(tape, self.dy, self.dstate)


def make(
    cell, *, B=3, T=4, D=2, H=3, layers=1, two=False, bias=True, ragged=False, state=True, dtype=np.float64, seed=0
):
    rng = np.random.default_rng(seed)
    layer = FORMS[cell].make(D, H, num_layers=layers, bidirectional=two, bias=bias, dtype=dtype)
    for value in layer.params.values():
        value[...] = rng.normal(0, 0.6, value.shape)
    shape = (layers * (1 + two), B, H)

    def states():
        return random_state(cell, rng, shape, dtype)

    return Case(
        cell,
        layer,
        rng.normal(size=(B, T, D)).astype(dtype),
        states() if state else None,
        rng.integers(1, T + 1, B) if ragged and T else None,
        rng.normal(size=(B, T, H * (1 + two))).astype(dtype),
        states(),
    )


@st.composite
def cases(draw, dtypes=(np.float32, np.float64)):
    return make(
        draw(st.sampled_from(list(FORMS))),
        B=draw(st.integers(1, 4)),
        T=draw(st.integers(0, 5)),
        D=draw(st.integers(1, 3)),
        H=draw(st.integers(1, 4)),
        layers=draw(st.integers(1, 3)),
        two=draw(st.booleans()),
        bias=draw(st.booleans()),
        ragged=draw(st.booleans()),
        state=draw(st.booleans()),
        dtype=draw(st.sampled_from(dtypes)),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


def numbers(result):
    """All arrays of a result of forward or backward, in order."""
    first, state, third = result
    third = list(third.values()) if isinstance(third, dict) else []
    return [first, *parts(state), *third]


def assert_same(a, b):
    for x, y in zip(numbers(a), numbers(b), strict=True):
        np.testing.assert_array_equal(x, y)


# Against scalar loops


def naively(case):
    """Outputs, final states and gates of every sequence by scalar loops, in float64."""
    layer = case.layer
    params = {name: value.tolist() for name, value in layer.params.items()}
    rows = layer.num_layers * layer.directions
    zeros = [np.zeros((rows, len(case.x), layer.hidden_size))] * len(layer.cell.states)
    states = zeros if case.state is None else parts(case.state)
    results = []
    for row, x in enumerate(case.x.tolist()):
        start = [[s[k, row].tolist() for s in states] for k in range(rows)]
        length = None if case.lengths is None else int(case.lengths[row])
        results.append(naive.network(case.cell, params, x, start, layer.num_layers, layer.directions, length))
    return zip(*results, strict=True)


@given(cases())
@settings(max_examples=150)
def test_outputs_states_and_tape_equal_scalar_loops(case):
    layer, (B, T, _) = case.layer, case.x.shape
    y, state, tape = case.forward()
    outputs, finals, gates = naively(case)
    close = {"rtol": 0, "atol": 1e-12 if layer.dtype == np.float64 else 2e-5}
    assert y.shape == (B, T, layer.output_size)
    np.testing.assert_allclose(y, np.reshape(outputs, y.shape), **close)
    for k, part in enumerate(parts(state)):
        need = np.array([[final[k] for final in row] for row in finals]).swapaxes(0, 1)
        np.testing.assert_allclose(part, need, **close)
    for index, (number, reverse) in enumerate(itertools.product(range(layer.num_layers), range(layer.directions))):
        for name in FORMS[case.cell].values:
            need = np.zeros((B, T, layer.hidden_size))
            for row in range(B):
                for t, values in enumerate(gates[row][index]):
                    need[row, t] = values[name]
            np.testing.assert_allclose(tape.values(name, number, bool(reverse)), need, **close)
            if layer.num_layers * layer.directions == 1:
                np.testing.assert_array_equal(getattr(tape, name), tape.values(name))


@given(cases())
@settings(max_examples=60)
def test_what_lies_past_the_lengths_is_zero_and_every_array_has_the_layers_dtype(case):
    y, state, tape = case.forward()
    dx, dstate, grads = case.backward(tape)
    assert list(grads) == list(case.layer.params)
    assert {n: g.shape for n, g in grads.items()} == {n: p.shape for n, p in case.layer.params.items()}
    assert dx.shape == case.x.shape
    arrays = [*numbers((y, state, None)), *numbers((dx, dstate, grads)), tape.values("hidden")]
    assert {a.dtype for a in arrays} == {case.layer.dtype}
    if case.lengths is not None:
        past = np.arange(case.x.shape[1]) >= case.lengths[:, None]
        names = FORMS[case.cell].values
        for a in (y, dx, *(tape.values(name, case.layer.num_layers - 1) for name in names)):
            assert (a[past] == 0).all()


def test_no_steps_give_back_the_initial_state_and_its_gradient():
    for cell in FORMS:
        case = make(cell, T=0, layers=2, two=True)
        y, state, tape = case.forward()
        dx, dstate, grads = case.backward(tape)
        assert y.shape == (3, 0, 6)
        assert dx.shape == (3, 0, 2)
        assert_same((y, state, None), (y, case.state, None))
        assert_same((dx, dstate, None), (dx, case.dstate, None))
        assert all((g == 0).all() for g in grads.values())


# Gradients


@given(cases(dtypes=[np.float64]))
@settings(max_examples=60)
def test_gradients_equal_a_central_difference_along_a_random_direction(case):
    """One random direction for each of x, the initial state and every parameter."""
    layer, dy, dstate = case.layer, case.dy, parts(case.dstate)
    rng = np.random.default_rng(0)
    initial = dstate if case.state is None else parts(case.state)  # never 0, where relu has no derivative
    leaves = {"x": case.x} | {f"state {k}": s for k, s in enumerate(initial)}
    leaves |= {name: value.copy() for name, value in layer.params.items()}

    def forward(values):
        layer.params.update({name: values[name] for name in layer.params})
        state = pack([value for name, value in values.items() if name.startswith("state")])
        return layer.forward(values["x"], state, lengths=case.lengths)

    def loss(values):
        y, state, _ = forward(values)
        return (y * dy).sum() + sum((s * d).sum() for s, d in zip(parts(state), dstate, strict=True))

    _, _, tape = forward(leaves)
    dx, dinitial, grads = case.backward(tape)
    gradients = {"x": dx} | {f"state {k}": d for k, d in enumerate(parts(dinitial))} | grads
    for name, value in leaves.items():
        along = rng.normal(size=value.shape)
        above, below = (loss(leaves | {name: value + side * 1e-6 * along}) for side in (1, -1))
        needed = (above - below) / 2e-6
        assert (gradients[name] * along).sum() == pytest.approx(needed, rel=1e-6, abs=1e-6), name


@cells
def test_without_dstate_the_final_state_has_no_gradient(cell):
    case = make(cell, layers=2, two=True, ragged=True)
    _, _, tape = case.forward()
    zeros = pack([np.zeros_like(d) for d in parts(case.dstate)])
    assert_same(case.layer.backward(tape, case.dy), case.layer.backward(tape, case.dy, zeros))
    assert np.abs(case.layer.backward(tape, case.dy)[0] - case.backward(tape)[0]).max() > 1e-3


@cells
def test_without_state_it_starts_at_zero(cell):
    case = make(cell, layers=2, two=True)
    zeros = pack([np.zeros_like(d) for d in parts(case.state)])
    assert_same((*case.layer(case.x), None), (*case.layer(case.x, zeros), None))
    assert np.abs(case.layer(case.x)[0] - case.layer(case.x, case.state)[0]).max() > 1e-3


@cells
def test_carrying_the_state_on_is_one_longer_run(cell):
    case = make(cell, T=6, layers=2)
    y, state = case.layer(case.x, case.state)
    first, middle = case.layer(case.x[:, :2], case.state)
    second, last = case.layer(case.x[:, 2:], middle)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), y, rtol=0, atol=1e-14)
    np.testing.assert_allclose(parts(last), parts(state), rtol=0, atol=1e-14)


# Lengths


@cells
@pytest.mark.parametrize("filler", [np.nan, np.inf, 1e30])
def test_what_stands_in_padding_is_ignored(cell, filler):
    case = make(cell, layers=2, two=True, ragged=True)
    case.lengths[:] = [2, 4, 1]
    y, state, tape = case.forward()
    gradients = case.backward(tape)
    for row, length in enumerate(case.lengths):
        case.x[row, length:] = filler
        case.dy[row, length:] = filler
    again = case.forward()
    assert_same((y, state, None), (*again[:2], None))
    assert_same(gradients, case.backward(again[2]))


@given(cases(dtypes=[np.float64]))
@settings(max_examples=40)
def test_a_row_does_not_depend_on_its_batch_mates(case):
    y, state, tape = case.forward()
    dx, dstate, _ = case.backward(tape)
    for row in range(len(case.x)):
        alone = slice(row, row + 1)
        length = case.x.shape[1] if case.lengths is None else int(case.lengths[row])
        start = None if case.state is None else pack([s[:, alone] for s in parts(case.state)])
        y1, state1, tape1 = case.layer.forward(case.x[alone, :length], start)
        dx1, dstate1, _ = case.layer.backward(
            tape1, case.dy[alone, :length], pack([d[:, alone] for d in parts(case.dstate)])
        )
        np.testing.assert_allclose(y[alone, :length], y1, rtol=0, atol=1e-12)
        np.testing.assert_allclose(dx[alone, :length], dx1, rtol=1e-12, atol=1e-12)
        for a, b in zip([*parts(state), *parts(dstate)], [*parts(state1), *parts(dstate1)], strict=True):
            np.testing.assert_allclose(a[:, alone], b, rtol=1e-12, atol=1e-12)


@cells
def test_full_lengths_change_nothing_and_any_integers_do(cell):
    case = make(cell, layers=2, two=True)
    plain = case.layer(case.x, case.state)
    for lengths in ([4, 4, 4], (4, 4, 4), np.array([4, 4, 4], np.uint8)):
        assert_same((*plain, None), (*case.layer(case.x, case.state, lengths=lengths), None))


# Nothing is kept between calls


@cells
def test_calls_in_any_order_give_the_same_numbers(cell):
    case = make(cell, layers=2, two=True, ragged=True)
    other = make(cell, B=5, T=7, layers=2, two=True, seed=1)
    y, state, tape = case.forward()
    gradients = case.backward(tape)
    first, second = case.forward(), other.forward(case.layer)
    assert_same((y, state, None), (*first[:2], None))
    mixed = [other.backward(second[2], case.layer), case.backward(first[2]), case.backward(tape), case.backward(tape)]
    for again in mixed[1:]:
        assert_same(gradients, again)
    assert_same(mixed[0], other.backward(second[2], case.layer))


@cells
def test_changes_after_forward_do_not_reach_backward(cell):
    for B, T in ((3, 4), (1, 4), (3, 1), (1, 1)):
        case = make(cell, B=B, T=T, layers=2, two=True)
        y, state, tape = case.forward()
        gradients = copy.deepcopy(case.backward(tape))
        for array in (*case.layer.params.values(), case.x, y, *parts(state), *parts(case.state)):
            array[...] = 7.0
        assert_same(gradients, case.backward(tape))


@cells
def test_arguments_are_not_changed_and_may_be_read_only(cell):
    case = make(cell, layers=2, two=True, ragged=True)
    arrays = [case.x, case.dy, case.lengths, *parts(case.state), *parts(case.dstate)]
    kept = [a.copy() for a in arrays]
    for array in arrays:
        array.flags.writeable = False
    y, _, tape = case.forward()
    dx, *_ = case.backward(tape)
    assert y.flags.writeable
    assert dx.flags.writeable
    for array, before in zip(arrays, kept, strict=True):
        np.testing.assert_array_equal(array, before)


@cells
def test_strides_do_not_matter(cell):
    case = make(cell, layers=2, two=True, ragged=True)
    y, state, tape = case.forward()
    gradients = case.backward(tape)
    case.x = np.asfortranarray(case.x)
    case.dy = np.repeat(case.dy, 2, axis=2)[:, :, ::2]
    case.state, case.dstate = (pack([s[:, ::-1].copy()[:, ::-1] for s in parts(a)]) for a in (case.state, case.dstate))
    for array in (case.x, case.dy, *parts(case.state)):
        assert not array.flags.c_contiguous
    again = case.forward()
    for a, b in zip(numbers((y, state, None)), numbers((*again[:2], None)), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-14)
    for a, b in zip(numbers(gradients), numbers(case.backward(again[2])), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-13)


@cells
def test_threads_share_a_layer(cell):
    layer = make(cell, layers=2, two=True).layer
    many = [make(cell, B=2 + k, T=20, layers=2, two=True, ragged=True, seed=k) for k in range(8)]

    def both(case):
        y, state, tape = case.forward(layer)
        return (y, state, None), case.backward(tape, layer)

    alone = [both(case) for case in many]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(both, many * 4))
    for k, results in enumerate(together):
        for a, b in zip(results, alone[k % 8], strict=True):
            assert_same(a, b)


# Dropout


@cells
def test_dropout_acts_between_layers_in_training_only(cell):
    case = make(cell, layers=2)
    case.layer.dropout = 0.5
    plain = case.forward()
    bottom = make(cell, layers=1).layer
    bottom.params.update({name: case.layer.params[name] for name in bottom.params})
    assert_same((*plain[:2], None), (*case.layer.forward(case.x, case.state, rng=3)[:2], None))
    dropped, again, other = (case.layer.forward(case.x, case.state, training=True, rng=seed)[0] for seed in (3, 3, 4))
    np.testing.assert_array_equal(dropped, again)
    assert np.abs(dropped - plain[0]).max() > 1e-3
    assert np.abs(dropped - other).max() > 1e-3
    one = make(cell, layers=1)
    one.layer.dropout = 0.5
    np.testing.assert_array_equal(one.layer.forward(one.x, training=True, rng=3)[0], one.layer(one.x)[0])


@cells
@pytest.mark.parametrize("p", [0.3, 1.0])
def test_dropout_masks_scale_what_they_keep_and_backward_uses_them(cell, p):
    case = make(cell, B=40, T=10, H=8, layers=2, ragged=True)
    case.layer.dropout = p
    y, _, tape = case.layer.forward(case.x, case.state, lengths=case.lengths, training=True, rng=5)
    assert tape.masks[0] is None
    mask = tape.masks[1]
    assert set(np.unique(mask)) == ({0.0} if p == 1 else {0.0, 1 / (1 - p)})
    assert mask.shape == (40, 10, 8)
    assert (mask == 0).mean() == pytest.approx(p, abs=0.03)

    halves = [FORMS[cell].make(size, 8, dtype=np.float64) for size in (2, 8)]
    for k, half in enumerate(halves):
        half.params.update({name: case.layer.params[name.replace("l0", f"l{k}")] for name in half.params})
    starts, ends = ([pack([s[k : k + 1] for s in parts(a)]) for k in range(2)] for a in (case.state, case.dstate))
    low, _, tape0 = halves[0].forward(case.x, starts[0], lengths=case.lengths)
    high, _, tape1 = halves[1].forward(low * mask, starts[1], lengths=case.lengths)
    np.testing.assert_allclose(y, high, rtol=0, atol=1e-14)
    dmiddle, _, _ = halves[1].backward(tape1, case.dy, ends[1])
    dx, _, _ = halves[0].backward(tape0, dmiddle * mask, ends[0])
    np.testing.assert_allclose(case.backward(tape)[0], dx, rtol=0, atol=1e-13)


def test_dropout_keeps_the_dtype_and_takes_a_generator():
    layer = gw.GRU(2, 3, num_layers=3, dropout=0.5, rng=0)
    x = np.ones((2, 4, 2), np.float32)
    rng = np.random.default_rng(1)
    first, second = (layer.forward(x, training=True, rng=rng) for _ in range(2))
    assert first[0].dtype == np.float32
    assert layer.backward(first[2], first[0])[0].dtype == np.float32
    assert (first[0] != second[0]).any()
    np.testing.assert_array_equal(first[0], layer.forward(x, training=True, rng=1)[0])
    assert (first[2].masks[1] != first[2].masks[2]).any()


# Starting weights


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
