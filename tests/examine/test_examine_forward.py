"""Which network it is: conventions, slips of forward passes, and the way to a layer."""

import random

import handwritten
import handwritten_specs as specs
import numpy as np
import pytest

import gatewise as gw


def build(**options):
    one = specs.Spec(**{"order": ("r", "z", "n"), **options})
    return one, handwritten.build(one)


def source_changed(old, new, **options):
    """The network of a spec with a line of its source replaced."""
    one = specs.Spec(**{"order": ("r", "z", "n"), **options})
    text = handwritten.Writer(one).source()
    assert old in text, text
    names = {"__name__": "changed"}
    exec(text.replace(old, new), names)
    return next(value for value in names.values() if isinstance(value, type))


@pytest.mark.parametrize("seed", range(12))
def test_from_weights_gives_the_same_network(seed):
    rng = random.Random(seed)
    one = specs.spec(rng, sequence=False)
    one.interface, one.slips = "attributes", []
    cls = handwritten.build(one)
    own = cls(3, 5)
    examination = gw.examine(own)
    convention = examination.convention
    layer = getattr(gw, one.cell.upper()).from_weights(examination.weights, convention["layout"], **convention["hints"])
    x, h, c = (np.random.default_rng(k).normal(size=(1, size)) for k, size in ((1, 3), (2, 5), (3, 5)))
    state = gw.LSTMState(h[None], c[None]) if one.cell == "lstm" else h[None]
    give = {"rows": lambda a: a, "columns": lambda a: a.T, "flat": lambda a: a[0]}[one.vectors]
    arguments = (give(x), give(h), give(c)) if one.cell == "lstm" else (give(x), give(h))
    theirs = own.forward(*arguments)
    theirs = theirs[0] if one.cell == "lstm" else theirs
    np.testing.assert_allclose(layer(x[:, None], state)[0][0, 0], np.asarray(theirs).reshape(-1), atol=1e-13)


def test_conventions_are_told_in_words():
    _, cls = build(cell="gru", reset="before", update="writes", storage="packed", order=("z", "r", "n"))
    examination = gw.examine(cls)
    assert examination.words == "a GRU, reset before, z writes, columns z r n, one bias"
    assert examination.convention["layout"] in ("packed", "torch")
    _, cls = build(cell="lstm", storage="joined", vectors="flat", stored=False, order=("f", "i", "g", "o"))
    assert gw.examine(cls).words == "an LSTM, arrays f i g o, one bias"


FORWARD = [
    ("(r * h_prev) @", "h_prev @", "s", "its candidate ignores the reset gate; with s = r ⊙ h_prev it is one"),
    ("h_hat = np.tanh(", "h_hat = sigmoid(", "n", "σ(a_h_hat) stands for tanh(a_h_hat)"),
    ("z * h_prev + (1 - z) * h_hat", "z * h_prev + (1 - r) * h_hat", "h", "1 − r stands for 1 − z"),
    ("z = sigmoid(x @ Wx_z + h_prev @ Wh_z", "z = sigmoid(x @ Wx_z + h_prev @ Wh_r", "a_z", ""),
    ("z = sigmoid(", "z = np.tanh(", "z", "tanh(a_z) stands for σ(a_z)"),
]


@pytest.mark.parametrize(("old", "new", "target", "what"), FORWARD)
def test_slips_of_forward_passes(old, new, target, what):
    cls = source_changed(old, new, cell="gru", reset="before", update="keeps", gates=2)
    examination = gw.examine(cls)
    forward = [slip for slip in examination.slips if slip.kind == "forward"]
    assert [slip.target for slip in forward] == [f"forward {target}"], str(examination)
    assert what in forward[0].what
    assert len(examination.slips) == 1, str(examination)
    assert examination.words.startswith("not a GRU: ")
    assert "it is one (reset before, z keeps" in examination.words


def test_a_gate_that_takes_anothers_matrix_is_crossed():
    old, new = "b_r = self.b_r", "b_r = self.b_r\n        Wh_r, Wh_z = Wh_z, Wh_r"
    cls = source_changed(old, new, cell="gru", reset="before", update="keeps", gates=2)
    examination = gw.examine(cls)
    assert not examination.ok
    assert any("crossed" in slip.what for slip in examination.slips), str(examination)


def test_an_update_inside_the_loop_is_found():
    class Inside:
        def __init__(self, input_size, hidden_size, lr=0.1):
            rng = np.random.default_rng(0)
            self.W, self.U = rng.normal(size=(input_size, hidden_size)), rng.normal(size=(hidden_size, hidden_size))
            self.lr = lr

        def forward(self, xs):
            h = np.zeros((xs.shape[1], len(self.U)))
            self.steps = []
            for x in xs:
                h_prev, h = h, np.tanh(x @ self.W + h @ self.U)
                self.steps.append((x, h_prev, h))
            return np.array([h for _, _, h in self.steps])

        def backward(self, dhs):
            dxs, dh = [], 0.0
            for (x, h_prev, h), dy in zip(self.steps[::-1], dhs[::-1], strict=True):
                da = (dy + dh) * (1 - h**2)
                dxs.append(da @ self.W.T)
                dh = da @ self.U.T
                self.W -= self.lr * (x.T @ da)
                self.U -= self.lr * (h_prev.T @ da)
            return np.array(dxs[::-1])

    (slip,) = gw.examine(Inside).slips
    assert slip.target == "updated inside"

    class NotTurned(Inside):
        def backward(self, dhs):
            return super().backward(dhs)[::-1]

    assert {slip.target for slip in gw.examine(NotTurned).slips} == {"updated inside", "reversed in time"}
