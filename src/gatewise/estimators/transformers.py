"""Preparation of sequences with scikit-learn's contract: scale, pad, cut into windows."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from gatewise.arrays import unmasked
from gatewise.errors import Array, GatewiseValueError, check_choice, check_number
from gatewise.estimators.sequences import Inputs, Sequences, like, read_sequences
from gatewise.estimators.whole import whole_or_unchanged


def _fitted_on_table(self: Any) -> bool:
    """Whether columns of the output are those of a table, so that they have names and can be a frame."""
    return hasattr(self, "n_steps_in_") or not hasattr(self, "n_channels_in_")


class _SequenceTransformer(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A transformer of sequences; `set_output` gives frames for tables, other sequences stay arrays."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags

    @available_if(_fitted_on_table)  # type: ignore[untyped-decorator]
    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the names of the columns of a table's output: those of the input."""
        names: Array = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        return names


class SequenceScaler(_SequenceTransformer):
    """Each channel with mean 0 and standard deviation 1 over all steps of all sequences.

    The estimators do this themselves; the scaler is for other models, and for looking at the data.

    Parameters
    ----------
    with_mean, with_std : bool
        Whether to subtract the mean, and to divide by the standard deviation.

    Attributes
    ----------
    mean_, scale_ : ndarray (channels,)
        Of the observed values, NaN and padding left out; `scale_` is 1 for a constant channel.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> X = [np.array([[1.0], [3.0]]), np.array([[5.0]])]
    >>> [x.round(2).tolist() for x in gw.SequenceScaler().fit_transform(X)]
    [[[-1.22], [0.0]], [[1.22]]]
    """

    def __init__(self, with_mean: bool = True, with_std: bool = True) -> None:
        self.with_mean = with_mean
        self.with_std = with_std

    @whole_or_unchanged
    def fit(self, X: Any, y: Any = None) -> Self:
        """Take mean and standard deviation of each channel of X, sequences as the estimators take them."""
        statistics = Inputs.of(read_sequences(self, X, reset=True))
        self.mean_ = statistics.mean if self.with_mean else np.zeros_like(statistics.mean)
        self.scale_ = statistics.scale if self.with_std else np.ones_like(statistics.scale)
        return self

    def transform(self, X: Any) -> Any:
        """Return X standardized, in the form in which it came; missing values stay missing."""
        sequences = self._read(X)
        return like(X, sequences, (sequences.values - self.mean_) / self.scale_)

    def inverse_transform(self, X: Any) -> Any:
        """Return what `transform` made X of."""
        sequences = self._read(X)
        return like(X, sequences, sequences.values * self.scale_ + self.mean_)

    def _read(self, X: Any) -> Sequences:
        check_is_fitted(self)
        return read_sequences(self, X, reset=False)


class SequencePadder(_SequenceTransformer):
    """Sequences of different lengths as one array, filled up at the end.

    The estimators need no padding; the padder is for models that take arrays only.

    Parameters
    ----------
    length : int, optional
        Steps of the output; longer sequences lose their last steps. None for the longest of those transformed.
    value : float
        What stands past the end of a sequence. The estimators read NaN there as the end.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> padder = gw.SequencePadder(value=0)
    >>> X = [np.array([1.0, 2.0, 3.0]), np.array([4.0])]
    >>> padder.fit_transform(X)
    array([[1., 2., 3.],
           [4., 0., 0.]])
    >>> padder.lengths(X)
    array([3, 1])
    """

    def __init__(self, length: int | None = None, value: float = np.nan) -> None:
        self.length = length
        self.value = value

    @whole_or_unchanged
    def fit(self, X: Any, y: Any = None) -> Self:
        """Check X and note its channels."""
        if self.length is not None:
            check_number("length", self.length, 1, integer=True)
        read_sequences(self, X, reset=True)
        return self

    def transform(self, X: Any) -> Array:
        """Return (n, length, channels), or (n, length) for a table and for sequences (time_i,)."""
        sequences = self._read(X)
        n, T, channels = sequences.values.shape
        length = self.length or T
        padded = np.full((n, length, channels), self.value, sequences.values.dtype)
        inside = sequences.inside()[:, :length]
        padded[:, : min(T, length)][inside] = sequences.values[:, :length][inside]
        flat = sequences.form == "table" or (sequences.form == "list" and all(np.ndim(part) == 1 for part in X))
        return padded[:, :, 0] if flat else padded

    def lengths(self, X: Any) -> Array:
        """Return the number of steps of each sequence that `transform` keeps, (n,)."""
        lengths = self._read(X).lengths
        return lengths if self.length is None else np.minimum(lengths, self.length)

    def _read(self, X: Any) -> Sequences:
        check_is_fitted(self, "n_channels_in_")
        return read_sequences(self, X, reset=False)

    @available_if(_fitted_on_table)  # type: ignore[untyped-decorator]
    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the names of the columns of a table's output: those of the input, then `pad0`, `pad1`, …."""
        names = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        length = self.length or len(names)
        return np.array([*names[:length], *(f"pad{k}" for k in range(length - len(names)))], dtype=object)


class SequenceWindower(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """For each row of a long series the window of rows that ends with it.

    Rows of X are steps, as in any table of measurements, so that one target per step stays beside its window in a
    `Pipeline`. Windows that would begin before the series repeat its first row.

    Parameters
    ----------
    window : int
        Rows of a window.
    flatten : bool
        Whether to give tables (n, window·channels) for other models, with names `channel_lag2`, …; `set_output` then
        gives frames.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> series = np.arange(5.0)[:, None]
    >>> gw.SequenceWindower(3).fit_transform(series)[:, :, 0].astype(int).tolist()
    [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 4]]
    >>> X, y = gw.SequenceWindower(3).windows(series, series[:, 0])
    >>> X.shape, y
    ((2, 3, 1), array([3., 4.]))
    """

    def __init__(self, window: int = 24, flatten: bool = False) -> None:
        self.window = window
        self.flatten = flatten

    @whole_or_unchanged
    def fit(self, X: Any, y: Any = None) -> Self:
        """Check X (steps, channels) and note its channels."""
        check_number("window", self.window, 1, integer=True)
        check_choice("flatten", self.flatten, (False, True))
        self._series(X, reset=True)
        return self

    def transform(self, X: Any) -> Array:
        """Return the windows (steps, window, channels), or (steps, window·channels) with `flatten`."""
        check_is_fitted(self, "n_features_in_")
        series = self._series(X, reset=False)
        first = np.repeat(series[:1], self.window - 1, axis=0)
        windows = _windows(np.concatenate([first, series]), self.window)
        return windows.reshape(len(windows), -1) if self.flatten else windows

    @whole_or_unchanged
    def windows(self, X: Any, y: Any = None, *, horizon: int = 1, step: int = 1) -> tuple[Array, Array]:
        """Return the whole windows of a series alone, and the targets that come after each: a set to fit on.

        Parameters
        ----------
        X : array (steps, channels)
        y : array (steps,) or (steps, targets), optional
            One target per step; X itself if None.
        horizon : int
            Targets after a window.
        step : int
            Steps from one window to the next.

        Returns
        -------
        X : ndarray (n, window, channels)
        y : ndarray (n,) or (n, targets) for a horizon of 1, (n, horizon) or (n, horizon, targets) for more

        Raises
        ------
        GatewiseError
            If the series has no whole window with its targets.
        """
        for name, value in (("horizon", horizon), ("step", step)):
            check_number(name, value, 1, integer=True)
        series = self._series(X, reset=True)
        targets = series if y is None else np.asarray(unmasked(y))
        if len(targets) != len(series):
            raise GatewiseValueError(f"y has {len(targets)} rows and X {len(series)}; need one target per step.")
        if len(series) < self.window + horizon:
            raise GatewiseValueError(
                f"X has {len(series)} steps; need {self.window + horizon} for one window and what comes after it: "
                f"shorten window or horizon."
            )
        windows = _windows(series, self.window)[:-horizon:step]
        after = _windows(targets[self.window :], horizon)[::step]
        return windows, after[:, 0] if horizon == 1 else after

    def _series(self, X: Any, reset: bool) -> Array:
        check_number("window", self.window, 1, integer=True)
        if getattr(X, "ndim", None) == 1 and not reset and not hasattr(self, "n_features_in_"):
            X = np.asarray(unmasked(X))[:, None]
        values = read_sequences(self, X, reset=reset)
        if values.form != "table":
            raise GatewiseValueError("X is not one series; need a table (steps, channels), one row per step.")
        return values.values[:, :, 0]

    @available_if(lambda self: self.flatten)  # type: ignore[untyped-decorator]
    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Return the names of the columns: `channel_lag2`, …, `channel_lag0` for the row itself."""
        names = OneToOneFeatureMixin.get_feature_names_out(self, input_features)
        lags = range(self.window - 1, -1, -1)
        return np.array([f"{name}_lag{lag}" for lag in lags for name in names], dtype=object)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags


def _windows(series: Array, window: int) -> Array:
    """All windows of a series (steps, ...), (steps − window + 1, window, ...)."""
    view = np.lib.stride_tricks.sliding_window_view(series, window, axis=0)
    return np.ascontiguousarray(np.moveaxis(view, -1, 1))
