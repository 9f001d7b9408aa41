"""What the classifier and the regressor share: reading X, the fit, and outputs sequence by sequence."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import Any, NamedTuple, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from gatewise import descriptions
from gatewise.batches import Samples
from gatewise.errors import Array, GatewiseError, GatewiseTypeError, GatewiseValueError, check_number
from gatewise.estimators import network
from gatewise.estimators.callbacks import CallbackSupportMixin, Epochs, with_callbacks
from gatewise.estimators.sequences import Inputs, Sequences, read_sequences
from gatewise.layers import Layer, Parallel
from gatewise.layers.layer import prefixed
from gatewise.losses import Loss
from gatewise.optimizers import Optimizer
from gatewise.training import History, train

_SEEN = ("n_channels_in_", "n_features_in_", "n_steps_in_")
_TRAINING = ("loss_curve_", "loss_", "n_iter_", "validation_scores_", "best_validation_score_")


class Targets(NamedTuple):
    """What the network is to give, one row a sequence or one a step, and what each counts; None if all the same."""

    values: Array
    weights: Array | None


class RecurrentEstimator(CallbackSupportMixin, BaseEstimator, metaclass=ABCMeta):  # type: ignore[misc]
    """A recurrent network with scikit-learn's contract; see `RecurrentClassifier` and `RecurrentRegressor`."""

    _loss: Loss
    automatic_disturbance: bool
    """Whether "auto" disturbs the input in training."""
    _inputs: Inputs
    _optimizer: Optimizer | None
    model_: network.Network

    @with_callbacks
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on sequences X and their targets y; see the class for what they may be.

        Parameters
        ----------
        X : array (n, time), array (n, time, channels), or list of arrays (time_i,) or (time_i, channels)
        y : array-like (n,) or as the class says
        sample_weight : array-like (n,), optional
            At least 0; a sequence of weight 0 is left out.

        Returns
        -------
        self

        Raises
        ------
        GatewiseError
            If a parameter, X, y or a weight cannot be used.
        """
        return self._fit(X, y, sample_weight, again=bool(self.warm_start) and hasattr(self, "model_"))

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, again: bool, once: bool = False, **told: Any) -> Self:
        network.check_parameters(self)
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        sequences = read_sequences(self, X, reset=not again)
        targets = self._targets(y, sequences, sample_weight, reset=not again, **told)
        if targets.weights is not None:
            sequences, targets = _with_weight(sequences, targets)
        if not again:
            self._inputs = Inputs.of(sequences)
            sizes = (sequences.values.shape[2], self._inputs.size, self._output_count())
            self.model_ = network.build(self, *sizes, sequences.lengths, rng)
            self._optimizer = None
        samples = Samples(self._inputs.encode(sequences), targets.values, sequences.lengths, targets.weights)
        if once:
            self._train_once(samples, rng)
        else:
            self._train(samples, rng, X=X, y=y, metadata={"sample_weight": sample_weight})
        return self

    @property
    def _per_step(self) -> bool:
        return bool(self.output == "all")

    @abstractmethod
    def _targets(self, y: Any, sequences: Sequences, sample_weight: Any, reset: bool) -> Targets:
        """Return y as the network is to give it, and with `reset` note what kind it is."""

    @abstractmethod
    def _output_count(self) -> int:
        """Outputs of the network."""

    @abstractmethod
    def _combined(self, outputs: Array) -> Array:
        """Return one output from those of all networks, (networks, ...)."""

    def _answers(self, x: Array, lengths: Array | None) -> Array:
        return self._combined(network.outputs(self.model_, x, lengths))

    @abstractmethod
    def _score_outputs(self, outputs: Array, samples: Samples) -> float:
        """Return `score` for outputs of the network and their targets."""

    def _train(self, samples: Samples, rng: np.random.Generator, **given: Any) -> None:
        held_out = None
        if self.early_stopping:
            samples, held_out = self._split(samples, rng)
        plan = self._plan(samples)
        scores: list[float] = []

        def note_score(record: dict[str, Any], model: Layer) -> None:
            if held_out is not None:
                scores.append(self._score_outputs(self._answers(held_out.x, held_out.lengths), held_out))

        epochs = Epochs(self, plan.epochs, **given)
        history = self._learn(
            samples,
            rng,
            optimizer=network.optimizer(self, plan.updates),
            epochs=plan.epochs,
            batch_size=plan.batch_size,
            validation=held_out,
            patience=self.n_iter_no_change if self.early_stopping else None,
            tol=self.tol,
            callbacks=[note_score, epochs.end],
        )
        self._note_history(history, scores if self.early_stopping else None)
        epochs.close()

    def _train_once(self, samples: Samples, rng: np.random.Generator) -> None:
        """One pass at a constant rate with the optimizer of the pass before."""
        if self._optimizer is None:
            self._optimizer = network.optimizer(self, None)
        batch_size = self._plan(samples).batch_size
        history = self._learn(samples, rng, optimizer=self._optimizer, epochs=1, batch_size=batch_size)
        history[:0] = [{"loss": loss} for loss in getattr(self, "loss_curve_", [])]
        self._note_history(history, None)

    def _learn(self, samples: Samples, rng: np.random.Generator, **options: Any) -> History:
        return train(
            self.model_,
            samples.x,
            samples.y,
            lengths=samples.lengths,
            weights=samples.weights,
            loss=self._weighed(samples),
            clip=1.0,
            rng=rng,
            progress=bool(self.verbose),
            **options,
        )

    def _plan(self, samples: Samples) -> network.Plan:
        assert samples.lengths is not None
        count = len(self.model_.layers) if isinstance(self.model_, Parallel) else 1
        return network.plan(self, len(samples.x), count * int(samples.lengths.sum()))

    def _weighed(self, samples: Samples) -> Loss:
        loss = self._loss
        if isinstance(self.model_, Parallel):
            loss = network.Together(loss, len(self.model_.layers))
        if samples.weights is None:
            return loss
        return network.Weighed(loss, float(_weight_a_row(samples.weights).mean()))

    def _note_history(self, history: History, scores: list[float] | None) -> None:
        self.loss_curve_ = history["loss"]
        self.loss_ = self.loss_curve_[-1]
        self.n_iter_ = len(history)
        self.validation_scores_ = scores
        self.best_validation_score_ = None if scores is None else scores[history.best_epoch - 1]

    def _split(self, samples: Samples, rng: np.random.Generator) -> tuple[Samples, Samples]:
        """Hold out `validation_fraction` of the sequences, of each class its share where there are enough."""
        rows = np.arange(len(samples.x))
        held_out = max(1, round(self.validation_fraction * len(rows)))
        if held_out >= len(rows):
            raise GatewiseValueError(
                f"validation_fraction={self.validation_fraction} leaves none of {len(rows)} sequences to train on: "
                f"lower it, or set early_stopping=False."
            )
        options = {"test_size": held_out, "random_state": int(rng.integers(2**31))}
        try:
            kept, out = train_test_split(rows, stratify=self._strata(samples), **options)
        except ValueError:
            kept, out = train_test_split(rows, **options)
        return samples.rows(kept, self._per_step), samples.rows(out, self._per_step)

    def _strata(self, samples: Samples) -> Array | None:
        return None

    def _outputs(self, X: Any) -> tuple[Sequences, Array]:
        """Return X as it was read and the network's outputs, (n, outputs) or (n, time, outputs)."""
        if not hasattr(self, "model_"):
            name = type(self).__name__
            raise NotFittedError(f"This {name} instance is not fitted yet: call fit before this method.")
        sequences = read_sequences(self, X, reset=False)
        n, T, _ = sequences.values.shape
        found = np.zeros((n, T, self._output_count()) if self._per_step else (n, self._output_count()))
        order = np.argsort(sequences.lengths, kind="stable")
        for start in range(0, n, network.ROWS_AT_ONCE):
            rows = order[start : start + network.ROWS_AT_ONCE]
            some = sequences.rows(rows)
            y = self._answers(self._inputs.encode(some), some.lengths)
            if self._per_step:
                found[rows, : y.shape[1]] = y
            else:
                found[rows] = y
        return sequences, found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags

    def _to_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        if not hasattr(self, "model_"):
            raise GatewiseValueError(f"this {type(self).__name__} is not fitted, so there is nothing to save: fit it.")
        names = getattr(self, "feature_names_in_", None)
        targets, arrays = self._target_parts()
        description = {
            "params": descriptions.params_to_json(self.get_params(deep=False)),
            "network": descriptions.describe(self.model_),
            "seen": {name: getattr(self, name) for name in _SEEN if hasattr(self, name)},
            "names": None if names is None else descriptions.values_to_json(names),
            "training": {name: getattr(self, name) for name in _TRAINING},
            "targets": targets,
        }
        arrays = prefixed("targets", arrays) | prefixed("inputs", self._inputs._asdict())
        return description, arrays | prefixed("network", self.model_.params)

    @classmethod
    def _from_parts(cls, description: dict[str, Any], arrays: dict[str, Array]) -> Self:
        self = cls(**descriptions.params_from_json(description["params"], cls))
        network.check_parameters(self)
        self._inputs = Inputs.checked(descriptions.under("inputs.", arrays))
        self._restore_targets(description["targets"], descriptions.under("targets.", arrays))
        model = descriptions.rebuild(description["network"], descriptions.under("network.", arrays))
        self.model_ = network.checked(model, self._inputs.size, self._output_count(), self._per_step)
        self._optimizer = None
        for name in _SEEN:
            if name in description["seen"]:
                check_number(name, description["seen"][name], 1, integer=True)
                setattr(self, name, description["seen"][name])
        if self.n_channels_in_ != len(self._inputs.mean):
            raise GatewiseValueError(f"it has {self.n_channels_in_} channels and means of {len(self._inputs.mean)}.")
        if description["names"] is not None:
            self.feature_names_in_ = descriptions.values_from_json(description["names"])
        for name in _TRAINING:
            setattr(self, name, description["training"][name])
        return self

    @abstractmethod
    def _target_parts(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return what turns outputs of the network into predictions, for a file."""

    @abstractmethod
    def _restore_targets(self, described: dict[str, Any], arrays: dict[str, Array]) -> None:
        """Take back what `_target_parts` gave; it may be hostile."""


def _with_weight(sequences: Sequences, targets: Targets) -> tuple[Sequences, Targets]:
    """Leave out the sequences whose weights are all 0."""
    weights = targets.weights
    assert weights is not None
    keep = _weight_a_row(weights) > 0
    if keep.all():
        return sequences, targets
    kept = sequences.rows(keep)
    at = keep if weights.ndim == 1 else (keep, slice(kept.values.shape[1]))
    return kept, Targets(targets.values[at], weights[at])


def _weight_a_row(weights: Array) -> Array:
    found: Array = weights.reshape(len(weights), -1).sum(axis=1)
    return found


def row_weights(sample_weight: Any, rows: int) -> Array | None:
    """Return `sample_weight` as float64 (rows,); raise unless it can be one."""
    if sample_weight is None:
        return None
    try:
        weights = np.array(sample_weight, dtype=np.float64)
    except (ValueError, TypeError) as error:
        raise GatewiseTypeError(f"sample_weight cannot be read as numbers ({error}); need one a sequence.") from error
    if weights.shape != (rows,):
        raise GatewiseValueError(f"sample_weight has shape {weights.shape}; need ({rows},), one weight a sequence.")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise GatewiseValueError("sample_weight holds numbers below 0 or not finite; need 0 or more for each sequence.")
    if not weights.any():
        raise GatewiseValueError("sample_weight is zero for every sequence; need one that is more.")
    return weights


def targets_a_sequence(y: Any, rows: int, *, kind: Any) -> Array:
    """Return y with `rows` rows, read by `kind` (a function of y); raise with scikit-learn's words if it cannot be."""
    try:
        found: Array = kind(y)
    except (ValueError, TypeError) as error:
        if isinstance(error, GatewiseError):
            raise
        raise (GatewiseTypeError if isinstance(error, TypeError) else GatewiseValueError)(str(error)) from error
    if len(found) != rows:
        raise GatewiseValueError(f"y has {len(found)} targets and X has {rows} sequences; need one target a sequence.")
    return found


def targets_a_step(y: Any, sequences: Sequences) -> Array:
    """Return the targets of all steps of all sequences, one after the other; raise unless there is one for each step.

    A row of a table or array may go on past the end of its sequence.
    """
    n, T, _ = sequences.values.shape
    if len(y) != n:
        raise GatewiseValueError(f"y has {len(y)} rows and X has {n} sequences; need one row of targets a sequence.")
    rows = [np.asarray(row) for row in y]
    for i, (row, length) in enumerate(zip(rows, sequences.lengths, strict=True)):
        longest = length if sequences.form == "list" else T
        if row.ndim < 1 or len(row) not in (length, longest) or row.shape[1:] != rows[0].shape[1:]:
            raise GatewiseValueError(
                f"y[{i}] has shape {row.shape} and X[{i}] has {length} steps; output='all' needs one target a step, of "
                f"the same shape in all."
            )
    return np.concatenate([row[:length] for row, length in zip(rows, sequences.lengths, strict=True)])


def by_step(flat: Array, sequences: Sequences) -> Array:
    """Return values of all steps, one after the other, as (n, time, ...) with 0 past each end."""
    inside = sequences.inside()
    found = np.zeros((*inside.shape, *flat.shape[1:]), flat.dtype)
    found[inside] = flat
    return found
