"""Arrays of any memory order, alignment and length: only their numbers count."""

import numpy as np
import pytest
from forms import parts
from kernel_cases import assert_identical, compiled, dtypes, layer_case, names, outcome, threads

import gatewise as gw


def strided(a):
    """The same numbers with gaps between them."""
    wide = np.full((*a.shape[:-1], 2 * a.shape[-1]), np.nan, a.dtype)
    wide[..., ::2] = a
    return wide[..., ::2]


def fixed(a):
    a = a.copy()
    a.flags.writeable = False
    return a


def unaligned(a):
    raw = np.empty(a.nbytes + 1, np.uint8)
    view = raw[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def each(change, state):
    changed = [change(s) for s in parts(state)]
    return gw.LSTMState(*changed) if isinstance(state, gw.LSTMState) else changed[0]


ORDERS = {
    "strided": strided,
    "transposed": lambda a: np.asfortranarray(a),
    "backward in time": lambda a: np.ascontiguousarray(a[:, ::-1])[:, ::-1],
    "read-only": fixed,
    "read-only and strided": lambda a: fixed(strided(a)),
    "broadcast": lambda a: np.broadcast_to(a[:1], a.shape),
}


@compiled
@names
@dtypes
@pytest.mark.parametrize("form", ORDERS)
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True, "tape": "recompute"}])
def test_memory_order_of_the_arrays_does_not_matter(name, dtype, form, options):
    layer, x, state, dy = layer_case(name, dtype, **options)
    change = ORDERS[form]
    if form == "broadcast":
        x[:], dy[:] = x[:1], dy[:1]
    need = outcome(layer, x, state, dy)
    assert_identical(outcome(layer, change(x), state, change(dy)), need)
    np.testing.assert_array_equal(layer(change(x), state)[0], need["y"])


def spread(state, change):
    """The state as views of one array that holds all its parts, in another order of memory."""
    whole = change(np.concatenate(parts(state)))
    views = [whole[k : k + 1] for k in range(len(whole))]
    return gw.LSTMState(*views) if len(views) == 2 else views[0]


orders = pytest.mark.parametrize(
    "form",
    [
        "strided",
        "read-only",
        "transposed",
        "backward in time",
    ],
)


@compiled
@names
@orders
def test_memory_order_of_the_initial_state_does_not_matter(name, form):
    layer, x, state, dy = layer_case(name, np.float64)
    need = outcome(layer, x, state, dy)
    other = spread(state, ORDERS[form])
    assert_identical(outcome(layer, x, other, dy), need)
    y, final = layer(x, other)
    expected = [a for label, a in need.items() if label.startswith("final")]
    for a, b in zip([y, *parts(final)], [need["y"], *expected], strict=True):
        np.testing.assert_array_equal(a, b)


@compiled
@names
@pytest.mark.parametrize(
    "form",
    [
        "strided",
        "read-only",
        "transposed",
        "backward in time",
    ],
)
def test_memory_order_of_the_gradient_of_the_final_state_does_not_matter(name, form):
    layer, x, state, dy = layer_case(name, np.float64)
    tape = layer.forward(x)[2]
    expected, got = (layer.backward(tape, dy, d) for d in (state, spread(state, ORDERS[form])))
    for a, b in zip([got[0], *parts(got[1])], [expected[0], *parts(expected[1])], strict=True):
        np.testing.assert_array_equal(a, b)
    assert_identical(got[2], expected[2])


PAIRS = {
    "in order": lambda a: (a[:1], a[1:]),
    "swapped": lambda a: (a[1:], a[:1]),
    "twice the same": lambda a: (a[1:], a[1:]),
    "across": lambda a: (a[:1, :, ::-1], a[1:, :, ::-1]),
}


@compiled
@pytest.mark.parametrize("pair", PAIRS)
def test_the_parts_of_a_state_may_be_any_views_of_one_array(pair):
    layer, x, _, dy = layer_case("lstm", np.float64)
    views = gw.LSTMState(*PAIRS[pair](np.random.default_rng(1).normal(size=(2, 5, 19))))
    copies = each(np.array, views)
    np.testing.assert_array_equal(layer(x, views)[0], layer(x, copies)[0])
    tape = layer.forward(x)[2]
    got, expected = (layer.backward(tape, dy, d) for d in (views, copies))
    assert_identical({"dx": got[0], **got[2]}, {"dx": expected[0], **expected[2]})


@compiled
@names
def test_arrays_off_their_alignment_give_the_same_numbers(name):
    layer, x, state, dy = layer_case(name, np.float32)
    need = outcome(layer, x, state, dy)
    assert_identical(outcome(layer, unaligned(x), each(unaligned, state), unaligned(dy)), need)


@compiled
@names
def test_a_pass_changes_no_array_it_is_given(name):
    for count in (1, 2):
        with threads(count):
            layer, x, state, dy = layer_case(name, np.float64)
            arrays = [x, dy, *parts(state), *layer.params.values()]
            before = [a.copy() for a in arrays]
            y, _, tape = layer.forward(x, state)
            kept = y.copy()
            first = layer.backward(tape, dy)
            second = layer.backward(tape, dy)  # a tape is not used up
            for a, b in zip(arrays, before, strict=True):
                np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(y, kept)
            np.testing.assert_array_equal(first[0], second[0])
            if count == 1:
                assert_identical(first[2], second[2])


@compiled
@names
@dtypes
def test_what_stands_past_the_lengths_is_never_read(name, dtype):
    layer, x, state, dy = layer_case(name, dtype)
    lengths = np.array([3, 7, 1, 5, 2])
    past = np.arange(x.shape[1]) >= lengths[:, None]
    x[past], dy[past] = 0, 0
    need = outcome(layer, x, state, dy, lengths=lengths)
    x[past], dy[past] = np.nan, np.inf
    got = outcome(layer, x, state, dy, lengths=lengths)
    assert_identical(got, need)
    assert not got["y"][past].any()
    assert not got["dx"][past].any()
