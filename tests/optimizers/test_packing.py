"""Parameters end to end: when they are put together, when they no longer fit, and that nothing else comes out."""

import numpy as np
import pytest

import gatewise as gw
from gatewise import kernels
from gatewise.optimizers.packing import MOST_PACKED, Pack

SHAPES = {"w": (2, 3), "b": (3,)}


class Own(np.ndarray):
    """Somebody's own kind of array."""


def arrays(dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape).astype(dtype) for name, shape in SHAPES.items()}


def changed(name, value):
    return {**arrays(), name: value}


def locked():
    params = arrays()
    params["b"].flags.writeable = False
    return params


@pytest.mark.parametrize(
    ("grads", "packed"),
    [
        (arrays(), True),
        (arrays(np.float32), True),
        ({"w": np.ones(3)}, False),
        (changed("b", np.ones(3, np.float32)), False),
        ({"w": np.ones(MOST_PACKED - 1), "b": np.ones(1)}, True),
        ({"w": np.ones(MOST_PACKED), "b": np.ones(1)}, False),
    ],
    ids=["alike", "float32", "one", "two dtypes", "just few enough", "too many"],
)
def test_several_small_arrays_of_one_dtype_are_packed(grads, packed):
    pack = Pack.of(grads, ("mean",))
    assert (pack is not None) == packed
    if pack is not None:
        assert pack.params.dtype == next(iter(grads.values())).dtype
        assert pack.params.shape == pack.grads.shape == pack.buffers["mean"].shape
        assert pack.params.size == sum(grad.size for grad in grads.values())
        assert not pack.buffers["mean"].any()


@pytest.mark.parametrize(
    ("params", "grads", "fits"),
    [
        (arrays(), arrays(), True),
        ({**arrays(), "further": np.ones(9)}, arrays(), True),
        (arrays(), {"w": arrays()["w"]}, False),
        (arrays(), {**arrays(), "further": np.ones(9)}, False),
        ({"w": arrays()["w"]}, arrays(), False),
        (arrays(), {"w": arrays()["w"], "c": arrays()["b"]}, False),
        (changed("b", np.ones(4)), arrays(), False),
        (arrays(), changed("w", np.ones((3, 2))), False),
        (changed("b", np.ones(3, np.float32)), arrays(), False),
        (arrays(), changed("w", np.ones((2, 3), np.float32)), False),
        (changed("w", arrays()["w"].tolist()), arrays(), False),
        (arrays(), changed("w", arrays()["w"].view(Own)), False),
        (locked(), arrays(), False),
        (arrays(), locked(), True),
    ],
)
def test_a_pack_fits_parameters_and_gradients_of_its_names_shapes_and_dtype(params, grads, fits):
    assert Pack(arrays(), ()).fits(params, grads) == fits


def test_values_go_in_and_out_in_the_shapes_of_the_parameters():
    params, grads = arrays(seed=1), arrays(seed=2)
    pack = Pack(grads, ("mean", "square"))
    pack.take(params, grads)
    assert pack.params.tolist() == [*params["w"].ravel(), *params["b"]]
    assert pack.grads.tolist() == [*grads["w"].ravel(), *grads["b"]]
    pack.params += 1
    own = dict(params)
    before = {name: value.copy() for name, value in params.items()}
    pack.give(params)
    for name, value in before.items():
        assert params[name] is own[name]
        np.testing.assert_array_equal(params[name], value + 1)
    pack.buffers["square"][:] = np.arange(9)
    assert pack.of_each["w"]["square"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert pack.of_each["b"]["square"].tolist() == [6, 7, 8]
    assert not pack.of_each["b"]["mean"].any()


def steps(make, groups, batches):
    """The parameters after one step a batch with the gradients it has, all by one optimizer or each by its own."""
    params = arrays(seed=1)
    optimizers = [make() for _ in groups]
    for batch in batches:
        grads = {name: grad for name, grad in arrays(seed=len(batch)).items() if name in batch}
        for names, optimizer in zip(groups, optimizers, strict=True):
            mine = {name: grad for name, grad in grads.items() if name in names}
            if mine:
                optimizer.step(params, mine)
    return params


@pytest.mark.parametrize(
    "batches",
    [["wb"] * 4, ["w", "wb", "wb", "wb"], ["wb", "w", "wb", "wb"], ["wb", "wb", "b", "wb", "wb"]],
    ids=["together", "one later", "one pauses", "the other pauses"],
)
@pytest.mark.parametrize(
    "make",
    [
        lambda: gw.optimizers.Adam(lr=0.1),
        lambda: gw.optimizers.AdamW(lr=0.1, weight_decay=0.5),
        lambda: gw.optimizers.SGD(lr=0.1, momentum=0.9, weight_decay=0.1),
        lambda: gw.optimizers.RMSprop(lr=0.1, momentum=0.5, centered=True),
        lambda: gw.optimizers.Adagrad(lr=0.1),
    ],
    ids=["adam", "adamw", "sgd", "rmsprop", "adagrad"],
)
def test_each_parameter_is_updated_as_if_it_were_alone(make, batches):
    together, alone = steps(make, ["wb"], batches), steps(make, ["w", "b"], batches)
    for name in SHAPES:
        np.testing.assert_allclose(together[name], alone[name], rtol=1e-13)


@pytest.mark.parametrize("kind", [gw.optimizers.Adam, gw.optimizers.AdamW])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_compiled_updates_are_told_the_decay_that_the_plain_ones_apply(kind, decay):
    optimizer, param, grad = kind(lr=0.1, weight_decay=decay), np.array([2.0, -3.0]), np.array([0.5, 0.25])
    shrinkage, added = optimizer._decays(0.1)
    after = param.copy()
    direction = optimizer._decay(after, grad, 0.1)
    np.testing.assert_allclose(param * shrinkage, after, rtol=1e-15)
    np.testing.assert_allclose(grad + added * param, direction, rtol=1e-15)


def test_from_the_second_step_on_parameters_are_updated_together(monkeypatch):
    taken, usual = [], Pack.take
    monkeypatch.setattr(Pack, "take", lambda pack, *both: (taken.append(len(both)), usual(pack, *both)))
    optimizer, params = gw.optimizers.Adam(lr=0.1), arrays(seed=1)
    for count in range(3):
        assert len(taken) == max(count - 1, 0)
        optimizer.step(params, arrays(seed=2))
    assert len(taken) == 2
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.step(params, arrays(seed=2))
    assert len(taken) == 2
    optimizer._buffers["w"] = {name: value.copy() for name, value in optimizer._buffers["w"].items()}
    optimizer.step(params, arrays(seed=2))
    assert len(taken) == 2


class Halved(gw.optimizers.Adam):
    """Adam with a direction of one's own."""

    def _direction(self, grad, buffers, count):
        return super()._direction(grad, buffers, count) / 2


class Counter:
    """Compiled updates that only count how often they are asked for."""

    asked = 0

    def adam(self, *parts, **factors):
        self.asked += 1


@pytest.mark.parametrize(
    ("kind", "param", "asked"),
    [
        (gw.optimizers.Adam, np.ones((2, 3)), 1),
        (gw.optimizers.AdamW, np.ones((2, 3)), 1),
        (gw.optimizers.Adam, np.ones((3, 2)).T, 0),
        (Halved, np.ones((2, 3)), 0),
    ],
    ids=["adam", "adamw", "not in order", "own"],
)
def test_only_adams_own_rule_on_arrays_in_order_is_compiled(kind, param, asked, monkeypatch):
    counter, param = Counter(), param.copy("K")
    monkeypatch.setattr(kernels, "updates", lambda: counter)
    kind(lr=0.1).step({"w": param}, {"w": np.ones((2, 3))})
    assert counter.asked == asked
    assert (param == 1).all() == bool(asked)
