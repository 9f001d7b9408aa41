"""One seed gives the same bits, however many threads BLAS and the kernels may use, drawn with a progress bar or not."""

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import gatewise as gw
from gatewise.convolutions import fitting
from gatewise.convolutions.fitting import RidgeFit, TrainingFeatures
from gatewise.files import to_bytes

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 20, 3))
y = (X[:, :, 0].sum(axis=1) > 0).astype(int) + (X[:, :, 1].sum(axis=1) > 1)
SERIES = np.sin(np.arange(150) / 3)[:, None] + 0.1 * rng.normal(size=(150, 3))
OPTIONS = {"hidden_size": 3, "max_iter": 1, "random_state": 0}
MODELS = {
    "classifier": lambda verbose: gw.RecurrentClassifier(ridge_share=0.5, verbose=verbose, **OPTIONS).fit(X, y),
    "regressor": lambda verbose: gw.RecurrentRegressor(ridge_share=1.0, verbose=verbose, **OPTIONS).fit(X, y),
    "forecaster": lambda verbose: gw.RecurrentForecaster(3, season=19, verbose=verbose, **OPTIONS).fit(SERIES),
}


@pytest.fixture
def threads(monkeypatch):
    monkeypatch.setattr(fitting, "SIZE", 2000)
    before = gw.get_num_threads()
    yield
    gw.set_num_threads(before)


def bits(name, verbose):
    """The file of a fitted model, and its predictions."""
    model = MODELS[name](verbose)
    results = [model.predict()] if name == "forecaster" else [model.predict(X), model._outputs(X)[1]]
    return to_bytes(model), [np.asarray(value).tobytes() for value in results]


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("name", MODELS)
def test_no_number_of_threads_changes_a_bit(name, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    found = []
    for count in (1, 2):
        gw.set_num_threads(count)
        with threadpool_limits(count, user_api="blas"):
            found.append(bits(name, verbose=count == 2))
    assert found[0] == found[1]


@pytest.mark.usefixtures("threads")
def test_the_products_of_rows_do_not_depend_on_threads():
    x = rng.normal(size=(600, 12, 2)).astype(np.float32)
    found = []
    for count in (1, 2):
        gw.set_num_threads(count)
        with threadpool_limits(count, user_api="blas"):
            features = TrainingFeatures.of(x, np.full(600, 12), 2, np.ones(600), np.random.default_rng(0))
            error = lambda predicted, rows: float(np.mean((predicted - x[rows, 0, :1]) ** 2))  # noqa: E731
            fit = RidgeFit.chosen(features, x[:, 0, :1].astype(float), error, np.random.default_rng(1))
            found.append([features.grams, fit.left_out(), fit.by_folds(np.arange(600) % 3), fit.path().coefficients])
    assert all(np.array_equal(one, other) for one, other in zip(*found, strict=True))
    expected = [block.astype(float) @ block.T.astype(float) / block.shape[1] for block in features.blocks]
    np.testing.assert_allclose(features.grams, expected, rtol=1e-3, atol=1e-4)
