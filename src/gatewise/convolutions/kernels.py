"""Random convolutions of sequences, each summed up by the shares of steps above thresholds and by its highest value.

After Dempster, Schmidt and Webb, *MiniRocket: a very fast (almost) deterministic transform for time series
classification* (KDD 2021), sections 3.1 to 3.3: the 84 kernels of nine weights of which three are 2 and six are -1,
dilations spaced exponentially, thresholds at quantiles of the outputs for training sequences. The highest value is that
of Dempster, Petitjean and Webb, *ROCKET* (2020), section 3.2; the first differences beside the values are those of Tan
et al., *MultiRocket* (2022), section 3.1.

Everything here is causal: an output at step t reads steps up to t, steps before the first are 0 or do not count, and
nothing is normalized by the whole sequence. What is returned for a prefix comes from its own steps alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations
from typing import NamedTuple, Self

import numpy as np

from gatewise import plain
from gatewise.convolutions.counting import Fold
from gatewise.errors import Array, GatewiseValueError

TAPS = 9
TRIPLES = np.array(list(combinations(range(TAPS), 3)))
"""(84, 3): the taps whose weight is 2; the other six have -1."""
KERNELS = len(TRIPLES)
KINDS = 4
"""Groups of each dilation: of values and of differences, with zeros before the first step and without."""
MOST_DILATIONS = 32
STEPS_AT_ONCE = 60_000
"""Steps of sequences that are convolved together, so few that they stay in the processor's cache."""
LONGEST = 2**20
"""Steps between taps that a file may hold."""
GOLDEN = (np.sqrt(5) + 1) / 2


class Convolutions(NamedTuple):
    """Groups of the 84 kernels; each group has one dilation and reads one mixture of the channels."""

    mixtures: Array
    """(groups, channels) float32: weights with which the channels are summed."""
    dilations: Array
    """(groups,) int64: steps between taps."""
    differenced: Array
    """(groups,) bool: whether the first differences are read instead of the values."""
    padded: Array
    """(groups,) bool: whether steps before the first count as 0; if not, outputs that would need them do not count."""
    thresholds: Array
    """(groups, 84, thresholds of a kernel) float32."""

    @classmethod
    def draw(cls, x: Array, lengths: Array, size: int, rng: np.random.Generator) -> Self:
        """Return convolutions with about `size` thresholds for sequences x (n, time, channels) of these lengths."""
        dilations, per_kernel = _dilations(int(np.median(lengths)), x.shape[2], size)
        groups = np.arange(len(dilations))
        padded = (groups // 2 % 2 == 1) | (dilations * (TAPS - 1) + 1 >= lengths.min())
        thresholds = np.zeros((len(groups), KERNELS, per_kernel), np.float32)
        drawn = cls(_mixtures(len(groups), x.shape[2], rng), dilations, groups % 2 == 1, padded, thresholds)
        levels = (np.arange(thresholds.size) + 1) * GOLDEN % 1  # every stretch of them covers 0 to 1 evenly
        for group, own in enumerate(levels.reshape(thresholds.shape)):
            rows = rng.integers(len(x), size=KERNELS)
            thresholds[group] = _quantiles(drawn._one_output_each(group, x[rows], lengths[rows]), own)
        return drawn

    @property
    def sizes(self) -> tuple[int, int]:
        """Numbers of shares and of highest values that `summaries` returns for a sequence."""
        return self.thresholds.size, len(self.dilations) * KERNELS

    @classmethod
    def checked(cls, arrays: dict[str, Array], channels: int) -> Self:
        """Return those of a file; raise unless they fit together and so many channels."""
        drawn = cls(**arrays)
        plain.array("mixtures", drawn.mixtures, ("groups", channels), np.float32)
        groups = len(drawn.mixtures)
        plain.array("dilations", drawn.dilations, (groups,), np.int64)
        plain.array("differenced", drawn.differenced, (groups,), np.bool_)
        plain.array("padded", drawn.padded, (groups,), np.bool_)
        plain.array("thresholds", drawn.thresholds, (groups, KERNELS, "thresholds"), np.float32)
        if not ((drawn.dilations > 0) & (drawn.dilations <= LONGEST)).all():
            raise GatewiseValueError(f"its dilations are {drawn.dilations}; need numbers from 1 to {LONGEST}.")
        return drawn

    def summaries(self, x: Array, lengths: Array) -> tuple[Array, Array]:
        """Return what is read of sequences, each the same whatever sequences are beside it.

        Parameters
        ----------
        x : float32 (n, time, channels)
        lengths : int (n,)

        Returns
        -------
        shares : float32 (n, groups · 84 · thresholds)
            Steps whose output is above the threshold, over the steps that have an output.
        highest : float32 (n, groups · 84)
            The highest output, 0 if there is none.
        """
        n, T, _ = x.shape
        groups, kernels, per_kernel = self.thresholds.shape
        shares = np.empty((n, groups, kernels, per_kernel), np.float32)
        highest = np.empty((n, groups, kernels), np.float32)
        rows = max(1, STEPS_AT_ONCE // T)
        for start in range(0, n, rows):
            some = slice(start, start + rows)
            channels = _by_time(x[some], lengths[some])
            fold = Fold(max(1, min(KERNELS, rows // len(lengths[some]))), T, len(lengths[some]))
            for group in range(groups):
                above, highest[some, group] = self._summed_up(group, channels, fold)
                shares[some, group] = above / self._outputs_of(group, lengths[some])[:, None, None]
        return shares.reshape(n, -1), highest.reshape(n, -1)

    def _summed_up(self, group: int, channels: Array, fold: Fold) -> tuple[Array, Array]:
        """Counts above each threshold (n, 84, thresholds) and highest outputs (n, 84) of one group."""
        thresholds = self.thresholds[group]
        n = channels.shape[2]
        above = np.empty((*thresholds.shape, n), np.int32)
        highest = np.empty((KERNELS, n), np.float32)
        for some, outputs in _outputs(self._taps(group, channels), fold.kernels):
            for k in range(thresholds.shape[1]):
                above[some, k] = fold.count_above(outputs, thresholds[some, k])
            highest[some] = fold.highest(outputs)
        return above.transpose(2, 0, 1), np.nan_to_num(highest.T)

    def _outputs_of(self, group: int, lengths: Array) -> Array:
        """How many outputs each sequence has in a group, at least 1."""
        lost = 0 if self.padded[group] else int(self.differenced[group]) + (TAPS - 1) * int(self.dilations[group])
        return np.asarray(np.maximum(lengths - lost, 1))

    def _one_output_each(self, group: int, x: Array, lengths: Array) -> Array:
        """Outputs (time, 84) of each kernel for a sequence of its own, NaN where there is none."""
        taps = np.stack(self._taps(group, _by_time(x, lengths)))
        outputs = -taps.sum(axis=0)
        for taken in TRIPLES.T:
            outputs += 3 * taps[taken, :, np.arange(KERNELS)].T
        return np.asarray(outputs)

    def _taps(self, group: int, channels: Array) -> list[Array]:
        """Return nine views (time, n) of the group's mixture of channels (channels, time, n): 8·dilation … 0 back."""
        T, n = channels.shape[1:]
        dilation = min(int(self.dilations[group]), T)  # beyond, all taps but one read what is before the sequence
        before = (TAPS - 1) * dilation
        series = np.full((before + T, n), 0 if self.padded[group] else np.nan, np.float32)
        mixed = series[before:]
        mixed[:] = 0
        for channel in np.flatnonzero(self.mixtures[group]):
            mixed += self.mixtures[group, channel] * channels[channel]
        if self.differenced[group]:
            mixed[1:] -= mixed[:-1].copy()
            mixed[0] = 0 if self.padded[group] else np.nan
        return [series[k * dilation : k * dilation + T] for k in range(TAPS)]


def _by_time(x: Array, lengths: Array) -> Array:
    """Sequences as (channels, time, n), NaN past each end: an output that reads NaN is above no threshold."""
    channels = np.ascontiguousarray(x.transpose(2, 1, 0), np.float32)
    channels[:, np.arange(x.shape[1])[:, None] >= lengths] = np.nan
    return channels


def _outputs(taps: list[Array], kernels: int) -> Iterator[tuple[slice, Array]]:
    """Yield so many kernels at a time with their outputs (kernels, time, n)."""
    total = taps[0].copy()
    for tap in taps[1:]:
        total += tap
    threefold = np.stack([3 * tap for tap in taps])
    for start in range(0, KERNELS, kernels):
        some = slice(start, start + kernels)
        first, second, third = TRIPLES[some].T
        outputs = threefold[first]
        outputs -= total
        outputs += threefold[second]
        outputs += threefold[third]
        yield some, outputs


def _dilations(length: int, channels: int, size: int) -> tuple[Array, int]:
    """Return the dilation of each group, and how many thresholds each of its kernels has.

    A single channel has one group of each kind and dilation; of several channels more mixtures are drawn instead.
    """
    longest = min(LONGEST, max(1.0, (length - 1) / (TAPS - 1)))
    spaced = np.unique(np.floor(2 ** np.linspace(0, np.log2(longest), MOST_DILATIONS)).astype(np.int64))
    wanted = max(1, round(size / KERNELS / (KINDS * len(spaced))))
    times, per_kernel = (1, wanted) if channels == 1 else (wanted, 1)
    return np.repeat(np.tile(spaced, times), KINDS), per_kernel


def _mixtures(groups: int, channels: int, rng: np.random.Generator) -> Array:
    """Weights (groups, channels): 1 or -1 for a random subset, the logarithm of whose size is uniform; else 0."""
    mixtures = np.zeros((groups, channels), np.float32)
    for mixture in mixtures:
        size = int(2 ** rng.uniform(0, np.log2(min(channels, TAPS) + 1)))
        mixture[rng.choice(channels, size, replace=False)] = rng.choice([-1, 1], size) if size > 1 else 1
    return mixtures


def _quantiles(outputs: Array, levels: Array) -> Array:
    """Quantiles (columns, levels) of outputs (time, columns), of which NaN do not count; 0 where all are NaN."""
    ordered = np.sort(outputs, axis=0)
    last = np.count_nonzero(~np.isnan(ordered), axis=0)[:, None] - 1
    place = levels * np.maximum(last, 0)
    low = place.astype(int)
    high = np.minimum(low + 1, np.maximum(last, 0))
    columns = np.arange(outputs.shape[1])[:, None]
    between = ordered[low, columns] + (place - low) * (ordered[high, columns] - ordered[low, columns])
    return np.where(last < 0, 0, between)
