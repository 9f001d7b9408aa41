"""How large what a file asks for may be, before anything is allocated; whoever trusts a file can raise it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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
        Layers of a model, those within others among them; steps of a pipeline; networks and methods of a forecaster.
    depth : int
        Layers, pipelines or graphs within one another.
    seasons : int
        Seasons of a forecaster, and how many of one are read.
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
    line : int
        Bytes of one line of a table or a stream.

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
    seasons: int = 64
    steps: int = 100_000
    expansion: int = 200
    unpacked: int = 2**24
    header: int = 2**25
    values: int = 500_000
    columns: int = 10_000
    field: int = 131_072
    line: int = 2**22

    def __post_init__(self) -> None:
        for one in fields(self):
            check_number(one.name, getattr(self, one.name), 1, integer=True)

    @classmethod
    def usual(cls) -> Self:
        """Return the limits where a caller gives none: the defaults, and what GATEWISE_LIMITS says of them.

        That variable is how the command line raises a limit: GATEWISE_LIMITS="columns=50000,field=1000000".
        """
        return cls().changed(os.environ.get(VARIABLE, ""))

    def check(self, name: str, asked: int, what: str) -> None:
        """Raise if `what` asks for more than the limit of this name.

        Examples
        --------
        >>> Limits().check("depth", 65, "the model")
        Traceback (most recent call last):
            ...
        gatewise.errors.GatewiseValueError: the model asks for depth=65; the limit is depth=64: if you trust the file, \
pass limits=gw.Limits(depth=65), or set GATEWISE_LIMITS="depth=65" for a command.
        """
        most = getattr(self, name)
        if asked > most:
            raise GatewiseValueError(
                f"{what} asks for {name}={asked}; the limit is {name}={most}: {self._to_raise(name, asked)}."
            )

    def check_unpacked(self, asked: int, held: int, what: str, unit: str = "bytes") -> None:
        """Raise if something of `asked` bytes, or numbers, comes of `held` ones in a file, which are far less.

        Examples
        --------
        >>> Limits().check_unpacked(2**30, 2**10, "a forecast")
        Traceback (most recent call last):
            ...
        gatewise.errors.GatewiseValueError: a forecast asks for 1,073,741,824 bytes and the file holds 1,024 for it; \
the limit is 16,777,216, or 200 times what it holds: if you trust the file, pass \
limits=gw.Limits(unpacked=1073741824), or set GATEWISE_LIMITS="unpacked=1073741824" for a command.
        """
        if asked > max(self.unpacked, self.expansion * held):
            raise GatewiseValueError(
                f"{what} asks for {asked:,} {unit} and the file holds {held:,} for it; the limit is {self.unpacked:,}, "
                f"or {self.expansion} times what it holds: {self._to_raise('unpacked', asked)}."
            )

    @staticmethod
    def _to_raise(name: str, asked: int) -> str:
        return (
            f"if you trust the file, pass limits=gw.Limits({name}={asked}), or set "
            f'{VARIABLE}="{name}={asked}" for a command'
        )

    def changed(self, text: str) -> Self:
        """Return these limits with what a text such as "columns=50000" says.

        Examples
        --------
        >>> Limits().changed("depth=8, columns=9").depth
        8
        """
        numbers = dict(_pairs(text, {one.name for one in fields(self)}))
        return replace(self, **numbers)


_IN_FORCE: ContextVar[Limits | None] = ContextVar("limits in force", default=None)


@contextmanager
def in_force(limits: Limits | None) -> Iterator[Limits]:
    """Let `current` return these limits within, the usual ones if None: for readers deep below the call that has them.

    Examples
    --------
    >>> with in_force(Limits(depth=7)):
    ...     current().depth
    7
    """
    token = _IN_FORCE.set(limits or Limits.usual())
    try:
        yield current()
    finally:
        _IN_FORCE.reset(token)


def current() -> Limits:
    """Return the limits in force here, the usual ones where nobody has set others."""
    return _IN_FORCE.get() or Limits.usual()


def _pairs(text: str, known: set[str]) -> list[tuple[str, int]]:
    pairs = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (piece.strip() for piece in part.partition("="))
        if name not in known or not number.isdecimal():
            names = ", ".join(sorted(known))
            raise GatewiseValueError(f"{VARIABLE} has {part!r}; need NAME=NUMBER, the name one of {names}.")
        pairs.append((name, int(number)))
    return pairs
