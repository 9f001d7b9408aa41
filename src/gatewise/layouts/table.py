"""THE table of layouts: the rows of each system and kind of cell. Nothing about a system stands anywhere else.

Where a system has several rows for a kind of cell, the first counts that fits the arrays, or expresses the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gatewise.errors import GatewiseValueError, check_choice
from gatewise.layouts.layout import Layout

_BEFORE = {"reset": "before", "num_layers": 1, "bidirectional": False}
_ELMAN = {"nonlinearity": "tanh", "num_layers": 1, "bidirectional": False}
_PROJECTION = {
    "weight_hr": "it projects the state to fewer numbers (proj_size); no layer here does: train without proj_size"
}
_PEEPHOLES = {"P": "its gates look at the cell state (peepholes); the LSTM here has none: train without peepholes"}


def _torch(cell: str, gates: str, **options: Any) -> Layout:
    keys = {"W": "weight_ih", "U": "weight_hh", "b": "bias_ih", "c": "bias_hh"}
    arrays = {matrix: {key: gates} for matrix, key in keys.items()}
    return Layout("torch", cell, arrays, bias_optional=True, naming="suffixes", **options)


def _onnx(cell: str, gates: str, **options: Any) -> Layout:
    arrays = {"W": {"W": gates}, "U": {"R": gates}, "bc": {"B": gates}}
    return Layout("onnx", cell, arrays, bias_optional=True, naming="tree", direction_axis=True, **options)


def _columns(name: str, cell: str, arrays: Mapping[str, Mapping[str, str]], **options: Any) -> Layout:
    """A system in which row vectors multiply matrices from the left, in dicts."""
    return Layout(name, cell, arrays, columns=True, naming="tree", **options)


def _keras(cell: str, gates: str, bias: str, **options: Any) -> Layout:
    arrays = {"W": {"kernel": gates}, "U": {"recurrent_kernel": gates}, bias: {"bias": gates}}
    return _columns("keras", cell, arrays, bias_optional=True, **options)


def _an_array_each(gates: str, prefix: str, what: str = "kernel") -> dict[str, str]:
    """One dense layer for each gate: ir/kernel, iz/kernel and so on."""
    return {f"{prefix}{gate}/{what}": gate for gate in gates}


def _nnx(cell: str, gates: str, bias: str, **options: Any) -> Layout:
    arrays = {"W": {"dense_i/kernel": gates}, "U": {"dense_h/kernel": gates}, "b": {f"{bias}/bias": gates}}
    return _columns("nnx", cell, arrays, **options)


LAYOUTS = (
    _torch("gru", "rzn", free={"reset": "after"}, computed={"reset": "after"}),
    _torch("lstm", "ifgo", refused=_PROJECTION),
    _torch("rnn", "n", free={"nonlinearity": "tanh"}),
    Layout(
        "packed",
        "gru",
        {"W": {"Wx": "zrn"}, "U": {"Wh": "zrn"}, "b": {"b": "zrn"}},
        columns=True,
        bias_optional=True,
        writes=True,
        published=True,
        fixed=_BEFORE,
    ),
    Layout(
        "columns",
        "gru",
        {"W": {"W": "n", "W_r": "r", "W_z": "z"}, "U": {"U": "n", "U_r": "r", "U_z": "z"}},
        published=True,
        fixed=_BEFORE,
    ),
    Layout(
        "rows",
        "gru",
        {
            "W": {"Uz": "z", "Ur": "r", "Uh": "n"},
            "U": {"Wz": "z", "Wr": "r", "Wh": "n"},
            "b": {"bz": "z", "br": "r", "bh": "n"},
        },
        columns=True,
        bias_row=True,
        writes=True,
        published=True,
        fixed=_BEFORE,
    ),
    Layout(
        "elman",
        "rnn",
        {"W": {"Wx": "n"}, "U": {"Wh": "n"}, "b": {"b": "n"}},
        columns=True,
        published=True,
        fixed=_ELMAN,
    ),
    Layout(
        "joined",
        "gru",
        {"WU": {"W_z": "z", "W_r": "r", "W_g": "n"}, "b": {"b_z": "z", "b_r": "r", "b_g": "n"}},
        published=True,
        fixed=_BEFORE,
    ),
    _keras("gru", "zrn", "b/c", fixed={"reset": "after"}),
    _keras("gru", "zrn", "b", fixed={"reset": "before"}),
    _keras("lstm", "ifgo", "b"),
    _keras("rnn", "n", "b", free={"nonlinearity": "tanh"}),
    _onnx("gru", "zrn", free={"reset": "before"}),
    _onnx("lstm", "iofg", refused=_PEEPHOLES),
    _onnx("rnn", "n", free={"nonlinearity": "tanh"}),
    _columns(
        "flax",
        "gru",
        {
            "W": _an_array_each("rzn", "i"),
            "U": _an_array_each("rzn", "h"),
            "b": _an_array_each("rzn", "i", "bias"),
            "c": {"hn/bias": "n"},
        },
        fixed={"reset": "after"},
    ),
    _columns(
        "flax",
        "lstm",
        {"W": _an_array_each("ifgo", "i"), "U": _an_array_each("ifgo", "h"), "b": _an_array_each("ifgo", "h", "bias")},
    ),
    _columns(
        "flax",
        "rnn",
        {"W": {"i/kernel": "n"}, "U": {"h/kernel": "n"}, "b": {"i/bias": "n"}},
        free={"nonlinearity": "tanh"},
    ),
    _nnx("gru", "rzn", "dense_i", fixed={"reset": "after"}),
    _nnx("lstm", "ifgo", "dense_h"),
    _columns(
        "nnx",
        "lstm",
        {
            "W": {"ii/kernel": "i", "if_/kernel": "f", "ig/kernel": "g", "io/kernel": "o"},
            "U": _an_array_each("ifgo", "h"),
            "b": _an_array_each("ifgo", "h", "bias"),
        },
    ),
    _nnx("rnn", "n", "dense_i", free={"nonlinearity": "tanh"}),
    _columns(
        "haiku",
        "gru",
        {"W": {"w_i": "zrn"}, "U": {"w_h": "zrn"}, "b": {"b": "zrn"}},
        writes=True,
        fixed={"reset": "before"},
    ),
    _columns("haiku", "lstm", {"WU": {"w": "igfo"}, "b": {"b": "igfo"}}, offsets={"f": 1.0}),
    _columns(
        "haiku",
        "rnn",
        {"W": {"linear/w": "n"}, "b": {"linear/b": "n"}, "U": {"linear_1/w": "n"}, "c": {"linear_1/b": "n"}},
        fixed={"nonlinearity": "relu"},
    ),
    _columns(
        "haiku",
        "rnn",
        {"W": {"linear/w": "n"}, "b": {"linear/b": "n"}, "U": {"linear_1/w": "n"}},
        fixed={"nonlinearity": "relu"},
    ),
    _columns(
        "haste",
        "gru",
        {
            "W": {"kernel": "zrn"},
            "U": {"recurrent_kernel": "zrn"},
            "b": {"bias": "zrn"},
            "c": {"recurrent_bias": "zrn"},
        },
        fixed={"reset": "after"},
    ),
    _columns("haste", "lstm", {"W": {"kernel": "igfo"}, "U": {"recurrent_kernel": "igfo"}, "b": {"bias": "igfo"}}),
)


def rows_of(name: str) -> list[Layout]:
    """Return the rows of the table for one system."""
    check_choice("layout", name, dict.fromkeys(row.name for row in LAYOUTS))
    return [row for row in LAYOUTS if row.name == name]


def find(name: str, cell: str) -> list[Layout]:
    """Return the rows for one system and kind of cell."""
    check_choice("cell", cell, dict.fromkeys(row.cell for row in LAYOUTS))
    rows = [row for row in rows_of(name) if row.cell == cell]
    if not rows:
        held = dict.fromkeys(row.cell for row in rows_of(name))
        raise GatewiseValueError(
            f"layout {name!r} was asked for the weights of a {cell}; it holds those of a {' or '.join(held)}: "
            f"use {' or '.join('gw.' + kind.upper() for kind in held)}, or another layout."
        )
    return rows
