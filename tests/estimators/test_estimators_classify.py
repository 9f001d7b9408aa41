import numpy as np
import pytest
from sklearn.exceptions import DataConversionWarning

import gatewise as gw
from gatewise.estimators import builder, fitting

SMALL = {"hidden_size": 8, "max_iter": 3, "n_networks": 2, "ridge_share": 0, "random_state": 0}


def gestures(n=150, noise=0.5, seed=0):
    """Ragged recordings of three classes, each along its own path at any speed."""
    rng = np.random.default_rng(seed)
    paths = 0.6 * np.random.default_rng(99).normal(size=(3, 6, 4))
    y = np.arange(n) % 3
    X = []
    for label in y:
        clock = np.sort(rng.uniform(0, 5, size=rng.integers(7, 20)))
        clean = np.column_stack([np.interp(clock, np.arange(6), channel) for channel in paths[label].T])
        X.append(clean + noise * rng.normal(size=clean.shape))
    return X, np.array(["circle", "swipe", "tap"])[y]


def order(n=120, seed=0):
    """Which of two marks comes first: nothing but the order tells the classes apart."""
    rng = np.random.default_rng(seed)
    X, y = 0.1 * rng.normal(size=(n, 12, 2)), np.arange(n) % 2
    for x, label in zip(X, y, strict=True):
        first, second = np.sort(rng.choice(12, size=2, replace=False))
        x[first, label] += 3
        x[second, 1 - label] += 3
    return X, y


@pytest.mark.parametrize("cell", ["gru", "lstm", "rnn"])
def test_gestures_are_told_apart(cell):
    X, y = gestures()
    model = gw.RecurrentClassifier(cell=cell, hidden_size=24, max_iter=25, n_networks=1, random_state=0).fit(
        X[:90], y[:90]
    )
    assert model.score(X[90:], y[90:]) > 0.85
    assert model.loss_ < 0.5 * model.loss_curve_[0]
    assert (model.predict(X) == model.classes_[model.predict_proba(X).argmax(axis=1)]).all()


def test_order_is_learned_and_only_by_recurrence():
    X, y = order(200)
    options = {"hidden_size": 12, "max_iter": 40, "n_networks": 1, "segments": 0, "random_state": 0}
    assert gw.RecurrentClassifier(**options).fit(X[:140], y[:140]).score(X[140:], y[140:]) > 0.9
    shuffled = np.random.default_rng(0).permuted(X, axis=1)
    assert gw.RecurrentClassifier(**options).fit(shuffled[:140], y[:140]).score(shuffled[140:], y[140:]) < 0.7


@pytest.mark.parametrize("solver", ["adam", "sgd", "rmsprop", "adagrad"])
def test_every_solver_learns(solver):
    X, y = gestures(90)
    model = gw.RecurrentClassifier(hidden_size=16, solver=solver, max_iter=15, n_networks=1, random_state=0).fit(X, y)
    assert model.loss_ < 0.8 * model.loss_curve_[0]


def test_probabilities_are_those_of_the_networks_on_average():
    X, y = gestures(60)
    model = gw.RecurrentClassifier(**SMALL | {"n_networks": 3}).fit(X, y)
    odds = model.predict_proba(X)
    np.testing.assert_allclose(odds.sum(axis=1), 1)
    np.testing.assert_allclose(np.exp(model.predict_log_proba(X)), odds)
    x, lengths = gw.SequencePadder(value=0).fit_transform(X), np.array([len(x) for x in X])
    x = ((x - model._inputs.mean) / model._inputs.scale).astype(np.float32)
    single = [member(x, lengths=lengths)[0].astype(float) for member in model.model_.layers]
    expected = np.mean([np.exp(z) / np.exp(z).sum(axis=1, keepdims=True) for z in single], axis=0)
    np.testing.assert_allclose(odds, expected, atol=1e-5)
    assert len(model.model_.layers) == 3


def test_the_linear_path_reads_means_over_parts_of_the_input():
    X, y = gestures(60)
    X = [x[: len(x) // 2 * 2] for x in X]
    model = gw.RecurrentClassifier(**SMALL | {"n_networks": 1, "segments": 2}).fit(X, y)
    head = model.model_.layers[-1].params
    head["weight"][:, : 3 * SMALL["hidden_size"]] = 0
    halves = [((x - model._inputs.mean) / model._inputs.scale).reshape(2, -1, 4).mean(axis=1).ravel() for x in X]
    logits = np.array(halves) @ head["weight"][:, -8:].T + head["bias"]
    expected = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert expected.std(axis=0).min() > 0.01
    np.testing.assert_allclose(model.predict_log_proba(X), expected, atol=1e-4)


def test_the_gradient_of_networks_together_is_certified():
    X, y = gestures(60)
    model = gw.RecurrentClassifier(**SMALL).fit(X, y)
    assert gw.gradcheck(model.model_, lengths=[5, 2, 4]).ok


@pytest.mark.parametrize("weights", [None, np.array([1.0, 0.5, 3.0])])
def test_the_loss_of_networks_together_is_the_mean_of_theirs(weights):
    rng = np.random.default_rng(0)
    logits, target = rng.normal(size=(3, 8)), np.array([0, 3, 1])
    value, gradient = fitting.LossOverNetworks(gw.losses.cross_entropy, 2)(logits, target, weights=weights)
    parts = [gw.losses.cross_entropy(part.copy(), target, weights=weights) for part in np.split(logits, 2, axis=1)]
    assert value == pytest.approx(np.mean([v for v, _ in parts]))
    np.testing.assert_allclose(gradient, np.concatenate([g / 2 for _, g in parts], axis=1))


def test_a_weight_counts_as_in_the_whole_set():
    """Gradients of batches, summed, are the gradient of all rows at once."""
    rng = np.random.default_rng(0)
    logits, target, weights = rng.normal(size=(6, 3)), np.array([0, 1, 2, 0, 1, 2]), rng.uniform(0.1, 5, size=6)
    _, whole = gw.losses.cross_entropy(logits, target, weights=weights)
    loss = fitting.WeightedLoss(gw.losses.cross_entropy, float(weights.mean()))
    parts = [loss(logits[s], target[s], weights=weights[s])[1] for s in (slice(2), slice(2, 4), slice(4, 6))]
    np.testing.assert_allclose(np.concatenate(parts) / 3, whole)


def test_rare_classes_count_when_balanced():
    rng = np.random.default_rng(0)
    y = (np.arange(150) % 10 == 0).astype(int)
    X = rng.normal(size=(150, 6, 1)) + 1.0 * y[:, None, None]
    options = {"hidden_size": 8, "max_iter": 25, "n_networks": 1, "random_state": 0}
    plain = gw.RecurrentClassifier(**options).fit(X, y)
    balanced = gw.RecurrentClassifier(class_weight="balanced", **options).fit(X, y)
    assert balanced.predict_proba(X)[y == 0, 1].mean() > 1.5 * plain.predict_proba(X)[y == 0, 1].mean()
    ignored = gw.RecurrentClassifier(class_weight={0: 0.0, 1: 1.0}, **options).fit(X, y)
    assert ignored.predict(X).mean() > 0.9


def test_weights_of_sequences_move_the_answer():
    X = np.ones((40, 5, 1)) + 0.01 * np.random.default_rng(0).normal(size=(40, 5, 1))
    y = np.arange(40) % 2
    for favorite in (0, 1):
        weights = np.where(y == favorite, 9.0, 1.0)
        model = gw.RecurrentClassifier(hidden_size=4, max_iter=40, n_networks=1, random_state=0)
        odds = model.fit(X, y, sample_weight=weights).predict_proba(X)[:, favorite].mean()
        assert odds == pytest.approx(0.9, abs=0.05)


def test_partial_fit_takes_classes_that_come_later():
    X, y = gestures(90)
    model = gw.RecurrentClassifier(hidden_size=16, n_networks=1, random_state=0)
    early = y != "tap"
    model.partial_fit([x for x, e in zip(X, early, strict=True) if e], y[early], classes=["tap", "swipe", "circle"])
    assert list(model.classes_) == ["circle", "swipe", "tap"]
    for _ in range(15):
        model.partial_fit(X, y)
    assert model.score(X, y) > 0.85
    with pytest.raises(gw.GatewiseError, match=r"y holds the class .*'wave'.*; need classes among"):
        model.partial_fit(X, ["wave"] * 90)
    with pytest.raises(gw.GatewiseError, match="need those of the first call"):
        model.partial_fit(X, y, classes=["tap"])


def test_warm_start_needs_the_same_classes():
    X, y = gestures(30)
    model = gw.RecurrentClassifier(**SMALL, warm_start=True).fit(X, y)
    with pytest.raises(gw.GatewiseError, match="need classes among"):
        model.fit(X, np.where(y == "tap", "knock", y))


@pytest.mark.parametrize("labels", [[3, 7], [-1.0, 1.0], [True, False], ["ja", "nein"], np.array(["a", "b"], object)])
def test_labels_of_any_kind_survive_a_file(labels, tmp_path):
    X, _ = gestures(20)
    y = np.asarray(labels)[np.arange(20) % 2]
    model = gw.RecurrentClassifier(**SMALL).fit(X, y)
    gw.save(model, tmp_path / "m")
    found = gw.load(tmp_path / "m").predict(X)
    assert found.dtype == y.dtype
    assert (found == model.predict(X)).all()


def test_one_class_is_all_there_is():
    X, _ = gestures(12)
    model = gw.RecurrentClassifier(**SMALL).fit(X, ["only"] * 12)
    assert (model.predict(X) == "only").all()
    assert (model.predict_proba(X) == 1).all()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed, but the target y is None"),
        ([0, 1, 0], "y has 3 targets and X has 12 sequences"),
        (np.linspace(0, 1, 12), "Unknown label type"),
        (np.zeros((12, 2)), "1d array"),
        ([np.nan] * 12, "NaN"),
    ],
    ids=str,
)
def test_labels_that_cannot_be_used(y, message):
    with pytest.raises(gw.GatewiseError, match=message):
        gw.RecurrentClassifier(**SMALL).fit(gestures(12)[0], y)


def test_a_column_of_labels_is_taken_with_a_warning():
    X, y = gestures(12)
    with pytest.warns(DataConversionWarning):
        gw.RecurrentClassifier(**SMALL).fit(X, y[:, None])


def test_a_label_a_step():
    rng = np.random.default_rng(0)
    X = [rng.normal(size=(rng.integers(4, 15), 2)) for _ in range(60)]
    y = [np.where(np.cumsum(x[:, 0]) > 0, "above", "below") for x in X]
    model = gw.RecurrentClassifier(output="all", hidden_size=16, max_iter=40, n_networks=1, random_state=0)
    model.fit(X[:40], y[:40], sample_weight=np.ones(40))
    assert model.score(X[40:], y[40:]) > 0.8
    assert [len(found) for found in model.predict(X)] == [len(x) for x in X]
    odds = model.predict_proba(X)
    assert all(p.shape == (len(x), 2) for p, x in zip(odds, X, strict=True))
    right = np.concatenate([a == b for a, b in zip(model.predict(X), y, strict=True)])
    assert model.score(X, y) == pytest.approx(right.mean())
    with pytest.raises(gw.GatewiseError, match=r"y\[0\] has shape \(1,\) and X\[0\] has .* steps"):
        model.fit(X, [labels[:1] for labels in y])


@pytest.mark.parametrize("kind", ["tiny", "constant", "unscaled", "one class rare", "outlier"])
def test_defaults_cope_with_odd_sets(kind):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(10, 6, 3)), np.arange(10) % 2
    X[:, :, 0] += 3 * y[:, None]
    if kind == "constant":
        X[:, :, 1] = 7.0
    if kind == "unscaled":
        X = X * [1e9, 1e-9, 1] + [0, 0, 1e6]
    if kind == "one class rare":
        y = (np.arange(10) == 3).astype(int)
    if kind == "outlier":
        X[0, 0, 2] = 1e12
    model = gw.RecurrentClassifier(random_state=0, max_iter=40, early_stopping=kind == "one class rare").fit(X, y)
    assert np.isfinite(model.loss_)
    if kind != "one class rare":
        assert model.score(X, y) == 1


def test_networks_follow_the_number_of_sequences():
    model = gw.RecurrentClassifier()
    assert [
        builder.network_count(model, rows, steps) for rows, steps in [(300, 6000), (300, 600_000), (10**5, 10**6)]
    ] == [
        3,
        1,
        1,
    ]
    assert builder.network_count(gw.RecurrentClassifier(n_networks=5), 10**5, 10**8) == 5


def test_disturbances_follow_channels_and_sequences():
    def named(model, channels, rows):
        return [repr(layer) for layer in builder.input_noise(model, channels, rows)]

    model = gw.RecurrentClassifier()
    assert named(model, 12, 200) == ["Dropout(p=0.3, variational=False)"]
    assert named(model, 12, 1200) == ["Dropout(p=0.15, variational=False)"]
    assert named(model, 1, 200) == ["Noise(std=0.2)"]
    assert named(gw.RecurrentClassifier(noise=1, input_dropout=0), 12, 200) == ["Noise(std=1.0)"]
    assert named(gw.RecurrentRegressor(), 12, 200) == []


@pytest.mark.parametrize(
    ("options", "rows", "work", "plan"),
    [
        ({}, 40, 4000, (200, 16, 600)),
        ({}, 320, 40_000, (50, 20, 800)),
        ({}, 320, 1_000_000, (20, 20, 320)),
        ({}, 100_000, 2_400_000, (15, 256, 5865)),
        ({"batch_size": 500, "max_iter": 7}, 320, 10**9, (7, 320, 7)),
    ],
)
def test_the_plan_follows_the_number_of_sequences(options, rows, work, plan):
    assert tuple(fitting.plan(gw.RecurrentClassifier(**options), rows, work)) == plan
