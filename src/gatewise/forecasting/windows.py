"""What travels together wherever something is forecast: a panel, a plan, and the origins to forecast from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from gatewise.errors import Array
from gatewise.forecasting.panel import Origins, Panel
from gatewise.forecasting.plan import Plan
from gatewise.forecasting.references import median


@dataclass(frozen=True)
class Windows:
    """The steps around origins in a panel, as a plan sees them; n is the number of origins.

    Attributes
    ----------
    panel : Panel
    plan : Plan
    origins : Origins
    """

    panel: Panel
    plan: Plan
    origins: Origins

    def __len__(self) -> int:
        return len(self.origins.row)

    def at(self, index: Array | slice) -> Windows:
        """Return the windows at `index`."""
        return replace(self, origins=self.origins.at(index))

    def thinned(self, most: int, phase: float = 0.0) -> Windows:
        """Return at most `most` of them, evenly spaced; `phase` in [0, 1) shifts which."""
        return replace(self, origins=self.origins.thinned(most, phase))

    def chunks(self, size: int) -> Iterator[Windows]:
        """Yield them in order, `size` at a time."""
        for first in range(0, len(self), size):
            yield self.at(slice(first, first + size))

    def rows(self, offsets: Array) -> Array:
        """Rows (n, offsets) of the panel at these steps from each origin."""
        return self.panel.rows(self.origins, offsets)

    @property
    def behind(self) -> Array:
        """Rows (n, context) that the networks read."""
        return self.rows(np.arange(-self.plan.context, 0))

    @property
    def ahead(self) -> Array:
        """Rows (n, horizon) to forecast."""
        return self.rows(self.plan.steps)

    @property
    def size(self) -> Array:
        """Unit (n, 1) of the level of each window's series."""
        return self.plan.size[self.origins.series][:, None]

    @property
    def noise(self) -> Array:
        """Unit (n, 1) of deviations from the reference."""
        return self.plan.noise[self.origins.series][:, None]

    @cached_property
    def reference(self) -> Array:
        """The reference forecast (n, horizon), in the unit of the data."""
        return self.plan.reference.forecast(self.panel, self.origins, self.plan.steps, self.plan.memory)

    @cached_property
    def anchor(self) -> Array:
        """The level (n, 1) that a window is seen from: its last observation, or the mean of a season or a context."""
        if self.plan.is_random_walk:
            return self.panel.last(self.origins)[:, None]
        return self.panel.mean(self.origins, max(self.plan.context, self.plan.reference.season))[:, None]

    def targets(self, base: Array) -> Array:
        """What `base` (n, horizon) misses, in units of noise; NaN where nothing was observed."""
        return np.asarray((self.panel.y[self.ahead] - base) / self.noise)

    def with_targets(self) -> Windows:
        """The windows in which anything was observed within the horizon."""
        return self.at(np.asarray(np.isfinite(self.panel.y[self.ahead]).any(axis=1)))

    def season_before(self, rows: Array) -> Array:
        """The median of the reference's seasons before rows that have been observed; without seasons the row before."""
        panel, empty = self.panel, len(self.panel.y) - 1
        back = np.arange(1, self.plan.reference.seasons + 1) * self.plan.reference.season
        series = np.searchsorted(panel.stop, rows, side="right")
        first = np.append(panel.start, len(panel.y))[series]
        before = rows[..., None] - back
        before = np.where((before >= first[..., None]) & (rows < empty)[..., None], before, empty)
        return median(panel.y[before])
