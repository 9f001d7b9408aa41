"""What every flow from a table to a model hands back, and how it is saved."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from gatewise.files import to_bytes
from gatewise.storage import write_whole


@dataclass(frozen=True)
class Result:
    """A fitted model that knows the columns of its table.

    Attributes
    ----------
    model : RecurrentForecaster, RecurrentClassifier or RecurrentRegressor
        Fitted to the whole table.
    description : dict
        What the model's file says of the columns, plain enough for JSON; `predict` reads it.
    notes : list of str
        What was read, and what was done to it.
    """

    model: Any
    description: dict[str, Any]
    notes: list[str]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model and the description of its columns, as `gatewise predict` and `predict` need them.

        Parameters
        ----------
        path : str or path
            The safetensors file, replaced in one step.
        """
        write_whole(path, self.to_bytes())

    def to_bytes(self) -> bytes:
        """Return what `save` writes."""
        return to_bytes(self.model, info=self.description)
