"""What happened in each epoch of a training."""

from __future__ import annotations

from typing import Any

import numpy as np


class History(list[dict[str, Any]]):
    """What happened in each epoch: `epoch`, `loss`, `gradient_norm`, `seconds`, and `validation_loss` if asked for.

    `history["loss"]` is the list of that entry over all epochs; `history.best_epoch` the epoch with the lowest
    validation loss (training loss without validation).

    Examples
    --------
    >>> history = History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    >>> history["loss"], history[0], history.best_epoch
    ([0.5, 0.25], {'epoch': 1, 'loss': 0.5}, 2)
    """

    def __getitem__(self, key: Any) -> Any:
        return [record[key] for record in self] if isinstance(key, str) else super().__getitem__(key)

    @property
    def best_epoch(self) -> int:
        """Number, from 1, of the epoch with the lowest monitored loss."""
        return 1 + int(np.argmin(np.nan_to_num([monitored(record) for record in self], nan=np.inf)))


def monitored(record: dict[str, Any]) -> float:
    """Return the loss of an epoch that counts for `patience`: the validation loss, or the loss without validation."""
    value: float = record.get("validation_loss", record["loss"])
    return value
