"""What is asked for at predict time: levels, horizons and paths."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import gatewise as gw

FAST = {"max_updates": 10, "n_networks": 1, "hidden_size": 4, "context": 6, "random_state": 0}
GOLDEN = Path(__file__).parent.parent / "golden"


def walk(length=120, seed=1):
    index = pd.date_range("2023-01-01", periods=length, name="day")
    return pd.Series(np.random.default_rng(seed).normal(size=length).cumsum(), index, name="walk")


@pytest.fixture(scope="module")
def fitted():
    return gw.RecurrentForecaster(5, **FAST).fit(walk())


def test_levels_of_predict_are_those_of_fit(fitted):
    levels = (0.02, 0.25, 0.33, 0.95)
    again = gw.RecurrentForecaster(5, quantiles=levels, **FAST).fit(walk())
    pd.testing.assert_frame_equal(fitted.predict_quantiles(levels=levels), again.predict_quantiles())
    every = fitted.predict_quantiles(levels=np.linspace(0.001, 0.999, 99)).to_numpy()
    assert (np.diff(every, axis=1) > 0).all()


def test_a_seed_that_is_none_is_refused(fitted):
    with pytest.raises(gw.GatewiseError, match="rng is 'x'"):
        fitted.sample(2, rng="x")


@pytest.mark.parametrize("levels", [(), 0.5, "0.5", (0.5, 1.0), (0.0,), ("a",), (np.nan,), (-0.1,)])
def test_levels_out_of_the_question_are_refused(fitted, levels):
    with pytest.raises(gw.GatewiseError, match="levels"):
        fitted.predict_quantiles(levels=levels)


def test_a_shorter_horizon_is_the_beginning(fitted):
    pd.testing.assert_series_equal(fitted.predict(horizon=2), fitted.predict()[:2])
    pd.testing.assert_frame_equal(fitted.predict_quantiles(horizon=3), fitted.predict_quantiles()[:3])


@pytest.mark.parametrize("horizon", [0, -1, 2.5, "3"])
def test_horizons_out_of_the_question_are_refused(fitted, horizon):
    with pytest.raises(gw.GatewiseError, match="horizon"):
        fitted.predict(horizon=horizon)


def test_a_longer_horizon_goes_on_from_the_medians(fitted):
    """Beyond the fitted horizon the forecast is that of a forecaster which was updated with its own medians."""
    long = fitted.predict(horizon=12)
    assert long.index.equals(pd.date_range(walk().index[-1], periods=13)[1:])
    pd.testing.assert_series_equal(long[:5], fitted.predict(), check_freq=False)
    other = gw.RecurrentForecaster(5, **FAST).fit(walk())
    parts = []
    for _ in range(3):
        parts.append(other.predict())
        other.update(parts[-1])
    np.testing.assert_allclose(long, pd.concat(parts)[:12], rtol=1e-10)


def test_beyond_the_horizon_intervals_go_on_growing(fitted):
    long = fitted.predict_quantiles(horizon=30)
    width = (long[0.9] - long[0.1]).to_numpy()
    power = np.log(width[29] / width[4]) / np.log(30 / 5)
    assert 0.2 < power < 0.8
    np.testing.assert_allclose(width[5:], width[4] * (np.arange(6, 31) / 5) ** power)


def test_one_step_grows_as_a_walk_does():
    one = gw.RecurrentForecaster(1, **FAST).fit(walk())
    found = one.predict_quantiles(horizon=9)
    width = (found[0.9] - found[0.1]).to_numpy()
    np.testing.assert_allclose(width[8] / width[0], 3)


def test_covariates_reach_as_far_as_the_horizon():
    y, rng = walk(100), np.random.default_rng(0)
    X = pd.DataFrame({"a": rng.normal(size=130)}, pd.date_range("2023-01-01", periods=130))
    forecaster = gw.RecurrentForecaster(4, **FAST).fit(y, X)
    full = forecaster.predict(X, horizon=9)
    assert len(full) == 9
    np.testing.assert_array_equal(forecaster.predict(X.iloc[100:102], horizon=2), full[:2])
    with pytest.raises(gw.GatewiseError, match="need the 9 steps"):
        forecaster.predict(X.iloc[100:104], horizon=9)
    with pytest.raises(gw.GatewiseError, match="next 9 steps"):
        forecaster.predict(horizon=9)


def test_containers_come_back():
    two = pd.DataFrame({"a": walk(40), "b": walk(40, 2)})
    frame = gw.RecurrentForecaster(3, **FAST).fit(two)
    assert frame.predict(horizon=7).shape == (7, 2)
    assert frame.predict_quantiles(levels=(0.2, 0.8), horizon=7).columns[1] == ("a", 0.8)
    paths = frame.sample(6, rng=0, horizon=7)
    assert paths.shape == (7, 12)
    assert paths.columns.names == ["series", "path"]
    several = gw.RecurrentForecaster(3, **FAST).fit([two["a"], two["b"]])
    assert [part.shape for part in several.sample(6, rng=0)] == [(3, 6), (3, 6)]
    matrix = gw.RecurrentForecaster(3, **FAST).fit(two.to_numpy())
    assert matrix.sample(6, rng=0).shape == (3, 2, 6)
    assert matrix.predict_quantiles(levels=(0.3,), horizon=2).shape == (2, 2, 1)


def test_paths_have_the_quantiles_of_each_step(fitted):
    paths = fitted.sample(4000, rng=1, horizon=8)
    levels = [0.1, 0.25, 0.5, 0.75, 0.9]
    quantiles = fitted.predict_quantiles(levels=levels, horizon=8)
    for level in levels:
        below = (paths.to_numpy() <= quantiles[[level]].to_numpy()).mean(axis=1)
        np.testing.assert_allclose(below, level, atol=0.03)


def test_paths_come_again_from_the_same_seed(fitted):
    pd.testing.assert_frame_equal(fitted.sample(3, rng=5), fitted.sample(3, rng=np.random.default_rng(5)))
    assert fitted.sample(2).index.equals(fitted.predict().index)
    with pytest.raises(gw.GatewiseError, match="n is 0"):
        fitted.sample(0)


def test_sums_of_a_walk_spread_as_they_do():
    """The sum of the next 6 values of a walk has a standard deviation of √(1² + … + 6²) of its steps."""
    forecaster = gw.RecurrentForecaster(6, **FAST).fit(walk(900, 6))
    total = forecaster.sample(4000, rng=0).sum(axis=0)
    spread = np.subtract(*np.quantile(total, [0.84, 0.16])) / 2
    assert 0.75 < spread / np.sum(np.arange(1, 7) ** 2) ** 0.5 < 1.25


def test_sums_of_noise_spread_less():
    noise = np.random.default_rng(0).normal(size=600)
    forecaster = gw.RecurrentForecaster(6, **FAST).fit(noise)
    total = forecaster.sample(4000, rng=0).sum(axis=0)
    spread = np.subtract(*np.quantile(total, [0.84, 0.16])) / 2
    assert 0.75 < spread / 6**0.5 < 1.35


def test_a_file_of_before_forecasts_as_it_did():
    """Written before levels were dense: quantiles 0.1, 0.5, 0.9 of a GRU that gives its own spread."""
    old = gw.load(GOLDEN / "forecaster_of_three_levels.safetensors")
    expected = [
        [11.8255917929, 11.9514158479, 12.1560803353],
        [11.2944748289, 11.4348552027, 11.6677655438],
        [9.8355943572, 9.9810567577, 10.263010895],
    ]
    np.testing.assert_allclose(old.predict_quantiles(), expected, rtol=1e-6)
    between = old.predict_quantiles(levels=(0.3,), horizon=4)
    assert (between[:3, 0] > np.array(expected)[:, 0]).all()
    with pytest.raises(gw.GatewiseError, match="fit again"):
        old.predict_quantiles(levels=(0.05,))
    with pytest.raises(gw.GatewiseError, match="fit again"):
        old.sample(3)


def test_files_keep_the_whole_distribution(fitted, tmp_path):
    gw.save(fitted, tmp_path / "one.safetensors")
    read = gw.load(tmp_path / "one.safetensors")
    levels = (0.001, 0.3, 0.99)
    pd.testing.assert_frame_equal(
        read.predict_quantiles(levels=levels, horizon=7), fitted.predict_quantiles(levels=levels, horizon=7)
    )
    pd.testing.assert_frame_equal(read.sample(4, rng=2), fitted.sample(4, rng=2))
