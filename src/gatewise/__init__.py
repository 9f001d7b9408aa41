"""Gatewise: GRU, LSTM and Elman networks whose forward and backward passes are written by hand, and certified."""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

from gatewise import datasets, losses, optimizers, schedules
from gatewise.errors import GatewiseError
from gatewise.examine import examine
from gatewise.files import load, save
from gatewise.gradcheck import gradcheck
from gatewise.layers import (
    GRU,
    LSTM,
    RNN,
    Dense,
    Dropout,
    Embedding,
    GRUCell,
    Last,
    LSTMCell,
    LSTMState,
    MinGRU,
    Noise,
    Parallel,
    Pool,
    Reverse,
    RNNCell,
    Sequential,
    Softmax,
    define_cell,
)
from gatewise.layouts import convert
from gatewise.optimizers import clip_by_global_norm
from gatewise.sight.doctor import NonFiniteError
from gatewise.sight.flow import GradientFlow, gradient_flow, jacobians
from gatewise.sight.trace import trace
from gatewise.threads import get_num_threads, set_num_threads
from gatewise.training import (
    History,
    OnlineClassifier,
    OnlineRegressor,
    contiguous_rows,
    train,
    train_stream,
)

__version__ = "0.1.0"

if TYPE_CHECKING:
    from gatewise.estimators import (
        RecurrentClassifier,
        RecurrentForecaster,
        RecurrentRegressor,
        SequencePadder,
        SequenceScaler,
        SequenceWindower,
        permutation_importance,
    )
    from gatewise.interop.keras import from_keras
    from gatewise.interop.torch import from_torch, to_torch
    from gatewise.pages import report

# Names whose modules load scikit-learn, Bokeh and the like: imported when they are first asked for.
_LATER: dict[str, str] = {
    "report": "gatewise.pages",
    "RecurrentClassifier": "gatewise.estimators",
    "RecurrentForecaster": "gatewise.estimators",
    "RecurrentRegressor": "gatewise.estimators",
    "SequencePadder": "gatewise.estimators",
    "SequenceScaler": "gatewise.estimators",
    "SequenceWindower": "gatewise.estimators",
    "permutation_importance": "gatewise.estimators",
    "from_keras": "gatewise.interop.keras",
    "from_torch": "gatewise.interop.torch",
    "to_torch": "gatewise.interop.torch",
}

if not TYPE_CHECKING:  # else a mistyped name would be known, as anything

    def __getattr__(name):
        if name not in _LATER:
            raise AttributeError(f"module 'gatewise' has no attribute {name!r}")
        value = globals()[name] = getattr(_import_module(_LATER[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Dense",
    "Dropout",
    "Embedding",
    "GRUCell",
    "GatewiseError",
    "GradientFlow",
    "History",
    "LSTMCell",
    "LSTMState",
    "Last",
    "MinGRU",
    "Noise",
    "NonFiniteError",
    "OnlineClassifier",
    "OnlineRegressor",
    "Parallel",
    "Pool",
    "RNNCell",
    "RecurrentClassifier",
    "RecurrentForecaster",
    "RecurrentRegressor",
    "Reverse",
    "SequencePadder",
    "SequenceScaler",
    "SequenceWindower",
    "Sequential",
    "Softmax",
    "clip_by_global_norm",
    "contiguous_rows",
    "convert",
    "datasets",
    "define_cell",
    "examine",
    "from_keras",
    "from_torch",
    "get_num_threads",
    "gradcheck",
    "gradient_flow",
    "jacobians",
    "load",
    "losses",
    "optimizers",
    "permutation_importance",
    "report",
    "save",
    "schedules",
    "set_num_threads",
    "to_torch",
    "trace",
    "train",
    "train_stream",
]
