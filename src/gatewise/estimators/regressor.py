"""Regression from sequences: one or several numbers for each, or for each of its steps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_array

from gatewise import losses, plain
from gatewise.arrays import LARGEST, binary_exponent, unmasked
from gatewise.batches import Samples
from gatewise.errors import Array, GatewiseValueError, check_names
from gatewise.estimators.base import RecurrentEstimator
from gatewise.estimators.mixing import OfNumbers
from gatewise.estimators.sequences import Sequences
from gatewise.estimators.targets import Targets, by_step, row_weights, targets_per_sequence, targets_per_step
from gatewise.estimators.whole import whole_or_unchanged

if TYPE_CHECKING:
    from pandas import DataFrame


class RecurrentRegressor(RegressorMixin, RecurrentEstimator):  # type: ignore[misc]
    """Predict numbers from sequences with a recurrent network; scikit-learn's contract, sequences of any lengths.

    X is an array (n, time) of one channel, an array (n, time, channels), or a list of sequences (time_i,) or
    (time_i, channels), arrays or frames. Lengths may differ. NaN is a missing value; steps at the end of an array's row
    that hold nothing else are past the end of that sequence. y holds one number or
    several (n, targets) per sequence; with `output="all"` one or several per step, NaN where there is none.

    Parameters
    ----------
    cell : str or class
        A recurrent layer: "gru", "lstm", "rnn" or another name, or the class of one, such as `gw.define_cell` returns.
    hidden_size, num_layers : int
        Units of a layer, and layers stacked.
    bidirectional : bool
        Whether sequences are also read backward.
    dropout : float
        Share of the hidden values dropped in training, between layers and after the last.
    solver : {"adam", "sgd", "rmsprop", "adagrad"}
        Optimizer; "adam" with decoupled weight decay (AdamW), "sgd" with Nesterov momentum 0.9.
    alpha : float
        Weight decay.
    batch_size : int or "auto"
        Sequences an update; "auto" takes a sixteenth of them, within 16 and 256.
    learning_rate_init : float
        Highest learning rate: `fit` warms up to it over a fifth of the updates and then falls to 0 (one cycle of a
        cosine); `partial_fit` keeps it.
    max_iter : int, optional
        Epochs; None for as many as make about 800 updates, within 15 and 200, and fewer where sequences
        are very long.
    random_state : int, RandomState or None
        Source of starting weights, order, dropout, noise and of what is held out.
    early_stopping : bool
        Whether to hold out `validation_fraction` of the sequences, to stop after `n_iter_no_change` epochs without a
        loss there that is lower by `tol`, and to keep the best weights.
    validation_fraction, n_iter_no_change, tol
        See `early_stopping`.
    verbose : bool
        Whether to draw a progress bar on standard error, if that is a terminal.
    warm_start : bool
        Whether `fit` goes on from the weights and statistics of the last fit.
    pooling : {"all", "last", "mean", "max"}
        Which summaries of the hidden states over time are read: the last, mean, maximum, or all three.
    segments : int
        Beside the hidden states a linear path reads the means of the input over so many parts of each sequence, which
        helps where there are few sequences to learn from; 0 for none.
    n_networks : int or "auto"
        Networks trained side by side, whose answers are averaged; "auto" is 3 up to 5,000 sequences, and 1 for
        more or very long ones.
    input_dropout, noise : float or "auto"
        Share of the input's values dropped in training, and standard deviation of the noise added to them once
        standardized. "auto" is 0.
    output : {"last", "all"}
        Whether there is one target per sequence or one per step; with "all", `pooling`, `segments`, `downsample` and
        `ridge_share` mean nothing.
    downsample : int or "auto"
        Steps of which the networks read the mean; "auto" is what brings the longest training sequence to at most 128,
        up to 1,500 sequences, and 1 beyond.
    ridge_share : float or "auto"
        Share in the answers of a ridge on random convolutions and levels of the sequences, which stands beside the
        networks and is strong where sequences are few and long: 0 is none, 1 is the ridge alone. "auto" chooses it on
        three folds, from 10 to 1,500 sequences, and is 0 for others.

    Attributes
    ----------
    n_iter_ : int
        Epochs of the last fit.
    loss_curve_ : list of float
        Training loss of each epoch.
    validation_scores_ : list of float or None
        Score on what was held out after each epoch.
    model_ : Parallel or Sequential
        The networks, side by side; a single one stands alone. Trained for 15 epochs only, if `max_iter` is None, where
        the ridge has all of the answer.
    ridge_share_ : float
        Share of the ridge in the answers.
    n_channels_in_, n_features_in_ : int
        Channels; steps of a table, else channels.
    feature_names_in_ : ndarray of str
        Names of the columns, if the fit had frames.

    Raises
    ------
    GatewiseError
        In `fit`, if a parameter or the data cannot be used.

    Notes
    -----
    Inputs are standardized, and so are targets, with statistics of the valid steps. A missing value takes the last one
    seen, or the mean; channels that had gaps in the fit also tell whether a value was there and how long ago (Che et
    al. 2018). What is predicted for one sequence does not depend on the others predicted with it. A weight is a share
    of the loss, not a number of copies: batches are drawn from rows.

    The ridge reads shares of steps above thresholds and highest values of random convolutions (MiniRocket, Dempster et
    al. 2021) and levels of parts of the sequence, with strength and mix of the features chosen by leaving out one row
    at a time. Its share has the lowest error on three folds, beside one network trained on each. `fit` with
    `warm_start` fits it again and keeps its share; `partial_fit` trains the networks alone and leaves it as it is.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> rng = np.random.default_rng(0)
    >>> X = [rng.normal(size=(rng.integers(5, 15), 2)) for _ in range(80)]
    >>> y = np.array([x[:, 0].mean() for x in X])
    >>> model = gw.RecurrentRegressor(hidden_size=16, max_iter=20, random_state=0).fit(X[:60], y[:60])
    >>> model.score(X[60:], y[60:]) > 0.8
    True
    """

    automatic_noise = False
    _mixture = OfNumbers()
    _loss = staticmethod(losses.mse)
    _single: bool
    _mean: Array
    _scale: Array

    @whole_or_unchanged
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Pass once over sequences X and targets y, going on from where the network stands.

        Means and spreads of channels and targets are those of the first call.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        self

        Raises
        ------
        GatewiseError
            If X or y cannot be used.
        """
        return self._fit(X, y, sample_weight, again=hasattr(self, "model_"), once=True)

    @overload
    def predict(self, X: Array | DataFrame) -> Array: ...
    @overload
    def predict(self, X: Any) -> Array | Any: ...
    def predict(self, X: Any) -> Any:
        """Return the predicted targets.

        Returns
        -------
        ndarray (n,) or (n, targets)
            As y was in `fit`. With `output="all"` (n, time) or (n, time, targets), NaN past the end of a sequence; for
            a list of sequences a list of arrays (time_i,) or (time_i, targets).

        Raises
        ------
        GatewiseError
            If X does not fit what was seen in `fit`.
        NotFittedError
            Before `fit`.
        """
        sequences, outputs = self._outputs(X)
        values = self._in_units(outputs)
        if self._single:
            values = values[..., 0]
        return sequences.like_input(values) if self._per_step else values

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R² over all sequences or, with `output="all"`, over all steps that have a target.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.

        Returns
        -------
        float
            1 is best, 0 what the mean of y reaches.
        """
        if not self._per_step:
            truth = targets_per_sequence(y, len(y), kind=_numbers)
            return _r2(truth, self.predict(X), row_weights(sample_weight, len(y)))
        sequences, outputs = self._outputs(X)
        targets = self._targets(y, sequences, sample_weight, reset=False)
        return _r2(targets.values, outputs, targets.weights)

    def _targets(self, y: Any, sequences: Sequences, sample_weight: Any, reset: bool) -> Targets:
        values, weights = self._read(y, sequences, sample_weight)
        self._note_targets(values, weights, reset)
        values = values[..., None] if self._single else values
        return Targets(self._standardized(values), weights)

    def _read(self, y: Any, sequences: Sequences, sample_weight: Any) -> tuple[Array, Array | None]:
        """Targets (n, ...) or (n, time, ...), and weights of sequences or steps."""
        weights = row_weights(sample_weight, len(sequences.lengths))
        if y is None:
            raise GatewiseValueError("RecurrentRegressor requires y to be passed, but the target y is None.")
        if self._per_step:
            return _with_gaps(_numbers_or_gaps(targets_per_step(y, sequences)), sequences, weights)
        return targets_per_sequence(y, len(sequences.lengths), kind=_numbers), weights

    def _standardized(self, values: Array) -> Array:
        """Targets in units of their spread, in float32; raise if one is out of its range."""
        targets = (values - self._mean) / self._scale
        bad = np.argwhere(np.abs(targets) > np.finfo(np.float32).max)
        if len(bad):
            value = values[tuple(bad[0])]
            raise GatewiseValueError(
                f"y holds {value}, which is out of all proportion to the first fit, whose targets spread by "
                f"{self._scale[bad[0][-1]]:g}; need targets in the same unit."
            )
        return np.asarray(targets, np.float32)

    def _note_targets(self, values: Array, weights: Array | None, reset: bool) -> None:
        """Remember shape, mean and spread of the targets, or raise unless the shape is that of the fit."""
        single = values.ndim == 1 + self._per_step
        count = 1 if single else values.shape[-1]
        if not reset:
            if single != self._single or count != len(self._mean):
                raise GatewiseValueError(f"y has {count} target(s); the fit had {len(self._mean)}: give the same ones.")
            return
        self._single = single
        known = values[weights > 0] if weights is not None else values
        exponent = binary_exponent(known.reshape(-1, count))
        scaled = np.ldexp(known.reshape(-1, count), -exponent)
        self._note_moments(np.ldexp(scaled.mean(axis=0), exponent), np.ldexp(scaled.std(axis=0), exponent))

    def _note_moments(self, mean: Array, spread: Array) -> None:
        """Remember means and standard deviations of the targets; the unit of a constant is its size."""
        size = np.abs(mean)
        unit = np.where(size > 0, np.clip(1.0, 1e-30 * size, size), 1.0)
        self._mean, self._scale = mean, np.where(spread > 10 * np.finfo(float).eps * size, spread, unit)

    def _output_count(self) -> int:
        return len(self._mean)

    def _combined(self, outputs: Array) -> Array:
        mean: Array = outputs.mean(axis=0)
        return mean

    def _in_units(self, outputs: Array) -> Array:
        values: Array = outputs * self._scale + self._mean
        return values

    def _true_values(self, target: Array) -> Array:
        return self._in_units(target)

    def _score_outputs(self, outputs: Array, samples: Samples) -> float:
        return _r2(samples.y, outputs, samples.weights)

    def _target_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return {"single": self._single}, {"mean": self._mean, "scale": self._scale}

    def _restore_targets(self, described: dict[str, Any], arrays: dict[str, Array]) -> None:
        check_names("its targets", arrays, ("mean", "scale"))
        self._single = plain.flag("single", described["single"])
        self._mean = plain.array("mean", arrays["mean"], (1 if self._single else "targets",), np.float64)
        self._scale = plain.array("scale", arrays["scale"], self._mean.shape, np.float64, above=0)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _numbers(y: Any) -> Array:
    options: dict[str, Any] = {"ensure_2d": False, "dtype": np.float64, "input_name": "y"}
    return _within(check_array(unmasked(y), **options))


def _numbers_or_gaps(y: Array) -> Array:
    options: dict[str, Any] = {"ensure_2d": False, "dtype": np.float64, "ensure_all_finite": "allow-nan"}
    return _within(targets_per_sequence(y, len(y), kind=partial(check_array, **options)))


def _within(y: Array) -> Array:
    """Return targets; raise if one is too large for sums of squares."""
    bad = np.argwhere(np.abs(y) > LARGEST)
    if len(bad):
        value, row = y[tuple(bad[0])], int(bad[0][0])
        raise GatewiseValueError(f"y holds {value} in row {row}; need numbers up to {LARGEST:g}: change the unit.")
    return y


def _with_gaps(flat: Array, sequences: Sequences, weights: Array | None) -> tuple[Array, Array]:
    """Targets (n, time, ...) and weights (n, time) of all steps; both are 0 past the end and where a target is NaN."""
    known = ~np.isnan(flat.reshape(len(flat), -1)).any(axis=1)
    if not known.any():
        raise GatewiseValueError("y holds nothing but NaN; need at least one target.")
    each = known.astype(float) if weights is None else known * np.repeat(weights, sequences.lengths)
    return by_step(np.where(known.reshape(-1, *(1,) * (flat.ndim - 1)), flat, 0.0), sequences), by_step(each, sequences)


def _r2(targets: Array, outputs: Array, weights: Array | None) -> float:
    """R² over rows, or over the steps of all rows that have a weight."""
    if targets.ndim == 3:
        assert weights is not None
        known = weights > 0
        targets, outputs, weights = targets[known], outputs[known], weights[known]
    if len(targets) < 2:
        return float("nan")
    exponent = binary_exponent(targets)
    scaled = [np.ldexp(values, -exponent) for values in (targets, outputs)]
    return float(r2_score(*scaled, sample_weight=weights))
