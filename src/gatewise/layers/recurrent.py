"""The recurrent layers users build: GRU, LSTM, Elman and others. What they share stands in `stack.py`."""

from __future__ import annotations

from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike

from gatewise import layouts
from gatewise.cells import gru, lstm, mingru, rnn
from gatewise.errors import Array, GatewiseValueError, check_choice, check_number
from gatewise.layers import initializers
from gatewise.layers.layer import Rng, generator
from gatewise.layers.stack import Recurrent
from gatewise.limits import Limits


class LSTMState(NamedTuple):
    """State of an LSTM: hidden state h and cell state c, each (layers·directions, batch, H).

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> start = gw.LSTMState(h=np.zeros((1, 2, 4), np.float32), c=np.ones((1, 2, 4), np.float32))
    >>> _, state = gw.LSTM(3, 4, rng=0)(np.zeros((2, 5, 3), np.float32), start)
    >>> state.c.shape
    (1, 2, 4)
    """

    h: Array
    c: Array


class Convertible(Recurrent):
    """A recurrent layer with weights from and to the layouts of `gatewise.layouts`, where one has the cell."""

    @classmethod
    def from_weights(cls, weights: Any, layout: str, *, limits: Limits | None = None, **hints: Any) -> Self:
        """Build a layer from another system's arrays; see `gatewise.convert` for the layouts and hints.

        Examples
        --------
        >>> import numpy as np, gatewise as gw
        >>> rng = np.random.default_rng(0)
        >>> gru = gw.GRU.from_weights({"Wx": rng.normal(size=(3, 12)), "Wh": rng.normal(size=(4, 12))}, "packed")
        >>> gru.reset, gru.input_size, gru.hidden_size, gru.dtype
        ('before', 3, 4, dtype('float64'))
        """
        params, options = layouts.to_params(weights, layout, cell=cls.kind, limits=limits, **hints)
        layer = cls(**options)
        layer.params.update(params)
        return layer

    def to_weights(self, layout: str, **hints: Any) -> dict[str, Any]:
        """Return copies of the weights in another system's layout and letters; see `gatewise.convert`."""
        return layouts.from_params(self.params, layout, cell=self.kind, options=self.config(), **hints)


class GRU(Convertible):
    """A gated recurrent unit over whole sequences.

    Parameters
    ----------
    input_size, hidden_size : int
        D and H.
    num_layers : int
        Layers stacked; each reads the output of the one below.
    bidirectional : bool
        Whether a second set of weights reads each sequence backward; outputs stand side by side.
    reset : {"after", "before"}
        Where the reset gate acts: on the recurrent product (PyTorch, Keras' default) or on the state (ONNX' default).
    bias : bool
        Whether there are `bias_ih` and `bias_hh`.
    dropout : float
        Probability of dropping an output between layers, in training only.
    dtype : {float32, float64}
        Of parameters, input and output.
    rng : int or numpy.random.Generator, optional
        Source of the starting weights, uniform in ±1/√H; fresh entropy if None.
    init : {"uniform", "orthogonal"}
        "orthogonal" starts each gate's recurrent matrix as a random orthogonal one.
    tape : {"store", "recompute", "checkpoint"}
        "recompute" keeps states only and computes the gates again in the backward pass: less memory, a third more work.
        "checkpoint" keeps the states of every √T-th step only and computes the rest again, chunk by chunk: the tape
        takes O(√T) memory beside a copy of x (with two directions, of the input of each layer), and masks of dropout.
    chrono : float, optional
        Longest dependency expected, in steps: biases of the update gate start at log U(1, chrono − 1).

    Raises
    ------
    GatewiseError
        If an argument is out of range.

    Notes
    -----
    The equations stand in `gatewise.cells.gru`. Sources: Cho et al., arXiv 1406.1078 (v1 and v3).

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> gru = gw.GRU(3, 16, rng=0)
    >>> x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    >>> y, state, tape = gru.forward(x)
    >>> y.shape, state.shape, tape.update.shape
    ((2, 5, 16), (1, 2, 16), (2, 5, 16))
    >>> dx, dstate, grads = gru.backward(tape, np.ones_like(y))
    >>> grads["weight_hh_l0"].shape
    (48, 16)
    """

    kind = "gru"
    option = "reset"
    choices = gru.FORMS

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        reset: str = "after",
        bias: bool = True,
        dropout: float = 0.0,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
        init: str = "uniform",
        tape: str = "store",
        chrono: float | None = None,
    ) -> None:
        check_choice("reset", reset, gru.FORMS)
        self.cell, self.reset = gru.FORMS[reset], reset
        rng = generator(rng)
        super().__init__(
            input_size,
            hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            bias=bias,
            dropout=dropout,
            dtype=dtype,
            rng=rng,
            init=init,
            tape=tape,
        )
        if chrono is not None:
            check_number("chrono", chrono, 2, 1e12, open_low=True)
            self._set_gate_bias("update", initializers.chrono(rng, self.hidden_size, chrono, self.dtype))


class LSTM(Convertible):
    """A long short-term memory over whole sequences; its state is an `LSTMState(h, c)`.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bidirectional, bias, dropout, dtype, rng, init, tape
        As in `GRU`.
    forget_bias : float, optional
        Starting value of the forget gate's bias (both biases together); 1 is usual.
    chrono : float, optional
        Longest dependency expected, in steps: the forget gate's bias starts at log U(1, chrono − 1), the input
        gate's at its negative (arXiv 1804.11188).

    Raises
    ------
    GatewiseError
        If an argument is out of range, or both `forget_bias` and `chrono` are given.

    Notes
    -----
    The equations stand in `gatewise.cells.lstm`. Source: Gers, Schmidhuber and Cummins (2000), *Learning to forget*.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> lstm = gw.LSTM(3, 16, rng=0)
    >>> y, (h, c) = lstm(np.zeros((2, 5, 3), np.float32))
    >>> y.shape, h.shape, c.shape
    ((2, 5, 16), (1, 2, 16), (1, 2, 16))
    """

    kind = "lstm"
    cell = lstm.LSTM
    State = LSTMState

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        bias: bool = True,
        dropout: float = 0.0,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
        init: str = "uniform",
        tape: str = "store",
        forget_bias: float | None = None,
        chrono: float | None = None,
    ) -> None:
        rng = generator(rng)
        super().__init__(
            input_size,
            hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            bias=bias,
            dropout=dropout,
            dtype=dtype,
            rng=rng,
            init=init,
            tape=tape,
        )
        if forget_bias is not None and chrono is not None:
            raise GatewiseValueError("forget_bias and chrono both set the forget gate's bias: give one of them.")
        if forget_bias is not None:
            check_number("forget_bias", forget_bias, -1000, 1000)
            self._set_gate_bias("forget", forget_bias)
        if chrono is not None:
            check_number("chrono", chrono, 2, 1e12, open_low=True)
            keep = initializers.chrono(rng, self.hidden_size, chrono, self.dtype)
            self._set_gate_bias("forget", keep)
            self._set_gate_bias("input", -keep)


class RNN(Convertible):
    """An Elman network over whole sequences: h_t = tanh(W x_t + b + U h_{t-1} + c), or relu.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bidirectional, bias, dropout, dtype, rng, init, tape
        As in `GRU`.
    nonlinearity : {"tanh", "relu"}
        The activation.

    Raises
    ------
    GatewiseError
        If an argument is out of range.

    Notes
    -----
    The equations stand in `gatewise.cells.rnn`. Source: Elman (1990), *Finding structure in time*.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> y, state = gw.RNN(3, 16, nonlinearity="relu", rng=0)(np.zeros((2, 5, 3), np.float32))
    >>> y.shape, state.shape
    ((2, 5, 16), (1, 2, 16))
    """

    kind = "rnn"
    option = "nonlinearity"
    choices = rnn.FORMS

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        nonlinearity: str = "tanh",
        bias: bool = True,
        dropout: float = 0.0,
        dtype: DTypeLike = np.float32,
        rng: Rng = None,
        init: str = "uniform",
        tape: str = "store",
    ) -> None:
        check_choice("nonlinearity", nonlinearity, rnn.FORMS)
        self.cell, self.nonlinearity = rnn.FORMS[nonlinearity], nonlinearity
        super().__init__(
            input_size,
            hidden_size,
            num_layers=num_layers,
            bidirectional=bidirectional,
            bias=bias,
            dropout=dropout,
            dtype=dtype,
            rng=rng,
            init=init,
            tape=tape,
        )


class MinGRU(Convertible):
    """A minimal gated recurrent unit over whole sequences: gate and candidate see the input alone; there is no U.

    Parameters
    ----------
    input_size, hidden_size, num_layers, bidirectional, bias, dropout, dtype, rng, tape
        As in `GRU`. Parameters are `weight_ih` (2·H, D) and `bias_ih` (2·H,) of each layer and direction.
    init : {"uniform", "orthogonal"}
        As in `GRU`; without a recurrent matrix both are the same.

    Raises
    ------
    GatewiseError
        If an argument is out of range.

    Notes
    -----
    The equations stand in `gatewise.cells.mingru`. What one layer lacks, seeing the state when it decides, a stack of
    several has in part: the gates of a layer see the states of the one below. Source: Feng et al., *Were RNNs all we
    needed?*, arXiv 2410.01201, section 3.1.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> layer = gw.MinGRU(3, 16, num_layers=2, rng=0)
    >>> y, state = layer(np.zeros((2, 5, 3), np.float32))
    >>> y.shape, state.shape, list(layer.params)[:2]
    ((2, 5, 16), (2, 2, 16), ['weight_ih_l0', 'bias_ih_l0'])
    """

    kind = "mingru"
    cell = mingru.MINGRU


RECURRENT: dict[str, type[Recurrent]] = {layer.kind: layer for layer in (GRU, LSTM, RNN, MinGRU)}
"""Every recurrent layer of the library by its kind."""
