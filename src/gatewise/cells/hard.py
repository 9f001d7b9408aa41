"""GRU and LSTM whose gates are hard sigmoids, hσ(a) = min(max(s a + 1/2, 0), 1), in place of σ(a).

    s = 0.2    `hard_sigmoid` of Keras 1 and 2 and of ONNX
    s = 1/6    `hard_sigmoid` of Keras 3 and of PyTorch

All other equations are those in `gru.py` and `lstm.py`: their very functions, in a namespace where `sigmoid` and
`sigmoid_slope` stand for hσ and its slope. The candidate stays tanh.
"""

from __future__ import annotations

from dataclasses import replace
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from gatewise.cells import gru, lstm
from gatewise.cells.cell import Cell, PlainJacobian, PlainStep, PlainStepBackward

SLOPES = {"0.2": 0.2, "1/6": 1 / 6}


def hard_cell(cell: Cell, module: ModuleType, slope: float) -> Cell:
    """Return a cell of `module` with hard sigmoids of this slope as gates.

    Examples
    --------
    >>> cell = hard_cell(lstm.LSTM, lstm, 0.2)
    >>> one = np.ones((1, 1))
    >>> (h, c), (i, f, g, o) = cell.step(np.array([[5.0, 1.0, 0.0, -9.0]]), (one, one), np.zeros((4, 1)), np.zeros(4))
    >>> i[0], f[0], o[0]
    (array([1.]), array([0.7]), array([0.]))
    """
    namespace = _namespace(module, slope)

    def own(value: Any) -> Any:
        """The same with functions of the namespace in place of the module's."""
        if isinstance(value, FunctionType):
            return namespace[value.__name__] if value.__module__ == module.__name__ else value
        if isinstance(value, PlainStep):
            return replace(value, forward=own(value.forward))
        if isinstance(value, PlainStepBackward | PlainJacobian):
            return replace(value, backward=own(value.backward))
        return value

    phases = tuple(type(phase)(*map(own, phase)) for phase in cell.phases)
    fields = {name: own(value) for name, value in cell._asdict().items()}
    return Cell(**fields | {"form": f"hard_{cell.form}", "phases": phases, "equations": None})


def _namespace(module: ModuleType, slope: float) -> dict[str, Any]:
    """The names of a module, its functions among them, with another sigmoid."""

    def hard_sigmoid(a: Any) -> Any:
        return np.minimum(np.maximum(slope * a + 0.5, 0), 1)

    def hard_sigmoid_slope(y: Any) -> Any:
        zero = 0 * y
        return np.where(y > 0, np.where(y < 1, zero + slope, zero), zero)

    namespace = dict(vars(module)) | {"sigmoid": hard_sigmoid, "sigmoid_slope": hard_sigmoid_slope}
    for name, value in vars(module).items():
        if isinstance(value, FunctionType) and value.__module__ == module.__name__:
            namespace[name] = FunctionType(value.__code__, namespace, name, value.__defaults__, value.__closure__)
    return namespace


GRU_FORMS = {
    (reset, slope): hard_cell(cell, gru, SLOPES[slope])._replace(form=f"hard_gru/{reset}, {slope}")
    for reset, cell in gru.FORMS.items()
    for slope in SLOPES
}
LSTM_FORMS = {slope: hard_cell(lstm.LSTM, lstm, SLOPES[slope])._replace(form=f"hard_lstm/{slope}") for slope in SLOPES}
