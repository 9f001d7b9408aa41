"""Optimizers that change parameters in place, with the update rules and the defaults of PyTorch.

An optimizer is its settings and, for every parameter that has had a gradient, a count of its steps and a few
buffers of its shape and dtype. `Optimizer.step` is written once; a subclass adds its direction.
"""

from gatewise.errors import GatewiseTypeError, check_choice
from gatewise.optimizers.clipping import clip_by_global_norm
from gatewise.optimizers.optimizer import Optimizer
from gatewise.optimizers.rules import SGD, Adagrad, Adam, AdamW, RMSprop

OPTIMIZERS: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "rmsprop": RMSprop,
    "adagrad": Adagrad,
    "adam": Adam,
    "adamw": AdamW,
}


def named_optimizer(optimizer: str | Optimizer) -> Optimizer:
    """Return an optimizer of that name with its defaults, or the optimizer itself.

    Examples
    --------
    >>> named_optimizer("sgd")
    SGD(lr=0.001, momentum=0.0, nesterov=False, weight_decay=0.0)
    """
    if isinstance(optimizer, str):
        check_choice("optimizer", optimizer, OPTIMIZERS)
        return OPTIMIZERS[optimizer]()
    if not isinstance(optimizer, Optimizer):
        raise GatewiseTypeError(f"optimizer is {optimizer!r}; need one of gatewise.optimizers, such as Adam(1e-3).")
    return optimizer


__all__ = [
    "OPTIMIZERS",
    "SGD",
    "Adagrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "clip_by_global_norm",
    "named_optimizer",
]
