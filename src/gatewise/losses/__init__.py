"""Losses: each gives the mean over all elements and the gradient of exactly that mean.

`loss(prediction, target, *, weights=None) -> (value, gradient)`. What has weight 0 is absent: whatever stands there,
NaN too, reaches neither value nor gradient.
"""

from gatewise.errors import GatewiseTypeError, check_choice
from gatewise.losses.average import Loss
from gatewise.losses.classification import binary_cross_entropy, cross_entropy
from gatewise.losses.regression import huber, mae, mse, pinball

LOSSES: dict[str, Loss] = {
    "mse": mse,
    "mae": mae,
    "huber": huber,
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "pinball": pinball,
}


def named_loss(loss: str | Loss) -> Loss:
    """Return the loss of that name, or the function itself.

    Examples
    --------
    >>> named_loss("mse") is mse
    True
    """
    if isinstance(loss, str):
        check_choice("loss", loss, LOSSES)
        return LOSSES[loss]
    if not callable(loss):
        raise GatewiseTypeError(f"loss is {loss!r}; need a function of gatewise.losses or its name.")
    return loss


__all__ = [
    "LOSSES",
    "Loss",
    "binary_cross_entropy",
    "cross_entropy",
    "huber",
    "mae",
    "mse",
    "named_loss",
    "pinball",
]
