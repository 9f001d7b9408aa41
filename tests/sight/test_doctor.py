"""Planted faults, each of which the doctor must name: what, where, since when, and what to do."""

import re
import warnings

import numpy as np
import pytest

import gatewise as gw

N, T, D, H = 24, 30, 2, 4


def data(dtype=np.float32, rows=N, time=T):
    x = np.random.default_rng(0).normal(size=(rows, time, D)).astype(dtype)
    return x, x.sum(axis=(1, 2))[:, None]


def network(layer=None, dtype=np.float32):
    return gw.Sequential(layer or gw.GRU(D, H, dtype=dtype, rng=0), gw.Last(), gw.Dense(H, 1, dtype=dtype, rng=1))


def copies(model):
    return {name: value.copy() for name, value in model.params.items()}


def failure(model, x, y, **options):
    """Train until it fails; the error, and the weights after every epoch with those at the start first."""
    weights = [copies(model)]
    options = {"loss": "mse", "optimizer": gw.optimizers.SGD(0.01), "epochs": 3, "batch_size": 8, "rng": 3} | options
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(gw.NonFiniteError) as caught:
            gw.train(model, x, y, callbacks=[lambda _, model: weights.append(copies(model))], **options)
    error = caught.value
    assert isinstance(error, gw.GatewiseError)
    assert isinstance(error, ValueError)
    assert isinstance(error, ArithmeticError)
    assert str(error).startswith(f"epoch {error.epoch}, batch {error.batch}: ")
    assert error.remedy in str(error)
    assert len(error.history) == error.epoch - 1 == len(weights) - 1
    for norm in error.gradient_norms[-5:]:
        assert f"{norm:.3g}" in str(error)
    return error, weights


def assert_weights(model, expected):
    for name, value in expected.items():
        np.testing.assert_array_equal(model.params[name], value)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_gap_in_one_sample(bad, shuffle):
    x, y = data()
    x[19, 16, 1] = bad
    model = network()
    error, weights = failure(model, x, y, shuffle=shuffle)
    assert (error.cause, error.quantity, error.sample, error.step, error.unit) == ("input", "x", 19, 16, 1)
    assert "sample 19, time step 16" in str(error)
    assert "fill the gaps" in error.remedy
    assert "1 of the 30 steps of this row" in str(error)
    assert error.epoch == 1
    if error.batch == 1:
        assert_weights(model, weights[-1])
        assert error.gradient_norms == []
    assert len(error.gradient_norms) == error.batch - 1
    assert np.isnan(error.loss)


def test_the_sample_is_the_users_row_in_every_epoch_and_with_dropout():
    x, y = data()
    layer = gw.GRU(D, H, num_layers=2, dropout=0.3, rng=0)
    model = network(layer)

    def spoil(record, _):
        x[11, 4] = np.nan

    for seed in range(3):
        x, y = data()
        with pytest.raises(gw.NonFiniteError) as caught:
            gw.train(model, x, y, loss="mse", optimizer="adam", epochs=3, batch_size=5, rng=seed, callbacks=[spoil])
        assert (caught.value.epoch, caught.value.sample, caught.value.step) == (2, 11, 4)


@pytest.mark.parametrize(("start", "words"), [(0, "from step 0 to its end"), (12, "from step 12 to its end")])
def test_padding_that_no_length_tells_of(start, words):
    x, y = data()
    x[6, start:] = np.nan
    error, _ = failure(network(), x, y)
    assert (error.cause, error.sample, error.step) == ("padding", 6, start)
    assert words in str(error)
    assert "lengths=" in error.remedy


def test_a_length_of_zero_is_refused_before_any_step():
    x, y = data()
    lengths = np.full(N, T)
    lengths[5] = 0
    model = network()
    before = copies(model)
    with pytest.raises(gw.GatewiseError, match=r"lengths\[5\] is 0; need 1 to 30 .*: drop empty sequences"):
        gw.train(model, x, y, loss="mse", optimizer="adam", epochs=1, lengths=lengths)
    assert_weights(model, before)


@pytest.mark.parametrize("time", [False, True])
def test_a_gap_in_the_target(time):
    x, y = data()
    model = gw.Sequential(gw.GRU(D, H, rng=0), gw.Dense(H, 2, rng=1)) if time else network()
    y = np.zeros((N, T, 2), np.float32) if time else y
    y[(9, 7, 1) if time else (9, 0)] = np.nan
    error, _ = failure(model, x, y)
    assert (error.cause, error.quantity, error.sample, error.step) == ("target", "target", 9, 7 if time else None)
    assert "weights=" in error.remedy
    assert error.parameters == list(model.params)
    weights = np.ones((N, T) if time else N)
    weights[(9, 7) if time else 9] = 0
    gw.train(model, x, y, loss="mse", optimizer="adam", epochs=1, weights=weights)


def test_weights_that_were_never_finite():
    x, y = data()
    model = network()
    model.params["0.weight_hh_l0"][2 * H + 1, 3] = np.nan
    error, weights = failure(model, x, y)
    assert (error.cause, error.parameter, error.gate, error.unit) == ("weights", "0.weight_hh_l0", "candidate", 1)
    assert error.parameters == ["0.weight_hh_l0"]
    assert error.layer == "layer 0 (GRU)"
    assert (error.epoch, error.batch) == (1, 1)
    assert_weights(model, weights[0])


@pytest.mark.parametrize("lr", [1e3, 1e8, 1e30, 1e38])
@pytest.mark.parametrize("kind", ["gru", "lstm", "relu", "deep"])
def test_a_huge_learning_rate(kind, lr):
    x, y = data()
    if kind == "deep":
        model = gw.Sequential(
            gw.GRU(D, H, rng=0), gw.Last(), gw.Dense(H, 4, rng=1), gw.Dense(4, 4, rng=2), gw.Dense(4, 1, rng=3)
        )
    else:
        layer = {"gru": gw.GRU, "lstm": gw.LSTM, "relu": gw.RNN}[kind]
        model = network(layer(D, H, rng=0, **({"nonlinearity": "relu"} if kind == "relu" else {})))
    error, _ = failure(model, x, y, optimizer=gw.optimizers.SGD(lr), epochs=80)
    assert error.cause == "learning rate", str(error)
    assert "lower the learning rate" in error.remedy
    assert error.gradient_norms
    assert max(np.abs(p).max() for p in model.params.values()) > 100


def test_data_in_the_wrong_scale():
    x, y = data()
    for layer in (gw.RNN(D, H, nonlinearity="relu", rng=0), gw.LSTM(D, H, rng=0)):
        error, _ = failure(
            network(layer), x * np.float32(1e6), y * np.float32(1e6), epochs=100, optimizer=gw.optimizers.SGD(1)
        )
        assert error.cause == "unscaled input", str(error)
        assert "scale the data" in error.remedy
        assert re.search(r"the input is unscaled, with values up to \d\.\d+e\+06", str(error))
    assert "% of the gates are saturated" in str(error)
    error, _ = failure(network(), x, y * np.float32(1e25))
    assert error.cause == "unscaled target"
    assert error.quantity == "loss"
    assert error.sample == int(np.argmax(np.abs(y * (error.sample == np.arange(N))[:, None])))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_exploding_relu_network(dtype):
    x, y = data(dtype, time=400)
    layer = gw.RNN(D, H, nonlinearity="relu", dtype=dtype, rng=0)
    layer.params["weight_hh_l0"] = np.diag([1.9, 1.5, 0.5, 8.0]).astype(dtype)
    error, weights = failure(model := network(layer, dtype), x, y)
    assert error.cause == "exploding recurrence", str(error)
    assert "spectral radius of 0.weight_hh_l0 is 8" in str(error)
    assert (error.quantity, error.layer, error.unit, error.batch) == ("hidden", "layer 0 (RNN)", 3, 1)
    with np.errstate(all="ignore"):
        seen = layer.forward(x[[error.sample]])[2].hidden[0]
    assert np.isfinite(seen[: error.step]).all()
    assert not np.isfinite(seen[error.step]).all()
    assert "orthogonal" in error.remedy
    assert_weights(model, weights[0])


def test_a_gradient_that_explodes_on_its_way_back():
    """The state grows from 1e-37 to 8 and stays finite; the gradient grows as much, from more."""
    layer = gw.RNN(1, 2, nonlinearity="relu", bidirectional=True, rng=0)
    for end in ("", "_reverse"):
        layer.params[f"weight_hh_l0{end}"] = 4 * np.eye(2, dtype=np.float32)
        layer.params[f"weight_ih_l0{end}"] = np.full((2, 1), 1e-37, np.float32)
        layer.params[f"bias_ih_l0{end}"] = layer.params[f"bias_hh_l0{end}"] = np.zeros(2, np.float32)
    model = gw.Sequential(layer, gw.Last(), gw.Dense(4, 1, rng=0))
    x = np.ones((4, 63, 1), np.float32)
    error, _ = failure(model, x, np.full((4, 1), 900, np.float32), batch_size=4)
    assert error.cause == "exploding recurrence", str(error)
    assert (error.quantity, error.layer) == ("d_hidden", "layer 0 (RNN)")
    assert 0 < error.step < 10
    assert error.parameter in error.parameters
    assert "0.weight_hh_l0" in error.parameters


def test_the_step_is_that_of_x_in_the_reverse_direction_too():
    x, y = data(time=400)
    layer = gw.RNN(D, H, nonlinearity="relu", bidirectional=True, rng=0)
    layer.params["weight_hh_l0_reverse"] = np.diag([0.5, 0.5, 8.0, 0.5]).astype(np.float32)
    model = gw.Sequential(layer, gw.Last(bidirectional=True), gw.Dense(2 * H, 1, rng=1))
    lengths = np.arange(N) + 370
    error, _ = failure(model, x, y, lengths=lengths)
    assert (error.layer, error.unit, error.quantity) == ("layer 0 (RNN), reverse", 2, "hidden")
    assert "weight_hh_l0_reverse" in str(error)
    rows = [error.sample]
    with np.errstate(all="ignore"):
        seen = layer.forward(x[rows], lengths=lengths[rows])[2].values("hidden", 0, True)[0]
    assert np.isfinite(seen[error.step + 1 : lengths[error.sample]]).all()
    assert not np.isfinite(seen[error.step]).all()


@pytest.mark.parametrize("kind", ["value", "gradient"])
def test_a_loss_of_ones_own(kind):
    def loss(prediction, target, *, weights=None):
        gradient = np.zeros_like(prediction)
        if kind == "value":
            return float("inf"), gradient
        gradient[2] = np.nan
        return 1.0, gradient

    x, y = data(rows=4)
    error, _ = failure(network(), x, y, loss=loss, shuffle=False)
    assert error.cause == "loss", str(error)
    assert error.quantity == ("loss" if kind == "value" else "d_y")
    if kind == "gradient":
        assert (error.sample, error.loss) == (2, 1.0)


def test_what_has_been_learnt_is_kept():
    x, y = data()
    model, seen = network(), []

    def spoil(record, model):
        seen.append((record["loss"], copies(model)))
        if record["epoch"] == 4:
            x[3] = np.inf

    with pytest.raises(gw.NonFiniteError) as caught:
        gw.train(model, x, y, loss="mse", optimizer="adam", epochs=9, patience=5, callbacks=[spoil], rng=0)
    assert_weights(model, min(seen, key=lambda pair: pair[0])[1])
    assert caught.value.history["loss"] == [loss for loss, _ in seen]
    assert caught.value.epoch == 5


def test_other_errors_are_left_as_they_are():
    x, y = data()
    with pytest.raises(
        gw.GatewiseError, match=r"epoch 1, batch 1: layer 0 .*x has dtype float64; need float32"
    ) as caught:
        gw.train(network(), x.astype(float), y, loss="mse", optimizer="adam", epochs=1)
    assert not isinstance(caught.value, gw.NonFiniteError)


def test_a_branch_beside_others_whose_output_a_later_layer_refuses():
    x, y = data()
    branches = gw.Parallel(gw.Dense(D, 5, rng=0), gw.Sequential(gw.GRU(D, H, rng=1), gw.Dense(H, 3, rng=2)))
    model = gw.Sequential(branches, gw.Last(), gw.Dense(8, 1, rng=3))
    model.params["0.1.1.weight"][2] = np.float32(3e38)
    x[4, 20:] = 8  # drives the states of this row to where the products overflow
    error, _ = failure(model, x, y, shuffle=False, batch_size=N)
    assert (error.quantity, error.layer) == ("y", "layer 0.1.1 (Dense)")
    assert error.sample is not None
    assert error.unit == 2


def test_the_step_is_taken_again_with_the_same_dropout():
    predictions = []

    def loss(prediction, target, *, weights=None):
        predictions.append(prediction.copy())
        value, gradient = gw.losses.mse(prediction, target)
        return (value if len(predictions) < 5 else float("inf")), gradient

    x, y = data()
    model = gw.Sequential(
        gw.Noise(0.1), gw.GRU(D, H, num_layers=2, dropout=0.4, rng=0), gw.Last(), gw.Dense(H, 1, rng=1)
    )
    error, _ = failure(model, x, y, loss=loss)
    assert (error.epoch, error.batch, error.loss) == (2, 2, np.inf)
    np.testing.assert_array_equal(predictions[4], predictions[5])
