import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import gatewise as gw
from gatewise.batches import Samples
from gatewise.losses import cross_entropy, mse


def model(dtype=np.float64, outputs=1, seed=0):
    return gw.Sequential(
        gw.GRU(2, 4, dtype=dtype, rng=seed), gw.Last(), gw.Dense(4, outputs, dtype=dtype, rng=seed + 1)
    )


def per_step(outputs=1, seed=0):
    return gw.Sequential(gw.GRU(2, 4, dtype=np.float64, rng=seed), gw.Dense(4, outputs, dtype=np.float64, rng=seed + 1))


def data(n=20, time=5, dtype=np.float64, seed=0):
    x = np.random.default_rng(seed).normal(size=(n, time, 2)).astype(dtype)
    return x, x.sum(axis=(1, 2), keepdims=True)[:, 0]


def sgd(lr=0.05):
    return gw.optimizers.SGD(lr)


def copies(net):
    return {name: value.copy() for name, value in net.params.items()}


def assert_same(found, expected, **tolerance):
    assert list(found) == list(expected)
    for name, value in found.items():
        np.testing.assert_allclose(value, expected[name], **({"rtol": 0, "atol": 0} | tolerance), err_msg=name)


def step_by_hand(net, optimizer, x, y, *, loss=mse, weights=None, lengths=None, clip=np.inf):
    """One update; returns the loss."""
    prediction, _, tape = net.forward(x, lengths=lengths)
    value, gradient = loss(prediction, y) if weights is None else loss(prediction, y, weights=weights)
    _, _, grads = net.backward(tape, gradient)
    gw.clip_by_global_norm(grads, clip)
    optimizer.step(net.params, grads)
    return value


@pytest.mark.parametrize(
    "make",
    [lambda: gw.optimizers.Adam(0.01), lambda: gw.optimizers.SGD(0.01, momentum=0.9), lambda: "rmsprop"],
    ids=["adam", "sgd", "rmsprop"],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_loss_falls(make, dtype):
    net = model(dtype)
    x, y = data(64, dtype=dtype)
    history = gw.train(net, x, y, loss="mse", optimizer=make(), epochs=40, batch_size=8, rng=0)
    assert history["loss"][-1] < 0.4 * history["loss"][0]
    assert len(history) == 40
    assert {value.dtype for value in net.params.values()} == {np.dtype(dtype)}


def test_twenty_steps_are_those_of_a_hand_written_loop():
    trained, by_hand = model(), model()
    x, y = data(20)
    gw.train(trained, x, y, loss=mse, optimizer=gw.optimizers.Adam(0.02), epochs=4, batch_size=4, clip=0.7, rng=3)
    optimizer, rng = gw.optimizers.Adam(0.02), np.random.default_rng(3)
    for _ in range(4):
        order = rng.permutation(20)
        for start in range(0, 20, 4):
            rows = order[start : start + 4]
            prediction, _, tape = by_hand.forward(x[rows], training=True, rng=rng)
            _, gradient = mse(prediction, y[rows])
            _, _, grads = by_hand.backward(tape, gradient)
            gw.clip_by_global_norm(grads, 0.7)
            optimizer.step(by_hand.params, grads)
    assert_same(trained.params, by_hand.params)


def test_dropout_follows_rng_as_in_a_hand_written_loop():
    def net():
        return gw.Sequential(gw.Dropout(0.3), *model().layers)

    trained, by_hand = net(), net()
    x, y = data(6)
    gw.train(trained, x, y, loss=mse, optimizer=sgd(), epochs=2, batch_size=3, shuffle=False, rng=3)
    optimizer, rng = sgd(), np.random.default_rng(3)
    for rows in [slice(0, 3), slice(3, 6)] * 2:
        prediction, _, tape = by_hand.forward(x[rows], training=True, rng=rng)
        optimizer.step(by_hand.params, by_hand.backward(tape, mse(prediction, y[rows])[1])[2])
    assert_same(trained.params, by_hand.params)


def test_record_of_an_epoch():
    net, by_hand = model(), model()
    x, y = data(5)
    (record,) = gw.train(net, x, y, loss="mse", optimizer=sgd(), epochs=1, batch_size=2, shuffle=False)
    losses, norms = [], []
    for rows in (slice(0, 2), slice(2, 4), slice(4, 5)):
        prediction, _, tape = by_hand.forward(x[rows])
        value, gradient = mse(prediction, y[rows])
        grads = by_hand.backward(tape, gradient)[2]
        losses.append(value)
        norms.append(np.sqrt(sum((g**2).sum() for g in grads.values())))
        step_by_hand(by_hand, sgd(), x[rows], y[rows])
    assert list(record) == ["epoch", "loss", "gradient_norm", "seconds"]
    assert record["epoch"] == 1
    assert record["seconds"] > 0
    np.testing.assert_allclose(record["loss"], (2 * losses[0] + 2 * losses[1] + losses[2]) / 5, rtol=1e-12)
    np.testing.assert_allclose(record["gradient_norm"], np.mean(norms), rtol=1e-12)


def test_same_seed_same_result():
    def run(rng, **options):
        net = model()
        gw.train(net, *data(), loss="mse", optimizer=sgd(), epochs=3, batch_size=4, rng=rng, **options)
        return net.params

    assert_same(run(1), run(1))
    assert_same(run(1), run(np.random.default_rng(1)))
    assert_same(run(1, shuffle=False), run(2, shuffle=False))
    assert (run(1)["0.weight_hh_l0"] != run(2)["0.weight_hh_l0"]).any()


def test_clip_limits_every_update():
    net, before = model(), model()
    x, y = data(4)
    (record,) = gw.train(net, x, 100 * y, loss="mse", optimizer=sgd(1.0), epochs=1, batch_size=4, clip=0.01)
    moved = np.sqrt(sum(((net.params[n] - before.params[n]) ** 2).sum() for n in net.params))
    np.testing.assert_allclose(moved, 0.01, rtol=1e-4)
    assert record["gradient_norm"] > 1


def test_a_schedule_is_followed_step_by_step():
    net, by_hand = model(), model()
    x, y = data(8)
    schedule = gw.schedules.Cosine(0.1, 4)
    gw.train(net, x, y, loss="mse", optimizer=gw.optimizers.SGD(schedule), epochs=2, batch_size=4, shuffle=False)
    for index in range(4):
        rows = slice(4 * (index % 2), 4 * (index % 2) + 4)
        step_by_hand(by_hand, sgd(schedule(index)), x[rows], y[rows])
    assert_same(net.params, by_hand.params, rtol=1e-12, atol=1e-14)


# Validation, patience, callbacks


def test_validation_share_is_the_end():
    trained, expected = model(), model()
    x, y = data(10)
    options = {"loss": "mse", "optimizer": "adam", "epochs": 3, "batch_size": 4, "rng": 0}
    history = gw.train(trained, x, y, validation=0.3, **options)
    twin = gw.train(expected, x[:7], y[:7], validation=(x[7:], y[7:]), **options)
    assert_same(trained.params, expected.params)
    assert history["validation_loss"] == twin["validation_loss"]
    np.testing.assert_allclose(history["validation_loss"][-1], mse(trained(x[7:])[0], y[7:])[0], rtol=1e-12)


def test_validation_takes_lengths_and_weights_and_drops_nothing():
    net = gw.Sequential(gw.Dropout(0.5), *per_step().layers)
    x, _ = data(6)
    y = np.random.default_rng(1).normal(size=(6, 5, 1))
    lengths, weights = np.array([5, 1, 3, 2, 4, 5]), np.arange(6.0)
    y[1, 1:] = np.nan
    held_out = (x, y, lengths, weights)
    history = gw.train(net, x, y, loss="mse", optimizer="adam", epochs=1, lengths=lengths, validation=held_out, rng=0)
    mask = weights[:, None] * (np.arange(5) < lengths[:, None])
    expected, _ = mse(net(x, lengths=lengths)[0], y, weights=mask)
    np.testing.assert_allclose(history["validation_loss"], [expected], rtol=1e-12)


def test_patience_stops_and_restores_the_best_weights():
    net = model()
    x, y = data(30)
    noise = np.random.default_rng(5).normal(size=(8, 1))
    seen = []
    history = gw.train(
        net,
        x,
        y,
        loss="mse",
        optimizer=gw.optimizers.Adam(0.05),
        epochs=200,
        validation=(data(8, seed=9)[0], noise),
        patience=4,
        rng=0,
        callbacks=[lambda record, net: seen.append((record["validation_loss"], copies(net)))],
    )
    losses = [value for value, _ in seen]
    best = int(np.argmin(losses))
    assert len(history) < 200
    assert len(history) == best + 1 + 4
    assert history.best_epoch == best + 1
    assert_same(net.params, seen[best][1])
    assert losses == history["validation_loss"]
    assert (seen[-1][1]["2.weight"] != net.params["2.weight"]).any()


def test_best_weights_are_restored_when_epochs_end_before_patience():
    net, seen = model(), []
    x, y = data(8)
    history = gw.train(
        net,
        x,
        y,
        loss="mse",
        optimizer=sgd(3.0),
        epochs=6,
        patience=50,
        clip=1.0,
        rng=0,
        callbacks=[lambda record, net: seen.append(copies(net))],
    )
    assert len(history) == 6
    assert_same(net.params, seen[int(np.argmin(history["loss"]))])
    assert history.best_epoch == 1 + int(np.argmin(history["loss"]))


def test_without_patience_the_last_weights_stay():
    net, seen = model(), []
    x, y = data(8)
    gw.train(
        net,
        x,
        y,
        loss="mse",
        optimizer=sgd(3.0),
        clip=1.0,
        epochs=4,
        validation=0.5,
        rng=0,
        callbacks=[lambda record, net: seen.append(copies(net))],
    )
    assert_same(net.params, seen[-1])


def test_callbacks():
    net, calls = model(), []

    def watch(record, given):
        assert given is net
        calls.append(record)

    def stop(record, given):
        return record["epoch"] == 3

    history = gw.train(net, *data(), loss="mse", optimizer="adam", epochs=9, callbacks=[stop, watch])
    assert history == calls
    assert history["epoch"] == [1, 2, 3]
    history = gw.train(net, *data(), loss="mse", optimizer="adam", epochs=3, callbacks=(lambda record, net: 1,))
    assert len(history) == 3


@pytest.mark.parametrize("patience", [None, 9])
def test_an_interrupt_restores_the_best_weights(patience):
    net, seen = model(), []
    x, y = data(8)

    def interrupt(record, net):
        seen.append((record["loss"], copies(net)))
        if record["epoch"] == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gw.train(
            net,
            x,
            y,
            loss="mse",
            optimizer=sgd(3.0),
            clip=1.0,
            epochs=9,
            patience=patience,
            callbacks=[interrupt],
            rng=0,
        )
    losses = [value for value, _ in seen]
    best = int(np.argmin(losses))
    assert best < 4
    assert_same(net.params, seen[best if patience else -1][1])


def test_history():
    history = gw.History([{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 1.0}, {"epoch": 3, "loss": 2.0}])
    assert history["loss"] == [3.0, 1.0, 2.0]
    assert history[1] == {"epoch": 2, "loss": 1.0}
    assert history[-2:] == history[1:]
    assert history.best_epoch == 2
    for record, value in zip(history, (1.0, 2.0, 3.0), strict=True):
        record["validation_loss"] = value
    assert history.best_epoch == 1
    history[0]["validation_loss"] = np.nan
    assert history.best_epoch == 2
    with pytest.raises(KeyError):
        history["accuracy"]


# Weights


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

    from gatewise.batches import class_weights

    y = np.array([0, 3, 3, 1, 3, 0, 3])
    found = class_weights("balanced", y)
    np.testing.assert_allclose(found[[0, 1, 3]], compute_class_weight("balanced", classes=np.unique(y), y=y))


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


# Lengths


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


# What goes wrong


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


@pytest.mark.parametrize("terminal", [False, True])
def test_progress_draws_nothing_on_stdout(capsys, monkeypatch, terminal):
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm")
    else:
        monkeypatch.delenv("FORCE_COLOR", raising=False)
    gw.train(
        model(),
        *data(),
        loss="mse",
        optimizer="adam",
        epochs=2,
        progress=True,
        callbacks=[lambda record, net: print("epoch", record["epoch"])],
    )
    out, err = capsys.readouterr()
    assert out == "epoch 1\nepoch 2\n"
    assert ("epoch 2, loss" in err) == terminal
    gw.train(model(), *data(), loss="mse", optimizer="adam", epochs=1)
    assert capsys.readouterr() == ("", "")
