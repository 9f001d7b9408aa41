"""GRU and LSTM with hard sigmoids as gates, for models that others have trained with them."""

from __future__ import annotations

from typing import Any

from gatewise.cells import Cell, hard
from gatewise.errors import check_choice
from gatewise.layers.recurrent import LSTMState
from gatewise.layers.stack import Recurrent


class HardGRU(Recurrent):
    """A GRU whose gates are hσ(a) = min(max(s a + 1/2, 0), 1).

    Parameters
    ----------
    input_size, hidden_size : int
        D and H.
    reset : {"after", "before"}
        As in `GRU`.
    slope : {"0.2", "1/6"}
        s: 0.2 in Keras 1, Keras 2 and ONNX, 1/6 in Keras 3.
    **options
        `num_layers`, `bidirectional`, `bias`, `dropout`, `dtype`, `rng`, `init` and `tape` of `GRU`.

    Raises
    ------
    GatewiseError
        If an argument is out of range.

    Notes
    -----
    With reset="before" it runs in NumPy.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> from gatewise.layers import HardGRU
    >>> y, state = HardGRU(3, 4, slope="1/6", rng=0)(np.zeros((2, 5, 3), np.float32))
    >>> y.shape, state.shape
    ((2, 5, 4), (1, 2, 4))
    """

    kind = "hard_gru"
    choices = {f"{reset}, {slope}": cell for (reset, slope), cell in hard.GRU_FORMS.items()}  # noqa: RUF012

    def __init__(
        self, input_size: int, hidden_size: int, *, reset: str = "after", slope: str = "0.2", **options: Any
    ) -> None:
        check_choice("reset", reset, ("after", "before"))
        check_choice("slope", slope, hard.SLOPES)
        self.reset, self.slope = reset, slope
        super().__init__(input_size, hidden_size, **options)

    @property
    def cell(self) -> Cell:  # type: ignore[override]
        """Which of the cells this layer has."""
        return hard.GRU_FORMS[self.reset, self.slope]

    @classmethod
    def form_options(cls) -> dict[str, dict[str, Any]]:  # noqa: D102
        return {cell.form: {"reset": reset, "slope": slope} for (reset, slope), cell in hard.GRU_FORMS.items()}


class HardLSTM(Recurrent):
    """An LSTM whose gates are hσ(a) = min(max(s a + 1/2, 0), 1); its state is an `LSTMState(h, c)`.

    Parameters
    ----------
    input_size, hidden_size : int
        D and H.
    slope : {"0.2", "1/6"}
        As in `HardGRU`.
    **options
        `num_layers`, `bidirectional`, `bias`, `dropout`, `dtype`, `rng`, `init` and `tape` of `LSTM`.

    Raises
    ------
    GatewiseError
        If an argument is out of range.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> from gatewise.layers import HardLSTM
    >>> y, (h, c) = HardLSTM(3, 4, rng=0)(np.zeros((2, 5, 3), np.float32))
    >>> y.shape, h.shape, c.shape
    ((2, 5, 4), (1, 2, 4), (1, 2, 4))
    """

    kind = "hard_lstm"
    State = LSTMState
    choices = hard.LSTM_FORMS

    def __init__(self, input_size: int, hidden_size: int, *, slope: str = "0.2", **options: Any) -> None:
        check_choice("slope", slope, hard.SLOPES)
        self.slope = slope
        super().__init__(input_size, hidden_size, **options)

    @property
    def cell(self) -> Cell:  # type: ignore[override]
        """Which of the cells this layer has."""
        return hard.LSTM_FORMS[self.slope]

    @classmethod
    def form_options(cls) -> dict[str, dict[str, Any]]:  # noqa: D102
        return {cell.form: {"slope": slope} for slope, cell in hard.LSTM_FORMS.items()}
