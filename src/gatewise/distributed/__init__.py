"""Training and scoring past one machine, on the workers of a Dask cluster; needs `pip install 'gatewise[dask]'`."""

import importlib
from typing import TYPE_CHECKING, Any

from gatewise.distributed.cluster import connected, current_client, local_client
from gatewise.distributed.training import train

if TYPE_CHECKING:
    from gatewise.distributed.estimators import fit
    from gatewise.distributed.forecasting import backtest, fit_series, forecast
    from gatewise.distributed.scoring import predict

LATER = {
    "fit": "gatewise.distributed.estimators",
    **dict.fromkeys(("backtest", "fit_series", "forecast"), "gatewise.distributed.forecasting"),
    "predict": "gatewise.distributed.scoring",
}
"""Where names are that take scikit-learn or pandas: imported when they are asked for, not in every worker."""

__all__ = [
    "backtest",
    "connected",
    "current_client",
    "fit",
    "fit_series",
    "forecast",
    "local_client",
    "predict",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import what is not needed in every worker."""
    if name in LATER:
        return getattr(importlib.import_module(LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
