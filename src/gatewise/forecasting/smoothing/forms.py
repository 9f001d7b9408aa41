"""The forms of exponential smoothing, and of Theta, by name."""

from __future__ import annotations

from typing import NamedTuple


class Form(NamedTuple):
    """What is smoothed: `trend` none, additive or damped; `season` none, additive or multiplicative."""

    trend: str
    season: str

    def count(self, m: int) -> int:
        """Return the number of parameters, of first states, and one for the variance."""
        return 3 + {"none": 0, "additive": 2, "damped": 3}[self.trend] + (m if self.season != "none" else 0)


ETS = {
    "ANN": Form("none", "none"),
    "AAN": Form("additive", "none"),
    "AAdN": Form("damped", "none"),
    "ANA": Form("none", "additive"),
    "AAA": Form("additive", "additive"),
    "AAdA": Form("damped", "additive"),
    "MNM": Form("none", "multiplicative"),
    "MAM": Form("additive", "multiplicative"),
    "MAdM": Form("damped", "multiplicative"),
}
"""Forms of exponential smoothing by their usual names: errors, trend, season; "Ad" is a damped trend."""

THETA: dict[str, float | None] = {"theta": 0.5, "optimized theta": None}
"""The share of the slope of the line through a series that goes into a forecast; None lets the errors choose it."""

FORMS = (*ETS, *THETA)
