"""The packages dask and distributed, which are optional, and imported when somebody asks for them."""

from __future__ import annotations

from types import ModuleType

from gatewise.errors import GatewiseError


def dask() -> ModuleType:
    """Return the package dask; raise with what to install if it is absent."""
    try:
        import dask as package
    except ImportError as error:
        raise missing(error) from error
    return package


def distributed() -> ModuleType:
    """Return the package distributed; raise with what to install if it is absent."""
    try:
        import distributed as package
    except ImportError as error:
        raise missing(error) from error
    return package


def missing(error: ImportError) -> GatewiseError:
    """Return the error that says what to install."""
    return GatewiseError(
        f"work on several processes or machines needs dask and distributed, which cannot be imported ({error}): "
        f"run pip install 'gatewise[dask]'."
    )
