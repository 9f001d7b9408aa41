"""Symbols as lines of C: one line for each value that has a name or is used more than once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from gatewise.interop.symbols import Symbol, in_order

INFIX = {"*": 6, "/": 6, "+": 5, "-": 5, ">": 4, "<": 4, ">=": 4, "<=": 4, "==": 3, "!=": 3, "&&": 2, "||": 1}
PREFIX, ATOM, CHOICE = 7, 8, 0
_OF_C = """
auto break case char const continue default do double else enum extern float for goto if inline int long register
restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
asm bool class delete false new private public template this throw true try using virtual
"""
RESERVED = frozenset([*_OF_C.split(), "p", "q", "j", "s", "x", "y"])
"""Words of C and C++, and names that the lines of a step have anyway."""


class Names:
    """Names of values in one block of C, each once."""

    def __init__(self) -> None:
        self._taken: set[str] = set(RESERVED)

    def new(self, wish: str) -> str:
        """Return a name as near to `wish` as C and the names before allow."""
        plain = "".join(c if c.isascii() and (c.isalnum() or c == "_") else "_" for c in wish)
        plain = plain if plain[:1].isalpha() else f"v{plain}"
        name, number = plain, 1
        while name in self._taken:
            number += 1
            name = f"{plain}{number}" if plain[-1:].isalpha() else f"{plain}_{number}"
        self._taken.add(name)
        return name


def literal(value: float, real: str) -> str:
    """Return a number as C writes it, the nearest of its type.

    Examples
    --------
    >>> literal(0.1, "float"), literal(2, "double")
    ('0.1f', '2.0')
    """
    return f"{np.float32(value)!s}f" if real == "float" else repr(float(value))


class Writer:
    """Writes symbols as lines of C; `functions` collects the names of the helpers that the lines call."""

    def __init__(self, real: str, prefix: str, names: Names) -> None:
        self.real, self.prefix, self.names = real, prefix, names
        self.functions: set[str] = set()

    def lines(
        self, results: Iterable[Symbol], wishes: Mapping[Symbol, str], named: Mapping[Symbol, str]
    ) -> tuple[list[str], dict[Symbol, str]]:
        """Return the lines that compute `results`, and the expression of each result.

        A value has a line of its own if it has a name in `named`, or is used more than once, then with a name like that
        in `wishes`.
        """
        results = list(dict.fromkeys(results))
        uses = _uses(results)
        lines: list[str] = []
        written: dict[Symbol, tuple[str, int]] = {}
        for symbol in in_order(results):
            text, rank = self._text(symbol, written)
            if symbol.operation not in ("input", "number") and (symbol in named or uses[symbol] > 1):
                kind = "int" if symbol.is_truth else self.real
                name = named[symbol] if symbol in named else self.names.new(wishes.get(symbol, "t"))
                lines.append(f"const {kind} {name} = {text};")
                text, rank = name, ATOM
            written[symbol] = (text, rank)
        return lines, {symbol: written[symbol][0] for symbol in results}

    def _text(self, symbol: Symbol, written: Mapping[Symbol, tuple[str, int]]) -> tuple[str, int]:
        operation = symbol.operation
        if operation == "input":
            return str(symbol.name), ATOM
        if operation == "number":
            return literal(symbol.name, self.real), ATOM if symbol.name >= 0 else PREFIX

        def part(index: int, rank: int) -> str:
            text, own = written[symbol.operands[index]]
            return f"({text})" if own < rank else text

        if operation in INFIX:
            rank = INFIX[operation]
            # Of ranks that are equal C takes the left first, as NumPy did; compilers warn of && beside || without ( ).
            left = ATOM if operation in ("&&", "||") else rank
            return f"{part(0, left)} {operation} {part(1, max(left, rank + 1))}", rank
        if operation in ("negative", "not"):
            return f"{'-' if operation == 'negative' else '!'}{part(0, ATOM)}", PREFIX
        if operation == "where":
            return f"{part(0, CHOICE + 1)} ? {part(1, CHOICE + 1)} : {part(2, CHOICE + 1)}", CHOICE
        self.functions.add(operation)
        arguments = ", ".join(part(k, CHOICE) for k in range(len(symbol.operands)))
        return f"{self.prefix}_{operation}({arguments})", ATOM


def _uses(results: Iterable[Symbol]) -> Counter[Symbol]:
    """How often each value is read, results included."""
    uses = Counter(results)
    for symbol in in_order(results):
        uses.update(symbol.operands)
    return uses
