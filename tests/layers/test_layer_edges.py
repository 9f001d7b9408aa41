"""What layers, their parameters and their steppers do at the edges: named in errors, and nothing half changed."""

import numpy as np
import pytest

import gatewise as gw
from gatewise.layers.directions import nth
from gatewise.layers.registry import cell_name

D, H = 3, 4


def data(*shape, dtype=np.float32):
    return np.random.default_rng(0).normal(size=shape).astype(dtype)


def test_parameters_take_several_values_at_once_or_none():
    params, other = gw.Dense(D, H, rng=0).params, gw.Dense(D, H, rng=1).params
    entry, before = params["weight"], params["weight"].copy()
    params |= {"weight": other["weight"], "bias": np.ones(H, np.float32)}
    assert params["weight"] is entry
    np.testing.assert_array_equal(entry, other["weight"])
    assert not np.array_equal(entry, before)
    with pytest.raises(gw.GatewiseError, match="bias"):
        params.update(weight=before, bias=np.ones(H + 1, np.float32))
    np.testing.assert_array_equal(entry, other["weight"])
    with pytest.raises(gw.GatewiseError, match="parameters cannot be added or removed"):
        params.pop("bias")


def test_an_error_while_learning_names_the_layer():
    model = gw.Sequential(gw.Dense(D, H, rng=0), gw.Sequential(gw.Embedding(5, 2, rng=1)))
    x, y = data(2, 6, D), data(2, 6, 2)
    with pytest.raises(gw.GatewiseError, match=r"layer 1.*Embedding"):
        gw.train(model, x, y, loss="mse", optimizer="sgd", epochs=1)


class Refusing(gw.Dense):
    """A layer whose backward pass fails."""

    def learning_backward(self, tape, dy, needs_dx):
        raise gw.GatewiseError("no way back")


def test_an_error_on_the_way_back_names_the_layer():
    model = gw.Sequential(gw.Dense(D, H, rng=0), Refusing(H, 2, rng=1))
    with pytest.raises(gw.GatewiseError, match=r"layer 1.*no way back"):
        gw.train(model, data(2, 6, D), data(2, 6, 2), loss="mse", optimizer="sgd", epochs=1)


def test_noise_passes_gradients_on_and_is_blank_past_the_end():
    noise, x, lengths = gw.Noise(0.5), data(2, 6, D), np.array([6, 2])
    y, tape = noise.learning_forward(x, lengths, np.random.default_rng(0))
    assert not y[1, 2:].any()
    assert 0.2 < np.std(y[0] - x[0]) < 1
    dx, grads = noise.learning_backward(tape, y, True)
    assert dx is y
    assert grads == {}


@pytest.mark.parametrize(
    ("pool", "x", "message"),
    [
        (gw.Pool(D), data(2, 0, D), "need at least one time step to summarize"),
        (gw.Pool(4, bidirectional=True), data(2, 6, D), "x has"),
    ],
)
def test_a_pool_refuses_what_it_cannot_summarize(pool, x, message):
    with pytest.raises(gw.GatewiseError, match=message):
        pool(x)


def test_the_state_of_a_pool_is_its_own():
    pool, x = gw.Pool(D, ("mean", "max", "last")), data(5, D)
    stepper = pool.stepper()
    for row in x[:3]:
        stepper.step(row)
    kept, after = stepper.state, stepper.step(x[3])
    stepper.state = kept
    np.testing.assert_array_equal(stepper.step(x[3]), after)
    stepper.state = None
    np.testing.assert_array_equal(stepper.step(x[0]), pool.stepper().step(x[0]))
    stepper.load_state_dict(pool.stepper().state_dict())
    np.testing.assert_array_equal(stepper.step(x[0]), pool.stepper().step(x[0]))
    with pytest.raises(gw.GatewiseError, match="the state of Pool is a list; need what `state` gave, or None"):
        stepper.state = [1]
    with pytest.raises(gw.GatewiseError, match="need numbers of steps, 0 or more"):
        stepper.load_state_dict({**stepper.state_dict(), "count": np.array([-1])})


def test_a_model_takes_the_states_of_all_its_parts_or_of_none():
    model = gw.Sequential(gw.GRU(D, H, rng=0), gw.GRU(H, H, rng=1), gw.Dense(H, 2, rng=2))
    stepper, x = model.stepper(), data(6, D)
    for row in x[:3]:
        stepper.step(row)
    first, second, third = stepper.state
    twin = stepper.copy()
    with pytest.raises(gw.GatewiseError, match="layer 1"):
        stepper.state = (np.zeros_like(first), second[..., :2], third)
    np.testing.assert_array_equal(stepper.step(x[3]), twin.step(x[3]))


@pytest.mark.parametrize("layer", [gw.Embedding(9, 2, rng=0), gw.Dropout(0.5)], ids=["embedding", "dropout"])
def test_a_layer_that_keeps_nothing_has_no_state(layer):
    stepper = layer.stepper(2)
    stepper.state = None
    with pytest.raises(gw.GatewiseError, match=rf"the state of {type(layer).__name__} is 3; it has none: need None"):
        stepper.state = 3
    with pytest.raises(gw.GatewiseError, match="need numbers from 0 to 1"):
        stepper.reset([2])


@pytest.mark.parametrize(
    ("rows", "kept"), [(None, []), ([], [0, 1, 2]), (1, [0, 2]), ([True, False, True], [1]), (np.array([2, 0]), [1])]
)
def test_rows_begin_anew_and_the_others_go_on(rows, kept):
    layer, x = gw.GRU(D, H, rng=0), data(3, 2, D)
    stepper, anew = layer.stepper(3), layer.stepper(3)
    whole = layer.stepper(3)
    for one in (stepper, whole):
        one.step(x[:, 0])
    stepper.reset(rows)
    after, fresh, on = (one.step(x[:, 1]) for one in (stepper, anew, whole))
    for row in range(3):
        np.testing.assert_array_equal(after[row], (on if row in kept else fresh)[row])


@pytest.mark.parametrize("rows", [[0.5], [[0]], "a", [True], -1])
def test_rows_that_are_none_are_refused(rows):
    with pytest.raises(gw.GatewiseError, match="rows is"):
        gw.GRU(D, H, rng=0).stepper(3).reset(rows)


@pytest.mark.parametrize(
    ("batch", "x", "message"),
    [
        (None, data(0, D), r"x has shape \(0, 3\); need \(time, ...\) with at least one step"),
        (2, data(2, 0, D), r"need \(batch, time, ...\) with at least one step"),
        (2, data(3, 5, D), r"x has shape \(3, 5, 3\); need \(2, time, ...\), as the stepper has rows"),
        (None, [[1.0, 2.0, 3.0]], "x is a list; need a NumPy array"),
    ],
)
def test_a_block_that_does_not_fit_is_refused(batch, x, message):
    with pytest.raises(gw.GatewiseError, match=message):
        gw.GRU(D, H, rng=0).stepper(batch).process(x)


def test_a_stepper_says_of_what_it_is():
    layer = gw.GRU(D, H, rng=0)
    assert repr(layer.stepper()) == f"{layer!r}.stepper()"
    assert repr(layer.stepper(3)) == f"{layer!r}.stepper(3)"


def test_a_layer_that_is_none_of_the_cells_has_no_name():
    with pytest.raises(gw.GatewiseError, match="has no name to be saved under"):
        cell_name(gw.Dense)


@pytest.mark.parametrize("size", [10, 2**18 + 1])
def test_the_norm_is_that_of_all_gradients_however_many(size):
    grads = {"a": np.full(size, 3.0, np.float32), "b": np.full(1, 4.0)}
    norm = float(np.sqrt(9.0 * size + 16))
    assert gw.optimizers.clip_by_global_norm(grads, 1.0) == pytest.approx(norm, rel=1e-12)
    assert grads["b"][0] == pytest.approx(4 / (norm + 1e-6), rel=1e-12)


def test_rows_of_a_summary_know_how_deep_they_are():
    inner = gw.Sequential(gw.GRU(D, H, rng=0), gw.Parallel(gw.Dense(H, 1, rng=1), gw.Dense(H, 2, rng=2)))
    rows = gw.Sequential(inner, gw.Dense(3, 1, rng=3)).summary().rows
    depths = {row.place: row.depth for row in rows}
    assert depths.pop("", 0) == 0
    assert depths == {"0": 1, "0.0": 2, "0.1": 2, "0.1.0": 3, "0.1.1": 3, "1": 1}


@pytest.mark.parametrize("batch", [None, 2])
@pytest.mark.parametrize("layer", [gw.LSTM(D, H, rng=0), gw.Dense(D, H, rng=0), gw.Dropout(0.5)], ids=repr)
def test_the_last_of_many_steps_is_the_last(layer, batch):
    x = data(7, D) if batch is None else data(batch, 7, D)
    whole = layer.stepper(batch).process(x)
    np.testing.assert_array_equal(layer.stepper(batch).process(x, every_step=False), whole[..., -1, :])
    assert whole.shape == (*x.shape[:-1], H if not isinstance(layer, gw.Dropout) else D)


@pytest.mark.parametrize("kinds", [("last", "mean", "max"), ("mean", "last"), ("max",)])
def test_compiled_pools_are_told_where_the_plain_ones_write(kinds):
    pool, x = gw.Pool(2, kinds, parts=3), data(4, 6, 2)
    y, starts = pool(x)[0], dict(zip(("last", "mean", "max"), pool._layout.tolist(), strict=False))
    wanted = {"last": x[:, -1], "max": x.max(axis=1), "mean": x.reshape(4, 3, 2, 2).mean(axis=2).reshape(4, 6)}
    for kind, start in starts.items():
        assert (start >= 0) == (kind in kinds)
        if kind in kinds:
            np.testing.assert_allclose(y[:, start : start + wanted[kind].shape[1]], wanted[kind], rtol=1e-5, atol=1e-6)
    assert pool._layout.tolist()[3:] == [3, 2]


def test_a_pool_that_begins_anew_is_as_a_fresh_one():
    pool = gw.Pool(D, ("mean", "max", "last"))
    stepper = pool.stepper(2)
    stepper.step(data(2, D))
    stepper.reset()
    for name, value in pool.stepper(2).state_dict().items():
        np.testing.assert_array_equal(stepper.state_dict()[name], value)


def test_lengths_go_on_until_a_layer_ends_the_time_axis():
    model = gw.Sequential(gw.GRU(D, H, rng=0), gw.Dense(H, 3, rng=1), gw.Last(), gw.Dense(3, 2, rng=2))
    x, lengths = data(3, 6, D), np.array([6, 2, 4])
    alone = np.concatenate([model(x[k : k + 1, :n])[0] for k, n in enumerate(lengths)])
    np.testing.assert_allclose(model(x, lengths=lengths)[0], alone, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        model.learning_forward(x, lengths, np.random.default_rng(0))[0], alone, rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize(("tape", "kept"), [("store", 4), ("recompute", 0)])
def test_a_tape_keeps_the_gates_or_computes_them_again(tape, kept):
    layer = gw.GRU(D, H, tape=tape, rng=0)
    _, _, made = layer.forward(data(2, 6, D))
    assert [len(run.record) for run in made.runs] == [kept]


@pytest.mark.parametrize("bidirectional", [False, True])
def test_what_a_caller_does_to_an_output_does_not_reach_the_tape(bidirectional):
    layer, x = gw.GRU(D, H, bidirectional=bidirectional, rng=0), data(2, 6, D)
    y, _, tape = layer.forward(x)
    dy = np.ones_like(y)
    before = layer.backward(tape, dy)[0]
    y[:] = 7
    np.testing.assert_array_equal(layer.backward(tape, dy)[0], before)


def test_a_summary_counts_kilobytes_by_the_thousand():
    lines = str(gw.Dense(99, 10, rng=0).summary())
    assert "1,000 parameters, 4.0 kB" in lines
    assert "10,000 parameters, 40.0 kB" in str(gw.Dense(999, 10, rng=0).summary())
    assert "1,000,000 parameters, 4,000.0 kB" in str(gw.Dense(9999, 100, rng=0).summary())


@pytest.mark.parametrize(("layer", "reverse"), [(-1, True), (-1, False), (2, False), (2, True)])
def test_a_tape_has_only_the_layers_of_its_stack(layer, reverse):
    _, _, tape = gw.GRU(D, H, num_layers=2, bidirectional=True, rng=0).forward(data(2, 6, D))
    with pytest.raises(gw.GatewiseError, match=rf"the tape has no layer {layer}.*; it has 2 layer\(s\) in 2 direction"):
        tape.values("update", layer, reverse)


@pytest.mark.parametrize(("steps", "chunks"), [(1, 1), (2, 1), (9, 3), (10, 3), (16, 4)])
def test_a_checkpoint_tape_keeps_one_state_before_each_chunk(steps, chunks):
    layer = gw.GRU(D, H, tape="checkpoint", rng=0)
    (column,) = layer.forward(data(2, steps, D))[2].columns
    assert len(column.starts) == len(list(column.chunks())) == chunks


@pytest.mark.parametrize(("tape", "gates", "columns"), [("store", 4, 0), ("recompute", 0, 0), ("checkpoint", 0, 1)])
def test_learning_keeps_what_the_layer_is_told_to_keep(tape, gates, columns):
    layer, x = gw.GRU(D, H, tape=tape, rng=0), data(2, 6, D)
    _, kept = layer.learning_forward(x, None, np.random.default_rng(0))
    assert sum(len(run.record) for run in kept.kept) == gates
    assert len(kept.columns) == columns
    assert bool(kept.kept and np.shares_memory(kept.kept[0].x, x)) == (tape == "store")


def test_the_state_of_one_layer_is_a_view_unless_a_copy_is_asked_for():
    one = data(3, 2, H)
    assert np.shares_memory(nth((one,), 1), one)
    assert not np.shares_memory(nth((one,), 1, copy=True), one)
    np.testing.assert_array_equal(nth((one, 2 * one), 1), np.stack([one[1], 2 * one[1]]))


@pytest.mark.parametrize(("kinds", "columns"), [(("max",), D), (("mean", "last"), 0)])
def test_a_pool_keeps_steps_of_maxima_only_if_it_has_maxima(kinds, columns):
    assert gw.Pool(D, kinds).forward(data(2, 6, D))[2].highest.shape == (2, columns)


@pytest.mark.parametrize("batch", [None, 2])
def test_a_layer_that_needs_time_says_that_none_is_left(batch):
    stepper = gw.Sequential(gw.Last(), gw.Pool(D)).stepper(batch)
    x = data(*([] if batch is None else [batch]), 5, D)
    with pytest.raises(gw.GatewiseError, match=r"layer 1 \(Pool\): x has shape \(., 3\); need \(batch, time, 3\)"):
        stepper.process(x)
