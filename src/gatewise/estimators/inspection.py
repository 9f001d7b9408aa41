"""What an estimator shows of itself: its networks, what they read, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gatewise.errors import Array
from gatewise.layers import Sequential
from gatewise.losses import Loss


@dataclass(frozen=True)
class Inspection:
    """A classifier's or regressor's networks beside sequences; n of them, padded to the longest.

    With `output="all"` outputs, prediction, target and truth have the axis of time, (n, time, ...).
    """

    networks: tuple[Sequential, ...]
    """The networks whose answers are averaged."""
    x: Array
    """What they read, float32 (n, time, inputs), 0 past each end; means over steps where `downsample` makes them."""
    steps: Array
    """Steps of x that each sequence has, (n,)."""
    features: tuple[str, ...]
    """Names of the inputs."""
    values: Array
    """The sequences as they came, (n, time, channels), NaN where there is no value."""
    lengths: Array
    """Steps of each sequence as it came, (n,)."""
    outputs: Array
    """Outputs of the estimator, float64 (n, outputs): logarithms of probabilities, or standardized targets.

    They are those of the networks, averaged, mixed with those of the ridge by `ridge_share_`.
    """
    prediction: Array
    """What they mean: probabilities (n, classes), or values in the unit of y (n, targets)."""
    loss: Loss
    """The loss of the fit, for outputs of one network and `target`."""
    target: Array | None = None
    """With y: the targets in the form of the loss."""
    truth: Array | None = None
    """With y: numbers of the true classes, int (n,), or true values (n, targets)."""


def input_names(estimator: Any, gaps: Array) -> tuple[str, ...]:
    """Return the names of what the networks read: the channels, then what is said of those that had gaps in the fit."""
    known = getattr(estimator, "feature_names_in_", None)
    numbered = [f"Channel {k + 1}" for k in range(estimator.n_channels_in_)]
    names = numbered if known is None or hasattr(estimator, "n_steps_in_") else [str(name) for name in known]
    had_gaps = [name for name, gap in zip(names, gaps, strict=True) if gap]
    return (*names, *(f"{name}: observed" for name in had_gaps), *(f"{name}: since" for name in had_gaps))
