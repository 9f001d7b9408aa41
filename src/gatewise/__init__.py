"""Gatewise: GRU, LSTM and Elman networks whose forward and backward passes are written by hand, and certified."""

import importlib
from typing import Any

from gatewise import datasets, losses, optimizers, schedules
from gatewise.doctor import NonFiniteError
from gatewise.errors import GatewiseError
from gatewise.examine import examine
from gatewise.flow import GradientFlow, gradient_flow, jacobians
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
    Noise,
    Parallel,
    Pool,
    RNNCell,
    Sequential,
)
from gatewise.layouts import convert
from gatewise.optimizers import clip_by_global_norm
from gatewise.storage import load, save
from gatewise.threads import get_num_threads, set_num_threads
from gatewise.trace import trace
from gatewise.training import History, train

__version__ = "0.1.0"

# Names whose modules load scikit-learn, Bokeh and the like: imported when they are first asked for.
_LATER: dict[str, str] = {
    "report": "gatewise.pages",
    "RecurrentClassifier": "gatewise.estimators",
    "RecurrentForecaster": "gatewise.estimators",
    "RecurrentRegressor": "gatewise.estimators",
    "SequencePadder": "gatewise.estimators",
    "SequenceScaler": "gatewise.estimators",
    "SequenceWindower": "gatewise.estimators",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'gatewise' has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_LATER[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


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
    "Noise",
    "NonFiniteError",
    "Parallel",
    "Pool",
    "RNNCell",
    "RecurrentClassifier",
    "RecurrentForecaster",
    "RecurrentRegressor",
    "SequencePadder",
    "SequenceScaler",
    "SequenceWindower",
    "Sequential",
    "clip_by_global_norm",
    "convert",
    "datasets",
    "examine",
    "get_num_threads",
    "gradcheck",
    "gradient_flow",
    "jacobians",
    "load",
    "losses",
    "optimizers",
    "report",
    "save",
    "schedules",
    "set_num_threads",
    "trace",
    "train",
]
