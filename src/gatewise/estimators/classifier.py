"""Classification of sequences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Self, overload

import numpy as np
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d

from gatewise import descriptions, losses
from gatewise.batches import Samples
from gatewise.errors import Array, GatewiseValueError
from gatewise.estimators.base import RecurrentEstimator
from gatewise.estimators.mixing import OfClasses
from gatewise.estimators.parameters import CONSTRAINTS
from gatewise.estimators.sequences import Sequences
from gatewise.estimators.targets import (
    Targets,
    by_step,
    row_weights,
    targets_per_sequence,
    targets_per_step,
    unmasked_labels,
)
from gatewise.estimators.whole import whole_or_unchanged
from gatewise.layers.padding import valid_steps

if TYPE_CHECKING:
    from pandas import DataFrame


class RecurrentClassifier(ClassifierMixin, RecurrentEstimator):  # type: ignore[misc]
    """Classify sequences with a recurrent network; scikit-learn's contract, for sequences of any lengths.

    X is an array (n, time) of one channel, an array (n, time, channels), or a list of sequences (time_i,) or
    (time_i, channels), arrays or frames. Lengths may differ. NaN is a missing value; steps at the end of an array's row
    that hold nothing else are past the end of that sequence. y holds one label per
    sequence, or with `output="all"` one per step.

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
        standardized. "auto" drops up to 0.3 where there are several channels, and adds noise of 0.2 to a single one,
        both less from 300 sequences on.
    output : {"last", "all"}
        Whether there is one label per sequence or one per step; with "all", `pooling`, `segments`, `downsample` and
        `ridge_share` mean nothing.
    class_weight : dict, "balanced" or None
        Weight of each class by its label; "balanced" is n / (classes · count).
    downsample : int or "auto"
        Steps of which the networks read the mean; "auto" is what brings the longest training sequence to at most 128,
        up to 1,500 sequences, and 1 beyond.
    ridge_share : float or "auto"
        Share in the answers of a ridge on random convolutions and levels of the sequences, which stands beside the
        networks and is strong where sequences are few and long: 0 is none, 1 is the ridge alone. "auto" chooses it on
        three folds, from 10 to 1,500 sequences, and is 0 for others.

    Attributes
    ----------
    classes_ : ndarray (classes,)
        Labels, sorted.
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
    Inputs are standardized with statistics of the valid steps. A missing value takes the last one
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
    >>> X = [rng.normal(size=(rng.integers(5, 15), 2)).cumsum(axis=0) for _ in range(80)]
    >>> y = ["up" if x[-1, 0] > x[0, 0] else "down" for x in X]
    >>> model = gw.RecurrentClassifier(hidden_size=16, max_iter=20, random_state=0).fit(X[:60], y[:60])
    >>> model.classes_, model.score(X[60:], y[60:]) > 0.8
    (array(['down', 'up'], dtype='<U4'), True)
    """

    _parameter_constraints: ClassVar = CONSTRAINTS | {"class_weight": [dict, StrOptions({"balanced"}), None]}
    automatic_noise = True
    _mixture = OfClasses()
    _loss = staticmethod(losses.cross_entropy)

    def __init__(
        self,
        cell: Any = "gru",
        hidden_size: int = 64,
        num_layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        solver: str = "adam",
        alpha: float = 1e-2,
        batch_size: int | str = "auto",
        learning_rate_init: float = 1e-2,
        max_iter: int | None = None,
        random_state: Any = None,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 10,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        pooling: str = "all",
        segments: int = 16,
        n_networks: int | str = "auto",
        input_dropout: float | str = "auto",
        noise: float | str = "auto",
        class_weight: Any = None,
        output: str = "last",
        downsample: int | str = "auto",
        ridge_share: float | str = "auto",
    ) -> None:
        super().__init__(
            cell,
            hidden_size,
            num_layers,
            bidirectional,
            dropout,
            solver,
            alpha,
            batch_size,
            learning_rate_init,
            max_iter,
            random_state,
            early_stopping,
            validation_fraction,
            n_iter_no_change,
            tol,
            verbose,
            warm_start,
            pooling,
            segments,
            n_networks,
            input_dropout,
            noise,
            output,
            downsample,
            ridge_share,
        )
        self.class_weight = class_weight

    @whole_or_unchanged
    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """Pass once over sequences X and classes y, going on from where the network stands.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`. Means and spreads of the channels are those of the first call.
        classes : array-like, optional
            All classes there will ever be; needed in the first call unless y holds them all.

        Returns
        -------
        self

        Raises
        ------
        GatewiseError
            If X or y cannot be used, or y holds a class that is not among `classes`.
        """
        if classes is not None:
            classes = np.unique(np.asarray(unmasked_labels(classes)))
            if hasattr(self, "model_") and not np.array_equal(classes, self.classes_):
                raise GatewiseValueError(f"classes is {classes}; need those of the first call, {self.classes_}.")
        return self._fit(X, y, sample_weight, again=hasattr(self, "model_"), once=True, classes=classes)

    @overload
    def predict(self, X: Array | DataFrame) -> Array: ...
    @overload
    def predict(self, X: Any) -> Array | Any: ...
    def predict(self, X: Any) -> Any:
        """Return the most probable class.

        Returns
        -------
        ndarray (n,)
            One for each sequence. With `output="all"` (n, time), the first class past the end of a sequence; for a list
            of sequences a list of arrays (time_i,).

        Raises
        ------
        GatewiseError
            If X does not fit what was seen in `fit`.
        NotFittedError
            Before `fit`.
        """
        sequences, outputs = self._outputs(X)
        labels = self.classes_[np.argmax(outputs, axis=-1)]
        return sequences.like_input(labels) if self._per_step else labels

    @overload
    def predict_proba(self, X: Array | DataFrame) -> Array: ...
    @overload
    def predict_proba(self, X: Any) -> Array | Any: ...
    def predict_proba(self, X: Any) -> Any:
        """Return the probability of each class, in the order of `classes_`.

        Returns
        -------
        ndarray (n, classes)
            For each sequence. With `output="all"` (n, time, classes), NaN past the end of a sequence; for a list of
            sequences a list of arrays (time_i, classes).

        Raises
        ------
        GatewiseError
            If X does not fit what was seen in `fit`.
        NotFittedError
            Before `fit`.
        """
        return self._probabilities(X, np.exp)

    @overload
    def predict_log_proba(self, X: Array | DataFrame) -> Array: ...
    @overload
    def predict_log_proba(self, X: Any) -> Array | Any: ...
    def predict_log_proba(self, X: Any) -> Any:
        """Return the logarithms of `predict_proba`, finite however improbable a class is."""
        return self._probabilities(X, lambda logarithms: logarithms)

    def _probabilities(self, X: Any, of_logarithms: Callable[[Array], Array]) -> Any:
        sequences, outputs = self._outputs(X)
        outputs -= outputs.max(axis=-1, keepdims=True)
        outputs -= np.log(np.exp(outputs).sum(axis=-1, keepdims=True))
        return sequences.like_input(of_logarithms(outputs)) if self._per_step else of_logarithms(outputs)

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the share of right classes: of all sequences or, with `output="all"`, of all their steps.

        Parameters
        ----------
        X, y, sample_weight
            As in `fit`.
        """
        if not self._per_step:
            weights = row_weights(sample_weight, len(y))
            return float(super().score(X, unmasked_labels(y), weights))
        sequences, outputs = self._outputs(X)
        labels, weights = self._read(y, sequences, sample_weight)
        predicted = self.classes_[np.argmax(outputs, axis=-1)][sequences.inside()]
        return float(accuracy_score(labels, predicted, sample_weight=weights))

    def _targets(self, y: Any, sequences: Sequences, sample_weight: Any, reset: bool, classes: Any = None) -> Targets:
        labels, weights = self._read(y, sequences, sample_weight)
        if reset:
            self.classes_ = np.unique(labels) if classes is None else classes
        unknown = np.setdiff1d(labels, self.classes_)
        if len(unknown):
            raise GatewiseValueError(f"y holds the class {unknown[0]!r}; need classes among {list(self.classes_)}.")
        if self.class_weight is not None:
            by_class = compute_sample_weight(self.class_weight, labels)
            weights = by_class if weights is None else weights * by_class
        codes = np.searchsorted(self.classes_, labels)
        if not self._per_step:
            return Targets(codes, weights)
        return Targets(by_step(codes, sequences), None if weights is None else by_step(weights, sequences))

    def _read(self, y: Any, sequences: Sequences, sample_weight: Any) -> tuple[Array, Array | None]:
        """Labels and weights of all sequences, or of all steps, one after the other."""
        weights = row_weights(sample_weight, len(sequences.lengths))
        if y is None:
            raise GatewiseValueError("RecurrentClassifier requires y to be passed, but the target y is None.")
        y = unmasked_labels(y)
        if not self._per_step:
            return targets_per_sequence(y, len(sequences.lengths), kind=_labels), weights
        labels = targets_per_step(y, sequences)
        weights = None if weights is None else np.repeat(weights, sequences.lengths)
        return targets_per_sequence(labels, len(labels), kind=_labels), weights

    def _output_count(self) -> int:
        return len(self.classes_)

    def _combined(self, outputs: Array) -> Array:
        """Logarithms of the mean probabilities."""
        probabilities = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
        probabilities /= probabilities.sum(axis=-1, keepdims=True)
        return _logarithm(probabilities.mean(axis=0)) if len(probabilities) > 1 else outputs[0]

    def _in_units(self, outputs: Array) -> Array:
        return np.asarray(softmax(outputs, axis=-1))

    def _true_values(self, target: Array) -> Array:
        return target

    def _score_outputs(self, outputs: Array, samples: Samples) -> float:
        predicted, weights = np.argmax(outputs, axis=-1), samples.weights
        if not self._per_step:
            return float(accuracy_score(samples.y, predicted, sample_weight=weights))
        assert samples.lengths is not None
        inside = valid_steps(samples.lengths, samples.y.shape[1])
        weights = None if weights is None else weights[inside]
        return float(accuracy_score(samples.y[inside], predicted[inside], sample_weight=weights))

    def _strata(self, samples: Samples) -> Array | None:
        return None if self._per_step else samples.y

    def _target_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        return {"classes": descriptions.values_to_json(self.classes_)}, {}

    def _restore_targets(self, described: dict[str, Any], arrays: dict[str, Array]) -> None:
        self.classes_ = descriptions.values_from_json(described["classes"])
        if not 1 <= len(set(self.classes_.tolist())) == len(self.classes_):
            raise GatewiseValueError(f"it has {len(self.classes_)} classes, not all different; need each once.")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = True
        return tags


def _logarithm(probabilities: Array) -> Array:
    return np.asarray(np.log(np.maximum(probabilities, np.finfo(float).tiny)))


def _labels(y: Any) -> Array:
    labels: Array = column_or_1d(y, warn=True)
    if labels.dtype.kind == "f" and not np.isfinite(labels).all():
        raise GatewiseValueError("y contains NaN or infinity; need a label for each sequence: leave the others out.")
    check_classification_targets(labels)
    return labels
