"""Real-time recurrent learning: the exact gradient at every step of a stream, without looking back.

Beside the state s_t it carries the influence of every parameter on it, P_t = ∂s_t/∂θ:

    P_t = ∂s_t/∂s_{t-1} P_{t-1} + ∂s_t/∂θ        dθ = dh_t P_t        (the rows of P_t that belong to h_t)

With the same weights at all steps the sum of these gradients is that of the whole sequence. It costs (S·H)² · |θ|
multiplications a step for each layer, S being 2 for an LSTM and else 1, and (S·H) · |θ| numbers of memory, |θ| being
the number of parameters: about 3 H⁴ for a GRU whose H is larger than D. So it is for small H.

Source: Williams and Zipser (1989), *A learning algorithm for continually running fully recurrent neural networks*.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.cells import State
from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError, check_array, check_number
from gatewise.layers import Layer, Sequential
from gatewise.layers.directions import nth, parameter_names
from gatewise.layers.layer import Rng, generator, prefixed
from gatewise.layers.parts import plain_layers
from gatewise.layers.stack import Recurrent
from gatewise.losses import Loss, named_loss
from gatewise.optimizers import Optimizer, named_optimizer
from gatewise.recurrence import Weights
from gatewise.threads import single_threaded_blas
from gatewise.training.gradients import BatchGradients, clipped_step
from gatewise.training.stream_loop import check_streams
from gatewise.training.windows import Window, checked_block


class Influence:
    """A recurrent layer on one stream, with the influence of its parameters on its state.

    Parameters
    ----------
    layer : Recurrent
        Any number of layers in one direction; its parameters may change between steps, and what they were in earlier
        steps is then still part of the influence.

    Attributes
    ----------
    matrices : list of ndarray (S·H, |θ|)
        ∂s_t/∂θ of the state of each layer; columns in the order of `layer.params`, flattened.

    Raises
    ------
    GatewiseError
        If the layer is none, or reads in two directions.

    Examples
    --------
    >>> import gatewise as gw
    >>> from gatewise.training.rtrl import Influence
    >>> gru = gw.GRU(2, 4, dtype="float64", rng=0)
    >>> x = np.random.default_rng(0).normal(size=(1, 30, 2))
    >>> stream = Influence(gru)
    >>> gradients = [stream.gradients(stream.step(x[:, t])) for t in range(30)]
    >>> y, _, tape = gru.forward(x)
    >>> _, _, exact = gru.backward(tape, y)
    >>> total = sum(each["weight_hh_l0"] for each in gradients)
    >>> np.allclose(total, exact["weight_hh_l0"], rtol=1e-9)
    True
    """

    def __init__(self, layer: Recurrent) -> None:
        if _recurrent(layer).bidirectional:
            raise GatewiseValueError(
                f"{layer} reads from the end too, and a stream has none: build it with bidirectional=False."
            )
        self.layer = layer
        ends = np.cumsum([0, *(value.size for value in layer.params.values())]).tolist()
        self._columns = {name: slice(*ends[k : k + 2]) for k, name in enumerate(layer.params)}
        self._size = ends[-1]
        self.reset()

    def reset(self) -> None:
        """Begin a new sequence: state and influence are 0."""
        layer = self.layer
        units = len(layer.cell.states) * layer.hidden_size
        self._state = tuple(np.zeros((layer.num_layers, 1, layer.hidden_size), layer.dtype) for _ in layer.cell.states)
        self.matrices = [np.zeros((units, self._size), layer.dtype) for _ in range(layer.num_layers)]

    @property
    def state(self) -> Any:
        """The state, as the layer takes it."""
        return self.layer._pack(self._state)

    def step(self, x: Array) -> Array:
        """Take one step with input x (1, D) and the parameters as they are; return h_t of the last layer, (1, H)."""
        h = check_array("x", x, (1, self.layer.input_size), self.layer.dtype)
        below: Array | None = None
        states = []
        for k in range(self.layer.num_layers):
            state, self.matrices[k] = self._step(k, h, below)
            h, below = state[0], self.matrices[k][: self.layer.hidden_size]
            states.append(state)
        self._state = tuple(np.stack(parts) for parts in zip(*states, strict=True))
        return h

    def gradients(self, dh: Array) -> dict[str, Array]:
        """Return the gradient of every parameter, given that of h_t of the last layer, dh (1, H)."""
        flat = dh[0] @ self.matrices[-1][: self.layer.hidden_size]
        return {name: flat[self._columns[name]].reshape(value.shape) for name, value in self.layer.params.items()}

    def _step(self, k: int, x: Array, below: Array | None) -> tuple[State, Array]:
        """State and influence of layer k after a step; `below` is the influence on its input x, if it has any."""
        cell, weights, before = self.layer.cell, self.layer._weights(k, 0, copy=False), tuple(nth(self._state, k))
        state, record = cell.step(x @ weights.W.T + weights.b, before, weights.U, weights.c)
        # A backward step from each unit of the state, as many rows: dp, dq and dstate_prev are then Jacobians.
        count = len(state) * state[0].shape[-1]
        units = np.split(np.eye(count, dtype=x.dtype), len(state), axis=1)
        rows = [tuple(np.repeat(a, count, axis=0) for a in part) for part in (state, before, record)]
        dp, dq, dbefore = cell.step_backward(tuple(units), rows[0], rows[1], rows[2], weights.U)
        influence = np.concatenate(dbefore, axis=1) @ self.matrices[k]
        if below is not None:
            influence += (dp @ weights.W) @ below
        # q is linear in U: its derivative by a row of U is what that row is multiplied with, h_{t-1} or r ⊙ h_{t-1}.
        operand = cell.recurrent_gradient(np.ones_like(dq[:1]), before[0], record)
        own = Weights(dp[:, :, None] * x, dq[:, :, None] * operand, dp, dq)
        for name, part in zip(parameter_names(k, 0), own, strict=True):
            if name in self._columns:
                influence[:, self._columns[name]] += part.reshape(count, -1)
        return state, influence


class RealTimeLoop:
    """Training on one stream by real-time recurrent learning: an update at every step with its exact gradient.

    Parameters
    ----------
    model : Layer
        A recurrent layer, or a `Sequential` that begins with one and goes on with layers that have no state.
    loss, optimizer, clip, rng
        As in `gatewise.train_stream`.

    Attributes
    ----------
    state
        State of the model after the last step.

    Raises
    ------
    GatewiseError
        If an argument is of the wrong type or out of its range, or the model is another.

    Examples
    --------
    >>> import gatewise as gw
    >>> from gatewise.training.rtrl import RealTimeLoop
    >>> model = gw.Sequential(gw.GRU(1, 4, rng=0), gw.Dense(4, 1, rng=1))
    >>> loop = RealTimeLoop(model, "mse", gw.optimizers.SGD(0.05))
    >>> one = np.ones((1, 1, 1), np.float32)
    >>> losses = []
    >>> for _ in range(20):
    ...     loop.add(one, one)
    ...     losses.append(loop.step()["loss"])
    >>> losses[-1] < 0.1 * losses[0]
    True
    """

    def __init__(
        self,
        model: Layer,
        loss: str | Loss,
        optimizer: str | Optimizer,
        *,
        clip: float | None = None,
        rng: Rng = None,
    ) -> None:
        check_streams(model)
        if clip is not None:
            check_number("clip", clip, 0, open_low=True)
        layers = model.layers if isinstance(model, Sequential) else (model,)
        if any(isinstance(part, Recurrent) for layer in layers[1:] for _, part, _ in plain_layers(layer)):
            raise GatewiseValueError(f"{model} has recurrent layers after its first; need one: give it num_layers=.")
        self.model, self.loss, self.optimizer = model, named_loss(loss), named_optimizer(optimizer)
        self.clip, self.rng = clip, generator(rng)
        self._influence = Influence(_recurrent(layers[0]))
        self._head = Sequential(*layers[1:]) if len(layers) > 1 else None
        self._next: Window | None = None

    @property
    def state(self) -> Any:  # noqa: D102
        first = self._influence.state
        return (first, *(None for _ in self._head.layers)) if self._head else first

    def forget(self) -> None:
        """Begin a new stream: state and influence are 0."""
        self._influence.reset()

    def add(self, x: Array, y: Array, weights: Array | None = None) -> None:
        """Take the next step of the stream: input x (1, 1, D), target y (1, 1, …), and its weight (1, 1)."""
        self._next = checked_block(None, x, y, None, weights)

    @single_threaded_blas()
    def step(self) -> dict[str, Any]:
        """Make the update for the step added; return its `loss`, before the update, and `gradient_norm`.

        With weight 0 nothing is learned, and the loss is NaN.

        Raises
        ------
        GatewiseError
            If the step does not fit the model or the loss, or the loss or a gradient is not finite; no weight has
            changed.
        """
        assert self._next is not None
        step, self._next = self._next, None
        with np.errstate(over="ignore", invalid="ignore"):
            h = self._influence.step(step.x[:, 0])[:, None]
            if step.weights is not None and not step.weights.any():
                return {"loss": float("nan"), "gradient_norm": 0.0}
            value, gradients = self._gradients(h, step.y)
        norm, applied = clipped_step(self.model, self.optimizer, BatchGradients(value, 1.0, gradients), self.clip)
        if not applied:
            raise GatewiseValueError(
                f"the loss is {value:g} and the gradient norm {norm:g}; need finite numbers: lower the learning rate, "
                f"scale the data, or pass clip=1."
            )
        return {"loss": value, "gradient_norm": norm}

    def _gradients(self, h: Array, y: Array) -> tuple[float, dict[str, Array]]:
        """Loss and gradients of the step whose output of the recurrent layer is h (1, 1, H)."""
        if self._head is None:
            value, dh = self.loss(h, y)
            return float(value), self._influence.gradients(dh[:, 0])
        prediction, _, tape = self._head.forward(h, training=True, rng=self.rng)
        value, dprediction = self.loss(prediction, y)
        back, _, of_head = self._head.backward(tape, dprediction)
        assert back is not None
        gradients = prefixed("0", self._influence.gradients(back[:, 0]))
        for name, gradient in of_head.items():
            place, _, rest = name.partition(".")
            gradients[f"{int(place) + 1}.{rest}"] = gradient
        return float(value), gradients


def _recurrent(layer: Layer) -> Recurrent:
    if not isinstance(layer, Recurrent):
        raise GatewiseTypeError(f"the first layer is {layer}; need a recurrent layer, such as gw.GRU(3, 8), there.")
    return layer
