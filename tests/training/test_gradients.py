import numpy as np
import pytest

import gatewise as gw
from gatewise.batches import Samples
from gatewise.losses import mse
from gatewise.training import batch_gradients
from gatewise.training.gradients import BatchGradients, Mean, mean_gradients, mean_loss


def network(steps=False):
    head = [gw.Dense(3, 1, dtype=np.float64, rng=1)]
    return gw.Sequential(gw.Dropout(0.3), gw.GRU(2, 3, dtype=np.float64, rng=0), *([] if steps else [gw.Last()]), *head)


def batch(rows=8, steps=False, lengths=None, weights=None):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, 5, 2)), rng.normal(size=(rows, 5, 1) if steps else (rows, 1))
    return Samples.checked(x, y, lengths, weights)


def test_they_are_those_of_forward_loss_and_backward():
    model, rows = network(), batch()
    value, weight, gradients = batch_gradients(model, mse, rows, np.random.default_rng(3))
    prediction, _, tape = model.forward(rows.x, training=True, rng=np.random.default_rng(3))
    need, gradient = mse(prediction, rows.y)
    assert (value, weight) == (need, 8.0)
    expected = model.backward(tape, gradient)[2]
    assert gradients.keys() == expected.keys()
    for name, array in gradients.items():
        np.testing.assert_array_equal(array, expected[name])


def test_nothing_is_changed_and_the_same_comes_again():
    model, rows = network(), batch(weights=np.linspace(0.5, 1, 8))
    before = {name: value.copy() for name, value in model.params.items()}
    x, y = rows.x.copy(), rows.y.copy()
    first, second = (batch_gradients(model, mse, rows, np.random.default_rng(3)) for _ in range(2))
    assert (first.value, first.weight) == (second.value, second.weight)
    for name, array in first.gradients.items():
        np.testing.assert_array_equal(array, second.gradients[name])
        np.testing.assert_array_equal(model.params[name], before[name])
    np.testing.assert_array_equal(rows.x, x)
    np.testing.assert_array_equal(rows.y, y)


@pytest.mark.parametrize("steps", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("ragged", [False, True])
def test_those_of_a_batch_are_the_weighted_mean_of_those_of_its_parts(steps, weighted, ragged):
    model = gw.Sequential(*network(steps).layers[1:])
    whole = batch(
        steps=steps,
        lengths=[5, 1, 2, 3, 4, 5, 1, 2] if ragged else None,
        weights=np.linspace(0.2, 3, 8) if weighted else None,
    )
    value, weight, gradients = batch_gradients(model, mse, whole)
    parts = [batch_gradients(model, mse, whole.rows(rows, steps)) for rows in (slice(3), slice(3, 4), slice(4, 8))]
    np.testing.assert_allclose(sum(part.weight for part in parts), weight, rtol=1e-14)
    np.testing.assert_allclose(sum(part.weight * part.value for part in parts) / weight, value, rtol=1e-12)
    for name, array in gradients.items():
        mean = sum(part.weight * part.gradients[name] for part in parts) / weight
        np.testing.assert_allclose(mean, array, rtol=1e-10, atol=1e-14)


def test_a_batch_without_weight_is_not_looked_at():
    rows = batch(weights=np.arange(8.0) // 4).rows(slice(4))
    rng = np.random.default_rng(0)
    before = rng.bit_generator.state
    value, weight, gradients = batch_gradients(network(), mse, rows._replace(x=np.full_like(rows.x, np.nan)), rng)
    assert np.isnan(value)
    assert (weight, gradients) == (0.0, {})
    assert rng.bit_generator.state == before


def test_numbers_that_are_not_finite_come_back_as_they_are():
    rows = batch()
    rows.y[3] = np.inf
    value, _, gradients = batch_gradients(network(), mse, rows)
    assert value == np.inf
    assert not np.isfinite(gradients["3.bias"]).all()
    with pytest.raises(gw.GatewiseError, match="x holds 10 value"):
        batch_gradients(network(), mse, rows._replace(x=np.where(rows.y[:, None] == np.inf, np.nan, rows.x)))


def test_values_are_plain_floats():
    def loss(prediction, target, *, weights=None):
        return np.float32(0.25), np.zeros_like(prediction)

    assert type(batch_gradients(network(), loss, batch()).value) is float


def test_mean_loss_is_that_of_all_rows_without_dropout():
    model, rows = network(), batch(lengths=[5, 1, 2, 3, 4, 5, 1, 2], weights=np.arange(8.0))
    expected, _ = mse(model(rows.x, lengths=rows.lengths)[0], rows.y, weights=rows.weights)
    for size in (1, 3, 8):
        np.testing.assert_allclose(mean_loss(model, mse, rows, size), expected, rtol=1e-12)
    assert np.isnan(mean_loss(model, mse, rows.rows(slice(1)), 8))


def test_a_mean_of_nothing_is_nan():
    mean = Mean()
    assert np.isnan(mean.value)
    mean.add(3.0, 1.0)
    mean.add(6.0, 2.0)
    assert mean.value == 5.0


def test_the_gradients_of_a_batch_are_the_mean_of_those_of_its_parts():
    model = gw.Sequential(*network().layers[1:])
    whole = batch(weights=np.linspace(0.2, 3, 8))
    need = batch_gradients(model, mse, whole)
    bounds = [slice(3), slice(3, 4), slice(4, 6), slice(6, 7), slice(7, 8)]
    parts = [batch_gradients(model, mse, whole.rows(rows, False)) for rows in bounds]
    got = mean_gradients(parts)
    np.testing.assert_allclose((got.value, got.weight), (need.value, need.weight), rtol=1e-13)
    assert got.gradients.keys() == need.gradients.keys()
    for name, array in got.gradients.items():
        np.testing.assert_allclose(array, need.gradients[name], rtol=1e-12, atol=1e-14)
        assert all(array is not part.gradients[name] for part in parts)


def test_parts_are_added_in_pairs_neighbors_first():
    parts = [BatchGradients(value, 1.0, {"w": np.array([value])}) for value in (1.0, 2**-53, 2**-53, 2**-53)]
    got = mean_gradients(parts)
    assert got.value == (1 + 2**-52) / 4  # one after the other, each would be lost beside the 1
    assert got.gradients["w"].item() == got.value


def test_parts_of_no_weight_count_nothing_and_one_part_is_itself():
    model, rows = network(), batch()
    part = batch_gradients(model, mse, rows, np.random.default_rng(3))
    empty = BatchGradients(float("nan"), 0.0, {})
    got = mean_gradients([empty, part, empty])
    assert (got.value, got.weight) == (part.value, part.weight)
    for name, array in got.gradients.items():
        np.testing.assert_array_equal(array, part.gradients[name])
    nothing = mean_gradients([empty])
    assert np.isnan(nothing.value)
    assert nothing[1:] == (0.0, {})
    assert mean_gradients([])[1:] == (0.0, {})
