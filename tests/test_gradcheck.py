import importlib
import re
from pathlib import Path

import numpy as np
import pytest

import gatewise as gw

module = importlib.import_module("gatewise.gradcheck")  # the name is taken by the function

LAYERS = {
    "gru": lambda: gw.GRU(3, 4, num_layers=2, bidirectional=True, dropout=0.4, rng=0),
    "gru before": lambda: gw.GRU(3, 4, reset="before", bias=False, rng=0),
    "lstm": lambda: gw.LSTM(3, 4, num_layers=2, dropout=0.4, rng=0),
    "rnn tanh": lambda: gw.RNN(3, 4, bidirectional=True, rng=0),
    "rnn relu": lambda: gw.RNN(3, 4, nonlinearity="relu", rng=0),
    "gru cell": lambda: gw.GRUCell(3, 4, rng=0),
    "gru cell before": lambda: gw.GRUCell(3, 4, "before", rng=0),
    "lstm cell": lambda: gw.LSTMCell(3, 4, rng=0),
    "rnn cell": lambda: gw.RNNCell(3, 4, "relu", rng=0),
    "dense": lambda: gw.Dense(3, 4, "sigmoid", rng=0),
    "embedding": lambda: gw.Embedding(6, 4, rng=0),
    "dropout": lambda: gw.Dropout(0.5),
    "last": lambda: gw.Last(),
    "sequential": lambda: gw.Sequential(
        gw.Embedding(9, 3, rng=0),
        gw.Dropout(0.2, variational=True),
        gw.LSTM(3, 4, num_layers=2, dropout=0.3, rng=1),
        gw.Sequential(gw.Dense(4, 5, "relu", rng=2), gw.Dropout(0.1)),
        gw.GRU(5, 2, bidirectional=True, rng=3),
        gw.Last(bidirectional=True),
        gw.Dense(4, 3, rng=4),
    ),
    "dropout before dense": lambda: gw.Sequential(gw.Dropout(0.2), gw.Sequential(gw.Dropout(0.2), gw.Dense(3, 2))),
}
BROKEN = {
    "a parameter's gradient 1 % off": lambda dx, dstate, grads: grads.__setitem__(
        "weight_hh_l0", 1.01 * grads["weight_hh_l0"]
    ),
    "one element 1 % off": lambda dx, dstate, grads: _scale(grads["weight_ih_l0"], (5, 1)),
    "one bias 1 % off": lambda dx, dstate, grads: _scale(grads["bias_ih_l0"], (2,)),
    "one element of dx 1 % off": lambda dx, dstate, grads: _scale(dx, (1, 2, 1)),
    "one element of dstate 1 % off": lambda dx, dstate, grads: _scale(dstate, (0, 1, 2)),
    "one NaN": lambda dx, dstate, grads: grads["bias_hh_l0"].__setitem__(3, np.nan),
    "all NaN": lambda dx, dstate, grads: dx.fill(np.nan),
    "infinite": lambda dx, dstate, grads: dx.fill(np.inf),
    "a gradient of 0": lambda dx, dstate, grads: dstate.fill(0),
    "sign": lambda dx, dstate, grads: np.negative(dstate, out=dstate),
    "transposed": lambda dx, dstate, grads: grads.__setitem__(
        "weight_hh_l0", np.concatenate([b.T for b in np.split(grads["weight_hh_l0"], 3)])
    ),
    "wrong shape": lambda dx, dstate, grads: grads.__setitem__("weight_ih_l0", grads["weight_ih_l0"].T),
    "shape that broadcasts": lambda dx, dstate, grads: grads.__setitem__("bias_ih_l0", grads["bias_ih_l0"][None]),
    "a parameter forgotten": lambda dx, dstate, grads: grads.pop("bias_hh_l0"),
    "float32 inside": lambda dx, dstate, grads: dx.__setitem__(..., dx.astype(np.float32) * np.float32(1.000001)),
}
SPOILED = {
    "a parameter's gradient 1 % off": "weight_hh_l0",
    "one element 1 % off": "weight_ih_l0",
    "one bias 1 % off": "bias_ih_l0",
    "one element of dx 1 % off": "x",
    "one element of dstate 1 % off": "state",
    "one NaN": "bias_hh_l0",
    "all NaN": "x",
    "infinite": "x",
    "a gradient of 0": "state",
    "sign": "state",
    "transposed": "weight_hh_l0",
    "wrong shape": "weight_ih_l0",
    "shape that broadcasts": "bias_ih_l0",
    "a parameter forgotten": "bias_hh_l0",
    "float32 inside": "x",
}


def _scale(gradient, at):
    gradient[at] *= 1.01


class Broken(gw.GRU):
    """A GRU whose gradients are spoiled after the fact."""

    spoil = "none"

    def backward(self, tape, dy, dstate=None):
        dx, dstate, grads = super().backward(tape, dy, dstate)
        BROKEN[self.spoil](dx, dstate, grads)
        return dx, dstate, grads


class Forgetful(gw.GRU):
    """A GRU that returns no gradient of `forgets`."""

    forgets = "state"

    def backward(self, tape, dy, dstate=None):
        dx, dstate, grads = super().backward(tape, dy, dstate)
        return (None, dstate, grads) if self.forgets == "x" else (dx, None, grads)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_layer_passes(name, seed):
    layer = LAYERS[name]()
    report = gw.gradcheck(layer, rng=seed)
    assert report.ok, report
    assert report.worst < 1e-7
    assert report.worst == max(max(c.direction, c.element) for c in report.checks)
    assert set(layer.params) <= {c.name for c in report.checks}


@pytest.mark.parametrize("spoil", BROKEN)
@pytest.mark.parametrize("samples", [0, 3])
def test_wrong_gradients_fail_and_are_named(spoil, samples):
    layer = Broken(3, 4, rng=0)
    layer.spoil = spoil
    report = gw.gradcheck(layer, samples=samples)
    assert not report.ok
    assert [c.name for c in report.checks if not c.worst <= report.tolerance] == [SPOILED[spoil]]
    failing = [line for line in report.table().splitlines() if "FAILS" in line]
    assert len(failing) == 1
    assert failing[0].startswith(SPOILED[spoil])


@pytest.mark.parametrize("forgets", ["state", "x"])
def test_a_forgotten_gradient_fails(forgets):
    layer = Forgetful(3, 4, rng=0)
    layer.forgets = forgets
    report = gw.gradcheck(layer)
    assert not report.ok
    assert report.worst == np.inf
    assert [c.name for c in report.checks if not c.worst <= report.tolerance] == [forgets]


def test_a_gradient_that_ignores_dstate_fails():
    class Deaf(gw.LSTM):
        def backward(self, tape, dy, dstate=None):
            return super().backward(tape, dy)

    assert not gw.gradcheck(Deaf(3, 4, rng=0)).ok


@pytest.mark.parametrize("size", [1.0001, 1.0 + 1e-6])
def test_small_errors_are_measured(size):
    class Off(gw.Dense):
        def backward(self, tape, dy, dstate=None):
            dx, dstate, grads = super().backward(tape, dy)
            return dx, dstate, grads | {"bias": grads["bias"] * size}

    report = gw.gradcheck(Off(3, 4, rng=0), samples=4)
    (bias,) = (c for c in report.checks if c.name == "bias")
    np.testing.assert_allclose(bias.worst, (size - 1) / size, rtol=1e-3)
    assert report.worst == bias.worst
    assert gw.gradcheck(Off(3, 4, rng=0), tolerance=2 * (size - 1)).ok


def test_the_worst_element_is_found():
    class Off(gw.Dense):
        def backward(self, tape, dy, dstate=None):
            dx, dstate, grads = super().backward(tape, dy)
            _scale(grads["weight"], (1, 2))
            return dx, dstate, grads

    report = gw.gradcheck(Off(3, 4, rng=0), samples=12)
    (weight,) = (c for c in report.checks if c.name == "weight")
    assert weight.where == (1, 2)
    assert "(1, 2)" in report.table()


def test_report_reads_well():
    report = gw.gradcheck(gw.GRU(3, 4, rng=0))
    lines = report.table().splitlines()
    assert lines[0].split() == ["array", "shape", "direction", "element", "worst", "at"]
    assert [line.split()[0] for line in lines[2:]] == [
        "weight_ih_l0",
        "weight_hh_l0",
        "bias_ih_l0",
        "bias_hh_l0",
        "x",
        "state",
    ]
    assert all(line.endswith(" ok") for line in lines[2:])
    assert "(12, 3)" in lines[2]
    assert str(report) == f"{report.table()}\nworst relative error {report.worst:.1e}, tolerance 1e-07"


@pytest.mark.parametrize("seed", range(12))
def test_the_certificate_keeps_clear_of_the_kink_of_relu(monkeypatch, seed):
    relu = [o for o in module._OPTIONS if o[0] == "RNN relu" and not o[4]]
    assert len(relu) == 16
    monkeypatch.setattr(module, "_OPTIONS", relu)
    failed = [(options, str(report)) for options, report in module.certificate(0, seed) if not report.ok]
    assert not failed


def test_the_layer_is_not_changed():
    layer = gw.Sequential(gw.GRU(3, 4, rng=0), gw.Dense(4, 2, rng=1))
    before = {name: value.copy() for name, value in layer.params.items()}
    gw.gradcheck(layer)
    assert layer.dtype == np.float32
    for name, value in layer.params.items():
        assert value.dtype == np.float32
        np.testing.assert_array_equal(value, before[name])


def test_arguments_are_not_changed():
    layer = gw.GRU(3, 4, rng=0)
    x, state = np.ones((2, 5, 3)), np.ones((1, 2, 4))
    gw.gradcheck(layer, x, state=state)
    assert (x == 1).all()
    assert (state == 1).all()


def test_float32_layers_are_checked_in_float64():
    seen = set()

    class Watched(gw.GRU):
        def forward(self, x, state=None, **options):
            seen.update({x.dtype, self.dtype, *(value.dtype for value in self.params.values())})
            return super().forward(x, state, **options)

    report = gw.gradcheck(Watched(3, 4, rng=0), np.ones((2, 5, 3), np.float32))
    assert report.worst < 1e-9
    assert seen == {np.dtype(np.float64)}


def test_samples():
    seen = gw.gradcheck(gw.Dense(3, 4, rng=0), samples=0)
    assert seen.ok
    assert {(c.element, c.where) for c in seen.checks} == {(0.0, ())}
    assert all(c.element > 0 for c in gw.gradcheck(gw.GRU(3, 4, rng=0), samples=100).checks)
    with pytest.raises(gw.GatewiseError, match="samples is -1; need at least 0"):
        gw.gradcheck(gw.Dense(3, 4), samples=-1)


def test_rng_reproduces():
    layer = gw.LSTM(3, 4, rng=0)
    assert gw.gradcheck(layer, rng=5) == gw.gradcheck(layer, rng=5)
    assert gw.gradcheck(layer, rng=5) == gw.gradcheck(layer, rng=np.random.default_rng(5))
    assert gw.gradcheck(layer, rng=5) != gw.gradcheck(layer, rng=6)
    with pytest.raises(gw.GatewiseError, match="rng is 'x'; need None"):
        gw.gradcheck(layer, rng="x")


@pytest.mark.parametrize("kind", [gw.GRU, gw.LSTM, gw.RNN])
def test_x_lengths_and_state_are_used(kind):
    class Watched(kind):
        seen = None

        def forward(self, x, state=None, *, lengths=None, training=False, rng=None):
            if type(self).seen is None and state is not None:
                type(self).seen = (x.copy(), np.stack(state).copy(), lengths)
            return super().forward(x, state, lengths=lengths, training=training, rng=rng)

    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 5, 3))
    h = rng.normal(size=(1, 2, 4))
    state = gw.LSTMState(h, 2 * h) if kind is gw.LSTM else h
    x[1, 3:] = np.nan
    report = gw.gradcheck(Watched(3, 4, rng=0), x, state=state, lengths=[5, 3])
    assert report.ok, report
    seen_x, seen_state, lengths = Watched.seen
    np.testing.assert_array_equal(seen_x, x)
    np.testing.assert_array_equal(seen_state, np.stack(state))
    assert lengths == [5, 3]
    assert {c.name: c.shape for c in report.checks}["x"] == (2, 5, 3)


def test_zero_state_and_states_of_models():
    layer = gw.GRU(3, 4, rng=0)
    assert gw.gradcheck(layer, state=np.zeros((1, 3, 4))).ok
    model = gw.Sequential(gw.Dense(3, 3, rng=0), gw.LSTM(3, 4, rng=1))
    report = gw.gradcheck(model)
    assert [c.name for c in report.checks][-3:] == ["x", "state.1.h", "state.1.c"]
    h = np.ones((1, 3, 4))
    assert gw.gradcheck(model, state=(None, gw.LSTMState(h, h))).ok


def test_wrong_arguments():
    with pytest.raises(gw.GatewiseError, match="gradcheck got a int; need a gatewise layer, model or cell"):
        gw.gradcheck(5)
    layer = gw.GRU(3, 4, rng=0)
    with pytest.raises(gw.GatewiseError, match=r"x has shape \(2, 5, 2\); need \(batch, time, 3\)"):
        gw.gradcheck(layer, np.ones((2, 5, 2)))
    with pytest.raises(gw.GatewiseError, match=r"lengths\[0\] is 9; need 1 to 5"):
        gw.gradcheck(layer, np.ones((2, 5, 3)), lengths=[9, 1])
    with pytest.raises(gw.GatewiseError, match=r"state has shape \(1, 1, 4\); need \(1, 2, 4\)"):
        gw.gradcheck(layer, np.ones((2, 5, 3)), state=np.ones((1, 1, 4)))


def tables(*counts):
    return [gw.Sequential(gw.Embedding(count, 3, rng=count), gw.GRU(3, 4, rng=1)) for count in counts]


MODELS = {
    "tables side by side": lambda: gw.Parallel(*tables(7, 5)),
    "tables side by side, without a network": lambda: gw.Parallel(gw.Embedding(4, 2, rng=0), gw.Embedding(9, 3, rng=1)),
    "tables side by side, then layers": lambda: gw.Sequential(
        gw.Parallel(gw.Parallel(*tables(7)), *tables(5)), gw.Last(), gw.Dense(8, 2, rng=2)
    ),
    "numbers side by side": lambda: gw.Parallel(gw.LSTM(3, 4, rng=0), gw.Sequential(gw.Dense(3, 2, rng=1))),
    "any size side by side": lambda: gw.Parallel(gw.Dropout(0.2), gw.Dropout(0.3)),
    "a size that only an inner branch has": lambda: gw.Parallel(gw.Dropout(0.2), gw.Sequential(gw.GRU(5, 2, rng=0))),
}


@pytest.mark.parametrize("name", MODELS)
def test_models_of_branches_get_an_input_that_all_branches_take(name):
    report = gw.gradcheck(MODELS[name]())
    assert report.ok, report
    assert ("x" in {check.name for check in report.checks}) == (not name.startswith("tables"))


def test_integers_are_those_of_the_smallest_table():
    from gatewise.layers.parts import example_input

    rng = np.random.default_rng(0)
    x = example_input(MODELS["tables side by side, then layers"](), rng, (50, 9))
    assert x.shape == (50, 9)
    assert set(x.ravel().tolist()) == set(range(5))
    assert example_input(gw.GRU(3, 4, rng=0), rng, (2, 5)).shape == (2, 5, 3)
    assert example_input(gw.Dropout(0.1), rng, (2, 5), any_size=6).shape == (2, 5, 6)
    with pytest.raises(gw.GatewiseError, match=r"x is None and Dropout\(.* takes any size"):
        example_input(gw.Dropout(0.1), rng, (2, 5))


@pytest.mark.parametrize("page", ["certificate.md", "index.md"])
def test_the_documentation_counts_the_configurations(page):
    text = (Path(__file__).parents[1] / "docs" / page).read_text(encoding="utf-8")
    assert re.findall(r"(\d+) configurations", text) == [str(module.CONFIGURATIONS)]
