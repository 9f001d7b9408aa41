"""What the ridge reads of sequences: shares above thresholds, highest outputs, levels."""

from __future__ import annotations

from gatewise.convolutions.kernels import Convolutions
from gatewise.convolutions.segments import segments
from gatewise.errors import Array


def blocks_of(convolutions: Convolutions, x: Array, lengths: Array) -> tuple[Array, Array, Array]:
    """Return the blocks of features of x (n, time, inputs), each float32 (n, features of the block).

    The convolutions read the first inputs, as many as they have channels; the levels are those of all inputs.
    """
    channels = convolutions.mixtures.shape[1]
    shares, highest = convolutions.summaries(x[:, :, :channels], lengths)
    return shares, highest, segments(x, lengths)
