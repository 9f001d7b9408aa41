"""Data that does not lie in this process: who fits an estimator to it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any, TypeVar

from gatewise.errors import GatewiseTypeError

E = TypeVar("E")


def fit(estimator: E, X: Any, y: Any, sample_weight: Any, **options: Any) -> E:
    """Fit an estimator to Dask collections with `gatewise.distributed.fit`.

    That stands above the estimators and builds on them; it is found through the package's table of contents, on first
    use. The cluster is that of the current Dask client, or one on this machine if there is none.
    """
    distributed = _distributed()
    fitted: E = distributed.fit(estimator, X, y, sample_weight, client=distributed.current_client(), **options)
    return fitted


def fit_series(forecaster: E, y: Any, beside: Mapping[str, Any], **options: Any) -> E:
    """Fit a forecaster to a long table of Dask with `gatewise.distributed.fit_series`; nothing may be beside it."""
    given = [name for name, value in beside.items() if value is not None]
    if given:
        raise GatewiseTypeError(
            f"{given[0]} is given beside a Dask frame; need the frame of ids, times and values alone."
        )
    distributed = _distributed()
    fitted: E = distributed.fit_series(forecaster, y, client=distributed.current_client(), **options)
    return fitted


def _distributed() -> Any:
    return sys.modules[__name__.partition(".")[0]].distributed
