"""How long the forecaster trains: `max_iter` bounds the epochs, `max_updates` the updates."""

import numpy as np
import pandas as pd
import pytest

import gatewise as gw

Y = pd.Series(np.sin(np.arange(120) / 3) + 0.1 * np.random.default_rng(0).normal(size=120))
SMALL = {"hidden_size": 4, "n_networks": 1, "context": 6, "batch_size": 16, "random_state": 0}


def epochs(**options):
    return len(gw.RecurrentForecaster(3, **SMALL, **options).fit(Y).history_)


def test_max_iter_is_the_highest_number_of_epochs():
    assert epochs(max_iter=2) == 2
    assert epochs(max_iter=3, max_updates=1000) == 3


def test_the_bound_that_is_reached_first_ends_the_training():
    by_updates = epochs(max_updates=10)
    assert 1 <= by_updates < 50
    assert epochs(max_updates=10, max_iter=50) == by_updates


def test_without_max_iter_a_fit_is_what_it_is_with_a_bound_out_of_reach():
    one, other = (gw.RecurrentForecaster(3, **SMALL, max_updates=12, **more) for more in ({}, {"max_iter": 10_000}))
    pd.testing.assert_series_equal(one.fit(Y).predict(), other.fit(Y).predict(), check_exact=True)


@pytest.mark.parametrize("value", [0, -1, 1.5, "many"])
def test_it_is_a_whole_number_of_at_least_one(value):
    with pytest.raises(gw.GatewiseError, match="max_iter"):
        epochs(max_iter=value)


@pytest.mark.parametrize("value", [None, 2])
def test_a_file_keeps_both_bounds_apart(tmp_path, value):
    fitted = gw.RecurrentForecaster(3, **SMALL, max_updates=5, max_iter=value).fit(Y)
    gw.save(fitted, tmp_path / "forecaster.safetensors")
    loaded = gw.load(tmp_path / "forecaster.safetensors")
    assert (loaded.max_updates, loaded.max_iter) == (5, value)


def test_the_old_count_of_updates_in_a_file_becomes_max_updates():
    read = gw.RecurrentForecaster._with_new_names
    assert read({"horizon": 3, "max_iter": 60, "members": 2}) == {"horizon": 3, "max_updates": 60, "n_networks": 2}
    assert read({"max_iter": 2, "max_updates": 60}) == {"max_iter": 2, "max_updates": 60}
