"""Training and scoring past one machine, on the workers of a Dask cluster; needs `pip install 'gatewise[dask]'`."""

from typing import TYPE_CHECKING, Any

from gatewise.distributed.cluster import connected, current_client, local_client
from gatewise.distributed.training import train

if TYPE_CHECKING:
    from gatewise.distributed.estimators import fit
    from gatewise.distributed.scoring import predict

__all__ = ["connected", "current_client", "fit", "local_client", "predict", "train"]


def __getattr__(name: str) -> Any:
    """Import what takes scikit-learn or pandas when it is asked for, not in every worker."""
    if name == "fit":
        from gatewise.distributed.estimators import fit

        return fit
    if name == "predict":
        from gatewise.distributed.scoring import predict

        return predict
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
