"""The compiled loops against the same loops in NumPy: numbers, NaN, threads, the certificate, when they are used."""

import copy
import os
import pickle
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from forms import FORMS, parts
from hypothesis import given, settings
from hypothesis import strategies as st

import gatewise as gw
from gatewise import kernels, recurrence
from gatewise.recurrence import Run, Weights

CELLS = {name: form.cell for name, form in FORMS.items()}
DTYPES = [np.float32, np.float64]
TOLERANCE = {np.dtype(np.float32): 2e-5, np.dtype(np.float64): 1e-12}
# A relu whose argument is within rounding of 0 may fall to either side of its kink.
KINK = {np.dtype(np.float32): 2e-6, np.dtype(np.float64): 1e-14}

compiled = pytest.mark.skipif(not kernels.enabled(), reason="kernels are switched off")
NAMES = [name for name, cell in CELLS.items() if kernels.find(cell)]
names = pytest.mark.parametrize("name", NAMES)
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


@dataclass
class Case:
    """All that the two passes over time take."""

    cell: object
    x: np.ndarray
    weights: Weights
    initial: tuple
    lengths: np.ndarray | None
    dh: np.ndarray
    dfinal: tuple

    def rows(self, chosen):
        """The same for some sequences of the batch."""
        return Case(
            self.cell,
            np.ascontiguousarray(self.x[chosen]),
            self.weights,
            tuple(np.ascontiguousarray(s[chosen]) for s in self.initial),
            None if self.lengths is None else self.lengths[chosen],
            np.ascontiguousarray(self.dh[chosen]),
            tuple(np.ascontiguousarray(s[chosen]) for s in self.dfinal),
        )


def make(name, dtype=np.float64, *, B=3, T=4, D=2, H=3, ragged=False, seed=0, scale=0.7):
    rng = np.random.default_rng(seed)
    cell = CELLS[name]

    def normal(*shape, scale=1.0):
        return rng.normal(0, scale, shape).astype(dtype)

    rows = len(cell.gates) * H
    weights = Weights(
        normal(rows, D, scale=D**-0.5), normal(rows, H, scale=scale * H**-0.5), normal(rows), normal(rows)
    )
    lengths = rng.integers(1, T + 1, B) if ragged and T else None
    dh = normal(B, T, H)
    if lengths is not None:
        dh[np.arange(T) >= lengths[:, None]] = 0
    # States come as separate arrays or as views of one, as layers pass them.
    states = [tuple(normal(len(cell.states), B, H)) for _ in range(2)]
    if seed % 2:
        states = [tuple(s.copy() for s in state) for state in states]
    return Case(cell, normal(B, T, D), weights, states[0], lengths, dh, states[1])


def forward(case, **options):
    return recurrence.forward(case.cell, case.x, case.weights, case.initial, case.lengths, **options)


def numpys(case):
    """The run and the gradients of the NumPy path."""
    states, record, final = recurrence._forward(case.cell, case.x, case.weights, case.initial, case.lengths)
    run = Run(case.cell, case.x, case.weights, case.initial, case.lengths, states, record, final)
    return run, recurrence._backward(run, case.dh, case.dfinal)


def gradients(result):
    """dx, dinitial and the gradients of the weights, by name."""
    dx, dinitial, weights = result
    named = {f"dinitial[{k}]": d for k, d in enumerate(dinitial)}
    return {"dx": dx, **named, **{f"d{name}": d for name, d in zip(weights._fields, weights, strict=True)}}


def values(run):
    """Everything a run holds, by name."""
    parts = {"states": run.states, "record": run.record, "final": run.final}
    return {f"{name}[{k}]": a for name, arrays in parts.items() for k, a in enumerate(arrays)}


def assert_close(got, need, tolerance=None):
    """Equal within the tolerance of the dtype, relative to the largest number of each array or to 1."""
    assert list(got) == list(need)
    for name, a in need.items():
        assert got[name].shape == a.shape, name
        assert got[name].dtype == a.dtype, name
        size = max(1.0, float(np.abs(a).max(initial=0)))
        bound = size * (tolerance or TOLERANCE[a.dtype])
        np.testing.assert_allclose(got[name], a, rtol=0, atol=bound, err_msg=name)


def assert_identical(got, need):
    assert list(got) == list(need)
    for name, a in need.items():
        np.testing.assert_array_equal(got[name], a, err_msg=name)


def at_a_kink(run):
    """Whether a pre-activation of a relu is too close to 0 to compare."""
    if run.cell is not CELLS["rnn_relu"] or not run.states[0].size:
        return False
    W, U, b, c = run.weights
    a = run.x @ W.T + b + run.previous()[0] @ U.T + c
    return np.abs(a).min() < KINK[a.dtype] * max(1, np.abs(a).max())


def check(case):
    """Kernels and NumPy agree in both passes, whatever is kept."""
    need, need_gradients = numpys(case)
    kept, again, final = forward(case), forward(case, record=False), forward(case, keep=False)
    assert_close(values(kept), values(need))
    assert again.record == ()
    assert_identical(values(again), {n: a for n, a in values(kept).items() if not n.startswith("record")})
    assert len(final.states) == 1
    np.testing.assert_array_equal(final.states[0], kept.states[0])
    for a, b in zip(final.final, kept.final, strict=True):
        np.testing.assert_array_equal(a, b)
    if not at_a_kink(need):
        for run in (kept, again):
            assert_close(gradients(recurrence.backward(run, case.dh, case.dfinal)), gradients(need_gradients))
        check_dstates(case, kept, need)


def check_dstates(case, run, need):
    """What reached each state is what it is in NumPy, and to keep it changes nothing else."""
    dx, passed = recurrence.backward_pass(run, case.dh, case.dfinal)
    recorded = (dx, passed.dinitial, passed.gradients)
    assert_identical(gradients(recorded), gradients(recurrence.backward(run, case.dh, case.dfinal)))
    dstates = tuple(np.zeros_like(s) for s in need.states)
    recurrence._backward(need, case.dh, case.dfinal, dstates)
    assert_close(*({f"dstates[{k}]": d for k, d in enumerate(found)} for found in (passed.dstates, dstates)))


@contextmanager
def threads(count):
    """`count` threads, and work of any size split between them."""
    from gatewise.kernels import dispatch

    before = gw.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch, "OPERATIONS_A_THREAD", 1e-3)
        gw.set_num_threads(count)
        try:
            yield
        finally:
            gw.set_num_threads(before)


def run_python(script, timeout=120, **environment):
    """Run a script in a fresh interpreter, warnings as errors; return its standard output."""
    environment = {**os.environ, **environment}
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# Against NumPy


@compiled
def test_all_plain_cells_have_a_kernel():
    assert {"gru_after", "lstm", "rnn_tanh", "rnn_relu"} <= set(NAMES)


@st.composite
def cases(draw):
    return make(
        draw(st.sampled_from(NAMES)),
        draw(st.sampled_from(DTYPES)),
        B=draw(st.sampled_from([1, 2, 5, 8, 9])),
        T=draw(st.sampled_from([0, 1, 2, 33])),
        D=draw(st.sampled_from([1, 2, 17])),
        H=draw(st.sampled_from([1, 3, 17, 63, 64, 65])),
        ragged=draw(st.booleans()),
        seed=draw(st.integers(0, 2**32 - 1)),
    )


@compiled
@given(st.data())
@settings(max_examples=150)
def test_kernels_equal_numpy(data):
    check(data.draw(cases()))


@compiled
@given(st.data(), st.integers(1, 3))
@settings(max_examples=60)
def test_kernels_equal_numpy_with_any_number_of_threads(data, count):
    with threads(count):
        check(data.draw(cases()))


@compiled
@names
@dtypes
@pytest.mark.parametrize(("B", "T"), [(1, 601), (5, 131), (7, 256), (300, 2)])
def test_kernels_equal_numpy_where_a_run_is_done_in_chunks(name, dtype, B, T):
    check(make(name, dtype, B=B, T=T, D=3, H=5, ragged=T % 2 == 1, seed=B))


@compiled
@names
@dtypes
def test_kernels_equal_numpy_where_every_size_is_large(name, dtype):
    check(make(name, dtype, B=17, T=3, D=130, H=200, seed=3))


@compiled
@names
def test_an_empty_batch_is_a_batch(name):
    layer = FORMS[name].make(2, 3, rng=0)
    y, _, tape = layer.forward(np.zeros((0, 4, 2), np.float32))
    dx, _, grads = layer.backward(tape, y)
    assert y.shape == (0, 4, 3)
    assert dx.shape == (0, 4, 2)
    assert not any(g.any() for g in grads.values())


# Layers on top


def outcome(layer, x, state, dy, **options):
    """All numbers of both passes of a layer, by name."""
    y, final, tape = layer.forward(x, state, **options)
    dx, dstate, grads = layer.backward(tape, dy)
    found = {"y": y, "dx": dx, **grads}
    for k, (a, b) in enumerate(zip(parts(final), parts(dstate), strict=True)):
        found |= {f"final[{k}]": a, f"dstate[{k}]": b}
    return found


def layer_case(name, dtype, B=5, T=7, D=3, H=19, seed=0, **options):
    """A layer, x, an initial state and dy."""
    rng = np.random.default_rng(seed)
    layer = FORMS[name].make(D, H, dtype=dtype, rng=seed, **options)
    shape = (layer.num_layers * layer.directions, B, H)
    state = [rng.normal(size=shape).astype(dtype) for _ in layer.cell.states]
    x, dy = (rng.normal(size=(B, T, n)).astype(dtype) for n in (D, layer.output_size))
    return layer, x, gw.LSTMState(*state) if len(state) == 2 else state[0], dy


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


# NaN, infinity, the smallest and the largest numbers

SPOTS = ["W", "U", "b", "c", "initial"]
BAD = [np.nan, np.inf, -np.inf]


def spoil(case, spot, value, rng):
    """Write `value` into one element of a weight, or of the initial state of one sequence."""
    array = case.initial[-1] if spot == "initial" else getattr(case.weights, spot)
    array[tuple(rng.integers(0, n) for n in array.shape)] = value


def assert_same_nan(got, need, where=None):
    for name, a in need.items():
        at = where.get(name, ...) if where else ...
        np.testing.assert_array_equal(np.isnan(got[name][at]), np.isnan(a[at]), err_msg=f"NaN of {name}")
        finite = np.isfinite(a[at])
        np.testing.assert_array_equal(np.isfinite(got[name][at]), finite, err_msg=f"infinity of {name}")
        np.testing.assert_array_equal(got[name][at][~finite], a[at][~finite], err_msg=name)


def check_nan(case):
    with np.errstate(all="ignore"):
        need, need_gradients = numpys(case)
    for record in (True, False):
        run = forward(case, record=record)
        got = values(run)
        assert_same_nan(got, {n: a for n, a in values(need).items() if n in got})
        assert_same_nan(gradients(recurrence.backward(run, case.dh, case.dfinal)), gradients(need_gradients))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(np.isnan(forward(case, keep=False).states[0]), np.isnan(need.states[0]))


@compiled
@names
@dtypes
@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("spot", SPOTS)
def test_nan_comes_out_where_numpys_does(name, dtype, spot, value):
    for seed, H in enumerate([3, 16, 21]):
        case = make(name, dtype, B=3, T=4, D=2, H=H, seed=seed)
        spoil(case, spot, value, np.random.default_rng(seed))
        check_nan(case)


@compiled
@names
@dtypes
@pytest.mark.parametrize("value", BAD)
def test_an_input_that_is_not_finite_comes_out_as_in_numpy(name, dtype, value):
    case = make(name, dtype, B=3, T=4, D=2, H=3)
    case.x[1, 2, 0] = value
    check_nan(case)


def alone(case, row):
    """One sequence of a batch without the steps past its end."""
    single = case.rows([row])
    length = single.lengths[0]
    single.x, single.dh = (np.ascontiguousarray(a[:, :length]) for a in (single.x, single.dh))
    single.lengths = None
    return single


@compiled
@names
@dtypes
@pytest.mark.parametrize(
    "spot",
    ["W", "c", "U"],
)
def test_infinity_in_a_weight_does_not_reach_a_sequence_from_past_its_end(name, dtype, spot):
    for seed in range(3):
        case = make(name, dtype, B=3, T=4, D=2, H=5, ragged=True, seed=seed)
        spoil(case, spot, np.inf, np.random.default_rng(seed))
        for record in (True, False):
            dx, dinitial, _ = recurrence.backward(forward(case, record=record), case.dh, case.dfinal)
            for row, length in enumerate(case.lengths):
                single = alone(case, row)
                need = recurrence.backward(forward(single, record=record), single.dh, single.dfinal)
                np.testing.assert_array_equal(dx[row, :length], need[0][0])
                for a, b in zip(dinitial, need[1], strict=True):
                    np.testing.assert_array_equal(a[row], b[0])


@compiled
@names
@dtypes
@pytest.mark.parametrize("value", BAD)
def test_one_spoiled_sequence_leaves_the_others_alone(name, dtype, value):
    need = make(name, dtype, B=9, T=5, D=2, H=19)
    case = make(name, dtype, B=9, T=5, D=2, H=19)
    case.x[4, 2, 1], case.initial[-1][4, 7], case.dh[4, 3, 0] = value, value, value
    others = np.delete(np.arange(9), 4)
    for record in (True, False):
        clean, run = forward(need, record=record), forward(case, record=record)
        for name_, a in values(clean).items():
            np.testing.assert_array_equal(values(run)[name_][others], a[others], err_msg=name_)
        a, b = (recurrence.backward(r, k.dh, k.dfinal) for r, k in [(run, case), (clean, need)])
        np.testing.assert_array_equal(a[0][others], b[0][others])
        for x, y in zip(a[1], b[1], strict=True):
            np.testing.assert_array_equal(x[others], y[others])


@compiled
@names
@dtypes
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_a_gradient_that_is_not_finite_goes_where_numpys_goes(name, dtype, value):
    case = make(name, dtype, B=3, T=4, D=2, H=19, seed=2)
    case.dh[1, 2, 5] = value
    check_nan(case)


@compiled
@names
@dtypes
def test_large_preactivations_saturate_as_in_numpy(name, dtype):
    sizes = np.array([0, 1e-30, 1e-3, 1, 9, 20, 40, 89, 104, 710, 1e4, 1e10, 1e30])
    sizes = np.concatenate([sizes, -sizes]).astype(dtype)
    for seed in range(4):
        case = make(name, dtype, B=2, T=3, D=2, H=len(sizes), seed=seed)
        rng = np.random.default_rng(seed)
        case.weights.b[:] = rng.choice(sizes, len(case.weights.b))
        # Of one sign and without U: differences of large numbers have no correct digits.
        case.weights.c[:] = np.copysign(rng.choice(sizes, len(case.weights.b)), case.weights.b)
        if name == "rnn_relu":
            case.weights.U[:] = 0
        check(case)


@compiled
@names
@dtypes
def test_subnormal_numbers_are_not_flushed(name, dtype):
    f = np.finfo(dtype)
    case = make(name, dtype, B=3, T=1, D=2, H=19, seed=5)
    tiny = np.random.default_rng(6)
    case.x[:] = 0
    for a in (case.weights.b, case.weights.c):
        a[:] = 0
    for s in case.initial:
        s[:] = tiny.normal(0, float(f.tiny) / 50, s.shape)
    case.weights.U[:] = np.abs(case.weights.U)
    with np.errstate(under="ignore"):
        need, _ = numpys(case)
    got = forward(case)
    unit = float(f.smallest_subnormal)
    for label, a in values(need).items():
        if label.startswith("states"):
            assert np.count_nonzero(a) > 10
        np.testing.assert_allclose(values(got)[label], a, rtol=4 * f.eps, atol=30 * unit, err_msg=label)


@compiled
@names
@dtypes
def test_subnormal_gradients_are_not_flushed(name, dtype):
    f = np.finfo(dtype)
    case = make(name, dtype, B=3, T=1, D=2, H=19, seed=7)
    for d in (case.dh, *case.dfinal):
        d *= f.tiny / 4
    with np.errstate(under="ignore"):
        _, need = numpys(case)
    got = gradients(recurrence.backward(forward(case), case.dh, case.dfinal))
    for label, a in gradients(need).items():
        assert np.count_nonzero(got[label]) >= np.count_nonzero(a) // 2, label
        np.testing.assert_allclose(got[label], a, rtol=1e-4, atol=100 * float(f.smallest_subnormal), err_msg=label)


@compiled
@names
@dtypes
def test_a_call_leaves_nothing_behind_for_the_next(name, dtype):
    shapes = [(3, 4, 2, 5), (1, 1, 1, 1), (9, 3, 5, 33), (2, 7, 3, 17)]
    cases = [make(name, dtype, B=B, T=T, D=D, H=H, seed=1) for B, T, D, H in shapes]
    spoiled = make(name, dtype, B=16, T=20, D=40, H=70)
    for a in (spoiled.x, *spoiled.weights, *spoiled.initial, spoiled.dh, *spoiled.dfinal):
        a[:] = np.nan
    for case in cases:
        need = {}
        for bad in (False, True):
            for record in (True, False):
                if bad:
                    recurrence.backward(forward(spoiled, record=record), spoiled.dh, spoiled.dfinal)
                run = forward(case, record=record)
                if bad:
                    recurrence.backward(forward(spoiled, record=record), spoiled.dh, spoiled.dfinal)
                got = values(run) | gradients(recurrence.backward(run, case.dh, case.dfinal))
                assert_identical(got, need.setdefault(record, got))
                assert all(np.isfinite(a).all() for a in got.values())


@compiled
@names
def test_results_of_one_call_are_not_touched_by_the_next(name):
    layer, x, state, dy = layer_case(name, np.float32)
    first = outcome(layer, x, state, dy)
    kept = {label: a.copy() for label, a in first.items()}
    for seed in range(1, 4):
        other, x, state, dy = layer_case(name, np.float32, B=4 + seed, H=11 * seed, seed=seed)
        outcome(other, x, state, dy)
    assert_identical(first, kept)


# Memory that is not ours

GUARDED = """
import ctypes, mmap
import numpy as np
import gatewise as gw
from gatewise import kernels, recurrence
from test_kernels import NAMES, make

libc = ctypes.CDLL(None, use_errno=True)
pages = []

def guarded(a):
    "A copy of `a` that ends where memory may not be read."
    size = -(-max(1, a.nbytes) // mmap.PAGESIZE) * mmap.PAGESIZE
    pages.append(mmap.mmap(-1, size + mmap.PAGESIZE))
    start = ctypes.addressof(ctypes.c_char.from_buffer(pages[-1]))
    assert libc.mprotect(ctypes.c_void_p(start + size), mmap.PAGESIZE, 0) == 0
    view = np.frombuffer(pages[-1], a.dtype, a.size, size - a.nbytes).reshape(a.shape)
    view[...] = a
    return view

gw.set_num_threads(1)
for name in NAMES:
    for dtype in (np.float32, np.float64):
        for B, T, D, H in [(1, 1, 1, 1), (3, 4, 2, 3), (9, 3, 17, 17), (2, 5, 5, 65)]:
            case = make(name, dtype, B=B, T=T, D=D, H=H)
            weights = recurrence.Weights(*map(guarded, case.weights))
            initial, dfinal = (tuple(guarded(np.stack(s))) for s in (case.initial, case.dfinal))
            run = recurrence.forward(case.cell, guarded(case.x), weights, initial)
            states = tuple(guarded(np.stack(run.states)))
            record = tuple(guarded(np.stack(run.record))) if run.record else ()
            for kept in (record, ()):
                run = run._replace(states=states, record=kept)
                recurrence.backward(run, guarded(case.dh), dfinal)
print("done", len(pages) > 100)
import os
os._exit(0) if not __import__("sys").stdout.flush() else None
"""


@compiled
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="protects pages by Linux' mprotect")
def test_nothing_is_read_past_the_end_of_an_array():
    here = Path(__file__).parent
    paths = os.pathsep.join(filter(None, [str(here), str(here.parent / "support"), os.environ.get("PYTHONPATH")]))
    assert run_python(GUARDED, PYTHONPATH=paths) == "done True"


# The certificate, and float32


@compiled
@names
@pytest.mark.parametrize(
    "options", [{}, {"num_layers": 2, "bidirectional": True, "dropout": 0.3, "tape": "recompute"}, {"bias": False}]
)
def test_the_certificate_passes_through_the_kernels(name, options):
    layer = FORMS[name].make(3, 5, rng=0, **options)
    assert kernels.find(layer.cell) is not None
    report = gw.gradcheck(layer, rng=1)
    assert report.ok, report
    ragged = gw.gradcheck(layer, np.random.default_rng(2).normal(size=(3, 4, 3)), lengths=[4, 1, 3], rng=2)
    assert ragged.ok, ragged


@compiled
@names
def test_float32_gradients_agree_with_float64(name):
    for seed in range(3):
        double = make(name, np.float64, B=8, T=20, D=5, H=33, ragged=True, seed=seed)
        cast = lambda arrays: tuple(a.astype(np.float32) for a in arrays)  # noqa: E731
        single = Case(
            double.cell,
            *cast([double.x]),
            Weights(*cast(double.weights)),
            cast(double.initial),
            double.lengths,
            *cast([double.dh]),
            cast(double.dfinal),
        )
        need, got = (gradients(recurrence.backward(forward(c), c.dh, c.dfinal)) for c in (double, single))
        for label, a in need.items():
            error = np.linalg.norm(got[label] - a) / np.linalg.norm(a)
            assert error < 1e-4, (label, error)


# When a kernel is used


@compiled
@names
def test_copies_of_a_layer_use_the_kernel(name):
    layer = FORMS[name].make(2, 3, rng=0)
    copies = [layer, copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), layer.astype("float64")]
    for twin in copies:
        assert kernels.find(twin.cell) is kernels.find(CELLS[name]) is not None
    x = np.ones((1, 2, 2), np.float32)
    for twin in copies[1:4]:
        y, _, tape = twin.forward(x)
        np.testing.assert_array_equal(y, layer(x)[0])
        np.testing.assert_array_equal(twin.backward(tape, np.ones((1, 2, 3), np.float32))[0].shape, x.shape)


@compiled
@names
@pytest.mark.parametrize("part", ["step", "step_backward", "recurrent_gradient", "pointwise"])
def test_a_cell_with_a_part_of_its_own_does_not(name, part):
    cell = CELLS[name]
    other = () if part == "pointwise" else lambda *arguments: getattr(cell, part)(*arguments)
    assert kernels.find(cell._replace(**{part: other})) is None


@compiled
@names
def test_a_replaced_backward_step_is_the_one_that_runs(name):
    layer = FORMS[name].make(2, 3, dtype=np.float64, rng=0)
    calls = []

    def counted(*arguments):
        calls.append(1)
        return CELLS[name].step_backward(*arguments)

    x, dy = np.ones((1, 4, 2)), np.ones((1, 4, 3))
    need = outcome(layer, x, None, dy)
    layer.cell = layer.cell._replace(step_backward=counted)
    assert_close(outcome(layer, x, None, dy), need)
    assert len(calls) == 4


SMALL = """
import sys
import numpy as np
import gatewise as gw
from gatewise import kernels
from gatewise.cells import gru, lstm, rnn

cells = [gru.RESET_AFTER, gru.RESET_BEFORE, lstm.LSTM, *rnn.FORMS.values()]
for layer in (gw.GRU(3, 4, rng=0), gw.LSTM(3, 4, rng=0), gw.RNN(3, 4, rng=0)):
    y, _, tape = layer.forward(np.ones((2, 5, 3), np.float32))
    dx, _, grads = layer.backward(tape, y)
    print(repr(float(dx.sum())), file=sys.stderr)
print(any(kernels.find(cell) for cell in cells), bool(sys.modules.get("numba")))
"""


def test_switched_off_no_cell_has_a_kernel_and_numba_is_never_imported():
    assert run_python(SMALL, GATEWISE_KERNELS="0") == "False False"


def test_without_numba_layers_work():
    assert run_python("import sys; sys.modules['numba'] = None" + SMALL) == "False False"


def test_importing_gatewise_never_imports_numba():
    script = "import sys, gatewise, gatewise.kernels; gatewise.GRU(3, 4); print('numba' in sys.modules)"
    assert run_python(script) == "False"


@compiled
@pytest.mark.parametrize(
    "newer",
    [
        True,
        False,
    ],
)
def test_compiled_code_follows_the_equations(tmp_path, newer):
    source = Path(gw.__file__).parent
    shutil.copytree(source, tmp_path / "gatewise", ignore=shutil.ignore_patterns("__pycache__"))
    script = """
import numpy as np, gatewise as gw
layer = gw.RNN(1, 1, dtype="float64")
for value in layer.params.values():
    value[...] = 0.25
print(gw.__file__, repr(float(layer(np.ones((1, 1, 1)))[0][0, 0, 0])))
"""
    equation = tmp_path / "gatewise" / "cells" / "rnn.py"
    changed = equation.read_text(encoding="utf-8").replace("(tanh(p[0] + q[0]),)", "(0.5 * tanh(p[0] + q[0]),)")
    assert changed != equation.read_text(encoding="utf-8")
    where, before = run_python(script, PYTHONPATH=str(tmp_path)).split()
    time = equation.stat().st_mtime - 3600
    equation.write_text(changed, encoding="utf-8")
    if not newer:
        os.utime(equation, (time, time))
    _, after = run_python(script, PYTHONPATH=str(tmp_path)).split()
    assert where.startswith(str(tmp_path))
    np.testing.assert_allclose(float(before), np.tanh(0.75), rtol=1e-14)
    np.testing.assert_allclose(float(after), 0.5 * np.tanh(0.75), rtol=1e-14)
