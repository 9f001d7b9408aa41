"""Which rows of each partition an update takes, and with which random numbers: a function of seed and place alone."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from gatewise.batches import Samples
from gatewise.errors import Array

ORDER, MASKS = 0, 1  # what random numbers are for
KEPT = 16  # orders that a worker keeps, one a partition


class Plan(NamedTuple):
    """The batches of every epoch, partition by partition.

    In each of the `steps` of an epoch every partition gives the next of its rows, in an order of its own, as many as
    makes the shares of all steps equal. So each row is taken once an epoch, whatever the sizes of the partitions.
    """

    seed: int
    steps: int
    shuffle: bool = True
    held_out: float = 0.0
    """The share of the rows of each partition, taken from its end, that is not trained on."""

    def learned(self, rows: int) -> int:
        """Return how many of a partition's rows are trained on: the first ones."""
        return rows - round(self.held_out * rows)

    def training(self, part: Samples) -> Samples:
        """Return the rows of a partition that are trained on."""
        return part.rows(slice(self.learned(len(part.x)))) if self.held_out else part

    def validation(self, part: Samples) -> Samples:
        """Return the rows of a partition that are held out."""
        return part.rows(slice(self.learned(len(part.x)), None))

    def rows(self, epoch: int, step: int, number: int, count: int) -> Array:
        """Return the rows of a step, of the `count` training rows of the partition `number`.

        Examples
        --------
        >>> plan = Plan(seed=0, steps=3)
        >>> sorted(np.concatenate([plan.rows(0, step, 5, 7) for step in range(3)]).tolist())
        [0, 1, 2, 3, 4, 5, 6]
        """
        start, stop = (k * count // self.steps for k in (step, step + 1))
        if not self.shuffle:
            return np.arange(start, stop)
        return _order(self.seed, epoch, number, count)[start:stop]

    def masks(self, epoch: int, step: int, number: int) -> np.random.Generator:
        """Return the source of the dropout masks and noise of a step in a partition."""
        return np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(MASKS, epoch, step, number)))


@lru_cache(maxsize=KEPT)
def _order(seed: int, epoch: int, number: int, count: int) -> Array:
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(ORDER, epoch, number)))
    return rng.permutation(count)
