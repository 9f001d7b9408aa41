"""What the forward pass of a recurrent layer leaves for its backward pass."""

from __future__ import annotations

from dataclasses import dataclass

from gatewise import recurrence
from gatewise.errors import Array, GatewiseValueError, check_choice
from gatewise.layers.checkpoints import Column
from gatewise.layers.directions import in_order
from gatewise.recurrence import Run


@dataclass(frozen=True, eq=False)
class RecurrentTape:
    """What a recurrent layer's forward pass leaves for its backward pass, by name.

    `tape.reset`, `tape.update`, `tape.candidate`, `tape.hidden`, … are (batch, time, H) for a single layer and
    direction; `tape.values(name, layer, reverse)` gives them for any other. Steps past a sequence's length are 0. A
    layer with tape="checkpoint" leaves none of them, and they are computed each time that they are asked for.
    """

    kept: tuple[Run, ...]
    columns: tuple[Column, ...]
    """In place of runs, those of a layer with tape="checkpoint"."""
    lengths: Array | None
    masks: tuple[Array | None, ...]
    directions: int
    owner: object

    @property
    def runs(self) -> tuple[Run, ...]:
        """The run of each layer and direction; if they were not kept, computed again whole."""
        return self.kept or tuple(run for column in self.columns for run in column.runs())

    def values(self, name: str, layer: int = 0, reverse: bool = False) -> Array:
        """Return gate or state `name` of one layer and direction, (batch, time, H), in the order of x."""
        runs, index = self.runs, layer * self.directions + reverse
        if not 0 <= index < len(runs) or (reverse and self.directions == 1):
            layers = len(runs) // self.directions
            raise GatewiseValueError(
                f"the tape has no layer {layer}{' in reverse' if reverse else ''}; "
                f"it has {layers} layer(s) in {self.directions} direction(s)."
            )
        run = runs[index]
        names = [*run.cell.recorded, *run.cell.states]
        check_choice("name", name, names)
        values = (*recurrence.recorded(run), *run.states)[names.index(name)]
        return in_order(values, int(reverse), self.lengths).copy()

    def __getattr__(self, name: str) -> Array:
        if name.startswith("_"):
            raise AttributeError(f"the tape holds no {name!r}")
        cell = (self.kept or self.columns)[0].cell
        if name not in (*cell.recorded, *cell.states):
            raise AttributeError(f"the tape holds no {name!r}")
        if len(self.kept or self.columns) > 1 or any(len(column.weights) > 1 for column in self.columns):
            raise AttributeError(f"several layers or directions: use tape.values({name!r}, layer, reverse)")
        return self.values(name)
