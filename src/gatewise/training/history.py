"""What happened in each epoch of a training."""

from __future__ import annotations

from typing import Any, Self, SupportsIndex, overload

import numpy as np

from gatewise import plain
from gatewise.errors import Array, GatewiseValueError
from gatewise.printing import html_table

SHOWN = 5  # epochs at the beginning and at the end that a notebook shows of a long history
WIDTH, HEIGHT = 320, 120  # pixels of the curve


class History(list[dict[str, Any]]):
    """What happened in each epoch: `epoch`, `loss`, `gradient_norm`, `seconds`, and `validation_loss` if asked for.

    `history["loss"]` is the list of that entry over all epochs; `history.best_epoch` the epoch with the lowest
    validation loss (training loss without validation).

    That of `gatewise.train_stream` has records of one or more updates each: `update`, the number of the last of them,
    `updates`, how many they are, and `step`, the time steps of the stream up to there, in place of `epoch`.

    Examples
    --------
    >>> history = History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    >>> history["loss"], history[0], history.best_epoch
    ([0.5, 0.25], {'epoch': 1, 'loss': 0.5}, 2)
    """

    @overload
    def __getitem__(self, key: str) -> list[Any]: ...
    @overload
    def __getitem__(self, key: SupportsIndex) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, key: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, key: Any) -> Any:
        return [record[key] for record in self] if isinstance(key, str) else super().__getitem__(key)

    @classmethod
    def checked(cls, described: Any) -> Self:
        """Return a history that a file describes; raise unless its records hold numbers, the loss among them."""
        records = plain.entries("history", described)
        for record in records:
            if "loss" not in plain.mapping("a record", record):
                raise GatewiseValueError("a record of its history has no loss: the file is damaged.")
            for name, value in record.items():
                plain.any_number(name, value)
        return cls(records)

    @property
    def best_epoch(self) -> int:
        """Number, from 1, of the epoch with the lowest monitored loss."""
        return 1 + int(np.argmin(np.nan_to_num([monitored(record) for record in self], nan=np.inf)))

    def _repr_html_(self) -> str:
        """The curves of the losses, and a table of the first, the best and the last epochs."""
        if not self:
            return "<p>no epochs yet</p>"
        names = [name for name in self[-1] if all(name in record for record in self)]
        shown = {*range(SHOWN), self.best_epoch - 1, *range(len(self) - SHOWN, len(self))}
        rows = [[_short(record[name]) for name in names] for k, record in enumerate(self) if k in shown]
        what = "epoch" if "epoch" in self[-1] else "record"
        epochs = f"1 {what}" if len(self) == 1 else f"{len(self)} {what}s, the best {self.best_epoch}"
        return _curves(self) + html_table(names, rows, right=range(len(names)), caption=epochs)


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _curves(history: History) -> str:
    """The losses over the epochs as inline SVG, that of the training dashed if there is another; "" without a line."""
    names = [name for name in ("loss", "validation_loss") if all(name in record for record in history)]
    losses = [np.asarray(history[name], float) for name in names]
    values = np.concatenate([np.empty(0), *losses])
    values = values[np.isfinite(values)]
    if len(history) < 2 or not len(values):
        return ""
    low, high = float(values.min()), float(values.max())
    dashes = [' stroke-dasharray="4 3"', ""][-len(losses) :]
    lines = "".join(_line(loss, low, high, dash) for loss, dash in zip(losses, dashes, strict=True))
    label = f"{' (dashed) and '.join(names)} between {low:.4g} and {high:.4g}".replace("_", " ")
    picture = f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{label}">{lines}</svg>'
    return f"<div>{picture}<br>{label}</div>"


def _line(values: Array, low: float, high: float, dash: str) -> str:
    """One loss as a line of SVG from the first epoch to the last; what is not finite is left out."""
    x = np.linspace(2, WIDTH - 2, len(values))
    y = HEIGHT - 2 - (HEIGHT - 4) * (values - low) / (high - low or 1.0)
    points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True) if np.isfinite(b))
    return f'<polyline points="{points}" fill="none" stroke="currentColor"{dash}></polyline>'


def monitored(record: dict[str, Any]) -> float:
    """Return the loss of an epoch that counts for `patience`: the validation loss, or the loss without validation."""
    value: float = record.get("validation_loss", record["loss"])
    return value
