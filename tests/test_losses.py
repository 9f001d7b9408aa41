from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gatewise.errors import GatewiseError, GatewiseTypeError, GatewiseValueError
from gatewise.losses import LOSSES, binary_cross_entropy, cross_entropy, huber, mae, mse, pinball

GOLDEN = np.load(Path(__file__).parent / "golden" / "losses.npz")
QUANTILES = (0.1, 0.25, 0.5, 0.9)
CASES = {
    "mse": (mse, "prediction", "real"),
    "mae": (mae, "prediction", "real"),
    "huber": (huber, "prediction", "real"),
    "huber_delta": (partial(huber, delta=2.5), "prediction", "real"),
    "binary_cross_entropy": (binary_cross_entropy, "scores", "probabilities"),
    "cross_entropy": (cross_entropy, "scores", "classes"),
    "cross_entropy_probabilities": (cross_entropy, "scores", "probabilities"),
    "pinball": (partial(pinball, quantiles=QUANTILES), "prediction", "observed"),
}


def make(case, shape, rng, dtype=np.float64):
    """A loss, a prediction of `shape` (no closer than 0.2 to a kink) and a target that fits it."""
    loss, *_ = CASES[case]
    if case == "pinball":
        loss = partial(pinball, quantiles=np.linspace(0.1, 0.9, shape[-1]).tolist())
        target = rng.normal(size=shape[:-1])
        prediction = target[..., None] + rng.choice([-1, 1], shape) * rng.uniform(0.2, 2, shape)
    elif case == "cross_entropy":
        return loss, rng.normal(size=shape).astype(dtype) * 3, rng.integers(0, shape[-1], shape[:-1])
    elif case == "cross_entropy_probabilities" or case == "binary_cross_entropy":
        prediction, target = rng.normal(size=shape) * 3, rng.random(shape)  # need not sum to 1
    else:
        target = rng.normal(size=shape)
        apart = rng.choice([0.0, 1.2, 2.7], shape) + rng.uniform(0.2, 0.8, shape)  # kinks at 0, 1 and 2.5
        prediction = target + rng.choice([-1, 1], shape) * np.where(apart > 2, apart + 0.3, apart)
    return loss, prediction.astype(dtype), target.astype(dtype)


def rows_of(case, prediction):
    """The shape whose leading part `weights` may have."""
    wide = "binary" not in case and ("cross_entropy" in case or case == "pinball")
    return prediction.shape[:-1] if wide else prediction.shape


def numeric_gradient(value_of, x, h=1e-6):
    gradient = np.zeros_like(x)
    for at in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[at] += h
        down[at] -= h
        gradient[at] = (value_of(up) - value_of(down)) / (2 * h)
    return gradient


@pytest.mark.parametrize("kind", ["none", "batch", "time"])
@pytest.mark.parametrize("case", CASES)
def test_value_and_gradient_are_those_of_pytorch(case, kind):
    loss, prediction, target = CASES[case]
    weights = None if kind == "none" else GOLDEN[f"weights/{kind}"]
    value, gradient = loss(GOLDEN[prediction], GOLDEN[target], weights=weights)
    assert type(value) is float
    np.testing.assert_allclose(value, GOLDEN[f"{case}/{kind}/value"], rtol=1e-13)
    np.testing.assert_allclose(gradient, GOLDEN[f"{case}/{kind}/gradient"], rtol=1e-12, atol=1e-15)


def test_weights_of_classes_give_pytorchs_weighted_mean():
    weights = np.array([0.3, 1.0, 2.0, 0.5])[GOLDEN["classes"]]
    value, _ = cross_entropy(GOLDEN["scores"], GOLDEN["classes"], weights=weights)
    np.testing.assert_allclose(value, GOLDEN["cross_entropy_classes/value"], rtol=1e-13)


@pytest.mark.parametrize("case", CASES)
@given(
    shape=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    axes=st.none() | st.integers(0, 4),
    seed=st.integers(0),
)
def test_gradient_is_that_of_the_value(case, shape, axes, seed):
    rng = np.random.default_rng(seed)
    loss, prediction, target = make(case, tuple(shape), rng)
    weights = None if axes is None else np.asarray(rng.random(rows_of(case, prediction)[:axes]))
    if weights is not None and weights.ndim:
        weights[..., 1:] *= rng.integers(0, 2, weights[..., 1:].shape)
    _, gradient = loss(prediction, target, weights=weights)
    numeric = numeric_gradient(lambda p: loss(p, target, weights=weights)[0], prediction)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float64])
@pytest.mark.parametrize("case", CASES)
def test_what_has_weight_0_is_absent(case, dtype):
    loss, prediction, target = make(case, (3, 4, 2), np.random.default_rng(5))
    present = np.array([[1, 1, 0, 0], [1, 0, 1, 1], [0, 0, 0, 0]], dtype)
    keep = present != 0
    value, gradient = loss(prediction[keep], target[keep])
    prediction[~keep] = np.nan
    target[~keep] = -100 if case == "cross_entropy" else np.nan
    masked_value, masked_gradient = loss(prediction, target, weights=present)
    np.testing.assert_allclose(masked_value, value, rtol=1e-14)
    np.testing.assert_allclose(masked_gradient[keep], gradient, rtol=1e-13)
    assert (masked_gradient[~keep] == 0).all()


def test_an_absent_class_need_not_be_one():
    logits, weights = np.zeros((2, 1)), np.array([1.0, 0.0])
    value, gradient = cross_entropy(logits, np.array([0, 7]), weights=weights)
    assert (value, gradient.tolist()) == (0.0, [[0.0], [0.0]])


@pytest.mark.parametrize("name", ["prediction", "target"])
@pytest.mark.parametrize("case", sorted(CASES.keys() - {"cross_entropy"}))
def test_nan_that_counts_is_seen_in_value_and_gradient(case, name):
    loss, prediction, target = make(case, (3, 2), np.random.default_rng(6))
    {"prediction": prediction, "target": target}[name][1] = np.nan
    value, gradient = loss(prediction, target)
    assert np.isnan(value)
    assert np.isnan(gradient[1]).all()
    assert np.isfinite(gradient[[0, 2]]).all()


@pytest.mark.parametrize("weights", [None, np.array([0.5, 2.0, 0.0])])
@pytest.mark.parametrize("case", CASES)
def test_float32_stays_float32_and_arguments_stay_as_they_are(case, weights):
    loss, prediction, target = make(case, (3, 4), np.random.default_rng(7), np.float32)
    before = prediction.copy(), target.copy()
    value, gradient = loss(prediction, target, weights=weights)
    assert gradient.dtype == np.float32
    assert gradient.shape == prediction.shape
    np.testing.assert_array_equal(prediction, before[0])
    np.testing.assert_array_equal(target, before[1])
    wide = target if case == "cross_entropy" else target.astype(np.float64)
    exact, exact_gradient = loss(prediction.astype(np.float64), wide, weights=weights)
    np.testing.assert_allclose(value, exact, rtol=2e-6)
    np.testing.assert_allclose(gradient, exact_gradient, rtol=1e-5, atol=1e-6)


def test_numpy_scalars_as_settings_do_not_widen_float32():
    x, y = np.float32([1.0, 4.0]), np.float32([0.0, 0.0])
    assert huber(x, y, delta=np.float64(2.0))[1].dtype == np.float32
    assert pinball(x[None], y[:1], quantiles=np.array([0.2, 0.7]))[1].dtype == np.float32


def test_many_small_float32_losses_are_summed_without_loss():
    x = np.random.default_rng(8).random(100_003, dtype=np.float32)
    assert mse(x, np.zeros_like(x))[0] == pytest.approx(np.mean((x * x).astype(np.float64)), rel=1e-12)


def test_large_logits_neither_overflow_nor_vanish():
    value, gradient = cross_entropy(np.array([[1e4, 0.0], [-1e4, 0.0]]), np.array([1, 1]))
    assert value == 5e3
    np.testing.assert_array_equal(gradient, [[0.5, -0.5], [0.0, 0.0]])
    value, gradient = binary_cross_entropy(np.array([1e4, -1e4, 40.0]), np.array([0.0, 0.0, 1.0]))
    assert value == 1e4 / 3
    np.testing.assert_allclose(gradient * 3, [1.0, 0.0, 0.0], atol=1e-17)
    assert binary_cross_entropy(np.array([40.0]), np.array([1.0]))[0] == pytest.approx(np.exp(-40.0), abs=0)


def test_slopes_at_the_kinks():
    x = np.array([[1.0, 1.0]])
    np.testing.assert_array_equal(mae(x, x)[1], [[0.0, 0.0]])
    np.testing.assert_allclose(pinball(x, x[0, :1], quantiles=(0.1, 0.5))[1], [[0.2, 0.0]], atol=1e-16)
    np.testing.assert_array_equal(huber(x, np.array([[0.0, 2.0]]))[1], [[0.5, -0.5]])


def test_default_quantiles_are_the_forecasters():
    x, y = np.arange(6.0).reshape(2, 3), np.array([2.2, 3.1])
    assert pinball(x, y)[0] == pinball(x, y, quantiles=(0.1, 0.5, 0.9))[0]


def test_names():
    assert list(LOSSES) == ["mse", "mae", "huber", "cross_entropy", "binary_cross_entropy", "pinball"]
    assert all(loss.__name__ == name for name, loss in LOSSES.items())


X = np.arange(6.0).reshape(3, 2)
Y = np.ones(3, int)


@pytest.mark.parametrize("name", ["mse", "mae", "huber", "binary_cross_entropy"])
@pytest.mark.parametrize(
    ("prediction", "target", "kind", "text"),
    [
        (np.ones((3, 1)), np.ones(3), GatewiseValueError, r"target has shape \(3,\); need \(3, 1\)"),
        (np.ones(3), np.ones((3, 1)), GatewiseValueError, r"target has shape \(3, 1\); need \(3,\)"),
        (np.ones(3, np.float32), np.ones(3), GatewiseTypeError, "target has dtype float64; need float32"),
        (np.ones(3), np.ones(3, int), GatewiseTypeError, "target has dtype int64; need float64"),
        (np.ones(3), [1.0, 1.0, 1.0], GatewiseTypeError, "target is a list; need a NumPy array"),
        (
            np.ones(3, int),
            np.ones(3),
            GatewiseTypeError,
            "prediction is of type array of int64; need an array of",
        ),
        (1.5, np.ones(3), GatewiseTypeError, "prediction is of type float; need an array of float32"),
        (
            np.ones((0, 2)),
            np.ones((0, 2)),
            GatewiseValueError,
            r"prediction has shape \(0, 2\); need 1 or more axes",
        ),
        (np.array(1.0), np.array(1.0), GatewiseValueError, r"prediction has shape \(\); need 1 or more axes"),
    ],
)
def test_wrong_arrays(name, prediction, target, kind, text):
    with pytest.raises(kind, match=text):
        LOSSES[name](prediction, target)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (
            lambda: cross_entropy(X, np.array([0, 2, 1])),
            r"target\[1\] is class 2; need 0 to 1, as prediction has 2",
        ),
        (lambda: cross_entropy(X[None], np.array([[0, 1, -1]])), r"target\[0, 2\] is class -1; need 0 to 1"),
        (lambda: cross_entropy(X, np.ones(2, int)), r"target has shape \(2,\); need \(3,\)"),
        (lambda: cross_entropy(X, np.ones((3, 1), int)), r"target has shape \(3, 1\); need \(3,\)"),
        (lambda: cross_entropy(X, np.ones(3)), r"target has shape \(3,\); need \(3, 2\)"),
        (lambda: cross_entropy(X, np.ones((3, 2), np.float32)), "target has dtype float32; need float64"),
        (lambda: cross_entropy(X, [0, 1, 1]), "target is a list; need a NumPy array"),
        (lambda: cross_entropy(X, X / 4), r"target\[2, 1\] is 1.25; need 0 to 1: pass probabilities"),
        (lambda: cross_entropy(X[0], np.array(1)), r"prediction has shape \(2,\); need 2 or more axes"),
        (lambda: binary_cross_entropy(X, X), r"target\[1, 0\] is 2.0; need 0 to 1: pass probabilities"),
        (lambda: binary_cross_entropy(X, X - 1), r"target\[0, 0\] is -1.0; need 0 to 1: pass probabilities"),
        (lambda: huber(X, X, delta=0), "delta is 0; need more than 0"),
        (lambda: pinball(X, X[:, 0]), r"prediction has shape \(3, 2\); need \(3, 3\)"),
        (lambda: pinball(X, X[:, :1], quantiles=(0.1, 0.9)), r"target has shape \(3, 1\); need \(3,\)"),
        (
            lambda: pinball(X, X[:, 0], quantiles=(0.1, 1.0)),
            r"quantiles\[1\] is 1.0; need more than 0 and less than 1",
        ),
        (lambda: pinball(X, X[:, 0], quantiles=(0.0, 0.9)), r"quantiles\[0\] is 0.0; need more than 0"),
        (lambda: pinball(X, X[:, 0], quantiles=(0.1, 1.5)), r"quantiles\[1\] is 1.5; need"),
        (lambda: pinball(X[0], X[0, 0, ...], quantiles=(0.1, 0.9)), r"shape \(2,\); need 2 or more axes"),
        (lambda: cross_entropy(X, np.array([0, 2, 7])), r"target\[1\] is class 2; need 0 to 1"),
        (lambda: mse(X, X, weights=np.zeros(3)), "weights are all 0; need at least one above 0"),
        (lambda: mse(X, X, weights=np.array([1.0, -1.0, 1.0])), "weights holds negative or non-finite"),
        (lambda: mse(X, X, weights=np.array([1.0, np.nan, 1.0])), "weights holds negative or non-finite"),
        (lambda: mse(X, X, weights=np.array([1.0, np.inf, 1.0])), "weights holds negative or non-finite"),
        (lambda: mse(X, X, weights=np.ones(2)), r"shape \(2,\); need a leading part of \(3, 2\), such as \(3,\)"),
        (lambda: mse(X, X, weights=np.ones((3, 1))), r"weights has shape \(3, 1\); need a leading part of"),
        (
            lambda: mse(X, X, weights=np.ones((3, 2, 1))),
            r"weights has shape \(3, 2, 1\); need a leading part of",
        ),
        (
            lambda: cross_entropy(X, Y, weights=np.ones((3, 2))),
            r"weights has shape \(3, 2\); need a leading part of \(3,",
        ),
        (lambda: mse(X, X, weights=[1, 1, 1]), "weights is .*; need an array of real numbers or bool"),
        (
            lambda: mse(X, X, weights=np.ones(3, complex)),
            "weights is .*; need an array of real numbers or bool",
        ),
    ],
)
def test_wrong_values(call, text):
    with pytest.raises(GatewiseError, match=text):
        call()


def test_a_gap_needs_no_class_even_if_there_is_but_one():
    value, gradient = cross_entropy(np.ones((3, 1)), np.array([0, 0, -100]), weights=np.array([1, 1, 0]))
    assert value == 0
    assert not gradient.any()
