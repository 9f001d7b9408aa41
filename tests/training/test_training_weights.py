"""Weights of rows, steps and classes, and lengths, in training."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_training import assert_same, data, model, per_step, sgd, step_by_hand

import gatewise as gw
from gatewise.batches import Samples, class_weights
from gatewise.losses import cross_entropy, mse


@pytest.mark.parametrize("shape", ["rows", "steps"])
def test_weights_enter_the_loss(shape):
    rng = np.random.default_rng(0)
    net, by_hand = per_step(), per_step()
    x, y = data(6)[0], rng.normal(size=(6, 5, 1))
    weights = rng.uniform(size=6 if shape == "rows" else (6, 5))
    weights[2] = 0
    y[2] = np.nan
    (record,) = gw.train(net, x, y, loss="mse", optimizer=sgd(), epochs=1, batch_size=6, weights=weights, shuffle=False)
    full = np.broadcast_to(weights[:, None] if shape == "rows" else weights, (6, 5))
    error = (per_step()(x)[0] - y)[..., 0] ** 2
    keep = full > 0
    np.testing.assert_allclose(record["loss"], (full * error)[keep].sum() / full.sum(), rtol=1e-12)
    step_by_hand(by_hand, sgd(), x, y, weights=weights)
    assert_same(net.params, by_hand.params, rtol=1e-12, atol=1e-14)


def test_mean_over_the_epoch_counts_weights():
    net = model()
    x, y = data(4)
    weights = np.array([1.0, 2.0, 3.0, 6.0])
    (record,) = gw.train(
        net, x, y, loss="mse", optimizer=sgd(1e-300), epochs=1, batch_size=2, weights=weights, shuffle=False
    )
    error = (net(x)[0] - y)[:, 0] ** 2
    np.testing.assert_allclose(record["loss"], (weights * error).sum() / 12, rtol=1e-12)


@pytest.mark.parametrize(
    ("class_weight", "table"),
    [
        ("balanced", [8 / (3 * 4), 8 / (3 * 3), 8 / (3 * 1)]),
        ({0: 0.5, 2: 3.0}, [0.5, 1.0, 3.0]),
        ([0.2, 0.7, 1.5], [0.2, 0.7, 1.5]),
        (np.array([0.2, 0.7, 1.5, 9.0]), [0.2, 0.7, 1.5]),
    ],
)
@pytest.mark.parametrize("row_weights", [None, np.linspace(0.5, 2, 8)])
def test_class_weight(class_weight, table, row_weights):
    net = model(outputs=3)
    x = data(8)[0]
    y = np.array([0, 0, 1, 2, 1, 0, 0, 1])
    logits = net(x)[0]
    (record,) = gw.train(
        net,
        x,
        y,
        loss="cross_entropy",
        optimizer=sgd(),
        epochs=1,
        class_weight=class_weight,
        weights=row_weights,
        shuffle=False,
    )
    w = np.array(table)[y] * (1 if row_weights is None else row_weights)
    each = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(8), y]
    np.testing.assert_allclose(record["loss"], (w * each).sum() / w.sum(), rtol=1e-12)


def test_class_weight_ignores_what_weights_and_lengths_leave_out():
    x = data(4)[0]
    y = np.random.default_rng(0).integers(0, 3, (4, 5))
    lengths, weights = np.array([5, 2, 3, 4]), np.array([1.0, 1.0, 0.0, 2.0])
    mask = (np.arange(5) < lengths[:, None]) * weights[:, None]
    counts = np.bincount(y[mask > 0], minlength=3)
    table = counts.sum() / (3 * counts)
    expected, _ = cross_entropy(per_step(3)(x, lengths=lengths)[0], y, weights=mask * table[y])
    y[mask == 0] = -1
    (record,) = gw.train(
        per_step(3),
        x,
        y,
        loss="cross_entropy",
        optimizer=sgd(),
        epochs=1,
        class_weight="balanced",
        lengths=lengths,
        weights=weights,
        shuffle=False,
    )
    np.testing.assert_allclose(record["loss"], expected, rtol=1e-12)


def test_balanced_is_scikit_learns():
    from sklearn.utils.class_weight import compute_class_weight

    y = np.array([0, 3, 3, 1, 3, 0, 3])
    weights = class_weights("balanced", y)
    np.testing.assert_allclose(weights[[0, 1, 3]], compute_class_weight("balanced", classes=np.unique(y), y=y))


def test_a_batch_whose_weights_are_all_0_is_skipped():
    net, by_hand = model(), model()
    x, y = data(6)
    y[2:4] = np.nan
    optimizer = gw.optimizers.Adam(0.02)
    (record,) = gw.train(
        net,
        x,
        y,
        loss="mse",
        optimizer=optimizer,
        epochs=1,
        batch_size=2,
        weights=np.array([1, 1, 0, 0, 1, 1]),
        shuffle=False,
    )
    adam = gw.optimizers.Adam(0.02)
    values = [step_by_hand(by_hand, adam, x[rows], y[rows]) for rows in (slice(0, 2), slice(4, 6))]
    assert_same(net.params, by_hand.params, rtol=1e-12, atol=1e-15)
    assert optimizer.steps == 2
    np.testing.assert_allclose(record["loss"], np.mean(values), rtol=1e-12)


@given(
    lengths=st.lists(st.integers(1, 5), min_size=4, max_size=4),
    classes=st.booleans(),
    weighted=st.sampled_from(["no", "rows", "steps"]),
)
def test_padded_steps_do_not_matter(lengths, classes, weighted):
    rng = np.random.default_rng(0)
    lengths = np.array(lengths)
    valid = np.arange(5) < lengths[:, None]
    x = rng.normal(size=(4, 5, 2))
    y = rng.integers(0, 3, (4, 5)) if classes else rng.normal(size=(4, 5, 1))
    weights = {"no": None, "rows": rng.uniform(1, 2, 4), "steps": rng.uniform(1, 2, (4, 5))}[weighted]
    loss, outputs = (cross_entropy, 3) if classes else (mse, 1)
    by_hand = per_step(outputs)
    mask = valid if weights is None else valid * (weights[:, None] if weighted == "rows" else weights)
    optimizer = sgd()
    # Untrimmed: all five steps, padding masked.
    losses = [step_by_hand(by_hand, optimizer, x, y, loss=loss, weights=mask, lengths=lengths) for _ in range(3)]
    x[~valid] = np.nan
    y[~valid] = -1 if classes else np.nan
    net = per_step(outputs)
    history = gw.train(net, x, y, loss=loss, optimizer=sgd(), epochs=3, lengths=lengths, weights=weights, shuffle=False)
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-11)
    assert_same(net.params, by_hand.params, rtol=1e-10, atol=1e-12)


def test_batches_are_trimmed_to_their_longest_row():
    x, y = np.zeros((4, 9, 2)), np.arange(36).reshape(4, 9)
    samples = Samples.checked(x, y, [2, 3, 9, 1], np.ones((4, 9)))
    shapes = [(b.x.shape, b.y.shape, b.weights.shape) for b in samples.batches(2, trim=True)]
    assert shapes == [((2, 3, 2), (2, 3), (2, 3)), ((2, 9, 2), (2, 9), (2, 9))]
    shapes = [(b.x.shape, b.y.shape) for b in samples.batches(2)]
    assert shapes == [((2, 3, 2), (2, 9)), ((2, 9, 2), (2, 9))]
    rows = np.concatenate([b.y[:, 0] for b in samples.batches(3, np.random.default_rng(0))])
    assert sorted(rows.tolist()) == [0, 9, 18, 27]


def test_lengths_of_a_model_that_ends_in_one_vector():
    net, by_hand = model(), model()
    x, y = data(4)
    lengths = np.array([2, 3, 1, 3])
    x[0, 2:] = np.nan
    history = gw.train(net, x, y, loss="mse", optimizer=sgd(), epochs=2, lengths=lengths, shuffle=False)
    optimizer = sgd()
    losses = [step_by_hand(by_hand, optimizer, x, y, lengths=lengths) for _ in range(2)]
    np.testing.assert_allclose(history["loss"], losses, rtol=1e-12)
    assert_same(net.params, by_hand.params, rtol=1e-11, atol=1e-13)


def test_integers_in():
    net = gw.Sequential(gw.Embedding(5, 3, rng=0), gw.LSTM(3, 6, rng=1), gw.Last(), gw.Dense(6, 2, rng=2))
    rng = np.random.default_rng(0)
    x = rng.integers(0, 5, (60, 4))
    y = (x[:, -1] > 2).astype(int)
    history = gw.train(net, x, y, loss="cross_entropy", optimizer=gw.optimizers.Adam(0.03), epochs=15, rng=0)
    assert history["loss"][-1] < 0.1
