"""The update rules, with the defaults of PyTorch."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gatewise import kernels
from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError, check_number
from gatewise.optimizers.optimizer import Optimizer
from gatewise.schedules import Schedule


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

    def _move(self, param: Array, grad: Array, lr: float, buffers: dict[str, Array], count: int) -> None:
        parts = param, grad, buffers["exp_avg"], buffers["exp_avg_sq"]
        fits = type(self)._direction is Adam._direction and all(part.flags.c_contiguous for part in parts)
        compiled = kernels.updates() if fits else None
        if compiled is None:
            super()._move(param, grad, lr, buffers, count)
            return
        beta1, beta2 = self.betas
        shrinkage, decay = self._decays(lr)
        compiled.adam(
            *(part.reshape(-1) for part in parts),
            shrinkage=shrinkage,
            decay=decay,
            keep_mean=beta1,
            add_mean=1 - beta1,
            keep_square=beta2,
            add_square=1 - beta2,
            root_total=math.sqrt(1 - beta2**count),
            mean_total=1 - beta1**count,
            eps=self.eps,
            rate=lr,
        )

    def _decays(self, lr: float) -> tuple[float, float]:
        """What the decay multiplies a parameter by, and how much of the parameter it adds to the gradient."""
        return 1.0, self.weight_decay

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

    def _decays(self, lr: float) -> tuple[float, float]:
        return 1 - lr * self.weight_decay, 0.0


def _push(average: Array, keep: float, value: Array) -> Array:
    """Make `average` hold `keep` times itself plus `value`; return it."""
    average *= keep
    average += value
    return average
