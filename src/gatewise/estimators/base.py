"""What the classifier and the regressor share: reading X, the fit, and outputs sequence by sequence."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state

from gatewise.batches import Samples
from gatewise.errors import Array, GatewiseValueError
from gatewise.estimators import builder, fitting, mixing
from gatewise.estimators.callbacks import CallbackSupportMixin, Epochs, with_callbacks
from gatewise.estimators.inspection import Inspection, input_names
from gatewise.estimators.mixing import Mixture
from gatewise.estimators.parameters import CONSTRAINTS
from gatewise.estimators.sequences import Inputs, Sequences, downsampled, read_sequences
from gatewise.estimators.stored import StoredEstimator
from gatewise.estimators.summaries import Summarized, form_of
from gatewise.estimators.targets import Targets, weight_per_row, with_weight
from gatewise.layers import Layer
from gatewise.losses import Loss
from gatewise.optimizers import Optimizer
from gatewise.training import History, train


class RecurrentEstimator(CallbackSupportMixin, Summarized, StoredEstimator, metaclass=ABCMeta):  # type: ignore[misc]
    """A recurrent network with scikit-learn's contract; see `RecurrentClassifier` and `RecurrentRegressor`."""

    _parameter_constraints = CONSTRAINTS
    _renamed: ClassVar = {"members": "n_networks"}
    _loss: Loss
    _mixture: ClassVar[Mixture]
    automatic_noise: bool
    """Whether "auto" adds noise to the input in training."""
    _optimizer: Optimizer | None

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
        output: str = "last",
        downsample: int | str = "auto",
        ridge_share: float | str = "auto",
    ) -> None:
        self.cell = cell
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.max_iter = max_iter
        self.random_state = random_state
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.pooling = pooling
        self.segments = segments
        self.n_networks = n_networks
        self.input_dropout = input_dropout
        self.noise = noise
        self.output = output
        self.downsample = downsample
        self.ridge_share = ridge_share

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

    def _fit(self, X: Any, y: Any, sample_weight: Any, *, again: bool, once: bool = False, **known: Any) -> Self:
        self._check_parameters()
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        sequences = read_sequences(self, X, reset=not again)
        targets = self._targets(y, sequences, sample_weight, reset=not again, **known)
        sequences, targets = with_weight(sequences, targets)
        if not again:
            self._inputs = Inputs.of(sequences)
            self._downsampling = fitting.downsampling(self, sequences.lengths)
            self._ridge, self._optimizer = None, None
        full = Samples(self._inputs.encode(sequences), targets.values, sequences.lengths, targets.weights)
        samples = self._read_by_networks(full)
        if not again:
            self.model_ = self._build(samples, rng)
        if once:
            self._train_once(samples, rng)
        else:
            self._fit_ridge(full, samples, again, rng.spawn(1)[0])
            self._train(samples, rng, X=X, y=y, metadata={"sample_weight": sample_weight})
        return self

    @property
    def ridge_share_(self) -> float:
        """Share of the ridge in the answers; that of the networks is what is left of 1."""
        return 0.0 if self._ridge is None else self._ridge.share

    def _read_by_networks(self, samples: Samples) -> Samples:
        assert samples.lengths is not None
        x, lengths = downsampled(samples.x, samples.lengths, self._downsampling)
        return samples._replace(x=x, lengths=lengths)

    def _build(self, samples: Samples, rng: np.random.Generator, count: int | None = None) -> builder.Network:
        sizes = (len(self._inputs.mean), self._inputs.size, self._output_count())
        return builder.build(self, *sizes, samples.lengths, rng, count=count)

    def _fit_ridge(self, full: Samples, samples: Samples, again: bool, rng: np.random.Generator) -> None:
        """Fit the ridge to sequences of full length, and unless it goes on choose its share."""
        known = getattr(self, "_ridge", None)
        if again and known is None:
            return
        self._ridge = None
        if not mixing.wanted(self, len(full.x)):
            return
        fit = mixing.RidgeBeside.of(self._mixture, full, len(self._inputs.mean), self._output_count(), rng)
        share = self.ridge_share if known is None or not again else known.share
        if share == "auto":
            share = 1.0 if fit.is_certain() else self._best_share(fit, samples, rng)
        self._ridge = fit.with_share(float(share)) if share else None

    def _best_share(self, fit: mixing.RidgeBeside, samples: Samples, rng: np.random.Generator) -> float:
        """Train one network on each of some folds, and return the share that is best where neither has learned."""
        folds = fit.folds(rng)
        outputs = np.zeros((len(folds), self._output_count()))
        for fold in np.unique(folds):
            rest, held_out = samples.rows(folds != fold), samples.rows(folds == fold)
            network = self._build(rest, rng, count=1)
            plan = self._plan(rest, 1)
            options = {
                "epochs": plan.epochs,
                "batch_size": plan.batch_size,
                "optimizer": fitting.optimizer(self, plan.updates),
            }
            self._learn(network, rest, rng, **options)
            outputs[folds == fold] = builder.outputs(network, held_out.x, held_out.lengths)[0]
        return fit.best_share(outputs, folds)

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

    def _answers(self, x: Array, lengths: Array) -> Array:
        """Return outputs of the networks and of what stands beside them for x (n, time, inputs) of full length."""
        ridge = self._ridge
        if ridge is not None and ridge.share == 1:
            return ridge.outputs(x, lengths)
        outputs = self._of_networks(*downsampled(x, lengths, self._downsampling))
        return outputs if ridge is None else self._mixture.mixed(outputs, ridge.outputs(x, lengths), ridge.share)

    def _of_networks(self, x: Array, lengths: Array | None) -> Array:
        return self._combined(builder.outputs(self.model_, x, lengths))

    @abstractmethod
    def _score_outputs(self, outputs: Array, samples: Samples) -> float:
        """Return `score` for outputs of the network and their targets."""

    def _train(self, samples: Samples, rng: np.random.Generator, **fit_arguments: Any) -> None:
        held_out = None
        if self.early_stopping:
            samples, held_out = self._split(samples, rng)
        plan = self._plan(samples, len(builder.networks_of(self.model_)))
        scores: list[float] = []

        def note_score(record: dict[str, Any], model: Layer) -> None:
            if held_out is not None:
                scores.append(self._score_outputs(self._of_networks(held_out.x, held_out.lengths), held_out))

        epochs = Epochs(self, plan.epochs, **fit_arguments)
        history = self._learn(
            self.model_,
            samples,
            rng,
            optimizer=fitting.optimizer(self, plan.updates),
            epochs=plan.epochs,
            batch_size=plan.batch_size,
            validation=held_out,
            patience=self.n_iter_no_change if self.early_stopping else None,
            tol=self.tol,
            callbacks=[note_score, epochs.end],
            progress=bool(self.verbose),
        )
        self._note_history(history, scores if self.early_stopping else None)
        epochs.close()

    def _train_once(self, samples: Samples, rng: np.random.Generator) -> None:
        """One pass at a constant rate with the optimizer of the pass before."""
        if self._optimizer is None:
            self._optimizer = fitting.optimizer(self, None)
        batch_size = self._plan(samples, 1).batch_size
        history = self._learn(
            self.model_,
            samples,
            rng,
            optimizer=self._optimizer,
            epochs=1,
            batch_size=batch_size,
            progress=bool(self.verbose),
        )
        history[:0] = [{"loss": loss} for loss in getattr(self, "loss_curve_", [])]
        self._note_history(history, None)

    def _learn(self, model: builder.Network, samples: Samples, rng: np.random.Generator, **options: Any) -> History:
        return train(
            model,
            samples.x,
            samples.y,
            lengths=samples.lengths,
            weights=samples.weights,
            loss=self._training_loss(samples, len(builder.networks_of(model))),
            clip=1.0,
            rng=rng,
            **options,
        )

    def _plan(self, samples: Samples, count: int) -> fitting.Plan:
        assert samples.lengths is not None
        return fitting.plan(self, len(samples.x), count * int(samples.lengths.sum()))

    def _training_loss(self, samples: Samples, count: int) -> Loss:
        loss = self._loss
        if count > 1:
            loss = fitting.LossOverNetworks(loss, count)
        if samples.weights is None:
            return loss
        return fitting.WeightedLoss(loss, float(weight_per_row(samples.weights).mean()))

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
            train_rows, test_rows = train_test_split(rows, stratify=self._strata(samples), **options)
        except ValueError:
            train_rows, test_rows = train_test_split(rows, **options)
        return samples.rows(train_rows, self._per_step), samples.rows(test_rows, self._per_step)

    def _strata(self, samples: Samples) -> Array | None:
        return None

    def _outputs(self, X: Any) -> tuple[Sequences, Array]:
        """Return X as it was read and the network's outputs, (n, outputs) or (n, time, outputs)."""
        self._check_fitted()
        sequences = read_sequences(self, X, reset=False)
        n, T, _ = sequences.values.shape
        outputs = np.zeros((n, T, self._output_count()) if self._per_step else (n, self._output_count()))
        order = np.argsort(sequences.lengths, kind="stable")
        for start in range(0, n, builder.ROWS_AT_ONCE):
            rows = order[start : start + builder.ROWS_AT_ONCE]
            some = sequences.rows(rows)
            y = self._answers(self._inputs.encode(some), some.lengths)
            if self._per_step:
                outputs[rows, : y.shape[1]] = y
            else:
                outputs[rows] = y
        return sequences, outputs

    def inspect(self, X: Any, y: Any = None) -> Inspection:
        """Return what the networks read of X and what they answer, for whoever wants to look inside.

        Parameters
        ----------
        X : as in `fit`
        y : as in `fit`, optional

        Returns
        -------
        Inspection
            The networks, their input and its names, outputs, and with y the targets in the form of the loss.

        Raises
        ------
        GatewiseError
            If X or y does not fit what was seen in `fit`.
        NotFittedError
            Before `fit`.

        Examples
        --------
        >>> import numpy as np, gatewise as gw
        >>> X = np.random.default_rng(0).normal(size=(20, 7, 2))
        >>> model = gw.RecurrentRegressor(hidden_size=4, max_iter=1, random_state=0).fit(X, X[:, 0, 0])
        >>> seen = model.inspect(X)
        >>> seen.x.shape, seen.features, seen.outputs.shape, len(seen.networks)
        ((20, 7, 2), ('Channel 1', 'Channel 2'), (20, 1), 3)
        """
        sequences, outputs = self._outputs(X)
        target = None if y is None else self._targets(y, sequences, None, reset=False).values
        x, steps = downsampled(self._inputs.encode(sequences), sequences.lengths, self._downsampling)
        return Inspection(
            networks=builder.networks_of(self.model_),
            x=x,
            steps=steps,
            features=input_names(self, self._inputs.gaps),
            values=sequences.values,
            lengths=sequences.lengths,
            outputs=outputs,
            prediction=self._in_units(outputs),
            loss=self._loss,
            target=target,
            truth=None if target is None else self._true_values(target),
        )

    @abstractmethod
    def _in_units(self, outputs: Array) -> Array:
        """Return what outputs of the network mean: probabilities, or values in the unit of y."""

    @abstractmethod
    def _true_values(self, target: Array) -> Array:
        """Return targets as `_in_units` has the outputs: numbers of classes, or values in the unit of y."""

    def _parts_for_summary(self) -> tuple[tuple[Layer, ...], tuple[str, ...]]:
        self._check_fitted()
        networks = builder.networks_of(self.model_)
        notes = [f"{type(self).__name__}: {form_of(networks)}"]
        if self._ridge is not None:
            notes.append(
                f"a ridge on {self._ridge.path.center.size:,} features has {self.ridge_share_:.0%} of the answer"
            )
        if self._downsampling > 1:
            notes.append(f"the networks read means over {self._downsampling} steps")
        return networks, tuple(notes)

    def _check_fitted(self) -> None:
        if not hasattr(self, "model_"):
            name = type(self).__name__
            raise NotFittedError(f"This {name} instance is not fitted yet: call fit before this method.")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.input_tags.allow_nan = True
        return tags
