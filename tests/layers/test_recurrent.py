"""GRU, LSTM, RNN and MinGRU over whole sequences: against scalar loops, and what their passes promise."""

import copy
import itertools
from concurrent.futures import ThreadPoolExecutor

import naive
import numpy as np
import pytest
from forms import FORMS, pack, parts
from hypothesis import given, settings
from recurrent_cases import assert_same, cases, cells, make, numbers

import gatewise as gw


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
