"""Steps of recurrent layers: the numbers of whole sequences, a state to read and set, weights that are never stale."""

import copy
import pickle
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from forms import FORMS, parts, random_state
from kernel_cases import compiled

import gatewise as gw
from gatewise import kernels

forms = pytest.mark.parametrize("form", FORMS)
TOLERANCE = {"float32": 1e-6, "float64": 1e-13}


def data(*shape, dtype="float32", seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def steps(stepper, x):
    """Outputs of one step after the other of x (time, D) or (batch, time, D)."""
    return np.stack([stepper.step(x_t) for x_t in x.swapaxes(0, -2)], axis=-2)


@forms
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(("H", "layers"), [(1, 1), (5, 2), (16, 1), (19, 3), (48, 1)])
def test_steps_give_the_numbers_of_the_whole_sequence(form, dtype, H, layers):
    layer = FORMS[form].make(3, H, num_layers=layers, dtype=dtype, rng=0)
    x = data(40, 3, dtype=dtype)
    whole, final = layer(x[None])
    stepper = layer.stepper()
    np.testing.assert_allclose(steps(stepper, x), whole[0], atol=TOLERANCE[dtype], rtol=0)
    for got, expected in zip(parts(stepper.state), parts(final), strict=True):
        assert got.shape == expected.shape == (layers, 1, H)
        np.testing.assert_allclose(got, expected, atol=TOLERANCE[dtype], rtol=0)


@forms
@pytest.mark.parametrize("batch", [1, 4, 40])
def test_streams_side_by_side_do_not_mix(form, batch):
    layer = FORMS[form].make(3, 9, num_layers=2, rng=0)
    x = data(batch, 12, 3)
    stepper = layer.stepper(batch)
    np.testing.assert_allclose(steps(stepper, x), layer(x)[0], atol=1e-6, rtol=0)
    assert all(part.shape == (2, batch, 9) for part in parts(stepper.state))


@forms
@pytest.mark.parametrize("batch", [None, 3])
def test_blocks_are_the_layers_own_numbers_however_they_are_cut(form, batch):
    layer = FORMS[form].make(3, 17, num_layers=2, rng=0)
    x = data(3, 60, 3)
    x = x if batch else x[0]
    stepper = layer.stepper(batch)
    blocks = [stepper.process(block) for block in np.split(x, [1, 4, 40], axis=-2)]
    np.testing.assert_allclose(
        np.concatenate(blocks, axis=-2), layer(x if batch else x[None])[0].reshape(*x.shape[:-1], 17), atol=1e-7
    )


@compiled
@forms
def test_blocks_are_equal_bit_for_bit_with_kernels(form):
    layer = FORMS[form].make(3, 17, num_layers=2, rng=0)
    x = data(60, 3)
    stepper = layer.stepper()
    blocks = [stepper.process(block) for block in np.split(x, [1, 4, 40])]
    np.testing.assert_array_equal(np.concatenate(blocks), layer(x[None])[0][0])


@forms
def test_steps_and_blocks_share_one_state(form):
    layer = FORMS[form].make(3, 8, rng=0)
    x = data(30, 3)
    stepper = layer.stepper()
    mixed = [steps(stepper, x[:7]), stepper.process(x[7:20]), steps(stepper, x[20:])]
    np.testing.assert_allclose(np.concatenate(mixed), layer(x[None])[0][0], atol=1e-6, rtol=0)


def test_the_numbers_hold_over_a_hundred_thousand_steps():
    layer = gw.GRU(2, 5, rng=0)
    x = data(100_000, 2)
    stepper = layer.stepper()
    taken = steps(stepper, x) if kernels.enabled() else stepper.process(x)
    np.testing.assert_allclose(taken, layer(x[None])[0][0], atol=1e-6, rtol=0)


@forms
def test_a_state_is_set_and_read_as_copies(form):
    layer = FORMS[form].make(3, 6, num_layers=2, rng=0)
    start = random_state(form, np.random.default_rng(1), (2, 4, 6), np.float32)
    x = data(4, 5, 3)
    stepper = layer.stepper(4)
    stepper.state = start
    np.testing.assert_allclose(steps(stepper, x), layer(x, start)[0], atol=1e-6)
    read = stepper.state
    assert type(read) is type(layer(x)[1])
    before = [part.copy() for part in parts(read)]
    stepper.step(x[:, 0])
    assert all(np.array_equal(a, b) for a, b in zip(before, parts(read), strict=True))
    stepper.state = read
    for part in parts(read):
        part[...] = 9
    assert all(np.array_equal(a, b) for a, b in zip(before, parts(stepper.state), strict=True))
    stepper.state = None
    assert not any(part.any() for part in parts(stepper.state))


def test_a_state_that_does_not_fit_is_refused_and_changes_nothing():
    stepper = gw.LSTM(3, 4, rng=0).stepper(2)
    stepper.step(data(2, 3))
    before = stepper.state_dict()
    with pytest.raises(gw.GatewiseError, match="state"):
        stepper.state = np.zeros((1, 2, 4), np.float32)
    with pytest.raises(gw.GatewiseError, match="shape"):
        stepper.state = gw.LSTMState(np.zeros((1, 2, 4), np.float32), np.zeros((1, 3, 4), np.float32))
    with pytest.raises(gw.GatewiseError, match="cell"):
        stepper.load_state_dict({"hidden": np.zeros((1, 2, 4), np.float32)})
    with pytest.raises(gw.GatewiseError, match="dtype"):
        stepper.load_state_dict({name: value.astype(float) for name, value in before.items()})
    for name, value in stepper.state_dict().items():
        np.testing.assert_array_equal(value, before[name])


@pytest.mark.parametrize("rows", [1, [1], np.array([False, True, False]), [-1], [3], [0.5], [[1]]])
def test_reset_starts_rows_anew(rows):
    layer = gw.GRU(3, 6, rng=0)
    stepper, fresh = layer.stepper(3), layer.stepper(3)
    x = data(3, 3)
    stepper.step(x)
    if np.asarray(rows).dtype.kind in "ib" and np.asarray(rows).ndim < 2 and np.max(rows) in (1, True):
        stepper.reset(rows)
        after, anew = stepper.step(x), fresh.step(x)
        assert [np.array_equal(a, b) for a, b in zip(after, anew, strict=True)] == [False, True, False]
        stepper.reset()
        np.testing.assert_array_equal(stepper.step(x), anew)
    else:
        with pytest.raises(gw.GatewiseError, match="rows"):
            stepper.reset(rows)


@pytest.mark.parametrize(
    "twin_of", [lambda s: s.copy(), copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
def test_a_copy_goes_its_own_way(twin_of):
    layer = gw.LSTM(3, 6, num_layers=2, rng=0)
    stepper = layer.stepper()
    x = data(9, 3)
    stepper.process(x[:4])
    twin = twin_of(stepper)
    expected = steps(stepper, x[4:])
    np.testing.assert_array_equal(steps(twin, x[4:]), expected)


def test_saved_states_are_plain_arrays_with_names():
    stepper = gw.LSTM(3, 6, num_layers=2, rng=0).stepper(2)
    stepper.step(data(2, 3))
    saved = stepper.state_dict()
    assert {name: value.shape for name, value in saved.items()} == {"hidden": (2, 2, 6), "cell": (2, 2, 6)}
    other = stepper.layer.stepper(2)
    other.load_state_dict(saved)
    np.testing.assert_array_equal(other.step(data(2, 3)), stepper.step(data(2, 3)))


def one_element(layer):
    layer.params["weight_hh_l0"][-1, -1] += 0.5


def a_view_from_before(layer, view):
    view[0] += 0.5


def an_entry(layer):
    layer.params["bias_ih_l0"] = layer.params["bias_ih_l0"] + 1


def an_optimizer(layer):
    gw.optimizers.Adam(0.1).step(layer.params, {name: np.ones_like(value) for name, value in layer.params.items()})


def all_of_another(layer):
    layer.params.update(gw.GRU(3, 20, rng=5).params)


def another_dict(layer):
    layer.params = gw.GRU(3, 20, rng=5).params


@pytest.mark.parametrize("change", [one_element, an_entry, an_optimizer, all_of_another, another_dict])
@pytest.mark.parametrize("batch", [None, 2, 40])
def test_a_change_of_weights_counts_from_the_next_step_on(change, batch):
    layer = gw.GRU(3, 20, rng=0)
    x = data(batch or 1, 3)
    x_t = x if batch else x[0]
    stepper, unchanged = layer.stepper(batch), layer.stepper(batch)
    stepper.process(data(*x_t.shape[:-1], 8, 3, seed=1))
    unchanged.state = state = stepper.state
    stale = unchanged.step(x_t)
    change(layer)
    fresh = layer(x[:, None], state)[0][:, 0]
    assert np.abs(fresh - stale).max() > 1e-4
    got = stepper.step(x_t)
    np.testing.assert_allclose(got, fresh if batch else fresh[0], atol=1e-6)
    block = layer.stepper(batch)
    block.state = state
    np.testing.assert_allclose(block.process(x_t[..., None, :])[..., 0, :], got, atol=1e-6)


def test_a_view_of_weights_that_was_taken_before_counts_too():
    layer = gw.GRU(3, 20, rng=0)
    view = layer.params["weight_ih_l0"][5]
    stepper = layer.stepper()
    x = data(3)
    before = stepper.step(x)
    stepper.reset()
    view += 1
    assert not np.array_equal(stepper.step(x), before)


def test_out_takes_the_output_and_a_new_array_is_never_overwritten():
    stepper = gw.GRU(3, 6, rng=0).stepper()
    x = data(2, 3)
    first = stepper.step(x[0])
    kept = first.copy()
    out = np.empty(6, np.float32)
    assert stepper.step(x[1], out) is out
    np.testing.assert_array_equal(first, kept)
    stepper.reset()
    stepper.step(x[0])
    np.testing.assert_array_equal(stepper.step(x[1]), out)
    block = np.empty((2, 6), np.float32)
    stepper.reset()
    assert stepper.process(x, out=block) is block
    np.testing.assert_allclose(block[1], out, atol=1e-6)


def read_only(array):
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    "out",
    [
        np.empty(5, np.float32),
        np.empty(6),
        np.empty(12, np.float32)[::2],
        read_only(np.empty(6, np.float32)),
        [0.0] * 6,
    ],
    ids=["shape", "dtype", "stride", "read-only", "list"],
)
def test_an_out_that_cannot_be_written_is_refused(out):
    stepper = gw.GRU(3, 6, rng=0).stepper()
    with pytest.raises(gw.GatewiseError, match="out"):
        stepper.step(data(3), out)
    with pytest.raises(gw.GatewiseError, match="out"):
        stepper.process(data(1, 3), out)


@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda x: x.astype(float),
        lambda x: x[..., :2],
        lambda x: x.tolist(),
        lambda x: x[None],
        lambda x: np.where(np.arange(3) == 1, np.float32(np.nan), x),
        lambda x: np.where(np.arange(3) == 2, np.float32(np.inf), x),
        lambda x: np.ma.masked_array(x),
    ],
    ids=["dtype", "size", "list", "axes", "nan", "inf", "masked"],
)
def test_a_step_that_cannot_be_taken_is_refused_and_changes_nothing(batch, spoil):
    stepper = gw.GRU(3, 6, rng=0).stepper(batch)
    x = data(*([batch] if batch else []), 3)
    stepper.step(x)
    before = stepper.state
    with pytest.raises(gw.GatewiseError, match="x"):
        stepper.step(spoil(x))
    np.testing.assert_array_equal(stepper.state, before)


@pytest.mark.parametrize("shape", [(0, 3), (3,), (2, 4, 3)])
def test_a_block_of_another_shape_is_refused(shape):
    with pytest.raises(gw.GatewiseError, match="x has shape"):
        gw.GRU(3, 6, rng=0).stepper().process(data(*shape))
    with pytest.raises(gw.GatewiseError, match="x has shape"):
        gw.GRU(3, 6, rng=0).stepper(5).process(data(*shape))


def test_strides_of_the_input_do_not_matter():
    layer = gw.GRU(3, 6, rng=0)
    wide = data(4, 8, 6)
    strided = wide[:, ::2, ::2]
    np.testing.assert_array_equal(steps(layer.stepper(4), strided), steps(layer.stepper(4), strided.copy()))
    np.testing.assert_array_equal(layer.stepper().step(strided[0, 0]), layer.stepper().step(strided[0, 0].copy()))
    whole = read_only(np.asfortranarray(strided[0]))
    np.testing.assert_array_equal(layer.stepper().process(whole), layer.stepper().process(strided[0].copy()))


def test_a_reverse_direction_cannot_step_and_says_why():
    with pytest.raises(gw.GatewiseError, match="reverse direction reads from the end"):
        gw.GRU(3, 6, bidirectional=True, rng=0).stepper()


@pytest.mark.parametrize("batch", [0, -1, 1.5, True, "2"])
def test_a_batch_that_is_no_number_of_streams_is_refused(batch):
    with pytest.raises(gw.GatewiseError, match="batch"):
        gw.GRU(3, 6, rng=0).stepper(batch)


def test_steppers_in_several_threads_do_not_disturb_one_another():
    layer = gw.GRU(3, 24, rng=0)
    x = data(6, 300, 3)
    alone = [steps(layer.stepper(), sequence) for sequence in x]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda sequence: steps(layer.stepper(), sequence), x))
    np.testing.assert_array_equal(together, alone)


@compiled
def test_a_stepper_holds_no_copy_of_the_weights():
    layer = gw.GRU(8, 64, rng=0)
    stepper = layer.stepper()
    own = [value for value in vars(stepper).values() if isinstance(value, np.ndarray)]
    assert sum(value.nbytes for value in own) < 4096
    assert all(np.shares_memory(layer.params["weight_hh_l0"], weights.U) for weights in stepper._weights)


def leaky_forward(p, q, state_prev):
    h, slow = state_prev
    z, n = 0.5 * np.tanh(0.5 * p[0]) + 0.5, np.tanh(p[1] + q[1])
    return (z * h + (1 - z) * n, 0.9 * slow + 0.1 * n), (z, n)


def leaky_backward(dstate, state, state_prev, record):
    (dh, dslow), (h, _), (z, n) = dstate, state_prev, record
    dn = (dh * (1 - z) + 0.1 * dslow) * (1 - n * n)
    dz = dh * (h - n) * z * (1 - z)
    return (dz, dn), (0 * dz, dn), (dh * z, 0.9 * dslow)


def unknown_to_the_compiler(p, q, state_prev):
    return leaky_forward(tuple(np.asarray(a) for a in p), q, tuple(dict(enumerate(state_prev)).values()))


@pytest.mark.parametrize("forward", [leaky_forward, unknown_to_the_compiler], ids=["compiled", "numpy"])
@pytest.mark.filterwarnings("ignore:cell .*:UserWarning")
def test_cells_of_ones_own_step_too(forward):
    names = {"gates": ("keep", "candidate"), "states": ("hidden", "slow")}
    layer = gw.define_cell("Leaky", **names, forward=forward, backward=leaky_backward)(3, 18, num_layers=2, rng=0)
    x = data(2, 25, 3)
    stepper = layer.stepper(2)
    whole, final = layer(x)
    np.testing.assert_allclose(steps(stepper, x), whole, atol=1e-6)
    assert type(stepper.state) is type(final)
    np.testing.assert_allclose(stepper.state.slow, final.slow, atol=1e-6)


def test_a_million_steps_keep_their_memory():
    stepper = gw.LSTM(2, 4, rng=0).stepper()
    block = data(50_000 if kernels.enabled() else 500, 2)
    stepper.process(block)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(20):
            assert np.isfinite(stepper.process(block)).all()
        assert tracemalloc.get_traced_memory()[0] - before < 10_000
    finally:
        tracemalloc.stop()
