"""What all optimizers share: checks, the step, and a state of numbers and arrays."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
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
from gatewise.optimizers.packing import Pack
from gatewise.schedules import Schedule, rate_at

HIGHEST = {"weight_decay": math.inf, "momentum": math.inf, "alpha": 1.0, "eps": math.inf}


class Optimizer(ABC):
    """What all optimizers share: checks, the step, the state that can be saved.

    `lr` is a number or a schedule, called with the number of steps made before (from 0). `steps` counts them.

    A rule goes element by element. So small parameters are updated all at once, end to end in one array, which gives
    the same bits as one by one.
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
        self._pack: Pack | None = None

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
        >>> from gatewise.optimizers import SGD
        >>> params = {"w": np.array([1.0, 2.0])}
        >>> SGD(lr=0.5).step(params, {"w": np.array([1.0, -1.0])})
        >>> params["w"]
        array([0.5, 2.5])
        """
        lr = rate_at(self.lr, self.steps)
        pack = self._pack_for(params, grads)
        if pack is None:
            self._step_each(params, grads, lr)
        else:
            pack.take(params, grads)
            for name in grads:
                self._counts[name] += 1
            self._move(pack.params, pack.grads, lr, pack.buffers, self._counts[name])
            pack.give(params)
        self.steps += 1

    def _step_each(self, params: Mapping[str, Array], grads: Mapping[str, Array], lr: float) -> None:
        """The step, one parameter after the other."""
        self._check(params, grads)
        for name in grads:
            self._begin(name, params[name])
            self._counts[name] += 1
        for name, grad in grads.items():
            self._move(params[name], grad, lr, self._buffers[name], self._counts[name])
        self._pack = self._packed(grads)

    def _begin(self, name: str, param: Array) -> None:
        """Keep count and buffers of a parameter from now on."""
        if name not in self._counts:
            self._counts[name] = 0
            self._buffers[name] = {buffer: np.zeros_like(param) for buffer in self._names()}

    def _move(self, param: Array, grad: Array, lr: float, buffers: dict[str, Array], count: int) -> None:
        """Update one array in place."""
        grad = self._decay(param, grad, lr)
        param -= lr * self._direction(grad, buffers, count)

    def _packed(self, grads: Mapping[str, Array]) -> Pack | None:
        """Return the parameters of these gradients and their buffers end to end, if that pays and none is behind."""
        pack = Pack.of(grads, self._names())
        if pack is None or len({self._counts[name] for name in grads}) > 1:
            return None
        for name, views in pack.of_each.items():
            for buffer, view in views.items():
                view[...] = self._buffers[name][buffer]
            self._buffers[name] = views
        return pack

    def _pack_for(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> Pack | None:
        """Return the pack if it is one of these parameters and their buffers are still in it."""
        pack = self._pack
        if pack is None or not pack.fits(params, grads):
            return None
        current = all(self._buffers.get(name) is views for name, views in pack.of_each.items())
        return pack if current else None

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the pack: a copy's buffers would have memory of their own."""
        return {**self.__dict__, "_pack": None}

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
            check_writable(f"params[{name!r}]", param)
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
        >>> from gatewise.optimizers import SGD
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
        >>> from gatewise.optimizers import Adam
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
        self.steps, self._counts, self._buffers, self._pack = steps, counts, buffers, None


def check_writable(name: str, value: Any) -> None:
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
    copies: dict[str, Array] = {}
    for buffer in buffers:
        key = f"{name}/{buffer}"
        value = state[key]
        if not isinstance(value, np.ndarray) or value.dtype not in FLOATS:
            raise GatewiseTypeError(f"{key} is {value!r}; need an array of float32 or float64.")
        like = next(iter(copies.values()), value)
        copies[buffer] = check_array(key, value, like.shape, like.dtype).copy()
    return copies
