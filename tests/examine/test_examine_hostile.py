"""What is said of code that fails, is slow, strange or hostile."""

import contextlib
import subprocess
import sys
import threading
import time
import types

import numpy as np
import pytest
from handwritten_elman import Elman, Sequence

import gatewise as gw


def said(thing, **options):
    with pytest.raises(gw.GatewiseError) as caught:
        gw.examine(thing, **options)
    return str(caught.value)


def test_missing_and_misshapen_gradients_are_named():
    class Missing(Elman):
        def backward(self, dh):
            dx, dh_prev = super().backward(dh)
            del self.dU
            return dx, dh_prev

    class Misshapen(Elman):
        def backward(self, dh):
            dx, dh_prev = super().backward(dh)
            self.dW, self.db = self.dW.T, dh
            return dx, dh_prev

    (slip,) = gw.examine(Missing).slips
    assert (slip.array, slip.target) == ("dU", "missing")
    what = {slip.array: slip.what for slip in gw.examine(Misshapen).slips}
    assert "transposed" in what["dW"]
    assert "sum over the batch is missing" in what["db"]


def test_no_gradient_at_all_is_not_understood():
    class Silent(Elman):
        def backward(self, dh):
            return None

    class Deaf(Elman):
        def backward(self):
            return None

    assert "no gradients that can be read" in said(Silent)
    assert "takes no gradient of its output" in said(Deaf)


def test_an_exception_is_shown_as_theirs_with_its_line():
    class Broken(Elman):
        def forward(self, x, h_prev):
            return np.tanh(x @ self.W) / self.nothing

    message = said(Broken)
    assert "AttributeError" in message
    assert "nothing" in message
    assert "test_examine_hostile.py: return np.tanh(x @ self.W) / self.nothing" in message


def test_a_product_whose_shapes_do_not_fit_is_mended_and_named():
    class Columns(Elman):
        def __init__(self, input_size, hidden_size):
            self.W, self.U = np.ones((hidden_size, input_size)), np.ones((hidden_size, hidden_size))

        def forward(self, x, h_prev):
            h = np.tanh(self.W @ x + self.U @ h_prev)
            self.cache = x, h_prev, h
            return h

        def backward(self, dh):
            x, h_prev, h = self.cache
            da = dh @ (1 - h**2)
            self.dW, self.dU = da @ x.T, da @ h_prev.T
            return self.W.T @ da, self.U.T @ da

    (slip,) = gw.examine(Columns).slips
    assert slip.kind == "code"
    assert slip.source == "da = dh @ (1 - h**2)"
    assert "element by element" in slip.what


def test_names_that_nothing_defines():
    class Unnamed:
        def __init__(self, Wx, Wh):
            self.Wx, self.Wh = Wx, Wh

        def forward(self, x, h_prev):
            Wx, Wk = self.Wx, self.Wh  # noqa: F841
            self.cache = x, h_prev, np.tanh(x @ Wx + h_prev @ Wh)  # noqa: F821
            return self.cache[2]

        def backward(self, dh):
            x, h_prev, h = self.cache
            da = dh * (1 - h**2)
            self.dWx, self.dWh = x.T @ da, h_prev.T @ da
            return da @ self.Wx.T, da @ self.Wh.T

    (slip,) = gw.examine(Unnamed).slips
    assert (slip.kind, slip.array) == ("code", "Wh")
    assert "Wk" in slip.what


@pytest.mark.parametrize("place", ["forward", "backward", "__init__"])
def test_an_endless_loop_ends_at_the_limit(place):
    def endless(self, dh=None, h_prev=None):
        while True:
            pass

    started = time.perf_counter()
    message = said(type("Endless", (Elman,), {place: endless}), time_limit=0.5)
    assert "longer than the limit of 0.5 s" in message
    assert time.perf_counter() - started < 10


def test_the_limit_holds_outside_the_main_thread():
    class Endless(Elman):
        def forward(self, x, h_prev):
            while True:
                with contextlib.suppress(Exception):
                    x = x + 0

    messages = []
    thread = threading.Thread(target=lambda: messages.append(said(Endless, time_limit=0.5)), daemon=True)
    thread.start()
    thread.join(20)
    assert len(messages) == 1
    assert "longer than the limit" in messages[0]


def test_wrong_shapes_and_nan_are_said():
    class Flat(Elman):
        def forward(self, x, h_prev):
            return super().forward(x, h_prev)[:, :2]

    class NotANumber(Elman):
        def forward(self, x, h_prev):
            return super().forward(x, h_prev) * np.nan

    assert "need an array of shape" in said(Flat(), kind="step")
    assert "nan or infinity for ordinary inputs" in said(NotANumber)


def test_numbers_that_overflow_are_named():
    def tanh(a):
        return (np.exp(a) - np.exp(-a)) / (np.exp(a) + np.exp(-a))

    class Ratio(Elman):
        def forward(self, x, h_prev):
            h = tanh(x @ self.W + h_prev @ self.U + self.b)
            self.cache = x, h_prev, h
            return h

    (slip,) = gw.examine(Ratio).slips
    assert (slip.kind, slip.right) == ("numbers", "np.tanh(a)")


def test_state_between_calls_randomness_and_changed_inputs_are_said():
    class Stateful(Sequence):
        h = None

        def forward(self, xs):
            hs = super().forward(xs, self.h)
            self.h = hs[:, -1]
            return hs

        def backward(self, dhs):
            return super().backward(dhs)[0]

    class Dropout(Elman):
        def forward(self, x, h_prev):
            self.mask = np.random.rand(*h_prev.shape) > 0.3  # noqa: NPY002
            return super().forward(x, h_prev) * self.mask

        def backward(self, dh):
            return super().backward(dh * self.mask)

    generator = np.random.default_rng(0)

    class Wild(Elman):
        def forward(self, x, h_prev):
            return super().forward(x, h_prev) * generator.random()

    class Overwriting(Elman):
        def forward(self, x, h_prev):
            h = super().forward(x, h_prev.copy())
            h_prev[...] = h
            return h

    assert any("keeps state between calls" in note for note in gw.examine(Stateful).notes)
    dropout = gw.examine(Dropout)
    assert any("random" in note for note in dropout.notes)
    assert all(row.ok for row in dropout.gradients)
    assert dropout.ok
    assert "draws from a generator of its own" in said(Wild)
    assert any("changes h_prev in place" in note for note in gw.examine(Overwriting).notes)


def test_a_network_that_is_none_is_still_measured():
    class Sine(Elman):
        def forward(self, x, h_prev):
            a = x @ self.W + h_prev @ self.U + self.b
            self.cache = x, h_prev, a
            return np.sin(a)

        def backward(self, dh):
            x, h_prev, a = self.cache
            da = dh * np.cos(a)
            self.dW, self.dU, self.db = x.T @ da, h_prev.T @ da, 2 * da.sum(axis=0)
            return da @ self.W.T, da @ self.U.T

    examination = gw.examine(Sine)
    assert (examination.convention, examination.words) == ({}, "no known network")
    assert [(slip.array, slip.kind) for slip in examination.slips] == [("db", "unknown")]
    assert any("no network in the table" in note for note in examination.notes)


def test_arguments_are_checked():
    assert "time_limit is 0" in said(Elman, time_limit=0)
    assert "kind is 'steps'" in said(Elman, kind="steps")
    assert "rng is 'a'" in said(Elman, rng="a")
    assert "holds no arrays of weights" in said(object())
    assert "has no method 'forward'" in said(types.SimpleNamespace(W=np.ones((4, 5)), U=np.ones((5, 5))))
    odd = types.SimpleNamespace(W=np.ones((5, 5)), forward=len, backward=len)
    assert "not the weights of one recurrent layer" in said(odd)


def test_nothing_is_compiled(tmp_path):
    script = (
        "import sys, time\nimport gatewise as gw\nfrom gatewise.examine.exercise import exercise\n"
        "network = exercise(3, 1).network()\nstarted = time.perf_counter()\ngw.examine(network)\n"
        "print(time.perf_counter() - started, 'numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    seconds, numba = done.stdout.split()
    assert numba == "False"
    assert float(seconds) < 30  # 5 s on an idle machine; tests share theirs
