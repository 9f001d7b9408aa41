"""Simple methods beside the linear path, each fitted to its series alone, and all of them weighed into one forecast."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting.panel import Panel
from gatewise.forecasting.references import Reference
from gatewise.forecasting.smoothing import fitting as smoothing
from gatewise.forecasting.smoothing.forms import ETS, FORMS
from gatewise.forecasting.smoothing.smoothed import Smoothed
from gatewise.forecasting.windows import Windows

PLAIN = ("naive", "drift")
LEVELS = ("ANN", "AAN", "AAdN")
SEASONAL = ("ANA", "AAA", "AAdA", "MNM", "MAM", "MAdM")
OF_LONGER = ("ANA", "AAdA")  # forms of the seasons beyond the shortest
LONGEST_SEASON = 400  # steps of a season that is smoothed: beyond, the first indices alone take as long as the rest
PATH = 3.0  # what the path counts before anything was held out; these priors were chosen on real and generated series
YEAR = 12  # months: of longer seasons, exponential smoothing knows the less, the longer they are
USUAL_ROWS, BOUNDS = 150, (0.3, 1.5)  # the path counts by the rows that it is fitted to, within bounds
WITH_SEASON = {"likely": 4.0, "theta": 1.5, "AAdN": 0.4, "AAdA": 0.4, "MAdM": 0.4, "other": 0.2}
WITHOUT_SEASON = {"likely": 2.0, "theta": 2.0, "AAdN": 1.0, "other": 0.5}
LEAST = 0.005  # mean weight below which a method is left out
FARTHEST, FARTHER = 8.0, 2.0  # units of a series that a method may go from the last observation, and more a step


class Method(NamedTuple):
    """A simple method by the name of its reference or of its form of exponential smoothing."""

    name: str
    season: int = 1
    seasons: int = 1

    @property
    def reference(self) -> Reference | None:
        """What forecasts if it has no parameters."""
        return None if self.name in FORMS else Reference(self.name, self.season, self.seasons)

    def __str__(self) -> str:
        if self.name in ETS:
            return "exponential smoothing"
        return str(self.reference or self.name)


def methods_for(seasons: tuple[int, ...], length: int) -> tuple[Method, ...]:
    """Return the methods that series of this length allow."""
    fitting = [season for season in seasons if 2 * season <= length and season <= LONGEST_SEASON]
    shortest = fitting[0] if fitting else 1
    found = [*map(Method, PLAIN), *(Method("seasonal", season) for season in seasons)]
    found += [*map(Method, LEVELS), Method("theta", shortest)]
    for season in fitting:
        found += [Method(name, season) for name in (SEASONAL if season == shortest else OF_LONGER)]
    return tuple(found)


def prior_weights(members: tuple[Method, ...], rows: int) -> Array:
    """Return the weights (2 + members,) of path, likely forms and methods before any of `rows` was held out."""
    longest = max(method.season for method in members)
    path = PATH * max(1.0, longest / YEAR) * float(np.clip(rows / USUAL_ROWS, *BOUNDS))
    priors = WITH_SEASON if longest > 1 else WITHOUT_SEASON
    names = ("likely", *(method.name for method in members))
    weights = np.array([path, *(priors.get(name, priors["other"]) for name in names)])
    return np.asarray(weights / weights.sum())


@dataclass(frozen=True)
class Methods:
    """Methods fitted to each series of a panel; `smoothed` has an entry for each that has parameters."""

    members: tuple[Method, ...]
    smoothed: dict[Method, Smoothed]

    @classmethod
    def fit(cls, panel: Panel, members: tuple[Method, ...]) -> Methods:
        """Fit those that have parameters to what is observed in a panel."""
        smoothed: dict[Method, Smoothed] = {}
        for season in sorted({method.season for method in members if method.reference is None}):
            names = [m.name for m in members if m.season == season and m.reference is None]
            smoothed |= {Method(name, season): one for name, one in smoothing.fit(panel, season, names).items()}
        return cls(members, smoothed)

    @property
    def likely(self) -> Array:
        """Akaike weights (series, members) of the forms of exponential smoothing, of those with the shortest season.

        See Kolassa, International Journal of Forecasting 27 (2011).
        """
        season = min((m.season for m in self.members if m.name in ETS and m.season > 1), default=1)
        forms = [k for k, m in enumerate(self.members) if m.name in ETS and m.season in (1, season)]
        criteria = np.stack([self.smoothed[self.members[k]].criterion for k in forms], axis=1)
        criteria[~np.isfinite(criteria).any(axis=1), 0] = 0.0
        weights = np.zeros((len(criteria), len(self.members)))
        weights[:, forms] = np.exp((criteria.min(axis=1, keepdims=True) - criteria) / 2)
        return np.asarray(weights / weights.sum(axis=1, keepdims=True))

    def forecast(self, windows: Windows) -> Array:
        """Forecasts (members, n, horizon) in the unit of the data, none far from the last observation."""
        last = windows.panel.last(windows.origins)[:, None]
        far = (FARTHEST + FARTHER * windows.plan.steps) * windows.size
        return np.stack([np.clip(self._one(method, windows, last), last - far, last + far) for method in self.members])

    def _one(self, method: Method, windows: Windows, last: Array) -> Array:
        panel, origins, plan = windows.panel, windows.origins, windows.plan
        if method.reference is not None:
            return method.reference.forecast(panel, origins, plan.steps, plan.memory)
        values = self.smoothed[method].forecast(panel, origins, plan.steps)
        return np.where(np.isfinite(values), values, last)

    def advanced(self, panel: Panel, rows: Array) -> Methods:
        """The same with the states before the flat rows `rows` (series,): for a panel that begins there."""
        return replace(self, smoothed={key: one.advanced(panel, rows) for key, one in self.smoothed.items()})

    def weighed(self, weights: Array) -> Combination:
        """Combine those that count by `weights` (series, 2 + members) of path, likely forms and each."""
        every = np.concatenate([weights[:, :1], weights[:, 2:] + weights[:, 1:2] * self.likely], axis=1)
        kept = np.flatnonzero(every[:, 1:].mean(axis=0) >= LEAST)
        members = tuple(self.members[k] for k in kept)
        every = every[:, np.append(0, 1 + kept)]
        smoothed = {key: one for key, one in self.smoothed.items() if key in members}
        return Combination(Methods(members, smoothed), every / every.sum(axis=1, keepdims=True))


@dataclass(frozen=True)
class Combination:
    """Weights (series, 1 + members) of the path and of methods; each row sums to 1."""

    methods: Methods
    weights: Array

    def forecast(self, windows: Windows, path: Array) -> Array:
        """The weighed forecast (n, horizon), in the unit of the data; `path` is that of reference and linear path."""
        if not self.methods.members:
            return path
        every = np.concatenate([path[None], self.methods.forecast(windows)])
        return np.asarray(np.einsum("nk,knh->nh", self.weights[windows.origins.series], every))

    def advanced(self, panel: Panel, rows: Array) -> Combination:
        """The same for a panel that begins at the flat rows `rows` (series,)."""
        return replace(self, methods=self.methods.advanced(panel, rows))

    def words(self, path: str) -> str:
        """Return what is weighed, in percent of all series together, with what the `path` is called."""
        share: dict[str, float] = {}
        for name, weight in zip([path, *map(str, self.methods.members)], self.weights.mean(axis=0), strict=True):
            share[name] = share.get(name, 0.0) + float(weight)
        order = sorted(share, key=lambda name: -share[name])
        return ", ".join(f"{share[name]:.0%} {name}" for name in order if share[name] >= LEAST)
