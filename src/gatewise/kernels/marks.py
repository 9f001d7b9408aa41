"""Marks of the functions that loops are made of, and what a call of each becomes while a loop is translated."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Stage:
    """A function that becomes part of what calls it."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.py_func, self.__name__, self.__doc__ = function, function.__name__, function.__doc__

    def follow(self, *arguments: Any) -> Any:
        """Add its instructions at the current place; return the value."""
        from gatewise.kernels.translation import translate

        return translate(self.py_func, arguments)

    def __call__(self, *arguments: Any) -> Any:
        """Compile it for such arguments, unless that has been done, and run it; return an integer."""
        from gatewise.kernels.entries import entry_for, flattened

        return entry_for(self, arguments)(flattened(arguments))


class Routine(Stage):
    """A function of its own in the compiled code, which many loops call."""

    def follow(self, *arguments: Any) -> Any:
        """Add a call; return the value."""
        from gatewise.kernels.units import call_routine

        return call_routine(self, arguments)


def stage(function: Callable[..., Any]) -> Stage:
    """Mark a function that becomes part of what calls it."""
    return Stage(function)


def routine(function: Callable[..., Any]) -> Routine:
    """Mark a function that is compiled once for each dtype and called."""
    return Routine(function)
