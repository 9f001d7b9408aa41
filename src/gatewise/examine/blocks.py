"""Arrays of weights as blocks: which gate's matrix stands where in which array, transposed or not, joined or packed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.examine.building import is_bias, is_recurrent
from gatewise.examine.objects import plain

GATE_COUNTS = (1, 3, 4)


class Block(NamedTuple):
    """One gate's rows of W, U or a bias: part `number` of `parts` of an array."""

    array: str
    matrix: str
    """"W", "U" or "b"."""
    number: int
    parts: int
    transposed: bool
    """Whether the array is stored (inputs, units)."""
    span: tuple[int, int] | None = None
    """The inputs of a matrix on joined vectors that belong to it."""

    def read(self, value: Array) -> Array:
        """Return the block, (H, D), (H, H) or (H,)."""
        if self.matrix == "b":
            flat: Array = np.split(value.reshape(-1), self.parts)[self.number]
            return flat
        if value.ndim == 3:
            value = value[self.number]
            rows = value.T if self.transposed else value
        else:
            rows = np.split(value.T if self.transposed else value, self.parts)[self.number]
        return rows[:, self.span[0] : self.span[1]] if self.span else rows


class Arrangement(NamedTuple):
    """One way to read all arrays: the blocks of W, U and the biases, in the order of the arrays."""

    W: tuple[Block, ...]
    U: tuple[Block, ...]
    b: tuple[Block, ...]
    transposed: bool
    joined: str = ""
    """"xh" or "hx": the order of joined vectors."""


def readings(name: str, shape: Sequence[int], D: int, H: int, transposed: bool, joined: str) -> list[tuple[Block, ...]]:
    """Return the ways in which an array of this shape may hold blocks, given the orientation of matrices."""
    ways: list[tuple[Block, ...]] = []
    size = int(np.prod(shape))
    if len(shape) == 1 or (len(shape) == 2 and min(shape) == 1 and (is_bias(name) or D != 1)):
        if size % H == 0 and 1 <= size // H <= 8:
            return [tuple(Block(name, "b", k, size // H, False) for k in range(size // H))]
        return ways
    if len(shape) == 2 and is_bias(name) and shape[0] == 2 and shape[1] % H == 0:
        return [tuple(Block(name, "b", k, size // H, False) for k in range(size // H))]
    if len(shape) == 3:
        inner = readings(name, shape[1:], D, H, transposed, joined)
        return [
            tuple(way[0]._replace(number=k, parts=shape[0]) for k in range(shape[0])) for way in inner if len(way) == 1
        ]
    rows, inputs = tuple(shape)[::-1] if transposed else tuple(shape)
    parts, rest = divmod(rows, H)
    if rest or parts not in GATE_COUNTS:
        return ways
    if inputs == D and not (D == H and is_recurrent(name, [name])):
        ways.append(tuple(Block(name, "W", k, parts, transposed) for k in range(parts)))
    if inputs == H and not (D == H and not is_recurrent(name, [name])):
        ways.append(tuple(Block(name, "U", k, parts, transposed) for k in range(parts)))
    if inputs == D + H and joined:
        spans = {"xh": ((0, D), (D, D + H)), "hx": ((H, D + H), (0, H))}[joined]
        blocks = (Block(name, matrix, k, parts, transposed, span) for k in range(parts)
                  for matrix, span in zip("WU", spans, strict=True))  # fmt: skip
        ways.append(tuple(blocks))
    return ways


def arrangements(shapes: Mapping[str, Sequence[int]], D: int, H: int) -> Iterator[Arrangement]:
    """Yield every consistent way to read all arrays."""
    seen = set()
    for joined in ("", "xh", "hx"):
        for transposed in (True, False):
            for flipped in (False, True):  # square matrices alone may be stored the other way round
                found = _arrangement(shapes, D, H, transposed, flipped, joined)
                if found is not None and (found.W, found.U, found.b) not in seen:
                    seen.add((found.W, found.U, found.b))
                    yield found


def _arrangement(
    shapes: Mapping[str, Sequence[int]], D: int, H: int, transposed: bool, flipped: bool, joined: str
) -> Arrangement | None:
    parts: dict[str, list[Block]] = {"W": [], "U": [], "b": []}
    for name, shape in shapes.items():
        square = tuple(shape[-2:]) == (H, H) and flipped
        ways = readings(name, shape, D, H, transposed != square, joined)
        if not ways:
            return None
        for block in ways[0]:
            parts[block.matrix].append(block)
    W, U, b = (tuple(parts[matrix]) for matrix in "WUb")
    if len(W) != len(U) or len(W) not in GATE_COUNTS or bool(joined) != any(block.span for block in W):
        return None
    G = len(W)
    return Arrangement(W, U, b, transposed, joined) if len(b) in (0, G, G + 1, 2 * G) else None


def sizes(shapes: Mapping[str, Sequence[int]], hints: Mapping[str, int]) -> tuple[int, int] | None:
    """Return the D and H with which all arrays can be read, the more of them the better."""
    dims = {n for shape in shapes.values() for n in shape}
    units = sorted({n // k for n in dims for k in GATE_COUNTS if n % k == 0}, reverse=True)
    inputs = sorted(dims | {n - H for n in dims for H in units if n > H})
    options = [(D, H) for H in units for D in inputs if next(arrangements(shapes, D, H), None) is not None]
    options.sort(key=lambda pair: (pair[0] != hints.get("D", pair[0])) + (pair[1] != hints.get("H", pair[1])))
    return options[0] if options else None


def by_tags(blocks: Sequence[Block]) -> tuple[Block, ...] | None:
    """Return blocks of one array each in the order of what their names have beside the matrix's letter."""
    if any(block.parts > 1 for block in blocks) or len(blocks) < 2:
        return None
    tags = [tag(block.array) for block in blocks]
    return tuple(block for _, block in sorted(zip(tags, blocks, strict=True))) if len(set(tags)) == len(tags) else None


def tag(name: str) -> str:
    """Return the part of a weight's name that says the gate: `z` of `W_z`, `Uz`, `bz`, `W_xz`, `Whz`, `W_hz`."""
    text = plain(name)
    for word in ("weight", "bias", "kernel"):
        text = text.lower().replace(word, "", 1) if word in text.lower() else text
    text = text[1:] if len(text) > 1 or text in ("W", "U", "b") else text
    for prefix in ("ih", "hh", "x", "h", "i"):
        if text.lower().startswith(prefix) and len(text) > len(prefix):
            text = text[len(prefix) :]
            break
    text = text[:-1] if len(text) > 1 and text[-1] in "xh" else text
    return text.lower()
