"""What layers made of layers share."""

from __future__ import annotations

import textwrap
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError
from gatewise.layers.layer import Layer, Params, prefixed


class Several(Layer):
    """A layer made of `layers`; its `params` are theirs, under `0.`, `1.`, ….

    State and its gradient are tuples with one entry per layer, None for a layer that has none.
    """

    def __init__(self, layers: tuple[Layer, ...]) -> None:
        if not layers:
            raise GatewiseValueError(f"{type(self).__name__} got no layers; need at least one.")
        for i, layer in enumerate(layers):
            if not isinstance(layer, Layer):
                raise GatewiseTypeError(f"layer {i} is a {type(layer).__name__}; need a gatewise layer.")
        self.layers = layers
        self.dtype = next((layer.dtype for layer in layers if layer.params), np.dtype(np.float32))
        self.params = self._joined_params()
        self._names = [{name: f"{i}.{name}" for name in layer.params} for i, layer in enumerate(layers)]

    def config(self) -> dict[str, Any]:  # noqa: D102
        return {"layers": [{"type": type(layer).__name__, **layer.config()} for layer in self.layers]}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.layers))})"

    def __str__(self) -> str:
        """One line per layer, its place in front, without the options that have their defaults."""
        lines = [f"{place}: {layer}" for place, layer in enumerate(self.layers)]
        return f"{type(self).__name__}(\n{textwrap.indent(chr(10).join(lines), '  ')}\n)"

    def astype(self, dtype: DTypeLike) -> Self:
        """Return a copy of this model whose parameters have `dtype` (float32 or float64)."""
        twin = super().astype(dtype)
        twin.layers = tuple(layer.astype(dtype) for layer in self.layers)
        twin.params = twin._joined_params()
        return twin

    def _joined_params(self) -> Params:
        joined: dict[str, Array] = {}
        for i, layer in enumerate(self.layers):
            joined |= prefixed(str(i), layer.params)
        return Params(joined)

    def _named(self, index: int, gradients: dict[str, Array]) -> dict[str, Array]:
        """Gradients of the parameters of one layer, under their names in `params`."""
        names = self._names[index]
        return {names[name]: gradient for name, gradient in gradients.items()}

    def _per_layer(self, name: str, state: Any) -> tuple[Any, ...]:
        if state is None:
            return (None,) * len(self.layers)
        if not isinstance(state, tuple | list) or len(state) != len(self.layers):
            raise GatewiseTypeError(
                f"{name} must be a tuple with one entry per layer ({len(self.layers)}), None for zeros."
            )
        return tuple(state)
