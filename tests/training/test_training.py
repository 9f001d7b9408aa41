"""Training against the same loop written by hand, with validation, patience and callbacks."""

import numpy as np
import pytest
from small_training import assert_same, copies, data, model, per_step, sgd, step_by_hand

import gatewise as gw
from gatewise.losses import mse


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
