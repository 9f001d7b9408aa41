"""THE table of layouts: one row for each system and kind of cell. Nothing about a system stands anywhere else."""

from __future__ import annotations

from typing import Any

from gatewise.errors import GatewiseValueError, check_choice
from gatewise.layouts.layout import Layout

_BEFORE = {"reset": "before", "num_layers": 1, "bidirectional": False}
_ELMAN = {"nonlinearity": "tanh", "num_layers": 1, "bidirectional": False}


def _torch(cell: str, gates: str, **free: Any) -> Layout:
    keys = {"W": "weight_ih", "U": "weight_hh", "b": "bias_ih", "c": "bias_hh"}
    arrays = {matrix: {key: gates} for matrix, key in keys.items()}
    return Layout("torch", cell, arrays, bias_optional=True, stacks=True, free=free)


LAYOUTS = (
    _torch("gru", "rzn", reset="after"),
    _torch("lstm", "ifgo"),
    _torch("rnn", "n", nonlinearity="tanh"),
    Layout(
        "packed",
        "gru",
        {"W": {"Wx": "zrn"}, "U": {"Wh": "zrn"}, "b": {"b": "zrn"}},
        columns=True,
        bias_optional=True,
        writes=True,
        fixed=_BEFORE,
    ),
    Layout(
        "columns",
        "gru",
        {"W": {"W": "n", "W_r": "r", "W_z": "z"}, "U": {"U": "n", "U_r": "r", "U_z": "z"}},
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
        fixed=_BEFORE,
    ),
    Layout("elman", "rnn", {"W": {"Wx": "n"}, "U": {"Wh": "n"}, "b": {"b": "n"}}, columns=True, fixed=_ELMAN),
    Layout(
        "joined",
        "gru",
        {"WU": {"W_z": "z", "W_r": "r", "W_g": "n"}, "b": {"b_z": "z", "b_r": "r", "b_g": "n"}},
        fixed=_BEFORE,
    ),
)


def rows_of(name: str) -> list[Layout]:
    """Return the rows of the table for one system: one for each kind of cell."""
    check_choice("layout", name, dict.fromkeys(row.name for row in LAYOUTS))
    return [row for row in LAYOUTS if row.name == name]


def find(name: str, cell: str) -> Layout:
    """Return the row for one system and kind of cell."""
    check_choice("cell", cell, dict.fromkeys(row.cell for row in LAYOUTS))
    rows = {row.cell: row for row in rows_of(name)}
    if cell not in rows:
        raise GatewiseValueError(
            f"layout {name!r} was asked for the weights of a {cell}; it holds those of a {' or '.join(rows)}: "
            f"use {' or '.join('gw.' + name.upper() for name in rows)}, or another layout."
        )
    return rows[cell]
