"""The forms of exponential smoothing, and of Theta, by name."""

from __future__ import annotations

from typing import NamedTuple

SPELLED = {"A": "additive", "Ad": "damped", "M": "multiplicative", "N": "none"}


class Form(NamedTuple):
    """What is smoothed: `trend` none, additive or damped; `season` none, additive or multiplicative.

    An additive `error` has the same spread everywhere, a multiplicative one a spread in proportion to the forecast: the
    likelihood that is maximized differs, the recursion does not.
    """

    error: str
    trend: str
    season: str

    @classmethod
    def of(cls, name: str) -> Form:
        """Return the form of a name such as "MAdM": error, trend, season."""
        return cls(SPELLED[name[0]], SPELLED[name[1:-1]], SPELLED[name[-1]])

    def count(self, m: int) -> int:
        """Return the number of parameters, of first states, and one for the variance."""
        return 3 + {"none": 0, "additive": 2, "damped": 3}[self.trend] + (m if self.season != "none" and m > 1 else 0)


def _forms(error: str, season: str) -> dict[str, Form]:
    """Return the forms with all trends by name."""
    return {name: Form.of(name) for name in (f"{error}{trend}{season}" for trend in ("N", "A", "Ad"))}


ETS = {**_forms("A", "N"), **_forms("A", "A"), **_forms("M", "M")}
"""Forms of exponential smoothing by their usual names: errors, trend, season; "Ad" is a damped trend."""

RELATIVE = {**_forms("M", "N"), **_forms("M", "A")}
"""Further ones, with multiplicative errors; they forecast a little better on real series, and cost two thirds more."""

THETA: dict[str, float | None] = {"theta": 0.5, "optimized theta": None}
"""The share of the slope of the line through a series that goes into a forecast; None lets the errors choose it."""

FORMS = (*ETS, *RELATIVE, *THETA)
