"""Many small arrays end to end in one, so that what goes element by element is done for all of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Self

import numpy as np

from gatewise.errors import Array

MOST_PACKED = 2**18
"""Elements up to which copying arrays together costs less than it saves: one array of more keeps a core busy."""


class Pack:
    """The parameters of a model end to end, with memory for their values and gradients and for what is kept of each.

    Examples
    --------
    >>> params, grads = {"w": np.ones((2, 2)), "b": np.ones(1)}, {"w": np.eye(2), "b": np.ones(1)}
    >>> pack = Pack(grads, ("momentum_buffer",))
    >>> pack.take(params, grads)
    >>> pack.params -= pack.grads
    >>> pack.give(params)
    >>> params["w"].tolist(), params["b"].tolist()
    ([[0.0, 1.0], [1.0, 0.0]], [0.0])
    """

    def __init__(self, grads: Mapping[str, Array], buffers: Iterable[str]) -> None:
        self._shapes = {name: grad.shape for name, grad in grads.items()}
        sizes = [grad.size for grad in grads.values()]
        self._dtype = next(iter(grads.values())).dtype
        self.params, self.grads = np.empty(sum(sizes), self._dtype), np.empty(sum(sizes), self._dtype)
        self.buffers = {buffer: np.zeros(sum(sizes), self._dtype) for buffer in buffers}
        self._ends = np.cumsum(sizes)[:-1]
        self._params = self._views(self.params)
        flat = {buffer: self._views(values) for buffer, values in self.buffers.items()}
        self.of_each = {name: {buffer: views[name] for buffer, views in flat.items()} for name in self._shapes}
        """The buffers of each parameter, in its shape; they share the memory of `buffers`."""

    @classmethod
    def of(cls, grads: Mapping[str, Array], buffers: Iterable[str]) -> Self | None:
        """Return a pack for gradients, with buffers of zeros; None where there are too few or too large ones for it."""
        one_dtype = len({grad.dtype for grad in grads.values()}) == 1
        few = sum(grad.size for grad in grads.values()) <= MOST_PACKED
        return cls(grads, buffers) if len(grads) > 1 and one_dtype and few else None

    def fits(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> bool:
        """Whether gradients have the names, shapes and dtype of this pack, and parameters to write to as well."""
        if len(grads) != len(self._shapes):
            return False
        for name, shape in self._shapes.items():
            for array in (params.get(name), grads.get(name)):
                if type(array) is not np.ndarray or array.shape != shape or array.dtype != self._dtype:
                    return False
            if not params[name].flags.writeable:
                return False
        return True

    def take(self, params: Mapping[str, Array], grads: Mapping[str, Array]) -> None:
        """Copy the values of parameters and gradients in."""
        np.concatenate([params[name] for name in self._shapes], axis=None, out=self.params)
        np.concatenate([grads[name] for name in self._shapes], axis=None, out=self.grads)

    def give(self, params: Mapping[str, Array]) -> None:
        """Copy the values out into the parameters."""
        for name, values in self._params.items():
            params[name][...] = values

    def _views(self, flat: Array) -> dict[str, Array]:
        parts = zip(self._shapes.items(), np.split(flat, self._ends), strict=True)
        return {name: part.reshape(shape) for (name, shape), part in parts}
