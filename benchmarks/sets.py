"""The sets on which the estimators' defaults are compared, each with a fixed train and test part.

`load(name)` gives one. The data come inside packages, which are imported when asked for, or are generated. To choose
a default, use `validation(load(name))`: its test part is cut from the training part, so that the true test part is seen
once, for the table.
"""

from __future__ import annotations

from collections.abc import Callable

import labeled
import panels
import rolling
import singles
from parts import Forecasting, Labeled, MissingSetError, Set, validation

__all__ = ["SETS", "Forecasting", "Labeled", "MissingSetError", "Set", "load", "validation"]

SETS: dict[str, Callable[[], Set]] = {**labeled.SETS, **rolling.SETS, **singles.SETS, **panels.SETS}


def load(name: str) -> Set:
    """Return the set called `name`, one of `SETS`; raise MissingSetError where its package is missing."""
    return SETS[name]()
