"""Quantiles of simple methods, calibrated level by level and step by step, and the order of quantiles."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gatewise.errors import Array

ENOUGH = 200  # errors of a step ahead: ten beyond the levels 0.05 and 0.95; chosen on generated series


def growth(targets: Array) -> Array:
    """Mean absolute target of each step ahead (horizon,), never falling to nothing; NaN are left out."""
    with np.errstate(invalid="ignore", divide="ignore"):
        seen = np.isfinite(targets)
        mean = np.where(seen, np.abs(targets), 0).sum(axis=0) / seen.sum(axis=0)
    usual = float(np.nanmean(mean)) if np.isfinite(mean).any() else 1.0
    return np.maximum(np.where(np.isfinite(mean), mean, usual), 1e-3 * usual + 1e-12)


def offsets(errors: Array, levels: Sequence[float], unit: Array, weights: Array | None = None) -> Array:
    """What to add to each level at each step (horizon, levels), from `errors` = truth − quantile (n, horizon, levels).

    The finite-sample rank of each level is taken, outward from the median (Romano, Patterson and Candès, Conformalized
    Quantile Regression, arXiv 1905.03222, section 3, one side at a time), where n windows that overlap count as
    n / √horizon. Steps with fewer than 200 errors borrow those of their neighbors, in `unit` (horizon,). `weights` (n,)
    let some windows count more (Barber et al., Conformal prediction beyond exchangeability, arXiv 2202.13415).
    """
    horizon = errors.shape[1]
    scaled = errors / unit[:, None]
    weights = np.ones(len(errors)) if weights is None else weights
    outward = 1 + 1 / max(1.0, len(errors) / horizon**0.5)
    added = np.zeros((horizon, len(levels)))
    for h in range(horizon):
        for k, level in enumerate(levels):
            if level != 0.5:
                share = level * outward if level > 0.5 else 1 - (1 - level) * outward
                added[h, k] = unit[h] * _quantile(*around(scaled[:, :, k], weights, h, ENOUGH), share)
    return added


def around(scaled: Array, weights: Array, step: int, enough: int) -> tuple[Array, Array]:
    """Errors and weights (n,) of a step, and of as many neighbors as make them `enough`."""
    for reach in range(scaled.shape[1]):
        near = scaled[:, max(0, step - reach) : step + reach + 1]
        seen = np.isfinite(near)
        if seen.sum() >= enough:
            break
    return near[seen], np.broadcast_to(weights[:, None], near.shape)[seen]


def _quantile(errors: Array, weights: Array, share: float) -> float:
    """The weighted quantile, an error itself; the extreme one where `share` is beyond 0 or 1."""
    if not len(errors):
        return 0.0
    return float(np.quantile(errors, float(np.clip(share, 0, 1)), weights=weights, method="inverted_cdf"))


def monotone(values: Array, levels: Sequence[float]) -> Array:
    """Quantiles (..., levels) in order: each at least as far from the median, which stays, as its inner neighbor."""
    middle = list(levels).index(0.5)
    result = values.copy()
    result[..., middle:] = np.maximum.accumulate(values[..., middle:], axis=-1)
    result[..., middle::-1] = np.minimum.accumulate(values[..., middle::-1], axis=-1)
    return result
