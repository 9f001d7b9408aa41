"""The folder in which a command keeps its fits, one checkpoint each."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gatewise.training.runs import NOWHERE, Keeping


class Checkpoints(NamedTuple):
    """Where the fits of a task are kept.

    Attributes
    ----------
    folder : Path or None
        Which exists; None to keep nothing.
    every, resume
        As in `RecurrentForecaster.fit`.

    Examples
    --------
    >>> Checkpoints(Path("run"), "5 min", True).keeping("final").checkpoint.name
    'final.checkpoint'
    """

    folder: Path | None = None
    every: int | str = 1
    resume: bool = False

    def keeping(self, name: str) -> Keeping:
        """Return what the fit of this name is told of its checkpoint."""
        if self.folder is None:
            return NOWHERE
        return Keeping(self.folder / f"{name}.checkpoint", self.every, self.resume)


NO_CHECKPOINTS = Checkpoints()
