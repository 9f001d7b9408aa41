"""Layers from sequences to vectors and around: Pool, Parallel, Noise."""

import numpy as np
import pytest

import gatewise as gw

X = np.random.default_rng(0).normal(size=(4, 7, 3))
LENGTHS = [7, 1, 4, 5]


@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_each_summary_is_what_it_says(lengths):
    found, _ = gw.Pool(3, ("max", "last", "mean"))(X, lengths=lengths)
    for row, x, length in zip(found, X, lengths or [7] * 4, strict=True):
        valid = x[:length]
        np.testing.assert_allclose(row, np.concatenate([valid.max(axis=0), valid[-1], valid.mean(axis=0)]))


def test_parts_share_the_steps_on_their_borders():
    found, _ = gw.Pool(3, "mean", parts=2)(X, lengths=LENGTHS)
    a, b = X[0][:3].sum(axis=0) + X[0][3] / 2, X[0][3] / 2 + X[0][4:].sum(axis=0)
    np.testing.assert_allclose(found[0], np.concatenate([a, b]) / 3.5)
    np.testing.assert_allclose(found[1], np.tile(X[1][0], 2))
    np.testing.assert_allclose(found[2], np.concatenate([X[2][:2].mean(axis=0), X[2][2:4].mean(axis=0)]))


@pytest.mark.parametrize("parts", [1, 3, 20])
def test_parts_average_to_the_mean(parts):
    found, _ = gw.Pool(3, "mean", parts=parts)(X, lengths=LENGTHS)
    np.testing.assert_allclose(found.reshape(4, parts, 3).mean(axis=1), gw.Pool(3, "mean")(X, lengths=LENGTHS)[0])


def test_the_reverse_half_ends_at_the_first_step():
    x = X[:, :, :2]
    found, _ = gw.Pool(2, "last", bidirectional=True)(x, lengths=LENGTHS)
    np.testing.assert_array_equal(found, gw.Last(bidirectional=True)(x, lengths=LENGTHS)[0])


@pytest.mark.parametrize("kinds", [("last", "mean", "max"), ("max", "mean"), "mean", "max", "last"])
@pytest.mark.parametrize("options", [{}, {"parts": 3}, {"bidirectional": True}], ids=str)
@pytest.mark.parametrize("lengths", [None, [5, 1, 4]])
def test_gradients_of_pools(kinds, options, lengths):
    assert gw.gradcheck(gw.Pool(4, kinds, **options), lengths=lengths).worst < 1e-9


def test_only_the_first_of_equal_maxima_gets_the_gradient():
    pool = gw.Pool(1, "max")
    _, _, tape = pool.forward(np.array([[[1.0], [2.0], [2.0]]]))
    np.testing.assert_array_equal(pool.backward(tape, np.ones((1, 1)))[0], [[[0], [1], [0]]])


@pytest.mark.parametrize("size", [1, 2, 64])
@pytest.mark.parametrize("parts", [1, 8])
def test_a_row_is_pooled_alike_alone_and_padded(size, parts):
    x = np.random.default_rng(1).normal(size=(9, 31, size)).astype(np.float32)
    lengths = np.arange(9) * 3 + 5
    pool = gw.Pool(size, parts=parts)
    together, _ = pool(x, lengths=lengths)
    for row, length, found in zip(x, lengths, together, strict=True):
        np.testing.assert_array_equal(pool(row[None, :length])[0][0], found)


def test_padding_may_hold_anything():
    spoiled = X.copy()
    for row, length in zip(spoiled, LENGTHS, strict=True):
        row[length:] = np.nan
    pool = gw.Pool(3, parts=2)
    np.testing.assert_array_equal(pool(spoiled, lengths=LENGTHS)[0], pool(X, lengths=LENGTHS)[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: gw.Pool(3, ()), "kinds is"),
        (lambda: gw.Pool(3, ("mean", "mean")), "each once"),
        (lambda: gw.Pool(3, "median"), "kinds is 'median'; need one of 'last', 'mean', 'max'"),
        (lambda: gw.Pool(3, parts=0), "parts is 0"),
        (lambda: gw.Pool(3)(X[:, :, :2]), r"x has shape \(4, 7, 2\); need \(batch, time, 3\)"),
        (lambda: gw.Pool(3).backward(None, X), "backward of Pool got a NoneType as tape"),
        (lambda: gw.Noise(-1), "std is -1"),
        (lambda: gw.Parallel(), "Parallel got no layers"),
        (lambda: gw.Parallel(gw.GRU(3, 2), gw.Last()), "some layers keep the time axis"),
        (lambda: gw.Parallel(gw.Dense(3, 2), gw.Dense(4, 2)), r"sizes \[3, 4\]"),
        (lambda: gw.Parallel(gw.Dense(3, 2), gw.Dense(3, 2, dtype=np.float64)), "different dtypes"),
        (lambda: gw.Parallel(gw.Dense(3, 2), "dense"), "layer 1 is a str"),
        (lambda: gw.Parallel(gw.Dense(3, 2))(np.zeros((1, 3), np.float32), (None, None)), "one entry per layer"),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(gw.GatewiseError, match=message):
        make()


def wide_and_deep():
    deep = gw.Sequential(gw.GRU(3, 5, rng=0), gw.Dropout(0.3), gw.Pool(5))
    return gw.Sequential(gw.Noise(0.2), gw.Parallel(deep, gw.Pool(3, "mean", parts=4)), gw.Dense(27, 2, rng=1))


@pytest.mark.parametrize("lengths", [None, [5, 1, 4]])
def test_gradients_of_layers_side_by_side(lengths):
    assert gw.gradcheck(wide_and_deep(), lengths=lengths).ok
    assert gw.gradcheck(gw.Parallel(gw.GRU(3, 2, rng=0), gw.LSTM(3, 4, rng=1)), lengths=lengths).ok


def test_outputs_stand_side_by_side():
    one, two = gw.GRU(3, 2, dtype=np.float64, rng=0), gw.Dense(3, 4, dtype=np.float64, rng=1)
    layer = gw.Parallel(one, two)
    found, (state, nothing) = layer(X)
    np.testing.assert_array_equal(found, np.concatenate([one(X)[0], two(X)[0]], axis=2))
    np.testing.assert_array_equal(state, one(X)[1])
    assert nothing is None
    assert (layer.input_size, layer.output_size, layer.keeps_time) == (3, 6, True)
    assert layer.params["1.weight"] is two.params["weight"]
    again, _ = layer(X, (state, None))
    np.testing.assert_array_equal(again[:, :, :2], one(X, state)[0])


def test_layers_side_by_side_survive_a_file(tmp_path):
    model = wide_and_deep()
    gw.save(model, tmp_path / "m")
    loaded = gw.load(tmp_path / "m")
    assert repr(loaded) == repr(model)
    x = X.astype(np.float32)
    np.testing.assert_array_equal(loaded(x, lengths=LENGTHS)[0], model(x, lengths=LENGTHS)[0])


def test_noise_is_there_in_training_only():
    noise, x = gw.Noise(0.5), np.zeros((50, 20, 4), np.float32)
    y, _, tape = noise.forward(x, training=True, rng=0, lengths=np.full(50, 10))
    assert y[:, :10].std() == pytest.approx(0.5, rel=0.05)
    assert not y[:, 10:].any()
    np.testing.assert_array_equal(noise.forward(x, training=True, rng=0, lengths=np.full(50, 10))[0], y)
    assert not noise.forward(x)[0].any()
    assert y.dtype == np.float32
    dx, _, _ = noise.backward(tape, np.ones_like(x))
    np.testing.assert_array_equal(dx.sum(axis=(1, 2)), np.full(50, 40))
