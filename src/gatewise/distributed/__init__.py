"""Training and scoring past one machine, on the workers of a Dask cluster; needs `pip install 'gatewise[dask]'`."""

from gatewise.distributed.training import train

__all__ = ["train"]
