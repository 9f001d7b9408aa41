"""The ridge against scikit-learn's, and its closed form against fits that leave rows out."""

import numpy as np
from sklearn.linear_model import Ridge

from gatewise.convolutions.fitting import MIXES, RidgeFit, TrainingFeatures
from gatewise.convolutions.ridge import Spectrum


def data(n=20, features=50):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, features)) + 3
    return x, x[:, :2] + rng.normal(size=(n, 2)), rng.uniform(0.5, 2, size=n)


def penalty(spectrum, strength, weights):
    """scikit-learn's alpha: its weights are not divided by their mean."""
    return strength * spectrum.values.mean() * weights.mean()


def test_predictions_are_those_of_scikit_learn():
    x, y, weights = data()
    new = np.random.default_rng(1).normal(size=(6, 50))
    spectrum = Spectrum.of(x @ x.T, weights)
    other = Ridge(penalty(spectrum, 0.3, weights)).fit(x, y, weights)
    np.testing.assert_allclose(spectrum.predicted(new @ x.T, y, 0.3), other.predict(new), atol=1e-8)
    center = np.average(x, axis=0, weights=weights)
    by_features = (new - center) @ (x.T @ spectrum.coefficients(y, 0.3)) + spectrum.mean(y)
    np.testing.assert_allclose(by_features, other.predict(new), atol=1e-8)


def test_each_row_is_predicted_from_the_others():
    x, y, weights = data()
    spectrum = Spectrum.of(x @ x.T, weights)
    alpha = penalty(spectrum, 0.1, weights)
    held_out = [
        Ridge(alpha).fit(np.delete(x, i, 0), np.delete(y, i, 0), np.delete(weights, i)).predict(x[i : i + 1])[0]
        for i in range(len(x))
    ]
    np.testing.assert_allclose(spectrum.left_out(y, 0.1), held_out, atol=1e-8)


def test_rows_that_are_all_alike_have_the_mean():
    spectrum = Spectrum.of(np.ones((5, 5)), np.ones(5))
    y = np.arange(5.0)[:, None]
    np.testing.assert_allclose(spectrum.predicted(np.ones((2, 5)), y, 1.0), 2.0)
    assert np.isfinite(spectrum.left_out(y, 1e-4)).all()


def loss(y):
    return lambda predicted, rows: float(np.mean((predicted - y[rows]) ** 2))


def test_the_fit_finds_what_decides_and_says_so_before_it_sees_new_rows():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 50, 1)).astype(np.float32)
    lengths = np.full(60, 50)
    speed = rng.permutation(np.linspace(0, 1, 60))
    speed[:2] = -0.1, 1.1  # so that no new row lies beyond those of the fit
    x[:, :, 0] = np.sin(np.arange(50) * (0.3 + speed[:, None])) + 0.1 * x[:, :, 0]
    y = speed[:, None]
    features = TrainingFeatures.of(x[:40], lengths[:40], 1, np.ones(40), rng)
    fit = RidgeFit.chosen(features, y[:40], loss(y), rng)
    expected = np.mean((fit.left_out() - y[:40]) ** 2)
    reached = np.mean((fit.path().outputs(x[40:], lengths[40:]) - y[40:]) ** 2)
    assert fit.mix in MIXES
    assert reached < 0.1 * y.var()
    assert reached < 2 * expected < 0.2 * y.var()
    folds = np.arange(40) % 3
    own = [fit.by_folds(folds)[folds == 0], fit.by_folds(np.where(folds == 0, 0, 1))[folds == 0]]
    np.testing.assert_allclose(*own)
    assert np.mean((fit.by_folds(folds) - y[:40]) ** 2) < 0.1 * y.var()


def test_the_coefficients_say_what_the_products_say():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(30, 20, 2)).astype(np.float32), rng.normal(size=(30, 3))
    features = TrainingFeatures.of(x, np.full(30, 20), 2, rng.uniform(0.5, 2, size=30), rng)
    mix = (1.0, 1.0, 0.3)
    spectrum = features.spectrum(mix)
    fit = RidgeFit(features, mix, 0.1, y, spectrum)
    by_products = spectrum.predicted(spectrum.gram, y, 0.1)
    np.testing.assert_allclose(fit.path().outputs(x, np.full(30, 20)), by_products, atol=1e-4)
