"""What comes out for one sequence is bit for bit the same alone, in any batch, at any place, with any threads."""

import numpy as np
import pytest
from kernel_cases import CELLS, DTYPES, NAMES, compiled, forward, gradients, layer_case, make, parts, threads, values

from gatewise import recurrence

SIZES = range(1, 18)
# Small, one above whole vectors, and wider than one group of tiles.
SHAPES = [(2, 3), (5, 17), (19, 70)]

pytestmark = compiled
names = pytest.mark.parametrize("name", NAMES)
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])
shapes = pytest.mark.parametrize(("D", "H"), SHAPES)


def by_row(case, record=True):
    """All that belongs to single sequences, by name, the batch first."""
    run = forward(case, record=record)
    found = values(run)
    found |= {f"inference {k}": a for k, a in enumerate(forward(case, keep=False).states)}
    passed = gradients(recurrence.backward(run, case.dh, case.dfinal))
    return found | {name: a for name, a in passed.items() if name == "dx" or name.startswith("dinitial")}


def assert_rows(got, need, chosen):
    assert list(got) == list(need)
    for name, a in got.items():
        np.testing.assert_array_equal(a, need[name][chosen], err_msg=name)


@names
@dtypes
@shapes
@pytest.mark.parametrize("ragged", [False, True])
def test_a_sequence_is_the_same_in_any_batch_at_any_place(name, dtype, D, H, ragged):
    case = make(name, dtype, B=17, T=5, D=D, H=H, ragged=ragged, seed=1)
    rng = np.random.default_rng(0)
    with threads(1):
        single = [by_row(case.rows([row])) for row in range(17)]
        need = {label: np.concatenate([found[label] for found in single]) for label in single[0]}
        for B in SIZES:
            for chosen in (np.arange(B), rng.permutation(17)[:B], np.full(B, 3)):
                assert_rows(by_row(case.rows(chosen)), need, chosen)


@names
@dtypes
@shapes
def test_a_sequence_is_the_same_with_any_number_of_threads(name, dtype, D, H):
    case = make(name, dtype, B=17, T=5, D=D, H=H, ragged=True, seed=2)
    with threads(1):
        need = by_row(case)
    for count in (2, 3, 4):
        with threads(count):
            for B in (1, 2, 3, 4, 5, 8, 11, 17):
                chosen = np.arange(17)[-B:]
                assert_rows(by_row(case.rows(chosen)), need, chosen)


@names
@dtypes
def test_a_sequence_is_the_same_with_recomputed_gates(name, dtype):
    case = make(name, dtype, B=17, T=5, D=5, H=17, ragged=True, seed=3)
    with threads(1):
        need = by_row(case, record=False)
        for B in SIZES:
            assert_rows(by_row(case.rows(np.arange(B)), record=False), need, np.arange(B))
    with threads(3):
        assert_rows(by_row(case, record=False), need, np.arange(17))


@names
@dtypes
@pytest.mark.parametrize(("T", "H"), [(300, 3), (90, 40)])
def test_a_long_sequence_is_the_same_however_its_time_is_cut(name, dtype, T, H):
    case = make(name, dtype, B=8, T=T, D=3, H=H, seed=4, ragged=True)
    need = by_row(case)
    for chosen in ([7], [2, 5], [1, 4, 6]):
        assert_rows(by_row(case.rows(chosen)), need, chosen)


@names
def test_a_wide_layer_with_few_sequences_is_the_same_with_any_threads(name):
    """Where units, not sequences, may be split."""
    case = make(name, np.float32, B=9, T=3, D=20, H=300, seed=5)
    with threads(1):
        need = by_row(case)
    for count in (1, 2, 3):
        with threads(count):
            for chosen in ([4], [8, 0], list(range(9))):
                assert_rows(by_row(case.rows(chosen)), need, chosen)


@names
@dtypes
def test_padding_after_a_sequence_changes_nothing(name, dtype):
    case = make(name, dtype, B=5, T=9, D=3, H=17, ragged=True, seed=6)
    need = by_row(case)
    for row, length in enumerate(case.lengths):
        short = case.rows([row])
        short.x, short.dh = (np.ascontiguousarray(a[:, :length]) for a in (short.x, short.dh))
        short.lengths = None
        for label, a in by_row(short).items():
            whole = need[label][row]
            if a.ndim == 3:
                assert not whole[length:].any()
                whole = whole[:length]
            np.testing.assert_array_equal(a[0], whole, err_msg=label)


@names
@dtypes
def test_stacked_and_two_way_layers_keep_the_promise(name, dtype):
    layer, x, state, dy = layer_case(name, dtype, B=11, T=6, num_layers=2, bidirectional=True)
    with threads(3):
        need_y, need_state, need_tape = layer.forward(x, state)
        need_dx, need_dstate, _ = layer.backward(need_tape, dy)
    for chosen in ([0], [10], [3, 9], [8, 1, 4, 2, 6]):
        some = [np.ascontiguousarray(s[:, chosen]) for s in parts(state)]
        y, final, tape = layer.forward(x[chosen], type(state)(*some) if len(some) == 2 else some[0])
        dx, dstate, _ = layer.backward(tape, dy[chosen])
        np.testing.assert_array_equal(y, need_y[chosen])
        np.testing.assert_array_equal(dx, need_dx[chosen])
        for got, need in [(final, need_state), (dstate, need_dstate)]:
            for a, b in zip(parts(got), parts(need), strict=True):
                np.testing.assert_array_equal(a, b[:, chosen])


def test_every_cell_with_a_kernel_is_tested():
    assert len(NAMES) >= 4
    assert set(NAMES) <= set(CELLS)
