"""The equations: one file a cell, each a pair of pure functions in the letters of the mathematics."""

from gatewise.cells.cell import Cell, Record, State

__all__ = ["Cell", "Record", "State"]
