"""What the classifier and the regressor share: parameters, reading X, and outputs sequence by sequence."""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils import check_random_state

from gatewise.arrays import is_collection
from gatewise.batches import Samples
from gatewise.errors import Array
from gatewise.estimators import builder, elsewhere, fitting, identity
from gatewise.estimators.callbacks import CallbackSupportMixin, with_callbacks
from gatewise.estimators.inspection import Inspection, input_names
from gatewise.estimators.parameters import CONSTRAINTS
from gatewise.estimators.sequences import Inputs, Sequences, downsampled, read_sequences
from gatewise.estimators.streaming import Stepping
from gatewise.estimators.summaries import Summarized, form_of
from gatewise.estimators.targets import Targets, with_weight
from gatewise.estimators.training import TrainedEstimator
from gatewise.estimators.whole import whole_or_unchanged
from gatewise.layers import Layer
from gatewise.threads import single_threaded_blas
from gatewise.training.runs import NOWHERE, Keeping


class RecurrentEstimator(CallbackSupportMixin, Stepping, Summarized, TrainedEstimator, metaclass=ABCMeta):  # type: ignore[misc]
    """A recurrent network with scikit-learn's contract; see `RecurrentClassifier` and `RecurrentRegressor`."""

    _parameter_constraints = CONSTRAINTS
    _renamed: ClassVar = {"members": "n_networks"}
    automatic_noise: bool
    """Whether "auto" adds noise to the input in training."""

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

    @whole_or_unchanged
    @with_callbacks
    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        checkpoint: Any = None,
        every: int | str = 1,
        resume: bool = False,
    ) -> Self:
        """Train on sequences X and their targets y; see the class for what they may be.

        Parameters
        ----------
        X : array (n, time), array (n, time, channels), or list of arrays (time_i,) or (time_i, channels)
            Or a Dask array, frame or bag of them, with y of the same partitions: see `gatewise.distributed.fit`.
        y : array-like (n,) or as the class says
        sample_weight : array-like (n,), optional
            At least 0; a sequence of weight 0 is left out.
        checkpoint : str or path, optional
            A file that holds where the fit stands, replaced in one step as it goes; its folder must exist. SIGINT and
            SIGTERM then let the batch under way be finished, write, and raise `gatewise.TrainingInterrupted`.
        every : int or str
            Epochs between two writes, or a time such as "30 s", "5 min" or "1 h".
        resume : bool
            Whether to go on from what the checkpoint holds: the fit ends with the bits of one that was never stopped.
            X, y and parameters are those that it was begun with; where `random_state` is no number, the seed that was
            drawn then counts. Without a file, the fit begins.

        Returns
        -------
        self

        Raises
        ------
        GatewiseError
            If a parameter, X, y or a weight cannot be used, or the checkpoint is that of another fit.
        TrainingInterrupted
            With a checkpoint, after SIGINT or SIGTERM in the main thread.

        Notes
        -----
        A fit that ends early, by an error, a callback that raises or Ctrl-C, leaves this object as it was: not fitted,
        or fitted as before.
        """
        keeping = Keeping(checkpoint, every, resume)
        if is_collection(X):
            return elsewhere.fit(self, X, y, sample_weight, **keeping._asdict())
        again = bool(self.warm_start) and hasattr(self, "model_")
        return self._fit(X, y, sample_weight, again=again, keeping=keeping)

    @single_threaded_blas()
    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        *,
        again: bool,
        once: bool = False,
        keeping: Keeping = NOWHERE,
        **known: Any,
    ) -> Self:
        self._check_parameters()
        drawn = int(check_random_state(self.random_state).randint(2**31))
        sequences = read_sequences(self, X, reset=not again)
        targets = self._targets(y, sequences, sample_weight, reset=not again, **known)
        sequences, targets = with_weight(sequences, targets)
        if not again:
            self._inputs = Inputs.of(sequences)
            self._downsampling = fitting.downsampling(self, sequences.lengths)
            self._ridge, self._optimizer = None, None
        full = Samples(self._inputs.encode(sequences), targets.values, sequences.lengths, targets.weights)
        samples = self._read_by_networks(full)
        with keeping.run(partial(identity.of_sequences, self, sequences, targets, again)) as run:
            rng = np.random.default_rng(run.remember("seed", lambda: drawn))
            self.model_ = self.model_.astype(self.model_.dtype) if again else self._build(samples, rng)
            if once:
                self._train_once(samples, rng)
            else:
                self._fit_ridge(full, samples, again, rng.spawn(1)[0], run)
                self._train(samples, rng, run, X=X, y=y, metadata={"sample_weight": sample_weight})
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

    def _answers(self, x: Array, lengths: Array) -> Array:
        """Return outputs of the networks and of what stands beside them for x (n, time, inputs) of full length."""
        ridge = self._ridge
        if ridge is not None and ridge.share == 1:
            return ridge.outputs(x, lengths)
        outputs = self._of_networks(*downsampled(x, lengths, self._downsampling))
        return outputs if ridge is None else self._mixture.mixed(outputs, ridge.outputs(x, lengths), ridge.share)

    def _of_networks(self, x: Array, lengths: Array | None) -> Array:
        return self._combined(builder.outputs(self.model_, x, lengths))

    @single_threaded_blas()
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
