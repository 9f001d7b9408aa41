"""Data that does not lie in this process: who fits an estimator to it."""

from __future__ import annotations

import sys
from typing import Any, TypeVar

E = TypeVar("E")


def fit(estimator: E, X: Any, y: Any, sample_weight: Any, **options: Any) -> E:
    """Fit an estimator to Dask collections with `gatewise.distributed.fit`.

    That stands above the estimators and builds on them; it is found through the package's table of contents, on first
    use. The cluster is that of the current Dask client, or one on this machine if there is none.
    """
    distributed: Any = sys.modules[__name__.partition(".")[0]].distributed
    fitted: E = distributed.fit(estimator, X, y, sample_weight, client=distributed.current_client(), **options)
    return fitted
