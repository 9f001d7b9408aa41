"""How a batch is cut for the backward pass: by its sizes alone, so that gradients do not depend on who computes them.

Sums of floating-point numbers differ in the last bits with the order of their terms. Each piece of the batch has sums
of its own, which are added in a fixed order; threads take whole pieces. Letters: `sizes.py`.

The numbers were measured with GRU and LSTM at the shapes of `gatewise bench` and some with more rows, where one and two
threads train as fast as if the batch were cut for them, or up to 5 % slower. With few=2 it would be 1 %, but then four
threads could not share a batch of 32.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple


class Plan(NamedTuple):
    """Piece k of `pieces` has the rows from k·B // pieces on; `together` of them a chunk of `steps` steps."""

    pieces: int
    together: int
    steps: int


class Limits(NamedTuple):
    """What suits a layer."""

    few: int  # pieces that may have `rows` rows each; more of them have `rows_of_many`
    rows: int
    rows_of_many: int
    least: int  # rows × steps of a piece: to clear, write and add its sums takes as long as some of them
    together: int  # rows that a thread takes through time together: read once for them, U should not wait for memory
    chunk: int  # rows × steps whose gradients of weights are added at once


# What a thread works with stays in the L2 cache of its core, or, where U is FAR, comes from beyond it anyway.
NEAR_LIMITS = Limits(few=4, rows=8, rows_of_many=16, least=32, together=32, chunk=256)
FAR_LIMITS = Limits(few=2, rows=16, rows_of_many=32, least=1536, together=64, chunk=512)
MOST = 16


@lru_cache(256)
def plan(B: int, T: int, most: int, far: bool) -> Plan:
    """Return how a batch is cut into at most `most` pieces; far: whether U is too large for the L2 cache of a core.

    There are 1, 2, 4, … pieces. A batch of few rows has two nonetheless, unless U is far and threads share its units.
    """
    limits = FAR_LIMITS if far else NEAR_LIMITS
    of_rows = max(min(limits.few, B // limits.rows), B // limits.rows_of_many, 1 if far else min(B, 2))
    limit = min(most, MOST, B * T // limits.least, of_rows)
    pieces = 1
    while 2 * pieces <= limit:
        pieces *= 2
    of_one = -(-B // pieces)
    together = min(pieces, max(1, limits.together // of_one))
    chunks = max(1, -(-T // max(1, limits.chunk // min(B, together * of_one))))
    return Plan(pieces, together, max(1, -(-T // chunks)))
