"""Optimizers that change parameters in place, with the update rules and the defaults of PyTorch.

An optimizer is its settings and, for every parameter that has had a gradient, a count of its steps and a few
buffers of its shape and dtype. `Optimizer.step` is written once; a subclass adds its direction.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gatewise.errors import (
    FLOATS,
    Array,
    GatewiseTypeError,
    GatewiseValueError,
    check_array,
    check_names,
    check_number,
)
from gatewise.schedules import Schedule, rate_at

HIGHEST = {"weight_decay": math.inf, "momentum": math.inf, "alpha": 1.0, "eps": math.inf}


class Optimizer(ABC):
    """What all optimizers share: checks, the step, the state that can be saved.

    `lr` is a number or a schedule, called with the number of steps made before (from 0). `steps` counts them.
    """

    lr: float | Schedule
    weight_decay: float

    def __post_init__(self) -> None:
        rate_at(self.lr, 0)
        for name in [name for name in HIGHEST if hasattr(self, name)]:
            check_number(name, getattr(self, name), 0.0, HIGHEST[name])
            setattr(self, name, float(getattr(self, name)))
        self.steps = 0
        self._counts: dict[str, int] = {}
        self._buffers: dict[str, dict[str, Array]] = {}

    @abstractmethod
    def _names(self) -> tuple[str, ...]:
        """Return the names of the buffers kept for each parameter (PyTorch's names)."""

    @abstractmethod
    def _direction(self, grad: Array, buffers: dict[str, Array], count: int) -> Array:
        """Return what, times the rate, is taken from the parameter at its step `count` (from 1)."""

    def step(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
        """Change the arrays in `params` in place, one step along their gradients.

        Parameters
        ----------
        params : dict of arrays, float32 or float64
            The parameters; written to, never replaced.
        grads : dict of arrays
            Gradients, each of the shape and dtype of its parameter. A parameter without one stays as it is.

        Raises
        ------
        GatewiseError
            If a gradient has no parameter, or another shape or dtype; nothing has been changed then.

        Examples
        --------
        >>> params = {"w": np.array([1.0, 2.0])}
        >>> SGD(lr=0.5).step(params, {"w": np.array([1.0, -1.0])})
        >>> params["w"]
        array([0.5, 2.5])
        """
        self._check(params, grads)
        lr = rate_at(self.lr, self.steps)
        for name, grad in grads.items():
            param = params[name]
            if name not in self._counts:
                self._counts[name] = 0
                self._buffers[name] = {buffer: np.zeros_like(param) for buffer in self._names()}
            self._counts[name] += 1
            grad = self._decay(param, grad, lr)
            param -= lr * self._direction(grad, self._buffers[name], self._counts[name])
        self.steps += 1

    def _decay(self, param: Array, grad: Array, lr: float) -> Array:
        """Apply the weight decay; return the gradient to follow, here of loss + ½ weight_decay ‖param‖²."""
        return grad + self.weight_decay * param if self.weight_decay else grad

    def _check(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
        unknown = [name for name in grads if name not in params]
        if unknown:
            raise GatewiseValueError(
                f"grads has unknown {', '.join(unknown)}; need keys of params: {', '.join(params)}."
            )
        for name, grad in grads.items():
            param = params[name]
            _check_writable(f"params[{name!r}]", param)
            check_array(f"grads[{name!r}]", grad, param.shape, param.dtype)
            for buffer, value in self._buffers.get(name, {}).items():
                check_array(f"{buffer} of {name!r} in the optimizer", value, param.shape, param.dtype)

    def state_dict(self) -> dict[str, int | Array]:
        """Return a copy of the state: numbers and arrays, enough to continue bit for bit.

        Returns
        -------
        dict
            `steps`, the steps made; for each parameter `name` that has had a gradient, `name/steps` and its
            buffers, such as `name/exp_avg`, of its shape and dtype. The settings are not part of it.

        Examples
        --------
        >>> optimizer = SGD(lr=0.5, momentum=0.9)
        >>> optimizer.step({"w": np.array([1.0, 2.0])}, {"w": np.array([1.0, -1.0])})
        >>> optimizer.state_dict()
        {'steps': 1, 'w/steps': 1, 'w/momentum_buffer': array([ 1., -1.])}
        """
        state: dict[str, int | Array] = {"steps": self.steps}
        for name, buffers in self._buffers.items():
            state[f"{name}/steps"] = self._counts[name]
            state |= {f"{name}/{buffer}": value.copy() for buffer, value in buffers.items()}
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` of an optimizer with the same settings gave.

        Parameters
        ----------
        state : dict
            As `state_dict` returns it; copied. Numbers may be arrays of shape (), as `np.load` gives them.

        Raises
        ------
        GatewiseError
            If a name, type, shape or dtype does not fit; nothing has been changed then.

        Examples
        --------
        >>> optimizer = Adam()
        >>> optimizer.load_state_dict({"steps": 7})
        >>> optimizer.steps
        7
        """
        if not isinstance(state, Mapping):
            raise GatewiseTypeError(f"state is a {type(state).__name__}; need what state_dict() returned.")
        names = list(dict.fromkeys(key.rpartition("/")[0] for key in state if "/" in key))
        parts = ("steps", *self._names())
        check_names("state", state, ["steps", *(f"{name}/{part}" for name in names for part in parts)])
        steps = _count("steps", state)
        counts = {name: _count(f"{name}/steps", state) for name in names}
        buffers = {name: _copies(name, self._names(), state) for name in names}
        self.steps, self._counts, self._buffers = steps, counts, buffers


@dataclass(eq=False)
class SGD(Optimizer):
    """Stochastic gradient descent, with momentum if wanted (the rule of `torch.optim.SGD`).

    Parameters
    ----------
    lr : float or schedule
        Learning rate, at least 0.
    momentum : float
        What is kept of the previous direction, at least 0.
    nesterov : bool
        Look one step ahead (Sutskever et al. 2013); needs a momentum.
    weight_decay : float
        Factor of the parameter that is added to its gradient.

    Raises
    ------
    GatewiseError
        If an argument is of the wrong type or out of its range.

    Examples
    --------
    >>> params, optimizer = {"w": np.array([1.0])}, SGD(lr=0.1, momentum=0.9)
    >>> for _ in range(2):
    ...     optimizer.step(params, {"w": np.array([1.0])})
    >>> params["w"].round(6)
    array([0.71])
    """

    lr: float | Schedule = 1e-3
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.nesterov and not self.momentum:
            raise GatewiseValueError("nesterov is True and momentum is 0; need a momentum: pass momentum=0.9, say.")

    def _names(self) -> tuple[str, ...]:
        return ("momentum_buffer",) if self.momentum else ()

    def _direction(self, grad: Array, buffers: dict[str, Array], count: int) -> Array:
        if not self.momentum:
            return grad
        velocity = _push(buffers["momentum_buffer"], self.momentum, grad)
        return grad + self.momentum * velocity if self.nesterov else velocity


@dataclass(eq=False)
class RMSprop(Optimizer):
    """Divide the gradient by a running root mean square of itself (the rule of `torch.optim.RMSprop`).

    Parameters
    ----------
    lr : float or schedule
        Learning rate, at least 0.
    alpha : float
        What is kept of the running means at each step, 0 to 1.
    eps : float
        Added to the root, at least 0.
    weight_decay : float
        Factor of the parameter that is added to its gradient.
    momentum : float
        What is kept of the previous direction, at least 0.
    centered : bool
        Divide by the running standard deviation instead (Graves, arXiv 1308.0850).

    Raises
    ------
    GatewiseError
        If an argument is of the wrong type or out of its range.

    Examples
    --------
    >>> params = {"w": np.array([1.0, 1.0])}
    >>> RMSprop(lr=0.1).step(params, {"w": np.array([4.0, -0.5])})
    >>> params["w"].round(6)
    array([0., 2.])
    """

    lr: float | Schedule = 1e-2
    alpha: float = 0.99
    eps: float = 1e-8
    weight_decay: float = 0.0
    momentum: float = 0.0
    centered: bool = False

    def _names(self) -> tuple[str, ...]:
        return ("square_avg",) + ("grad_avg",) * bool(self.centered) + ("momentum_buffer",) * bool(self.momentum)

    def _direction(self, grad: Array, buffers: dict[str, Array], count: int) -> Array:
        square = _push(buffers["square_avg"], self.alpha, (1 - self.alpha) * grad * grad)
        if self.centered:
            mean = _push(buffers["grad_avg"], self.alpha, (1 - self.alpha) * grad)
            square = np.maximum(square - mean * mean, 0)  # rounding may bring a variance just below 0
        direction = grad / (np.sqrt(square) + self.eps)
        return _push(buffers["momentum_buffer"], self.momentum, direction) if self.momentum else direction


@dataclass(eq=False)
class Adagrad(Optimizer):
    """Divide the gradient by the root of the sum of its squares (the rule of `torch.optim.Adagrad`).

    Parameters
    ----------
    lr : float or schedule
        Learning rate, at least 0.
    eps : float
        Added to the root, at least 0.
    weight_decay : float
        Factor of the parameter that is added to its gradient.

    Raises
    ------
    GatewiseError
        If an argument is of the wrong type or out of its range.

    References
    ----------
    Duchi, Hazan and Singer, Journal of Machine Learning Research 12 (2011).

    Examples
    --------
    >>> params = {"w": np.array([1.0, 1.0])}
    >>> Adagrad(lr=0.5).step(params, {"w": np.array([4.0, -0.5])})
    >>> params["w"].round(6)
    array([0.5, 1.5])
    """

    lr: float | Schedule = 1e-2
    eps: float = 1e-10
    weight_decay: float = 0.0

    def _names(self) -> tuple[str, ...]:
        return ("sum",)

    def _direction(self, grad: Array, buffers: dict[str, Array], count: int) -> Array:
        return grad / (np.sqrt(_push(buffers["sum"], 1.0, grad * grad)) + self.eps)


@dataclass(eq=False)
class Adam(Optimizer):
    """Divide a running mean of the gradient by a running root mean square (the rule of `torch.optim.Adam`).

    Parameters
    ----------
    lr : float or schedule
        Learning rate, at least 0.
    betas : pair of float
        What is kept of the two means at each step, at least 0 and less than 1.
    eps : float
        Added to the root, at least 0.
    weight_decay : float
        Factor of the parameter that is added to its gradient.

    Raises
    ------
    GatewiseError
        If an argument is of the wrong type or out of its range.

    References
    ----------
    Kingma and Ba, arXiv 1412.6980v9, algorithm 1.

    Examples
    --------
    >>> params = {"w": np.array([1.0, 1.0])}
    >>> Adam(lr=0.5).step(params, {"w": np.array([4.0, -0.5])})
    >>> params["w"].round(6)
    array([0.5, 1.5])
    """

    lr: float | Schedule = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.betas, tuple | list) or len(self.betas) != 2:
            raise GatewiseTypeError(f"betas is {self.betas!r}; need two numbers: pass betas=(0.9, 0.999), say.")
        for index, beta in enumerate(self.betas):
            check_number(f"betas[{index}]", beta, 0.0)
            if beta >= 1:
                raise GatewiseValueError(f"betas[{index}] is {beta!r}; need at least 0 and less than 1.")
        self.betas = (float(self.betas[0]), float(self.betas[1]))

    def _names(self) -> tuple[str, ...]:
        return ("exp_avg", "exp_avg_sq")

    def _direction(self, grad: Array, buffers: dict[str, Array], count: int) -> Array:
        beta1, beta2 = self.betas
        mean = _push(buffers["exp_avg"], beta1, (1 - beta1) * grad)
        square = _push(buffers["exp_avg_sq"], beta2, (1 - beta2) * grad * grad)
        root = np.sqrt(square) / math.sqrt(1 - beta2**count) + self.eps
        return mean / (1 - beta1**count) / root


@dataclass(eq=False)
class AdamW(Adam):
    """Adam whose weight decay shrinks the parameters themselves (the rule of `torch.optim.AdamW`).

    Parameters
    ----------
    lr, betas, eps
        As in `Adam`.
    weight_decay : float
        Each step first multiplies the parameter by `1 - lr * weight_decay`.

    Raises
    ------
    GatewiseError
        If an argument is of the wrong type or out of its range.

    References
    ----------
    Loshchilov and Hutter, arXiv 1711.05101v3, algorithm 2.

    Examples
    --------
    >>> params = {"w": np.array([1.0, 1.0])}
    >>> AdamW(lr=0.5, weight_decay=0.1).step(params, {"w": np.array([4.0, -0.5])})
    >>> params["w"].round(6)
    array([0.45, 1.45])
    """

    weight_decay: float = 1e-2

    def _decay(self, param: Array, grad: Array, lr: float) -> Array:
        param *= 1 - lr * self.weight_decay
        return grad


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
    "adam": Adam,
    "adamw": AdamW,
}


def clip_by_global_norm(grads: Mapping[str, Array], limit: float) -> float:
    """Scale all gradients in place by one factor, so that their joint norm is at most `limit`.

    Parameters
    ----------
    grads : dict of arrays, float32 or float64
        The gradients. They stay as they are if the norm is not finite: the caller sees it in the result.
    limit : float
        Largest norm, more than 0; `np.inf` only measures.

    Returns
    -------
    float
        The Euclidean norm before clipping, over all arrays, computed in float64. The factor is
        `limit / (norm + 1e-6)` where norm > limit, as in `torch.nn.utils.clip_grad_norm_`.

    Raises
    ------
    GatewiseError
        If `limit` is not more than 0, or a gradient is not a writable float array; nothing has been
        changed then.

    References
    ----------
    Pascanu, Mikolov and Bengio, arXiv 1211.5063v2, algorithm 1.

    Examples
    --------
    >>> grads = {"w": np.array([3.0, 0.0]), "b": np.array([4.0])}
    >>> clip_by_global_norm(grads, 1.0)
    5.0
    >>> grads["w"].round(4), grads["b"].round(4)
    (array([0.6, 0. ]), array([0.8]))
    """
    check_number("limit", limit, 0.0, open_low=True)
    for name, grad in grads.items():
        _check_writable(f"grads[{name!r}]", grad)
    with np.errstate(over="ignore", invalid="ignore"):
        norm = math.sqrt(sum(float(np.sum(np.square(grad, dtype=np.float64))) for grad in grads.values()))
    if math.isfinite(norm) and norm > limit:
        for grad in grads.values():
            grad *= float(limit) / (norm + 1e-6)
    return norm


def _push(average: Array, keep: float, value: Array) -> Array:
    """Make `average` hold `keep` times itself plus `value`; return it."""
    average *= keep
    average += value
    return average


def _check_writable(name: str, value: Any) -> None:
    """Raise unless `value` is a float32 or float64 array that can be written to."""
    if not isinstance(value, np.ndarray) or value.dtype not in FLOATS:
        got = f"array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise GatewiseTypeError(f"{name} is of type {got}; need an array of float32 or float64: convert it first.")
    if not value.flags.writeable:
        raise GatewiseValueError(f"{name} is read-only; need an array to write to: pass {name}.copy().")


def _count(key: str, state: Mapping[str, Any]) -> int:
    """Return the whole number that `state` has under `key`."""
    value = state[key].item() if isinstance(state[key], np.ndarray) and state[key].ndim == 0 else state[key]
    check_number(key, value, 0, integer=True)
    return int(value)


def _copies(name: str, buffers: tuple[str, ...], state: Mapping[str, Any]) -> dict[str, Array]:
    """Return copies of the buffers of the parameter `name`; raise unless they agree in shape and dtype."""
    found: dict[str, Array] = {}
    for buffer in buffers:
        key = f"{name}/{buffer}"
        value = state[key]
        if not isinstance(value, np.ndarray) or value.dtype not in FLOATS:
            raise GatewiseTypeError(f"{key} is {value!r}; need an array of float32 or float64.")
        like = next(iter(found.values()), value)
        found[buffer] = check_array(key, value, like.shape, like.dtype).copy()
    return found
