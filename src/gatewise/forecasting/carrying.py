"""What a forecaster learned of some series, for other series of the same kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gatewise.forecasting.calibration import lowest_of
from gatewise.forecasting.combination import Combination, Methods
from gatewise.forecasting.fitted import Fitted
from gatewise.forecasting.panel import Panel
from gatewise.forecasting.plan import scales


def carried(fitted: Fitted, panel: Panel) -> Fitted:
    """Return what was fitted to some series for those of another panel.

    Common to all are the reference, the linear path, the networks, their shares, the shape of the intervals, and the
    mean weights of the simple methods. A series has its own scales, from all its rows, and its own simple methods,
    fitted to it. Its intervals are as wide as usual, in units of its own deviations.
    """
    count = len(panel.stop)
    size, noise = scales(panel, fitted.plan.reference)
    calibration = fitted.calibration._replace(scale=np.ones(count), lowest=lowest_of(panel))
    combination = fitted.combination
    if combination is not None:
        weights = np.tile(combination.weights.mean(axis=0), (count, 1))
        combination = Combination(Methods.fit(panel, combination.methods.members), weights)
    plan = replace(fitted.plan, size=size, noise=noise)
    return replace(fitted, plan=plan, calibration=calibration, combination=combination)
