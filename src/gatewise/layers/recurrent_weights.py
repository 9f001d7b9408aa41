"""The weights of a stack of recurrent layers: their names, shapes and starting values, written once for every cell."""

from __future__ import annotations

import numpy as np

from gatewise.cells import Cell
from gatewise.errors import Array, GatewiseValueError
from gatewise.layers import initializers
from gatewise.layers.directions import parameter_names
from gatewise.layers.layer import Layer, Params
from gatewise.recurrence import Weights


class RecurrentWeights(Layer):
    """A layer whose `params` are those of `num_layers` layers of a cell, in one direction or two."""

    cell: Cell
    input_size: int
    hidden_size: int
    num_layers: int
    bidirectional: bool
    bias: bool

    @property
    def directions(self) -> int:
        """1, or 2 if bidirectional."""
        return 1 + self.bidirectional

    @property
    def output_size(self) -> int:
        """Size of the last axis of the output: H for each direction."""
        return self.directions * self.hidden_size

    def _initial_params(self, rng: np.random.Generator, init: str) -> Params:
        H, G = self.hidden_size, len(self.cell.gates)
        params: dict[str, Array] = {}
        for layer in range(self.num_layers):
            for k in range(self.directions):
                for name, shape in zip(parameter_names(layer, k), self._shapes(layer), strict=True):
                    if self._is_parameter(name):
                        params[name] = initializers.uniform(rng, shape, H**-0.5, self.dtype)
                U = parameter_names(layer, k)[1]
                if init == "orthogonal" and U in params:
                    params[U] = initializers.orthogonal(rng, G, H, self.dtype)
        return Params(params)

    def _shapes(self, layer: int) -> tuple[tuple[int, ...], ...]:
        """Shapes of the weights of one direction of one layer, with 0 rows for those that the cell does not have."""
        D = self.output_size if layer else self.input_size
        H = self.hidden_size
        rows = len(self.cell.gates) * H
        recurrent_rows = rows * self.cell.recurrent
        return (rows, D), (recurrent_rows, H), (rows,), (recurrent_rows,)

    def _is_parameter(self, name: str) -> bool:
        """Whether the layer has the parameter of this name; else it is absent, or 0."""
        if name.startswith("bias_hh"):
            return self.bias and self.cell.recurrent_bias
        return self.bias if name.startswith("bias_ih") else self.cell.recurrent or name.startswith("weight_ih")

    def _set_gate_bias(self, gate: str, bias: float | Array) -> None:
        """Let the two biases of `gate` sum to `bias` (a number or (H,)) in every layer and direction."""
        if not self.bias:
            raise GatewiseValueError(f"a starting bias for the {gate} gate needs bias=True.")
        start = self.cell.gates.index(gate) * self.hidden_size
        rows = slice(start, start + self.hidden_size)
        for name, value in self.params.items():
            if name.startswith("bias"):
                value[rows] = bias if name.startswith("bias_ih") else 0

    def _weights(self, layer: int, direction: int, copy: bool) -> Weights:
        """Copies where a tape is to keep the network it came from."""
        params, names = self.params, parameter_names(layer, direction)
        if len(params) == len(names) * self.num_layers * self.directions:
            W, U, b, c = [params[name] for name in names]
        else:
            W, U, b, c = [
                params[name] if name in params else np.zeros(shape, self.dtype)
                for name, shape in zip(names, self._shapes(layer), strict=True)
            ]
        return Weights(W.copy(), U.copy(), b.copy(), c.copy()) if copy else Weights(W, U, b, c)
