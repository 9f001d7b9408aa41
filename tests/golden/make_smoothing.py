"""Write smoothing.npz: recursions, fits and forecasts of exponential smoothing and Theta by statsmodels 0.15.

Run it where statsmodels is installed: `python tests/golden/make_smoothing.py`. The tests that read it do not need it.
"""

from pathlib import Path

import numpy as np
from statsmodels.tsa.exponential_smoothing.ets import ETSModel
from statsmodels.tsa.forecasting.theta import ThetaModel
from statsmodels.tsa.holtwinters import ExponentialSmoothing

SEASON, AHEAD = 4, 9
ALPHA, BETA, GAMMA, PHI, LEVEL, SLOPE = 0.4, 0.07, 0.2, 0.9, 101.5, 0.8
INDICES = {"add": np.array([9.0, -6.0, -8.0, 5.0]), "mul": np.array([1.1, 0.94, 0.91, 1.05])}


def series(rng):
    """Sixty quarters of a random walk with drift and a multiplicative season."""
    t = np.arange(60)
    level = 100 + np.cumsum(rng.normal(0.4, 1.5, 60))
    return level * (1 + np.array([0.1, -0.05, -0.1, 0.05])[t % 4]) + rng.normal(0, 1, 60)


def given(y, season):
    """One-step forecasts and forecasts with given parameters."""
    model = ETSModel(y, error="add", trend="add", damped_trend=True, seasonal=season, seasonal_periods=SEASON)
    values = {"smoothing_level": ALPHA, "smoothing_trend": BETA, "smoothing_seasonal": GAMMA, "damping_trend": PHI}
    values |= {"initial_level": LEVEL, "initial_trend": SLOPE}
    values |= {f"initial_seasonal.{k}": one for k, one in enumerate(INDICES["add"][::-1])}
    smoothed = model.smooth([values[name] for name in model.param_names])
    return smoothed.fittedvalues, smoothed.forecast(AHEAD)


def given_multiplicative(y):
    """Return the same with a multiplicative season: ETSModel divides by the updated level there, the book does not."""
    model = ExponentialSmoothing(
        y, trend="add", damped_trend=True, seasonal="mul", seasonal_periods=SEASON, initialization_method="known",
        initial_level=LEVEL, initial_trend=SLOPE, initial_seasonal=INDICES["mul"],
    )  # fmt: skip
    fixed = {"smoothing_trend": BETA / ALPHA, "smoothing_seasonal": GAMMA, "damping_trend": PHI}
    smoothed = model.fit(smoothing_level=ALPHA, **fixed, optimized=False)
    return smoothed.fittedvalues, smoothed.forecast(AHEAD)


def main():
    """Write the file beside this one."""
    y = series(np.random.default_rng(5))
    found = {"y": y, "AAdN": given(y, None), "AAdA": given(y, "add"), "MAdM": given_multiplicative(y)}
    arrays = {"y": y}
    for name in ("AAdN", "AAdA", "MAdM"):
        arrays[f"{name}.fitted"], arrays[f"{name}.forecast"] = found[name]
    for name, trend in {"ANN": None, "AAN": "add"}.items():
        best = ETSModel(y, error="add", trend=trend).fit(disp=False)
        arrays[f"{name}.sse"], arrays[f"{name}.best"] = best.sse, best.forecast(AHEAD)
    for name, method in {"additive": "additive", "multiplicative": "multiplicative", "none": None}.items():
        model = ThetaModel(y, period=SEASON, deseasonalize=method is not None, use_test=False, method=method or "auto")
        theta = model.fit()
        arrays[f"theta.{name}.alpha"], arrays[f"theta.{name}"] = theta.params["alpha"], theta.forecast(AHEAD)
    np.savez(Path(__file__).with_name("smoothing.npz"), **arrays)


if __name__ == "__main__":
    main()
