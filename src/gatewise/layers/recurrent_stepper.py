"""Steps of a recurrent layer: compiled ones where there is a kernel, else the cell's own in NumPy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy import empty, ndarray

from gatewise import kernels, recurrence
from gatewise.errors import Array, GatewiseValueError, check_array, check_finite
from gatewise.layers.stepper import Stepper, checked_rows

if TYPE_CHECKING:
    from gatewise.layers.stack import Recurrent

# More steps times streams than this are faster as a pass of the layer: its products are larger and may use threads, but
# each call costs 10 µs a layer. Chosen by timings at H = 16 to 128.
MANY = 32


class RecurrentStepper(Stepper):
    """Steps of a stack of recurrent layers."""

    layer: Recurrent
    _states: Array  # (S, layers, rows, H)

    def __init__(self, layer: Recurrent, batch: int | None) -> None:
        super().__init__(layer, batch)
        if layer.bidirectional:
            raise GatewiseValueError(
                f"{type(layer).__name__} is bidirectional and cannot step: its reverse direction reads from the end, "
                f"which a stream does not have; use bidirectional=False, or call the layer with whole sequences."
            )
        rows = () if batch is None else (self._rows,)
        self._dtype = layer.dtype
        self._x_shape, self._y_shape = (*rows, layer.input_size), (*rows, layer.hidden_size)
        self._take_weights()

    def _take_weights(self) -> None:
        """Look up the arrays of the layer's weights, whose values are read at every step."""
        layer, held = self.layer, getattr(self, "_states", None)
        arguments: tuple[Any, Any] = (None, None)
        self._weights = [layer._weights(k, 0, copy=False) for k in range(layer.num_layers)]
        kernel = kernels.find(layer.cell)
        if kernel and self._rows < MANY and all(w.flags.c_contiguous for layer in self._weights for w in layer):
            sizes = (layer.num_layers, layer.input_size, layer.hidden_size)
            self._streams = kernels.streams(kernel, self._rows, *sizes, layer.dtype)
            self._states, arguments = self._streams.state, (self._streams.run, self._streams.read(self._weights))
        else:
            shape = (len(layer.cell.states), layer.num_layers, self._rows, layer.hidden_size)
            self._states = np.zeros(shape, layer.dtype)
        if held is not None:
            self._states[:] = held
        self._fixed = (layer, layer.params, self._dtype, self._x_shape, self._y_shape, *arguments)

    def step(self, x: Array, out: Array | None = None) -> Array:  # noqa: D102
        layer, params, dtype, x_shape, y_shape, run, table = self._fixed  # one look instead of eight
        if layer.params is not params:
            self._take_weights()
            return self.step(x, out)
        if out is None:
            out = empty(y_shape, dtype)
        elif type(out) is not ndarray or out.shape != y_shape or out.dtype is not dtype or not out.flags.carray:
            self._checked_out(out, y_shape, dtype)
        usual = run is not None and self.batch is None and type(x) is ndarray and x.dtype is dtype
        if not (usual and x.shape == x_shape and run((table, x, out))):
            self._step_checked(x, out)
        return out

    def _step_checked(self, x: Array, out: Array) -> None:
        """Take a step of one stream or of many, or say what is wrong with x."""
        *_, run, table = self._fixed
        check_finite("x", check_array("x", x, self._x_shape, self._dtype))
        if run is None:
            out[...] = self._pass(x.reshape(self._rows, 1, -1)).reshape(self._y_shape)
        else:
            run((table, np.asarray(x).reshape(-1), out.reshape(-1)))

    def _pass(self, x: Array) -> Array:
        check_array("x", x, (self._rows, "time", self.layer.input_size), self._dtype)
        check_finite("x", x)
        if self._fixed[1] is not self.layer.params:
            self._take_weights()
        if not x.flags.c_contiguous:
            x = np.array(x, order="C")
        for k, weights in enumerate(self._weights):
            run = recurrence.forward(self.layer.cell, x, weights, np.array(self._states[:, k]), keep=False)
            self._states[:, k] = run.final
            x = run.states[0]
        return x

    def _state(self) -> Any:
        return self.layer._pack(tuple(np.array(self._states)))

    def _set_state(self, state: Any) -> None:
        self._states[:] = self.layer._checked_state(state, self._rows)

    def reset(self, rows: Any = None) -> None:  # noqa: D102
        self._states[:, :, checked_rows(rows, self._rows)] = 0

    def state_dict(self) -> dict[str, Array]:  # noqa: D102
        return dict(zip(self.layer.cell.states, np.array(self._states), strict=True))

    def _load(self, arrays: Mapping[str, Array]) -> None:
        names = self.layer.cell.states
        values = [check_array(name, arrays[name], self._states.shape[1:], self._dtype) for name in names]
        self._states[:] = values
