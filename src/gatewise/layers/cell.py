"""One step at a time: GRUCell, LSTMCell and RNNCell, the layers' own code on a sequence of one step."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from gatewise.errors import Array, check_array
from gatewise.layers.layer import Params, Rng, check_tape_type
from gatewise.layers.recurrent import GRU, LSTM, RNN
from gatewise.layers.stack import Recurrent
from gatewise.layers.tape import RecurrentTape


class CellTape:
    """What one step leaves for its backward pass: `tape.reset`, `tape.update`, … (batch, H)."""

    def __init__(self, tape: RecurrentTape) -> None:
        self.sequence = tape

    def __getattr__(self, name: str) -> Array:
        if name == "sequence":
            raise AttributeError(name)
        value: Array = getattr(self.sequence, name)[:, 0]
        return value


class RecurrentCell:
    """One step of a recurrent layer; `params` are `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`."""

    def __init__(self, layer: Recurrent) -> None:
        self.layer = layer
        self.params = Params({name.removesuffix("_l0"): value for name, value in layer.params.items()})

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self.layer.dtype

    def astype(self, dtype: DTypeLike) -> RecurrentCell:
        """Return a copy of this cell whose parameters have `dtype` (float32 or float64)."""
        twin = object.__new__(type(self))
        RecurrentCell.__init__(twin, self.layer.astype(dtype))
        return twin

    def forward(self, x: Array, h: Any = None) -> tuple[Any, CellTape]:
        """Take one step.

        Parameters
        ----------
        x : ndarray (batch, input_size)
            Input of this step.
        h : ndarray (batch, H) or LSTMState of two such arrays, optional
            State before the step; zeros if None.

        Returns
        -------
        h_next : ndarray or LSTMState
            State after the step.
        tape : CellTape
            For `backward`; it names every gate.

        Raises
        ------
        GatewiseError
            If a shape, dtype or value does not fit.
        """
        check_array("x", x, ("batch", self.layer.input_size), self.dtype)
        _, state, tape = self.layer.forward(x[:, None], self._stacked(h, "h"))
        return self._single(state), CellTape(tape)

    def backward(self, tape: CellTape, dh_next: Any) -> tuple[Array, Any, dict[str, Array]]:
        """Carry the gradient of the state after the step back; returns dx (batch, input_size), dh and grads."""
        check_tape_type(tape, CellTape, self)
        B = len(tape.sequence.runs[0].x)
        nothing = np.zeros((B, 1, self.layer.hidden_size), self.dtype)
        dx, dh, grads = self.layer.backward(tape.sequence, nothing, self._stacked(dh_next, "dh_next"))
        return dx[:, 0], self._single(dh), {name.removesuffix("_l0"): g for name, g in grads.items()}

    def _stacked(self, h: Any, name: str) -> Any:
        """State of (batch, H) arrays as the layer's, of (1, batch, H) arrays."""
        if h is None:
            return None
        parts, shape = self.layer._unpack(h, name), ("batch", self.layer.hidden_size)
        return self.layer._pack(tuple(check_array(name, part, shape, self.dtype)[None] for part in parts))

    def _single(self, state: Any) -> Any:
        return self.layer._pack(tuple(a[0] for a in self.layer._unpack(state, "state")))


class GRUCell(RecurrentCell):
    """One step of a GRU.

    Parameters
    ----------
    input_size, hidden_size, reset, bias, dtype, rng
        As in `GRU`.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> cell = gw.GRUCell(3, 4, rng=0)
    >>> h, tape = cell.forward(np.ones((2, 3), np.float32))
    >>> dx, dh, grads = cell.backward(tape, np.ones_like(h))
    >>> h.shape, tape.update.shape, dx.shape, grads["weight_hh"].shape
    ((2, 4), (2, 4), (2, 3), (12, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        reset: str = "after",
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        super().__init__(GRU(input_size, hidden_size, reset=reset, bias=bias, dtype=dtype, rng=rng))


class LSTMCell(RecurrentCell):
    """One step of an LSTM; h is an `LSTMState(h, c)` of two (batch, H) arrays, and so is its gradient.

    Parameters
    ----------
    input_size, hidden_size, bias, dtype, rng
        As in `LSTM`.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> state, tape = gw.LSTMCell(3, 4, rng=0).forward(np.ones((2, 3), np.float32))
    >>> state.h.shape, state.c.shape, tape.forget.shape
    ((2, 4), (2, 4), (2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        super().__init__(LSTM(input_size, hidden_size, bias=bias, dtype=dtype, rng=rng))


class RNNCell(RecurrentCell):
    """One step of an Elman network.

    Parameters
    ----------
    input_size, hidden_size, nonlinearity, bias, dtype, rng
        As in `RNN`.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> h, tape = gw.RNNCell(3, 4, "relu", rng=0).forward(np.ones((2, 3), np.float32))
    >>> h.shape
    (2, 4)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        nonlinearity: str = "tanh",
        *,
        bias: bool = True,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
    ) -> None:
        super().__init__(RNN(input_size, hidden_size, nonlinearity=nonlinearity, bias=bias, dtype=dtype, rng=rng))
