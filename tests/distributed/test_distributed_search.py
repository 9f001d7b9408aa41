"""A search over parameters on the workers of a cluster: the results of one process, one kernel thread a task."""

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score
from threadpoolctl import threadpool_info

import gatewise as gw
from gatewise.threads import get_num_threads, set_num_threads, single_threaded_blas


def data():
    X = np.random.default_rng(0).normal(size=(24, 6))
    return X, (X.sum(axis=1) > 0).astype(int)


def classifier():
    return gw.RecurrentClassifier(hidden_size=3, max_iter=2, n_networks=1, ridge_share=0, random_state=0)


def test_a_grid_search_finds_what_it_finds_here(two_workers):
    search = GridSearchCV(classifier(), {"hidden_size": [3, 4], "alpha": [0.0, 0.1]}, cv=2)
    here = search.fit(*data())
    expected, answers = here.cv_results_["mean_test_score"], here.predict_proba(data()[0])
    with two_workers.as_current(), joblib.parallel_config("dask"):
        there = search.fit(*data())
    np.testing.assert_array_equal(there.cv_results_["mean_test_score"], expected)
    np.testing.assert_array_equal(there.predict_proba(data()[0]), answers)


def test_scores_of_folds_are_those_of_one_process(two_workers):
    regressor = gw.RecurrentRegressor(hidden_size=3, max_iter=2, n_networks=1, ridge_share=0, random_state=0)
    X, _ = data()
    expected = cross_val_score(regressor, X, X.mean(axis=1), cv=3)
    with two_workers.as_current(), joblib.parallel_config("dask"):
        found = cross_val_score(regressor, X, X.mean(axis=1), cv=3)
    np.testing.assert_array_equal(found, expected)


def threads_of_a_task():
    """Threads of kernels, and the most of any BLAS where a network trains."""
    with single_threaded_blas():
        blas = max(one["num_threads"] for one in threadpool_info() if one["user_api"] == "blas")
    return get_num_threads(), blas


def test_a_task_has_one_thread(two_workers):
    with two_workers.as_current(), joblib.parallel_config("dask"):
        found = joblib.Parallel()(joblib.delayed(threads_of_a_task)() for _ in range(4))
    assert found == [(1, 1)] * 4


def chosen_threads(count):
    """Threads of kernels where somebody has chosen how many."""
    set_num_threads(count)
    try:
        return get_num_threads()
    finally:
        from gatewise import threads

        threads._threads = None


@pytest.mark.parametrize("count", [1, 2])
def test_who_says_so_has_more(two_workers, count):
    assert two_workers.submit(chosen_threads, count, pure=False).result() == count
