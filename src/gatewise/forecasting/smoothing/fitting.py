"""All forms of exponential smoothing, and Theta, fitted to the series of a panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gatewise.errors import check_choice
from gatewise.forecasting.panel import Panel
from gatewise.forecasting.smoothing.exponential import fit_season
from gatewise.forecasting.smoothing.forms import ETS, FORMS, THETA
from gatewise.forecasting.smoothing.grid import View
from gatewise.forecasting.smoothing.smoothed import Smoothed, chosen
from gatewise.forecasting.smoothing.theta import fit_theta


def fit(panel: Panel, season: int, forms: Sequence[str] = FORMS) -> dict[str, Smoothed]:
    """Return the forms, fitted to every series of a panel, by name.

    panel : Panel
        Covariates are not read. A series without any observation starts from its first one, when it comes.
    season : int
        Steps of a season; 1 for none. Where a series holds less than two seasons, no form has one; where it is not
        positive, multiplicative forms are additive, and their criterion is infinite.
    forms : sequence of str
        Of `FORMS`.
    """
    for name in forms:
        check_choice("form", name, FORMS)
    view = View.of(panel, season)
    fitted: dict[str, Smoothed] = {}
    for kind in ("none", "additive", "multiplicative"):
        names = [name for name in forms if name in ETS and ETS[name].season == kind]
        fitted |= fit_season(view, kind, names) if names else {}
    fitted |= {name: fit_theta(view, THETA[name]) for name in forms if name in THETA}
    return {name: fitted[name] for name in forms}


def ets(fitted: Mapping[str, Smoothed]) -> Smoothed:
    """Return the form of exponential smoothing with the lowest AICc of each series, the first of equal ones."""
    forms = [fitted[name] for name in ETS if name in fitted]
    return chosen(forms, np.argmin([one.criterion for one in forms], axis=0))
