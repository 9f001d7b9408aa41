"""The border to code that computes with PyTorch tensors: arrays in, tensors inside, arrays out, all in float64.

PyTorch is never imported here: only code that has done so can hold a tensor.
"""

from __future__ import annotations

import contextlib
import inspect
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np


def library() -> Any:
    """Return PyTorch if somebody has imported it, else None."""
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "Tensor") else None


def is_tensor(value: Any) -> bool:
    """Whether a value is a tensor of real numbers."""
    torch = library()
    return torch is not None and isinstance(value, torch.Tensor) and not value.is_complex()


def array(value: Any) -> Any:
    """Return a tensor as the array that shares its memory, without its history; anything else as it is."""
    if not is_tensor(value):
        return value
    own = value.detach().cpu()
    return (own if own.dtype != library().bfloat16 else own.float()).numpy()


def identity(value: Any) -> Any:
    """Return the same for two arrays that are one; arrays of one tensor have its memory in common."""
    if isinstance(value, np.ndarray) and value.base is not None and not isinstance(value.base, np.ndarray):
        return value.__array_interface__["data"][0], value.shape, value.strides
    return id(value)


def double(tensor: Any) -> Any:
    """Return a copy in float64 that asks for no gradients; of a Parameter a Parameter."""
    torch = library()
    own = tensor.detach().to("cpu", torch.float64, copy=True)
    return torch.nn.Parameter(own, requires_grad=False) if isinstance(tensor, torch.nn.Parameter) else own


def given(value: Any) -> Any:
    """Return arrays, also those in a tuple, list or dict, as tensors that share their memory; all else as it is."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fi":
        return library().from_numpy(value)
    if type(value) in (tuple, list):
        return type(value)(given(part) for part in value)
    if type(value) is dict:
        return {key: given(part) for key, part in value.items()}
    return value


def written_for(thing: Any) -> bool:
    """Whether the functions of a class, or a function, use PyTorch by a name of their module."""
    torch = library()
    if torch is None:
        return False
    members = [member for cls in thing.__mro__ for member in vars(cls).values()] if inspect.isclass(thing) else [thing]
    return any(_uses(member) for member in members if inspect.isfunction(member))


def _uses(function: types.FunctionType) -> bool:
    closed = inspect.getclosurevars(function)
    values = (*closed.globals.values(), *closed.nonlocals.values())
    return any(isinstance(v, types.ModuleType) and v.__name__.split(".")[0] == "torch" for v in values)


@contextlib.contextmanager
def held(seed: int) -> Iterator[None]:
    """Seed PyTorch's random numbers and make float64 its default, and put both back."""
    torch = library()
    if torch is None or not hasattr(torch, "get_default_dtype"):
        yield
        return
    state, dtype = torch.random.get_rng_state(), torch.get_default_dtype()
    torch.manual_seed(seed)
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.random.set_rng_state(state)
