"""From what a forecaster expected and what came to alarms, at a rate of false ones that the user names.

Three rules look at each value; each may raise a third of the false alarms:

    spike    the value lies far out in its predictive distribution F: p = 2 min(F(y), 1 − F(y))
    shift    values have been on one side for long: e = (1 − λ) e + λ z with z = Φ⁻¹(F(y)) is far from 0 (an EWMA chart)
    stuck    the same value comes again and again: p is the product of the probabilities of each repetition

A p-value is right only as far as the forecaster is. So it is held against the p-values of the same rule on the last
values of the stream: p' is the share of those that are as small, itself counted (a conformal p-value). If the stream is
as it was, a rule then raises its share of false alarms whatever the errors are distributed like. Until enough values
have been seen the p-value as it stands has a weight in p' too, which fades.

Sources: Roberts (1959), *Control chart tests based on geometric moving averages*; Laxhammar and Falkman (2014), *Online
learning and sequential anomaly detection in trajectories*.
"""

from __future__ import annotations

import math
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri

from gatewise import plain
from gatewise.errors import Array

RULES = ("spike", "shift", "stuck")
REMEMBERED = 2000  # p-values of a rule, at the least, that a new one is held against
TIMES = 10  # with small rates as many as a rule takes for so many false alarms
SMOOTHING = 0.1  # λ, the usual value of the chart: about the last 20 values count
FARTHEST = 4.0  # |z| that a value counts as at the most, so that one spike is no shift
SMALLEST = 1e-12  # probability that F is taken for at the least, so that z is finite


class Alarm(NamedTuple):
    """What the rules say of one value."""

    score: float
    """z, how far out the value lies in its distribution, in standard deviations of a normal one, with the sign."""
    p_value: float
    """Of the values of a stream as it was, this share is as suspicious; NaN if there was no value."""
    kind: str
    """The rule that raised an alarm; "" if there is none."""


class Alarms:
    """The rules on one stream, value by value.

    Parameters
    ----------
    rate : float
        Share of false alarms among the values of a stream as it was, in (0, 0.5].

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> alarms = Alarms(0.01)
    >>> false = sum(bool(alarms.take(u, 1e-4, False).kind) for u in rng.uniform(size=2000))
    >>> false < 40
    True
    >>> alarms.take(1e-9, 1e-4, False).kind
    'spike'
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._ranks = {rule: _Ranks(len(RULES) / rate) for rule in RULES}
        self._average = 0.0
        self._run = 1.0  # probability of the repetitions up to now
        self._last = ""

    def take(self, probability: float, repetition: float, repeated: bool) -> Alarm:
        """Look at the next value.

        Parameters
        ----------
        probability : float
            F(y) of it; NaN if there is none.
        repetition : float
            How probable it was that the value before would come again.
        repeated : bool
            Whether it did.

        Returns
        -------
        Alarm
        """
        self._run = self._run * max(repetition, SMALLEST) if repeated else 1.0
        if math.isnan(probability):
            self._last = ""
            return Alarm(math.nan, math.nan, "")
        score = float(ndtri(min(max(probability, SMALLEST), 1 - SMALLEST)))
        claimed = {
            "spike": 2 * min(probability, 1 - probability),
            "shift": self._shift(float(np.clip(score, -FARTHEST, FARTHEST))),
            "stuck": self._run,
        }
        ranked = {rule: self._ranks[rule].of(p) for rule, p in claimed.items()}
        rule = min(RULES, key=ranked.__getitem__)
        p_value = min(1.0, len(RULES) * ranked[rule])
        kind = rule if p_value <= self.rate else ""
        for name, p in claimed.items():
            if not name == kind == self._last:  # a fault that goes on counts once
                self._ranks[name].add(p)
        if kind == "shift":
            self._average = 0.0
        self._last = kind
        return Alarm(score, p_value, kind)

    def _shift(self, score: float) -> float:
        """Take z into the average; return how probable one as far from 0 is, if all z are independent and normal."""
        self._average += SMOOTHING * (score - self._average)
        return 2 * float(ndtr(-abs(self._average) / math.sqrt(SMOOTHING / (2 - SMOOTHING))))

    def numbers(self) -> dict[str, Any]:
        """Return the state without `ranks`, plain enough for JSON."""
        return {"average": self._average, "run": self._run, "last": self._last}

    def ranks(self) -> dict[str, Array]:
        """Return the p-values remembered of each rule, float64 (n,)."""
        return {rule: np.array(ranks.recent, np.float64) for rule, ranks in self._ranks.items()}

    def load(self, numbers: Mapping[str, Any], ranks: Mapping[str, Array]) -> None:
        """Continue from what `numbers` and `ranks` returned."""
        plain.known_keys("its alarms", numbers, self.numbers())
        self._average = plain.real("average", numbers["average"])
        self._run, self._last = plain.real("run", numbers["run"]), plain.text("last", numbers["last"])
        for rule in RULES:
            array = plain.array(rule, ranks[rule], ("values",), np.float64)
            self._ranks[rule] = _Ranks(len(RULES) / self.rate, array.tolist())


class _Ranks:
    """The last p-values of a rule, and where a new one stands among them."""

    def __init__(self, trust: float, recent: Sequence[float] = ()) -> None:
        self._trust = trust  # observations that a p-value as it stands counts as at first
        self._most = max(REMEMBERED, round(TIMES * trust))
        self.recent = deque(recent[-self._most :])
        self._sorted = sorted(self.recent)

    def of(self, p: float) -> float:
        """The share of p-values that are as small; the fewer there are, the more p itself as it stands."""
        count = len(self._sorted)
        new = 1 - count / self._most
        as_small = new * self._trust * p + (1 - new) + bisect_right(self._sorted, p)
        return as_small / (new * self._trust + (1 - new) + count)

    def add(self, p: float) -> None:
        """Remember a p-value, and forget the oldest of too many."""
        self.recent.append(p)
        insort(self._sorted, p)
        if len(self.recent) > self._most:
            del self._sorted[bisect_right(self._sorted, self.recent.popleft()) - 1]
