"""Wrong input to layers: one clear `GatewiseError` each, which is also a ValueError or a TypeError."""

import re

import numpy as np
import pytest

import gatewise as gw
from gatewise.errors import GatewiseTypeError, GatewiseValueError

B, T, D, H = 2, 4, 3, 5
LAYERS = {"gru": gw.GRU, "lstm": gw.LSTM, "rnn": gw.RNN}
X = np.random.default_rng(0).normal(size=(B, T, D)).astype(np.float32)
ZEROS = np.zeros((1, B, H), np.float32)


def refused(kind, message):
    """Expect an error of `kind` with `message` in its one line, caught by its built-in name too."""
    return pytest.raises({ValueError: GatewiseValueError, TypeError: GatewiseTypeError}[kind], match=re.escape(message))


def holding(value, *where):
    x = X.copy()
    x[where] = value
    return x


def test_an_error_is_a_gatewise_error_and_a_built_in_one():
    assert issubclass(GatewiseValueError, gw.GatewiseError)
    assert issubclass(GatewiseValueError, ValueError)
    assert issubclass(GatewiseTypeError, gw.GatewiseError)
    assert issubclass(GatewiseTypeError, TypeError)


INPUTS = [
    (X[0], ValueError, "x has shape (4, 3); need (batch, time, 3)"),
    (X[..., :2], ValueError, "x has shape (2, 4, 2); need (batch, time, 3)"),
    (X[..., None], ValueError, "x has shape (2, 4, 3, 1); need (batch, time, 3)"),
    (X.astype(np.float64), TypeError, "x has dtype float64; need float32: convert it with x.astype(np.float32)"),
    (X.astype(np.float16), TypeError, "x has dtype float16; need float32"),
    (X.astype(int), TypeError, "x has dtype int64; need float32"),
    (X.astype(complex), TypeError, "x has dtype complex128; need float32"),
    (X.astype(object), TypeError, "x has dtype object; need float32"),
    (X.astype(">f4"), TypeError, "x has dtype >f4; need float32"),
    (X.tolist(), TypeError, "x is a list; need a NumPy array: pass np.asarray(x, dtype=np.float32)"),
    (None, TypeError, "x is a NoneType; need a NumPy array"),
    (1.0, TypeError, "x is a float; need a NumPy array"),
    (holding(np.nan, 1, 2, 0), ValueError, "x holds 1 value(s) that are not finite, the first nan at x[1, 2, 0]"),
    (holding(np.inf, 0, 3, 2), ValueError, "x holds 1 value(s) that are not finite, the first inf at x[0, 3, 2]"),
    (holding(-np.inf, 0, 0), ValueError, "x holds 3 value(s) that are not finite, the first -inf at x[0, 0, 0]"),
]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(("x", "kind", "message"), INPUTS, ids=lambda a: a if isinstance(a, str) else "")
def test_wrong_x(layer, x, kind, message):
    with refused(kind, message):
        LAYERS[layer](D, H, rng=0).forward(x)


LENGTHS = [
    ([4, 0], ValueError, "lengths[1] is 0; need 1 to 4 (the time axis of x)"),
    ([-1, 4], ValueError, "lengths[0] is -1; need 1 to 4"),
    ([4, 5], ValueError, "lengths[1] is 5; need 1 to 4"),
    ([4], ValueError, "lengths has shape (1,); need (2,)"),
    ([4, 4, 4], ValueError, "lengths has shape (3,); need (2,)"),
    ([[4, 4]], ValueError, "lengths has shape (1, 2); need (2,)"),
    (4, ValueError, "lengths has shape (); need (2,)"),
    ("44", ValueError, "lengths has shape (); need (2,)"),
    ([4.0, 2.0], TypeError, "lengths has dtype float64; need integers"),
    ([True, True], TypeError, "lengths has dtype bool; need integers"),
    ([4, None], TypeError, "lengths has dtype object; need integers"),
    (["4", "4"], TypeError, "lengths has dtype <U1; need integers"),
]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(("lengths", "kind", "message"), LENGTHS, ids=lambda a: a if isinstance(a, str) else "")
def test_wrong_lengths(layer, lengths, kind, message):
    with refused(kind, message):
        LAYERS[layer](D, H, rng=0).forward(X, lengths=lengths)


def test_lengths_do_not_excuse_nan_before_them():
    x = holding(np.nan, 1, 2, 0)
    gru = gw.GRU(D, H, rng=0)
    gru.forward(x, lengths=[4, 2])
    with refused(ValueError, "the first nan at x[1, 2, 0]"):
        gru.forward(x, lengths=[4, 3])


STATES = [
    ("gru", ZEROS[0], ValueError, "state has shape (2, 5); need (1, 2, 5)"),
    ("gru", ZEROS[:, :1], ValueError, "state has shape (1, 1, 5); need (1, 2, 5)"),
    ("gru", np.zeros((2, B, H), np.float32), ValueError, "state has shape (2, 2, 5); need (1, 2, 5)"),
    ("rnn", ZEROS.astype(float), TypeError, "state has dtype float64; need float32"),
    ("rnn", ZEROS.tolist(), TypeError, "state is a list; need a NumPy array"),
    ("gru", gw.LSTMState(ZEROS, ZEROS), TypeError, "state is a LSTMState; need a NumPy array"),
    ("lstm", ZEROS, TypeError, "state is a ndarray; need gw.LSTMState(h, c)"),
    ("lstm", (ZEROS,), TypeError, "state is a tuple; need gw.LSTMState(h, c)"),
    ("lstm", gw.LSTMState(ZEROS, ZEROS[0]), ValueError, "state (cell) has shape (2, 5); need (1, 2, 5)"),
    ("lstm", gw.LSTMState(ZEROS.astype(float), ZEROS), TypeError, "state (hidden) has dtype float64; need float32"),
    ("lstm", gw.LSTMState(ZEROS, None), TypeError, "state (cell) is a NoneType; need a NumPy array"),
]


@pytest.mark.parametrize(("layer", "state", "kind", "message"), STATES, ids=lambda a: a if isinstance(a, str) else "")
def test_wrong_state_and_wrong_dstate(layer, state, kind, message):
    layer = LAYERS[layer](D, H, rng=0)
    with refused(kind, message):
        layer.forward(X, state)
    y, _, tape = layer.forward(X)
    with refused(kind, "d" + message):
        layer.backward(tape, y, state)


GRADIENTS = [
    (np.ones((B, T, H + 1), np.float32), ValueError, "dy has shape (2, 4, 6); need (2, 4, 5)"),
    (np.ones((B, T + 1, H), np.float32), ValueError, "dy has shape (2, 5, 5); need (2, 4, 5)"),
    (np.ones((B, H), np.float32), ValueError, "dy has shape (2, 5); need (2, 4, 5)"),
    (np.ones((B, T, H)), TypeError, "dy has dtype float64; need float32"),
    (np.ones((B, T, H)).tolist(), TypeError, "dy is a list; need a NumPy array"),
    (None, TypeError, "dy is a NoneType; need a NumPy array"),
]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(("dy", "kind", "message"), GRADIENTS, ids=lambda a: a if isinstance(a, str) else "")
def test_wrong_dy(layer, dy, kind, message):
    layer = LAYERS[layer](D, H, rng=0)
    _, _, tape = layer.forward(X)
    with refused(kind, message):
        layer.backward(tape, dy)


STRANGERS = {
    "another cell": lambda: gw.LSTM(D, H),
    "another form": lambda: gw.GRU(D, H, reset="before"),
    "more layers": lambda: gw.GRU(D, H, num_layers=2),
    "more directions": lambda: gw.GRU(D, H, bidirectional=True),
    "another size": lambda: gw.GRU(D, H + 1),
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_the_tape_of_another_layer(stranger):
    stranger, gru = STRANGERS[stranger](), gw.GRU(D, H)
    y, _, tape = stranger.forward(X)
    with refused(ValueError, "the tape is another layer's: it was not made by this GRU(input_size=3, hidden_size=5"):
        gru.backward(tape, y)
    y, _, tape = gru.forward(X)
    with refused(ValueError, "the tape is another layer's"):
        stranger.backward(tape, y)


def test_the_tape_of_another_nonlinearity():
    y, _, tape = gw.RNN(D, H, nonlinearity="relu").forward(X)
    with refused(ValueError, "the tape is another layer's"):
        gw.RNN(D, H).backward(tape, y)


@pytest.mark.parametrize("tape", [None, X, (X, X), "tape"])
def test_what_is_no_tape(tape):
    for layer, name in (
        (gw.GRU(D, H), "GRU"),
        (gw.Dense(D, H), "Dense"),
        (gw.Last(), "Last"),
        (gw.Dropout(0.5), "Dropout"),
    ):
        with refused(TypeError, f"backward of {name} got a {type(tape).__name__} as tape; need the third result"):
            layer.backward(tape, X)


def test_names_on_a_tape():
    _, _, tape = gw.GRU(D, H, num_layers=2, bidirectional=True).forward(X)
    with refused(ValueError, "name is 'forget'; need one of 'reset', 'update', 'candidate'"):
        tape.values("forget")
    with refused(ValueError, "the tape has no layer 2; it has 2 layer(s) in 2 direction(s)"):
        tape.values("reset", 2)
    with pytest.raises(AttributeError, match=re.escape("use tape.values('reset', layer, reverse)")):
        _ = tape.reset
    _, _, tape = gw.GRU(D, H).forward(X)
    with refused(ValueError, "the tape has no layer 0 in reverse"):
        tape.values("reset", 0, True)
    with pytest.raises(AttributeError, match="the tape holds no 'forget'"):
        _ = tape.forget


ARGUMENTS = [
    ({"hidden_size": 0}, ValueError, "hidden_size is 0; need at least 1"),
    ({"hidden_size": -3}, ValueError, "hidden_size is -3; need at least 1"),
    ({"hidden_size": 2.0}, TypeError, "hidden_size is 2.0; need an integer"),
    ({"hidden_size": True}, TypeError, "hidden_size is True; need an integer"),
    ({"hidden_size": None}, TypeError, "hidden_size is None; need an integer"),
    ({"input_size": 0}, ValueError, "input_size is 0; need at least 1"),
    ({"input_size": "3"}, TypeError, "input_size is '3'; need an integer"),
    ({"num_layers": 0}, ValueError, "num_layers is 0; need at least 1"),
    ({"num_layers": 1.5}, TypeError, "num_layers is 1.5; need an integer"),
    ({"dropout": -0.1}, ValueError, "dropout is -0.1; need at least 0 and at most 1"),
    ({"dropout": 1.1}, ValueError, "dropout is 1.1; need at least 0 and at most 1"),
    ({"dropout": np.nan}, ValueError, "dropout is nan; need at least 0 and at most 1"),
    ({"dropout": "0.5"}, TypeError, "dropout is '0.5'; need a number"),
    ({"dtype": np.float16}, TypeError, "need float32 or float64: pass dtype=np.float32"),
    ({"dtype": int}, TypeError, "need float32 or float64"),
    ({"init": "zeros"}, ValueError, "init is 'zeros'; need one of 'uniform', 'orthogonal'"),
    ({"rng": -1}, TypeError, "rng is -1; need None, an integer of at least 0, or a numpy.random.Generator"),
    ({"rng": "seed"}, TypeError, "rng is 'seed'; need None, an integer"),
    ({"bidirectional": "no"}, ValueError, "bidirectional is 'no'; need one of False, True"),
    ({"bias": 2}, ValueError, "bias is 2; need one of False, True"),
]


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize(("options", "kind", "message"), ARGUMENTS, ids=lambda a: a if isinstance(a, str) else "")
def test_wrong_constructor_arguments(layer, options, kind, message):
    with refused(kind, message):
        LAYERS[layer](**{"input_size": D, "hidden_size": H} | options)


OWN = [
    (gw.GRU, {"reset": "between"}, ValueError, "reset is 'between'; need one of 'after', 'before'"),
    (gw.GRU, {"chrono": 2}, ValueError, "chrono is 2; need more than 2 and at most 1e+12"),
    (gw.GRU, {"chrono": "long"}, TypeError, "chrono is 'long'; need a number"),
    (gw.GRU, {"chrono": 9, "bias": False}, ValueError, "a starting bias for the update gate needs bias=True"),
    (gw.LSTM, {"forget_bias": 1, "bias": False}, ValueError, "a starting bias for the forget gate needs bias=True"),
    (gw.LSTM, {"forget_bias": 1, "chrono": 9}, ValueError, "give one of them"),
    (gw.LSTM, {"forget_bias": "1"}, TypeError, "forget_bias is '1'; need a number"),
    (gw.RNN, {"nonlinearity": "sigmoid"}, ValueError, "nonlinearity is 'sigmoid'; need one of 'tanh', 'relu'"),
]


@pytest.mark.parametrize(("layer", "options", "kind", "message"), OWN)
def test_wrong_arguments_of_one_layer(layer, options, kind, message):
    with refused(kind, message):
        layer(D, H, **options)


@pytest.mark.parametrize("layer", [gw.GRU(D, H), gw.GRUCell(D, H)])
def test_parameters_keep_their_names_shapes_and_dtypes(layer):
    params = layer.params
    name = next(iter(params))
    kept = {name: value.copy() for name, value in params.items()}
    with refused(ValueError, f"there is no parameter 'weights'; there are {', '.join(params)}"):
        params["weights"] = kept[name]
    with refused(ValueError, f"params[{name!r}] has shape (3, 15); need (15, 3)"):
        params[name] = kept[name].T
    with refused(TypeError, f"params[{name!r}] has dtype float64; need float32"):
        params[name] = kept[name].astype(float)
    with refused(TypeError, f"params[{name!r}] is a float; need a NumPy array"):
        params[name] = 0.0
    with refused(ValueError, "has shape (1,); need (15,)"):
        params.update({name: kept[name] + 1, list(params)[-1]: np.ones(1, np.float32)})
    with refused(ValueError, "there is no parameter 'weights'"):
        params |= {"weights": kept[name]}
    removals = [
        lambda: params.pop(name),
        lambda: params.popitem(),
        lambda: params.clear(),
        lambda: params.setdefault("weights", kept[name]),
        lambda: params.__delitem__(name),
    ]
    for remove in removals:
        with refused(ValueError, "parameters cannot be added or removed"):
            remove()
    assert list(params) == list(kept)
    for name, value in kept.items():
        np.testing.assert_array_equal(params[name], value)


CELL_CALLS = [
    (gw.GRUCell, (X,), ValueError, "x has shape (2, 4, 3); need (batch, 3)"),
    (gw.GRUCell, (X[:, 0].astype(float),), TypeError, "x has dtype float64; need float32"),
    (gw.GRUCell, (X[:, 0], ZEROS), ValueError, "h has shape (1, 2, 5); need ("),
    (gw.GRUCell, (X[:, 0], ZEROS[0, :1]), ValueError, "5); need ("),
    (gw.LSTMCell, (X[:, 0], ZEROS[0]), TypeError, "h is a ndarray; need gw.LSTMState(h, c)"),
    (gw.RNNCell, (holding(np.nan, 0, 0)[:, 0],), ValueError, "not finite, the first nan at x"),
]


@pytest.mark.parametrize(("cell", "arguments", "kind", "message"), CELL_CALLS)
def test_wrong_input_to_one_step(cell, arguments, kind, message):
    with refused(kind, message):
        cell(D, H, rng=0).forward(*arguments)


def test_wrong_gradient_and_tape_of_one_step():
    cell = gw.GRUCell(D, H, rng=0)
    h, tape = cell.forward(X[:, 0])
    with refused(ValueError, "5); need ("):
        cell.backward(tape, h[:1])
    with refused(TypeError, "dh_next has dtype float64; need float32"):
        cell.backward(tape, h.astype(float))
    with refused(TypeError, "backward of GRUCell got a ndarray as tape"):
        cell.backward(h, h)
    with refused(ValueError, "the tape is another layer's"):
        gw.GRUCell(D, H, "before").backward(tape, h)


def test_other_layers():
    ids = np.array([[1, 2], [3, 9]])
    calls = [
        (lambda: gw.Dense(D, 2).forward(X[..., :2]), ValueError, "x has shape (2, 4, 2); need (axis 0, axis 1, 3)"),
        (lambda: gw.Dense(D, 2).forward(X.astype(float)), TypeError, "x has dtype float64; need float32"),
        (lambda: gw.Dense(D, 2).forward(X.tolist()), TypeError, "x is a list; need a NumPy array"),
        (lambda: gw.Dense(D, 2).forward(holding(np.nan, 1, 2, 0)), ValueError, "the first nan at x[1, 2, 0]"),
        (lambda: gw.Dense(D, 2).forward(X[0], lengths=[4, 4]), ValueError, "lengths need x (batch, time, features)"),
        (lambda: gw.Dense(0, 2), ValueError, "input_size is 0; need at least 1"),
        (lambda: gw.Dense(D, 2, "softmax"), ValueError, "activation is 'softmax'; need one of None, 'sigmoid'"),
        (lambda: gw.Dense(D, 2, rng="x"), TypeError, "rng is 'x'; need None, an integer"),
        (lambda: gw.Embedding(9, 2).forward(ids), ValueError, "x[1, 1] is 9; need 0 to 8"),
        (lambda: gw.Embedding(9, 2).forward(-ids), ValueError, "x[0, 0] is -1; need 0 to 8"),
        (lambda: gw.Embedding(9, 2).forward(ids / 2), TypeError, "x is float64; need an array of integers"),
        (lambda: gw.Embedding(9, 2).forward(ids.tolist()), TypeError, "x is list; need an array of integers"),
        (lambda: gw.Embedding(0, 2), ValueError, "count is 0; need at least 1"),
        (lambda: gw.Dropout(1.5), ValueError, "p is 1.5; need at least 0 and at most 1"),
        (lambda: gw.Dropout(0.5).forward(X.tolist()), TypeError, "x is a list; need a NumPy array"),
        (lambda: gw.Dropout(0.5).forward(ids), TypeError, "need float32 or float64"),
        (lambda: gw.Last().forward(X.tolist()), TypeError, "x is a list; need a NumPy array"),
        (lambda: gw.Last().forward(X[0]), ValueError, "x has shape (4, 3); need (batch, time, features)"),
        (lambda: gw.Last().forward(X[:, :0]), ValueError, "need at least one time step"),
        (lambda: gw.Last().forward(X, lengths=[4, 0]), ValueError, "lengths[1] is 0; need 1 to 4"),
        (lambda: gw.Last(bidirectional=True).forward(X), ValueError, "x has 3 features; need an even number"),
    ]
    for call, kind, message in calls:
        with refused(kind, message):
            call()


def test_sequential_names_the_layer_at_fault():
    model = gw.Sequential(gw.GRU(D, H), gw.Dropout(0.1), gw.Dense(H, 1))
    y, _, tape = model.forward(X)
    calls = [
        (lambda: gw.Sequential(), ValueError, "Sequential got no layers; need at least one"),
        (lambda: gw.Sequential(gw.GRU(D, H), np.tanh), TypeError, "layer 1 is a ufunc; need a gatewise layer"),
        (lambda: gw.Sequential(gw.GRU(D, H), gw.Dense(4, 1)), ValueError, "layer 1 (Dense) takes inputs of size 4"),
        (lambda: gw.Sequential(gw.GRU(D, H), gw.Dense(H, 1, dtype=float)), TypeError, "layer 1 has dtype float64"),
        (lambda: model.forward(X[0]), ValueError, "layer 0 (GRU): x has shape (4, 3)"),
        (lambda: model.forward(X, ZEROS), TypeError, "state must be a tuple with one entry per layer (3)"),
        (lambda: model.forward(X, (ZEROS[0], None, None)), ValueError, "layer 0 (GRU): state has shape (2, 5)"),
        (lambda: model.backward(tape, y[:1]), ValueError, "layer 2 (Dense): dy has shape (1, 4, 1); need (2, 4, 1)"),
        (lambda: model.backward(tape.tapes, y), TypeError, "backward of Sequential got a tuple as tape"),
    ]
    for call, kind, message in calls:
        with refused(kind, message):
            call()


@pytest.mark.parametrize("dtype", ["float33", "nonsense", None])
def test_a_dtype_that_is_none(dtype):
    with refused(TypeError, f"dtype is {dtype!r}; need float32 or float64"):
        gw.GRU(D, H, dtype=dtype)


def test_lengths_that_are_no_array():
    with refused(ValueError, "lengths"):
        gw.GRU(D, H).forward(X, lengths=[[4], [4, 2]])


@pytest.mark.parametrize("number", [np.inf, np.nan])
def test_starting_biases_are_finite(number):
    for layer, options in ((gw.GRU, {"chrono": number}), (gw.LSTM, {"forget_bias": number})):
        with refused(ValueError, f"is {number}; need"):
            layer(D, H, **options)
