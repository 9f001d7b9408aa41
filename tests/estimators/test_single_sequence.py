"""One sequence where a list of them is needed: what to do is said; what is a set of sequences is still read."""

import numpy as np
import pandas as pd
import pytest

import gatewise as gw


@pytest.fixture(scope="module")
def fitted():
    X = np.random.default_rng(0).normal(size=(12, 5, 3))
    options = {"hidden_size": 4, "max_iter": 1, "n_networks": 1, "random_state": 0}
    return {channels: gw.RecurrentRegressor(**options).fit(list(X[:, :, :channels]), X[:, 0, 0]) for channels in (1, 3)}


@pytest.mark.parametrize(
    ("channels", "X"),
    [
        (3, np.zeros((7, 3))),
        (3, np.zeros((7, 3)).tolist()),
        (3, pd.DataFrame(np.zeros((7, 3)), columns=["a", "b", "c"])),
        (3, np.zeros((3, 7))),
        (3, np.zeros(7)),
        (1, np.zeros((7, 1))),
        (1, pd.DataFrame({"a": np.zeros(7)})),
        (1, pd.Series(np.zeros(7))),
        (1, [0.0, 1.0, 2.0]),
    ],
)
@pytest.mark.filterwarnings("ignore:X has feature names")
def test_a_single_sequence_is_to_be_wrapped(fitted, channels, X):
    with pytest.raises(gw.GatewiseError, match=r"wrap it in a list, \[X\]"):
        fitted[channels].predict(X)


def test_sets_of_sequences_are_read_as_before(fitted):
    assert fitted[1].predict(np.zeros((4, 7))).shape == (4,)  # a table: one row per sequence
    assert fitted[3].predict(np.zeros((4, 7, 3))).shape == (4,)
    assert fitted[3].predict([np.zeros((7, 3)), np.zeros((2, 3))]).shape == (2,)
    table = gw.RecurrentRegressor(hidden_size=4, max_iter=1, n_networks=1).fit(
        np.zeros((6, 3)) + np.eye(6, 3), range(6)
    )
    assert table.predict(np.zeros((1, 3))).shape == (1,)


def test_transformers_say_it_too():
    scaler = gw.SequenceScaler().fit([np.zeros((4, 2)), np.ones((3, 2))])
    with pytest.raises(gw.GatewiseError, match="wrap it in a list"):
        scaler.transform(np.zeros((4, 2)))
