"""How much of a score depends on each channel, or on each span of time: permutation importance of sequences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import check_scoring
from sklearn.utils import check_random_state

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError, check_choice, check_number
from gatewise.estimators.sequences import Sequences, like, read_sequences
from gatewise.printing import html_table, text_table

HEADER = ("importance", "mean", "std")


@dataclass(frozen=True, repr=False)
class PermutationImportance:
    """What `permutation_importance` measures, named as scikit-learn names it. It prints and shows as a table.

    Attributes
    ----------
    importances : float64 (features, n_repeats)
        Score of X less score of X with that feature permuted.
    importances_mean, importances_std : float64 (features,)
        Over the repeats.
    names : tuple of str
        Of the features: channels, or spans of time.
    score : float
        Score of X as it is.
    """

    importances: Array
    names: tuple[str, ...]
    score: float

    @property
    def importances_mean(self) -> Array:
        """Mean over the repeats, (features,)."""
        return np.asarray(self.importances.mean(axis=1))

    @property
    def importances_std(self) -> Array:
        """Standard deviation over the repeats, (features,)."""
        return np.asarray(self.importances.std(axis=1))

    def __str__(self) -> str:
        return f"{text_table(HEADER, self._rows(), right=(1, 2))}\n{self._caption()}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return html_table(HEADER, self._rows(), right=(1, 2), caption=self._caption())

    def _rows(self) -> list[tuple[str, str, str]]:
        """One row a feature, the most important first."""
        mean, std = self.importances_mean, self.importances_std
        return [(self.names[k], f"{mean[k]:.4f}", f"{std[k]:.4f}") for k in np.argsort(-mean, kind="stable")]

    def _caption(self) -> str:
        return f"loss of score when permuted, {self.importances.shape[1]} times; score as it is {self.score:.4f}"


def permutation_importance(
    estimator: Any,
    X: Any,
    y: Any,
    *,
    by: str = "channel",
    spans: int = 10,
    scoring: Any = None,
    n_repeats: int = 5,
    random_state: Any = None,
) -> PermutationImportance:
    """Return how much worse an estimator scores when one channel, or one span of time, is that of other sequences.

    scikit-learn's function of this name takes tables only; this one takes all that the estimators take.

    Parameters
    ----------
    estimator : RecurrentClassifier, RecurrentRegressor, or any fitted estimator of sequences
        A `Pipeline` too.
    X : array (n, time), array (n, time, channels), or list of arrays (time_i,) or (time_i, channels)
        At least two sequences, best those that were held out from the fit.
    y : array-like
        As `score` takes it.
    by : {"channel", "time"}
        What is permuted: one channel over all of the time, or one of `spans` equal parts of the time in all channels.
    spans : int
        Parts of the time, for `by="time"`.
    scoring : str or callable, optional
        As scikit-learn takes it; the estimator's own `score` if None.
    n_repeats : int
        Permutations of each feature.
    random_state : int, RandomState or None
        Source of the permutations.

    Returns
    -------
    PermutationImportance
        `importances_mean`, `importances_std`, `importances` (features, n_repeats) and `names`.

    Raises
    ------
    GatewiseError
        If an option, X or y cannot be used.

    Notes
    -----
    Sequences keep their lengths: where the other sequence is longer or shorter, its values are stretched in time, each
    step taking the value at the same share of the way. Breiman, Random Forests, Machine Learning 45 (2001); Fisher,
    Rudin and Dominici, Journal of Machine Learning Research 20 (2019). Channels that say the same hide one another.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> X = np.random.default_rng(0).normal(size=(60, 8, 3))
    >>> model = gw.RecurrentRegressor(hidden_size=8, max_iter=20, random_state=0).fit(X, X[:, :, 1].sum(axis=1))
    >>> importance = gw.permutation_importance(model, X, X[:, :, 1].sum(axis=1), random_state=0)
    >>> importance.names, int(importance.importances_mean.argmax())
    (('Channel 1', 'Channel 2', 'Channel 3'), 1)
    """
    check_choice("by", by, ("channel", "time"))
    check_number("n_repeats", n_repeats, 1, integer=True)
    check_number("spans", spans, 1, integer=True)
    sequences = _read(estimator, X)
    names, permuted = _by_channel(sequences, X) if by == "channel" else _by_time(sequences, spans)
    scorer, random = check_scoring(estimator, scoring=scoring), check_random_state(random_state)
    score = float(scorer(estimator, X, y))
    importances = np.empty((len(names), n_repeats))
    for feature in range(len(names)):
        for repeat in range(n_repeats):
            values = permuted(feature, random.permutation(len(sequences.lengths)))
            importances[feature, repeat] = score - scorer(estimator, _as_came(X, sequences, values), y)
    return PermutationImportance(importances, names, score)


Permuted = Callable[[int, Array], Array]
"""(feature, order of the sequences) -> values (n, time, channels) with that feature permuted."""


def _read(estimator: Any, X: Any) -> Sequences:
    """Return X as sequences, read as an estimator of its own would, so that a `Pipeline` may come too."""
    if not hasattr(estimator, "predict"):
        raise GatewiseTypeError(f"estimator is a {type(estimator).__name__}; need a fitted classifier or regressor.")
    if hasattr(estimator, "horizon"):
        raise GatewiseTypeError(
            "estimator is a forecaster, whose score has no X alone; need a classifier or regressor: compare "
            "backtest(y, X) with and without a covariate."
        )
    sequences = read_sequences(BaseEstimator(), X, reset=True)
    if len(sequences.lengths) < 2:
        raise GatewiseValueError("X holds one sequence; need at least two, to exchange their channels.")
    return sequences


def _as_came(X: Any, sequences: Sequences, values: Array) -> Any:
    """Return values in the form in which X came; a frame's table is a frame again."""
    came = like(X, sequences, values)
    return X.__class__(came, X.index, X.columns) if sequences.form == "table" and hasattr(X, "iloc") else came


def _by_channel(sequences: Sequences, X: Any) -> tuple[tuple[str, ...], Permuted]:
    columns = getattr(X[0], "columns", None) if sequences.form == "list" else None
    count = sequences.values.shape[2]
    names = [f"Channel {k + 1}" for k in range(count)] if columns is None else [str(name) for name in columns]

    def permuted(channel: int, order: Array) -> Array:
        values = sequences.values.copy()
        values[:, :, channel] = _stretched(sequences, order)[:, :, channel]
        return values

    return tuple(names), permuted


def _by_time(sequences: Sequences, spans: int) -> tuple[tuple[str, ...], Permuted]:
    T = sequences.values.shape[1]
    span = np.minimum(np.arange(T) * spans // sequences.lengths[:, None], spans)  # of each step; `spans` past the end
    names = tuple(f"{100 * k / spans:.0f} to {100 * (k + 1) / spans:.0f} % of the time" for k in range(spans))

    def permuted(number: int, order: Array) -> Array:
        return np.where((span == number)[:, :, None], _stretched(sequences, order), sequences.values)

    return names, permuted


def _stretched(sequences: Sequences, order: Array) -> Array:
    """Values (n, time, channels) of the sequences in another order, each as long as the one in whose place it is."""
    T = sequences.values.shape[1]
    share = (np.arange(T) + 0.5) / sequences.lengths[:, None]
    lengths = sequences.lengths[order][:, None]
    step = np.clip((share * lengths).astype(int), 0, lengths - 1)
    values: Array = np.take_along_axis(sequences.values[order], step[:, :, None], axis=1)
    return np.where(sequences.inside()[:, :, None], values, np.nan)
