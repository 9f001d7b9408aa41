"""How networks are called: classes, objects, functions, modules, adapters; nothing of the user's is changed."""

import sys
import types

import numpy as np
import pytest
from handwritten_elman import D, Elman, H, Sequence

import gatewise as gw


def said(thing, **options):
    with pytest.raises(gw.GatewiseError) as caught:
        gw.examine(thing, **options)
    return str(caught.value)


@pytest.mark.parametrize("thing", [Elman, Elman(), Elman(3, 7), Sequence, Sequence(2, 3)], ids=lambda t: str(type(t)))
def test_a_right_network_is_right(thing):
    examination = gw.examine(thing)
    assert examination.ok, str(examination)
    assert examination.words == "an Elman network, tanh, one bias"
    assert max(row.error for row in examination.gradients) < 1e-8


def test_nothing_of_the_users_is_changed():
    own = Elman()
    before = {name: value.copy() for name, value in vars(own).items()}
    state, trace = np.random.get_state()[1].copy(), sys.gettrace()  # noqa: NPY002
    gw.examine(own)
    assert vars(own).keys() == before.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(getattr(own, name), value)
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002
    assert sys.gettrace() is trace


def test_float32_weights_are_examined_in_float64():
    own = Elman()
    for name in ("W", "U", "b"):
        setattr(own, name, getattr(own, name).astype(np.float32))
    examination = gw.examine(own)
    assert examination.ok
    assert max(row.error for row in examination.gradients) < 1e-8
    assert own.W.dtype == np.float32


def test_the_same_seed_gives_the_same_and_another_the_same_verdict():
    first, second, other = gw.examine(Elman), gw.examine(Elman), gw.examine(Elman, rng=7)
    assert first.gradients == second.gradients
    assert first.gradients != other.gradients
    assert other.ok


def test_a_class_can_be_loaded_as_a_layer():
    own = Elman(3, 7)
    examination = gw.examine(own)
    convention = examination.convention
    layer = gw.RNN.from_weights(examination.weights, convention["layout"], **convention["hints"])
    x, h = np.random.default_rng(1).normal(size=(2, 3)), np.random.default_rng(2).normal(size=(2, 7))
    np.testing.assert_allclose(layer(x[:, None], h[None])[0][:, 0], own.forward(x, h), atol=1e-14)


def test_functions_with_a_dict_of_weights():
    def forward(p, x, h_prev):
        h = np.tanh(x @ p["Wx"] + h_prev @ p["Wh"])
        return h, (x, h_prev, h)

    def backward(p, cache, dh):
        x, h_prev, h = cache
        da = dh * (1 - h**2)
        return da @ p["Wx"].T, da @ p["Wh"], {"Wx": x.T @ da, "Wh": h_prev.T @ da}

    weights = {"Wx": np.ones((D, H)), "Wh": np.ones((H, H))}
    (slip,) = gw.examine((forward, backward, weights)).slips
    assert (slip.target, slip.what) == ("dh_prev", "the transpose of Wh is missing")
    np.testing.assert_array_equal(weights["Wx"], 1)


def test_a_module_whose_functions_read_its_arrays():
    source = """
import numpy as np
W, U = np.ones((4, 5)), np.ones((5, 5))
params = [W, U]
cache = None
def forward(x, h_prev):
    global cache
    h = np.tanh(x @ W + h_prev @ U)
    cache = x, h_prev, h
    return h
def backward(dh):
    x, h_prev, h = cache
    da = dh * (1 - h**2)
    dW, dU = x.T @ da, h_prev.T @ da
    return da @ W.T, da @ U.T, (dW, dU)
"""
    module = types.ModuleType("plain")
    exec(source, vars(module))
    examination = gw.examine(module)
    assert examination.ok, str(examination)
    assert module.cache is None
    np.testing.assert_array_equal(module.W, 1)


def test_an_adapter_of_three_functions():
    class Odd:
        def __init__(self):
            self.store = {"first": np.ones((D, H)), "second": np.ones((H, H))}

        def go(self, a, b):
            self.last = a, b, np.tanh(a @ self.store["first"] + b @ self.store["second"])
            return self.last[2]

        def come(self, d):
            a, b, h = self.last
            da = d * (1 - h) ** 2
            return [a.T @ da, b.T @ da], da @ self.store["first"].T, da @ self.store["second"].T

    def backward(own, dh):
        (dfirst, dsecond), dx, dh_prev = own.come(dh)
        return dx, dh_prev, {"first": dfirst, "second": dsecond}

    adapter = {
        "weights": lambda own: own.store,
        "forward": lambda own, x, h: own.go(x, h),
        "backward": backward,
    }
    (slip,) = gw.examine(Odd(), adapter=adapter).slips
    assert slip.target == "da_n"
    for wrong in ({"forwards": len}, {"forward": 3}, "forward"):
        assert "need a dict of functions" in said(Odd(), adapter=wrong)


def test_a_step_with_two_incoming_gradients():
    class Two(Elman):
        def backward(self, dy, dh_next):
            return super().backward(dy + dh_next)

    class One(Elman):
        def backward(self, dy, dh_next):
            return super().backward(dy)

    assert gw.examine(Two).ok
    (slip,) = gw.examine(One).slips
    assert slip.what == "the gradient from the next step is left out"
