"""What training says and leaves behind when something does not fit or is not finite."""

import numpy as np
import pytest
from small_training import assert_same, copies, data, model, sgd, step_by_hand

import gatewise as gw


@pytest.mark.parametrize("patience", [None, 5])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_stops_with_the_weights_before(patience, bad):
    net, seen, by_hand = model(), [], model()
    x, y = data(6)
    y[5] = bad

    with pytest.raises(
        gw.GatewiseError, match=r"epoch 1, batch 3: the loss is (nan|inf).*need finite numbers"
    ) as caught:
        gw.train(net, x, y, loss="mse", optimizer=sgd(), epochs=4, batch_size=2, shuffle=False, patience=patience)
    assert isinstance(caught.value, ValueError)
    for rows in (slice(0, 2), slice(2, 4)):
        step_by_hand(by_hand, sgd(), x[rows], y[rows])
    assert_same(net.params, by_hand.params)
    assert not seen


@pytest.mark.parametrize("patience", [None, 5])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_explosion_names_epoch_and_batch(patience, dtype):
    size = 1e30 if dtype is np.float32 else 1e200
    net, seen = model(dtype), []
    x, y = data(4, dtype=dtype)

    def record(record, net):
        seen.append((record["loss"], copies(net)))
        if record["epoch"] == 2:
            net.params["2.bias"] = np.array([size], dtype)

    with pytest.raises(gw.GatewiseError, match="epoch 3, batch 1: the loss is inf and the gradient norm") as caught:
        gw.train(net, x, y, loss="mse", optimizer=sgd(), epochs=9, patience=patience, callbacks=[record], rng=0)
    assert "The weights are those of the batch before: lower the learning rate" in str(caught.value)
    if patience:
        assert_same(net.params, seen[int(np.argmin([value for value, _ in seen]))][1])
    else:
        assert_same(net.params, seen[-1][1] | {"2.bias": np.array([size], dtype)})


@pytest.mark.parametrize("kind", ["relu", "deep"])
@pytest.mark.parametrize("lr", [1e2, 1e6, 1e30])
def test_an_explosion_inside_the_model_names_epoch_and_batch(kind, lr):
    x, y = data(8, time=30, dtype=np.float32)
    middle = (
        [gw.RNN(2, 4, nonlinearity="relu", rng=0)] if kind == "relu" else [gw.GRU(2, 4, rng=0), gw.Dense(4, 4, rng=3)]
    )
    net = gw.Sequential(*middle, gw.Last(), gw.Dense(4, 4, rng=1), gw.Dense(4, 1, rng=2))
    with pytest.raises(gw.GatewiseError, match=r"^epoch \d+, batch \d+: "):
        gw.train(net, x, y, loss="mse", optimizer=sgd(lr), epochs=50, batch_size=2, rng=0)


def test_a_gradient_that_is_not_finite_stops():
    def broken(prediction, target, *, weights=None):
        return 1.0, np.full_like(prediction, np.nan)

    net = model()
    before = copies(net)
    with pytest.raises(gw.GatewiseError, match="epoch 1, batch 1: the loss is 1 and the gradient norm nan"):
        gw.train(net, *data(), loss=broken, optimizer=sgd(), epochs=1, clip=1.0)
    assert_same(net.params, before)


def test_wrong_data_names_the_batch():
    x, y = data(4)
    x[3, 1, 0] = np.nan
    with pytest.raises(gw.GatewiseError, match=r"epoch 1, batch 2: layer 0 \(GRU\): x holds 1 value\(s\) that are not"):
        gw.train(model(), x, y, loss="mse", optimizer="adam", epochs=1, batch_size=2, shuffle=False)
    with pytest.raises(gw.GatewiseError, match="x has dtype float32; need float64"):
        gw.train(model(), x.astype(np.float32), y, loss="mse", optimizer="adam", epochs=1)
    with pytest.raises(gw.GatewiseError, match=r"target has shape \(4,\); need \(4, 1\)"):
        gw.train(model(), data(4)[0], y[:, 0], loss="mse", optimizer="adam", epochs=1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": 5}, "model is a int; need a gatewise layer or Sequential"),
        ({"model": gw.GRUCell(2, 4)}, "model is a GRUCell; need a gatewise layer or Sequential"),
        ({"x": 5.0}, r"x has shape \(\), y \(20, 1\); need x \(n, time, ...\) and y"),
        ({"y": 5.0}, r"y \(\); need x \(n, time, ...\) and y"),
        ({"x": np.zeros((3, 5, 2))}, "x has 3, y has 20 rows; need the same number in each"),
        ({"x": np.zeros((0, 5, 2)), "y": np.zeros((0, 1))}, "x has 0, y has 0 rows; need .* at least 1"),
        ({"loss": "mes"}, "loss is 'mes'; need one of 'mse', 'mae'"),
        ({"loss": 5}, "loss is 5; need a function of gatewise.losses"),
        ({"optimizer": "adm"}, "optimizer is 'adm'; need one of"),
        ({"optimizer": gw.optimizers.Adam}, r"need one of gatewise.optimizers, such as Adam\(1e-3\)"),
        ({"epochs": 0}, "epochs is 0; need at least 1"),
        ({"epochs": 1.5}, "epochs is 1.5; need an integer"),
        ({"batch_size": 0}, "batch_size is 0; need at least 1"),
        ({"patience": 0}, "patience is 0; need at least 1"),
        ({"clip": 0}, "clip is 0; need more than 0"),
        ({"lengths": [5] * 19}, r"lengths has shape \(19,\); need \(20,\)"),
        ({"lengths": [6] * 20}, r"lengths\[0\] is 6; need 1 to 5"),
        ({"weights": np.ones(3)}, "x has 20, y has 20, weights has 3 rows"),
        ({"weights": np.zeros(20)}, "weights must be finite, at least 0, and not all 0"),
        ({"weights": -np.ones(20)}, "weights must be finite, at least 0"),
        ({"weights": np.full(20, np.nan)}, "weights must be finite"),
        ({"weights": ["a"] * 20}, "weights is .*; need numbers"),
        ({"weights": 1.0}, "weights is 1.0; need numbers"),
        ({"class_weight": "balanced"}, "class_weight needs integer targets; y has dtype float64"),
        ({"class_weight": "even", "y": np.zeros(20, int)}, "class_weight is 'even'; need one of 'balanced'"),
        ({"class_weight": [1.0], "y": np.arange(20)}, r"class_weight has shape \(1,\); need one weight for each of 20"),
        ({"class_weight": "balanced", "y": np.full(20, -1)}, "y holds class -1; need 0 or more"),
        ({"validation": 0}, "validation is 0; need more than 0 and at most 1"),
        ({"validation": 0.99}, "validation=0.99 leaves no row of 20 to train on"),
        ({"validation": (np.zeros((3, 5, 2)),)}, "validation has 1 parts; need"),
        ({"validation": (np.zeros((3, 5, 2)), np.zeros((2, 1)))}, "x has 3, y has 2 rows"),
        ({"rng": "x"}, "rng is 'x'; need None, an integer"),
        ({"callbacks": print}, "callbacks is .*; need a sequence of functions"),
        ({"callbacks": [1]}, "callbacks is .*; need a sequence of functions"),
    ],
)
def test_wrong_arguments(arguments, message):
    x, y = data(20)
    net = model()
    before = copies(net)
    call = {"model": net, "x": x, "y": y, "loss": "mse", "optimizer": "adam", "epochs": 1} | arguments
    with pytest.raises(gw.GatewiseError, match=message):
        gw.train(call.pop("model"), call.pop("x"), call.pop("y"), **call)
    assert_same(net.params, before)
