"""Permutation importance of sequences: by channel, by span of time, for every form of X."""

import numpy as np
import pandas as pd
import pytest
from outline import words
from sklearn.inspection import permutation_importance as of_tables
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline

import gatewise as gw
from gatewise.estimators.importance import _stretched
from gatewise.estimators.sequences import Sequences


class Mean:
    """Predicts the sum over time of channel 1, from the last third of the time on."""

    def __init__(self):
        self.forms = []

    def fit(self, X, y):
        return self

    def predict(self, X):
        self.forms.append(type(X[0]) if isinstance(X, list) else np.ndim(X))
        return np.array([np.asarray(x)[2 * len(x) // 3 :, 1].sum() for x in X])

    def score(self, X, y):
        return r2_score(y, self.predict(X))


def sequences(lengths=(6, 9, 12) * 6):
    rng = np.random.default_rng(0)
    return [rng.normal(size=(n, 3)) for n in lengths]


@pytest.mark.parametrize("form", ["array", "list", "frames"])
def test_what_matters_is_found_by_channel_and_by_time(form):
    X = sequences((9,) * 20) if form == "array" else sequences()
    X = np.stack(X) if form == "array" else X
    X = [pd.DataFrame(x, columns=["a", "b", "c"]) for x in X] if form == "frames" else X
    model = Mean()
    y = model.predict(X)
    importance = gw.permutation_importance(model, X, y, n_repeats=3, random_state=0)
    assert importance.names == (("a", "b", "c") if form == "frames" else ("Channel 1", "Channel 2", "Channel 3"))
    assert importance.score == 1
    assert importance.importances.shape == (3, 3)
    assert importance.importances_mean[1] > 0.5
    assert (importance.importances[[0, 2]] == 0).all()
    by_time = gw.permutation_importance(model, X, y, by="time", spans=3, random_state=0)
    assert by_time.names[-1] == "67 to 100 % of the time"
    assert (by_time.importances_mean > 0).tolist() == [False, False, True]
    assert len(set(map(str, model.forms))) == 1, "X is handed on in the form in which it came"


def test_other_sequences_are_stretched_to_the_length():
    values = np.full((2, 4, 1), np.nan)
    values[0, :2, 0], values[1, :, 0] = [1, 2], [10, 20, 30, 40]
    stretched = _stretched(Sequences(values, np.array([2, 4]), "list"), np.array([1, 0]))[:, :, 0]
    np.testing.assert_array_equal(stretched, [[20, 40, np.nan, np.nan], [1, 1, 2, 2]])


def test_of_estimators_pipelines_and_tables():
    X = np.random.default_rng(1).normal(size=(40, 6, 2))
    y = X[:, :, 0].sum(axis=1)
    pipeline = make_pipeline(gw.SequenceScaler(), gw.RecurrentRegressor(hidden_size=4, max_iter=15, random_state=0))
    pipeline.fit(X, y)
    found = gw.permutation_importance(pipeline, X, y, scoring="neg_mean_absolute_error", random_state=0)
    assert found.importances_mean[0] > 5 * abs(found.importances_mean[1])
    table = pd.DataFrame(X[:, :, 0], columns=[f"t{k}" for k in range(6)])
    model = gw.RecurrentRegressor(hidden_size=4, max_iter=5, random_state=0).fit(table, y)
    assert gw.permutation_importance(model, table, y, by="time", spans=2, n_repeats=1).importances.shape == (2, 1)
    assert of_tables(model, table, y, n_repeats=1).importances.shape == (6, 1)


def test_it_is_shown_as_a_table_the_most_important_first():
    X = sequences()
    importance = gw.permutation_importance(Mean(), X, Mean().predict(X), random_state=0)
    rows = str(importance).splitlines()
    assert rows[2].startswith("Channel 2")
    assert repr(importance) == str(importance)
    assert "Channel 2" in words(importance._repr_html_())
    assert "score as it is 1.0000" in rows[-1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"by": "unit"}, "by is 'unit'"),
        ({"spans": 0}, "spans is 0"),
        ({"n_repeats": 0}, "n_repeats is 0"),
        ({"X": sequences()[:1]}, "at least two"),
        ({"estimator": object()}, "need a fitted classifier"),
        ({"estimator": gw.RecurrentForecaster(3)}, "is a forecaster"),
    ],
)
def test_what_cannot_be_used_is_refused(change, message):
    X = sequences()
    arguments = {"estimator": Mean(), "X": X, "y": Mean().predict(X)} | change
    with pytest.raises(gw.GatewiseError, match=message):
        gw.permutation_importance(**arguments)
