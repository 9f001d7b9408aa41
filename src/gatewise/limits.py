"""How large what a file asks for may be, before anything is allocated; whoever trusts a file can raise it."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields, replace
from typing import Self

from gatewise.errors import GatewiseValueError, check_number

VARIABLE = "GATEWISE_LIMITS"


@dataclass(frozen=True)
class Limits:
    """Largest sizes that a file may ask for; what is larger is refused with a `GatewiseError` that names the limit.

    Most of what a file says is held against what it holds, and needs no limit. These bound the rest.

    Parameters
    ----------
    layers : int
        Layers of a model, those within others among them.
    depth : int
        Layers, lists or graphs within one another.
    steps : int
        Horizon, context, season or other number of time steps that a model's file may name.
    expansion : int
        How many times larger than the file its unpacked content may be.
    unpacked : int
        Bytes up to which unpacked content is no question of `expansion`.
    header : int
        Bytes of the header of a safetensors file, which holds the description of a model.
    values : int
        Numbers, texts, lists and mappings in one JSON text of a file, such as that header or that description.
    columns : int
        Columns of a table.
    field : int
        Characters of one cell of a table.

    Raises
    ------
    GatewiseError
        If a limit is no positive integer.

    Examples
    --------
    >>> Limits(columns=50_000).columns, Limits().depth
    (50000, 64)
    """

    layers: int = 1000
    depth: int = 64
    steps: int = 100_000
    expansion: int = 200
    unpacked: int = 2**24
    header: int = 2**25
    values: int = 500_000
    columns: int = 20_000
    field: int = 131_072

    def __post_init__(self) -> None:
        for one in fields(self):
            check_number(one.name, getattr(self, one.name), 1, integer=True)

    @classmethod
    def usual(cls) -> Self:
        """Return the limits where a caller gives none: the defaults, and what GATEWISE_LIMITS says of them.

        That variable is how the command line raises a limit: GATEWISE_LIMITS="columns=50000,field=1000000".
        """
        return cls().changed(os.environ.get(VARIABLE, ""))

    def changed(self, text: str) -> Self:
        """Return these limits with what a text such as "columns=50000" says.

        Examples
        --------
        >>> Limits().changed("depth=8, columns=9").depth
        8
        """
        numbers = dict(_pairs(text, {one.name for one in fields(self)}))
        return replace(self, **numbers)


def _pairs(text: str, known: set[str]) -> list[tuple[str, int]]:
    pairs = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (piece.strip() for piece in part.partition("="))
        if name not in known or not number.isdecimal():
            names = ", ".join(sorted(known))
            raise GatewiseValueError(f"{VARIABLE} has {part!r}; need NAME=NUMBER, the name one of {names}.")
        pairs.append((name, int(number)))
    return pairs
