"""Learning from one observation at a time, with the names and meanings of river: `learn_one` and `predict_one`.

Source of the interface: Montiel et al. (2021), *River: machine learning for streaming data in Python*. Nothing here
needs river, and its pipelines and evaluation take these objects as they take its own.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError, check_choice, check_names
from gatewise.layers import Layer
from gatewise.layers.layer import Rng
from gatewise.losses import Loss
from gatewise.optimizers import Optimizer
from gatewise.training.rtrl import RealTimeLoop
from gatewise.training.stream_loop import StreamLoop


class OnlineLearner:
    """What `OnlineRegressor` and `OnlineClassifier` share: a stream of observations, learned one by one.

    `predict_one(x)` says what follows from x and all that has been learned before, and changes nothing;
    `learn_one(x, y)` takes the step with x: it updates the weights, and the state goes on. So each x is given to
    `learn_one` once, and before that to `predict_one` as often as wanted.
    """

    def __init__(
        self,
        model: Layer,
        *,
        loss: str | Loss,
        optimizer: str | Optimizer = "adam",
        method: str = "tbptt",
        look_back: int = 16,
        clip: float | None = 1.0,
        rng: Rng = None,
    ) -> None:
        check_choice("method", method, ("tbptt", "rtrl"))
        self.model, self.method, self.look_back = model, method, look_back
        self._loop: StreamLoop | RealTimeLoop
        if method == "rtrl":
            self._loop = RealTimeLoop(model, loss, optimizer, clip=clip, rng=rng)
        else:
            self._loop = StreamLoop(model, loss, optimizer, k1=1, k2=look_back, clip=clip, rng=rng)
        self._features: list[Hashable] | None = None
        self.steps = 0
        self.loss = float("nan")

    def reset(self) -> None:
        """Begin a new sequence, such as the next machine or document: the state is 0, the weights stay."""
        self._loop.forget()

    @property
    def state(self) -> Any:
        """State of the model after the last step learned; None, or zeros, at the beginning of a sequence."""
        return self._loop.state

    def _output(self, x: Any) -> Array:
        """Output of the model for x, (outputs,)."""
        output: Array = self.model(self._input(x), self.state)[0][0, 0]
        return output

    def _learn(self, x: Any, target: Array, known: bool) -> None:
        """Take the step with x, and learn its target if that is known; a step that fails ends the sequence."""
        self._loop.add(self._input(x), target, weights=np.full((1, 1), float(known)))
        try:
            self.loss = self._loop.step()["loss"]
        except BaseException:  # Ctrl-C too
            self.reset()  # the state may not be finite, or without this step
            raise
        self.steps += 1

    def _input(self, x: Any) -> Array:
        """x as the model takes it, (1, 1, D); raise unless it is finite and has the features of the first x."""
        if isinstance(x, Mapping):
            if self._features is None:
                self._features = list(x)
            check_names("x", map(str, x), map(str, self._features))
            x = [x[name] for name in self._features]
        try:
            values = np.asarray(x, self.model.dtype).reshape(-1)
        except (TypeError, ValueError) as error:
            raise GatewiseTypeError(f"x is {x!r}; need numbers: a dict of features, or an array of them.") from error
        size = getattr(self.model, "input_size", None)
        if size is not None and len(values) != size:
            raise GatewiseValueError(f"x has {len(values)} feature(s); need {size}, as the model takes.")
        if not np.isfinite(values).all():
            where = int(np.flatnonzero(~np.isfinite(values))[0])
            name = self._features[where] if self._features else where
            raise GatewiseValueError(
                f"x has {values[where]} as feature {name!r}; need a finite number: fill or skip it."
            )
        return values[None, None]


class OnlineRegressor(OnlineLearner):
    """A recurrent network that learns numbers from a stream, one observation at a time.

    Parameters
    ----------
    model : Layer
        Gives an output at every step, such as `Sequential(GRU(D, H), Dense(H, 1))`. Its `params` change.
    loss : str or callable
        As in `train`.
    optimizer : str or Optimizer
        As in `train`.
    method : {"tbptt", "rtrl"}
        How far the gradient of each step reaches: "tbptt" goes back `look_back` steps, at their cost; "rtrl" is exact
        back to the beginning, at a cost of about 3 H⁴ a step, for small H (see `gatewise.training.rtrl`).
    look_back : int
        Steps of "tbptt".
    clip : float, optional
        Limit of the global gradient norm.
    rng : int or numpy.random.Generator, optional
        Source of dropout masks.

    Attributes
    ----------
    steps : int
        Observations learned.
    loss : float
        Of the last of them, before its update; NaN if its target was missing.

    Raises
    ------
    GatewiseError
        If an argument is out of range, or the model cannot run step by step.

    Notes
    -----
    Inputs and targets are taken as they are: scale them to about unit size first, in river for example with
    `StandardScaler() | OnlineRegressor(...)`.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> model = gw.Sequential(gw.GRU(1, 8, rng=0), gw.Dense(8, 1, rng=1))
    >>> learner = gw.OnlineRegressor(model, optimizer=gw.optimizers.Adam(0.01))
    >>> signal, errors = np.sin(np.arange(600) / 5), []
    >>> for now, then in zip(signal, signal[1:]):
    ...     errors.append(abs(learner.predict_one({"level": now}) - then))
    ...     learner.learn_one({"level": now}, then)
    >>> bool(np.mean(errors[-50:]) < 0.1 < np.mean(errors[:50]))
    True
    """

    def __init__(
        self,
        model: Layer,
        *,
        loss: str | Loss = "mse",
        optimizer: str | Optimizer = "adam",
        method: str = "tbptt",
        look_back: int = 16,
        clip: float | None = 1.0,
        rng: Rng = None,
    ) -> None:
        super().__init__(model, loss=loss, optimizer=optimizer, method=method, look_back=look_back, clip=clip, rng=rng)

    def predict_one(self, x: Any) -> Any:
        """Return the output for x (a dict of features, or an array (D,)): a float, or an array of several."""
        output = self._output(x)
        return float(output[0]) if len(output) == 1 else output

    def learn_one(self, x: Any, y: Any) -> None:
        """Take the step with x and learn its target y, a number or as many as the model has outputs.

        If y is None or NaN the step is taken and nothing learned.
        """
        outputs = getattr(self.model, "output_size", None)
        try:
            target = np.full(outputs or 1, np.nan) if y is None else np.asarray(y, float).reshape(-1)
        except (TypeError, ValueError) as error:
            raise GatewiseTypeError(f"y is {y!r}; need a number, or None where there is none.") from error
        if outputs is not None and len(target) != outputs:
            raise GatewiseValueError(f"y has {len(target)} number(s); need {outputs}, as the model gives.")
        known = bool(np.isfinite(target).all())
        if not known and not np.isnan(target).any():
            raise GatewiseValueError(f"y is {y!r}; need a finite number, or None where there is none.")
        self._learn(x, np.where(known, target, 0).astype(self.model.dtype)[None, None], known)


class OnlineClassifier(OnlineLearner):
    """A recurrent network that learns labels from a stream, one observation at a time.

    Parameters
    ----------
    model : Layer
        Gives a score for each class at every step, such as `Sequential(GRU(D, H), Dense(H, classes))`.
    classes : sequence, optional
        The labels; if None they are taken as they come, up to the number of the model's outputs.
    optimizer, method, look_back, clip, rng
        As in `OnlineRegressor`; the loss is the cross-entropy.

    Attributes
    ----------
    steps, loss
        As in `OnlineRegressor`.
    classes : list
        The labels known so far.

    Raises
    ------
    GatewiseError
        If an argument is out of range, or the model cannot run step by step.

    Examples
    --------
    >>> import gatewise as gw
    >>> model = gw.Sequential(gw.GRU(1, 8, rng=0), gw.Dense(8, 2, rng=1))
    >>> learner = gw.OnlineClassifier(model, optimizer=gw.optimizers.Adam(0.02))
    >>> for k in range(300):  # every third step is another
    ...     learner.learn_one([1.0], "b" if k % 3 == 2 else "a")
    >>> learner.predict_one([1.0]), learner.predict_proba_one([1.0])["a"] > 0.8
    ('a', True)
    """

    def __init__(
        self,
        model: Layer,
        *,
        classes: Sequence[Hashable] | None = None,
        optimizer: str | Optimizer = "adam",
        method: str = "tbptt",
        look_back: int = 16,
        clip: float | None = 1.0,
        rng: Rng = None,
    ) -> None:
        super().__init__(
            model,
            loss="cross_entropy",
            optimizer=optimizer,
            method=method,
            look_back=look_back,
            clip=clip,
            rng=rng,
        )
        self.classes: list[Hashable] = []
        for label in classes or ():
            self._index(label)

    def predict_proba_one(self, x: Any) -> dict[Hashable, float]:
        """Return the probability of every class known so far, given x; of them alone."""
        scores = self._output(x)[: len(self.classes)].astype(float)
        powers = np.exp(scores - scores.max(initial=-np.inf))
        return dict(zip(self.classes, (powers / powers.sum()).tolist(), strict=True))

    def predict_one(self, x: Any) -> Hashable | None:
        """Return the most probable class given x; None while none is known."""
        probabilities = self.predict_proba_one(x)
        return max(probabilities, key=probabilities.__getitem__) if probabilities else None

    def learn_one(self, x: Any, y: Hashable | None) -> None:
        """Take the step with x and learn its label y; if that is None, the step is taken and nothing learned."""
        self._input(x)  # what is wrong with x must not make y a class
        self._learn(x, np.array([[0 if y is None else self._index(y)]]), y is not None)

    def _index(self, label: Hashable) -> int:
        if label not in self.classes:
            outputs = getattr(self.model, "output_size", None)
            if outputs is not None and len(self.classes) >= outputs:
                known = ", ".join(map(repr, self.classes))
                raise GatewiseValueError(
                    f"y is {label!r}, and the model's {outputs} outputs are for {known}; need one of these: "
                    f"build the model with more outputs."
                )
            self.classes.append(label)
        return self.classes.index(label)
