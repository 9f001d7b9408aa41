"""How a classifier or regressor is trained: the ridge first, then folds that give it its share, then the networks."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from sklearn.model_selection import train_test_split

from gatewise.batches import Samples
from gatewise.errors import Array, GatewiseValueError
from gatewise.estimators import builder, fitting, mixing
from gatewise.estimators.callbacks import Epochs
from gatewise.estimators.sequences import downsampled
from gatewise.estimators.stored import StoredEstimator
from gatewise.estimators.targets import weight_per_row
from gatewise.layers import Layer
from gatewise.losses import Loss
from gatewise.optimizers import Optimizer
from gatewise.training import History, train
from gatewise.training.checkpoint import Stage
from gatewise.training.runs import Run


class TrainedEstimator(StoredEstimator):
    """An estimator whose networks are trained on samples, beside a ridge that is fitted to them."""

    _loss: Loss
    _mixture: ClassVar[mixing.Mixture]
    _optimizer: Optimizer | None
    ridge_share: Any
    early_stopping: bool
    validation_fraction: float
    n_iter_no_change: int
    tol: float
    verbose: Any

    @property
    def ridge_share_(self) -> float:
        """Share of the ridge in the answers; that of the networks is what is left of 1."""
        return 0.0 if self._ridge is None else self._ridge.share

    @property
    @abstractmethod
    def _per_step(self) -> bool:
        """Whether there is one target per step."""

    @abstractmethod
    def _of_networks(self, x: Array, lengths: Array | None) -> Array:
        """Return the outputs of all networks as one, for what they read."""

    @abstractmethod
    def _score_outputs(self, outputs: Array, samples: Samples) -> float:
        """Return `score` for outputs of the network and their targets."""

    def _read_by_networks(self, samples: Samples) -> Samples:
        assert samples.lengths is not None
        x, lengths = downsampled(samples.x, samples.lengths, self._downsampling)
        return samples._replace(x=x, lengths=lengths)

    def _build(self, samples: Samples, rng: np.random.Generator, count: int | None = None) -> builder.Network:
        sizes = (len(self._inputs.mean), self._inputs.size, self._output_count())
        return builder.build(self, *sizes, samples.lengths, rng, count=count)

    def _fit_ridge(self, full: Samples, samples: Samples, again: bool, rng: np.random.Generator, run: Run) -> None:
        """Fit the ridge to sequences of full length, and unless it goes on choose its share."""
        known = getattr(self, "_ridge", None)
        if again and known is None:
            return
        self._ridge = None
        if not mixing.wanted(self, len(full.x)):
            return
        fit = mixing.RidgeBeside.of(self._mixture, full, len(self._inputs.mean), self._output_count(), rng)
        run.pause()
        share = self.ridge_share if known is None or not again else known.share
        if share == "auto":
            share = 1.0 if fit.is_certain() else self._best_share(fit, samples, rng, run)
        self._ridge = fit.with_share(float(share)) if share else None

    def _best_share(self, fit: mixing.RidgeBeside, samples: Samples, rng: np.random.Generator, run: Run) -> float:
        """Train one network on each of some folds, and return the share that is best where neither has learned."""
        outputs = np.zeros((len(fit.y), self._output_count()))
        done = np.zeros(len(fit.y), bool)
        for fold in range(mixing.FOLDS):
            held_out = fit.folds == fold
            outputs[held_out] = self._outputs_from_others(samples, held_out, rng, run.stage())
            done |= held_out
            if fit.is_ahead(outputs, done):
                return 1.0
        return fit.best_share(outputs, done)

    def _outputs_from_others(
        self, samples: Samples, held_out: Array, rng: np.random.Generator, stage: Stage | None
    ) -> Array:
        """Return outputs for the rows that are held out, of one network that is trained on the others."""
        rest, rows = samples.rows(~held_out), samples.rows(held_out)
        network = self._build(rest, rng, count=1)
        plan = self._plan(rest, 1)
        options = {"epochs": plan.epochs, "batch_size": plan.batch_size, "checkpoint": stage}
        self._learn(network, rest, rng, optimizer=fitting.optimizer(self, plan.updates), **options)
        return np.asarray(builder.outputs(network, rows.x, rows.lengths)[0])

    def _train(self, samples: Samples, rng: np.random.Generator, run: Run, **fit_arguments: Any) -> None:
        held_out = None
        if self.early_stopping:
            samples, held_out = self._split(samples, rng)
        count = len(builder.networks_of(self.model_))
        plan = self._plan(samples, count, briefly=self.ridge_share_ == 1)  # their answers do not count

        def note_score(record: dict[str, Any], model: Layer) -> None:
            if held_out is not None:
                outputs = self._of_networks(held_out.x, held_out.lengths)
                record["score"] = self._score_outputs(outputs, held_out)

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
            checkpoint=run.stage(),
        )
        self._note_history(history, history["score"] if self.early_stopping else None)
        epochs.close()

    def _train_once(self, samples: Samples, rng: np.random.Generator) -> None:
        """One pass at a constant rate with the optimizer of the pass before."""
        known = self._optimizer
        self._optimizer = fitting.optimizer(self, None) if known is None else copy.deepcopy(known)
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

    def _plan(self, samples: Samples, count: int, *, briefly: bool = False) -> fitting.Plan:
        assert samples.lengths is not None
        return fitting.plan(self, len(samples.x), count * int(samples.lengths.sum()), briefly=briefly)

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
