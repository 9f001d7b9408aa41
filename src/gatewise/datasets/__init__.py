"""Data sets that ship inside the package, each with its attribution."""

from gatewise.datasets.i94 import i94

__all__ = ["i94"]
