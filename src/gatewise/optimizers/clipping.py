"""Limits of gradients."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from gatewise.errors import FLOATS, Array, check_number
from gatewise.optimizers.optimizer import check_writable
from gatewise.optimizers.packing import MOST_PACKED


def clip_by_global_norm(grads: Mapping[str, Array], limit: float) -> float:
    """Scale all gradients in place by one factor, so that their joint norm is at most `limit`.

    Parameters
    ----------
    grads : dict of arrays, float32 or float64
        The gradients. They stay as they are if the norm is not finite: the caller sees it in the result.
    limit : float
        Largest norm, more than 0; `np.inf` only measures.

    Returns
    -------
    float
        The Euclidean norm before clipping, over all arrays, computed in float64. The factor is
        `limit / (norm + 1e-6)` where norm > limit, as in `torch.nn.utils.clip_grad_norm_`.

    Raises
    ------
    GatewiseError
        If `limit` is not more than 0, or a gradient is not a writable float array; nothing has been
        changed then.

    References
    ----------
    Pascanu, Mikolov and Bengio, arXiv 1211.5063v2, algorithm 1.

    Examples
    --------
    >>> grads = {"w": np.array([3.0, 0.0]), "b": np.array([4.0])}
    >>> clip_by_global_norm(grads, 1.0)
    5.0
    >>> grads["w"].round(4), grads["b"].round(4)
    (array([0.6, 0. ]), array([0.8]))
    """
    check_number("limit", limit, 0.0, open_low=True)
    for name, grad in grads.items():
        if type(grad) is not np.ndarray or grad.dtype not in FLOATS or not grad.flags.writeable:
            check_writable(f"grads[{name!r}]", grad)
    with np.errstate(over="ignore", invalid="ignore"):
        norm = math.sqrt(_squares(grads))
    if math.isfinite(norm) and norm > limit:
        factor = float(limit) / (norm + 1e-6)
        for grad in grads.values():
            grad *= factor
    return norm


def _squares(grads: Mapping[str, Array]) -> float:
    """The sum of all squares; of small arrays end to end in one."""
    if sum(grad.size for grad in grads.values()) > MOST_PACKED:
        return sum(float(np.sum(np.square(grad, dtype=np.float64))) for grad in grads.values())
    every = np.concatenate([*grads.values(), _NOTHING], axis=None, dtype=np.float64)
    return float(np.sum(np.square(every, out=every)))


_NOTHING = np.empty(0)
