"""Gatewise: GRU, LSTM and Elman networks whose forward and backward passes are written by hand, and certified."""

import sys as _sys
from importlib import import_module as _import_module
from types import ModuleType as _ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatewise import datasets, distributed, losses, optimizers, schedules
    from gatewise.errors import GatewiseError, TrainingInterrupted
    from gatewise.estimators import (
        RecurrentClassifier,
        RecurrentForecaster,
        RecurrentRegressor,
        SequencePadder,
        SequenceScaler,
        SequenceWindower,
        permutation_importance,
    )
    from gatewise.examine import examine
    from gatewise.files import load, save
    from gatewise.gradcheck import gradcheck
    from gatewise.interop.c import to_c, to_html
    from gatewise.interop.keras import from_keras
    from gatewise.interop.onnx import from_onnx, to_onnx
    from gatewise.interop.torch import from_torch, to_torch
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
    from gatewise.limits import Limits
    from gatewise.optimizers import clip_by_global_norm
    from gatewise.pages import report
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

# Where the names stand. Each module is imported when one of its names is first asked for, so that `import gatewise` and
# `gatewise --help` take no time, and nobody waits for scikit-learn who does not use it.
_NAMES = {
    "gatewise.errors": ("GatewiseError", "TrainingInterrupted"),
    "gatewise.estimators": (
        "RecurrentClassifier",
        "RecurrentForecaster",
        "RecurrentRegressor",
        "SequencePadder",
        "SequenceScaler",
        "SequenceWindower",
        "permutation_importance",
    ),
    "gatewise.examine": ("examine",),
    "gatewise.files": (
        "load",
        "save",
    ),
    "gatewise.gradcheck": ("gradcheck",),
    "gatewise.interop.torch": ("from_torch", "to_torch"),
    "gatewise.interop.keras": ("from_keras",),
    "gatewise.interop.c": ("to_c", "to_html"),
    "gatewise.interop.onnx": ("from_onnx", "to_onnx"),
    "gatewise.layers": (
        "GRU",
        "LSTM",
        "RNN",
        "Dense",
        "Dropout",
        "Embedding",
        "GRUCell",
        "Last",
        "LSTMCell",
        "LSTMState",
        "MinGRU",
        "Noise",
        "Parallel",
        "Pool",
        "RNNCell",
        "Sequential",
        "define_cell",
        "Reverse",
        "Softmax",
    ),
    "gatewise.layouts": ("convert",),
    "gatewise.limits": ("Limits",),
    "gatewise.optimizers": ("clip_by_global_norm",),
    "gatewise.pages": ("report",),
    "gatewise.sight.doctor": ("NonFiniteError",),
    "gatewise.sight.flow": (
        "GradientFlow",
        "gradient_flow",
        "jacobians",
    ),
    "gatewise.sight.trace": ("trace",),
    "gatewise.threads": (
        "get_num_threads",
        "set_num_threads",
    ),
    "gatewise.training": (
        "History",
        "OnlineClassifier",
        "OnlineRegressor",
        "contiguous_rows",
        "train",
        "train_stream",
    ),
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names}

if not TYPE_CHECKING:  # else a mistyped name would be known, as anything

    def __getattr__(name):
        value = globals()[name] = _found(name)
        return value


def _found(name: str) -> object:
    """A public name's value, or a module of the package."""
    if name in _HOMES:
        return getattr(_import_module(_HOMES[name]), name)
    missing = AttributeError(f"module 'gatewise' has no attribute {name!r}")
    if name.startswith("_"):
        raise missing
    try:
        return _import_module(f"gatewise.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"gatewise.{name}":
            raise
        raise missing from None


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})


class _Package(_ModuleType):
    """The package: a module `examine` or `gradcheck`, once imported, does not take the place of its function."""

    def __setattr__(self, name: str, value: object) -> None:
        is_hidden = isinstance(value, _ModuleType) and _HOMES.get(name) == value.__name__
        super().__setattr__(name, getattr(value, name) if is_hidden else value)

    def __reduce__(self) -> tuple[object, ...]:
        """Let it be pickled as a module is by those who pickle modules, such as joblib's workers."""
        return _import_module, (self.__name__,)


_sys.modules[__name__].__class__ = _Package

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
    "Limits",
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
    "TrainingInterrupted",
    "clip_by_global_norm",
    "contiguous_rows",
    "convert",
    "datasets",
    "define_cell",
    "distributed",
    "examine",
    "from_keras",
    "from_onnx",
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
    "to_c",
    "to_html",
    "to_onnx",
    "to_torch",
    "trace",
    "train",
    "train_stream",
]
