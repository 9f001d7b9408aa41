"""The recurrent layers by name: those of the library, and those that users define."""

from __future__ import annotations

from typing import Any

from gatewise.errors import GatewiseTypeError, GatewiseValueError
from gatewise.layers.own import OWN
from gatewise.layers.recurrent import RECURRENT
from gatewise.layers.stack import Recurrent


def recurrent_class(cell: Any) -> type[Recurrent]:
    """Return the layer class for a name in `RECURRENT` or `OWN`; a class of a recurrent layer stands for itself.

    Raises
    ------
    GatewiseError
        If there is no such name, or the class is none of a recurrent layer.

    Examples
    --------
    >>> recurrent_class("lstm").__name__
    'LSTM'
    """
    if isinstance(cell, type):
        if not issubclass(cell, Recurrent):
            raise GatewiseTypeError(
                f"cell is the class {cell.__name__}; need one of a recurrent layer, such as gw.GRU or what "
                f"gw.define_cell returns."
            )
        return cell
    known = RECURRENT | OWN
    if not isinstance(cell, str) or cell not in known:
        raise GatewiseValueError(
            f"cell is {cell!r}; need one of {', '.join(map(repr, known))}, or the class of a recurrent layer; a cell "
            f"of your own is to be defined first, with gw.define_cell."
        )
    return known[cell]


def cell_name(cell: Any) -> str:
    """Return the name under which `recurrent_class` has a layer class; names are returned as they are.

    Raises
    ------
    GatewiseError
        If the class is neither in `RECURRENT` nor in `OWN`.

    Examples
    --------
    >>> import gatewise as gw
    >>> cell_name(gw.GRU), cell_name("gru")
    ('gru', 'gru')
    """
    if isinstance(cell, str):
        return cell
    names = [name for name, kind in (RECURRENT | OWN).items() if kind is cell]
    if not names:
        raise GatewiseTypeError(f"{cell!r} has no name to be saved under; need a layer that gw.define_cell returned.")
    return names[0]
