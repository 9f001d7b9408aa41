"""The errors users see, and the checks that raise them.

Every message says what came, what is needed, and what to do. An error is a `GatewiseError` and also the
built-in it resembles, so that `except ValueError` works too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from signal import Signals
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array = NDArray[Any]
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


class GatewiseError(Exception):
    """Base of every error that Gatewise raises on purpose; each is also a `ValueError` or a `TypeError`.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> try:
    ...     gw.GRU(3, 4)(np.zeros((2, 5, 1), np.float32))
    ... except gw.GatewiseError as error:
    ...     print(error)
    x has shape (2, 5, 1); need (batch, time, 3): reshape x or rebuild the layer.
    """


class GatewiseWarning(UserWarning):
    """What can be done, and is likely not what was meant; `warnings.simplefilter` silences it by this class."""


class GatewiseValueError(GatewiseError, ValueError):
    """A value, shape or name that cannot be used."""


class GatewiseTypeError(GatewiseError, TypeError):
    """A type or dtype that cannot be used."""


class TrainingInterrupted(KeyboardInterrupt):
    """SIGINT or SIGTERM ended a training that has a checkpoint; `except Exception` lets it through.

    After the first signal the training finishes its batch and writes its checkpoint; after a second one it ends at
    once, and the checkpoint has what was written before.

    Attributes
    ----------
    signal : int
        2 (SIGINT) or 15 (SIGTERM); a shell expects the exit code 128 + signal.
    path : str
        The checkpoint.
    where : str
        Where the training stands, as in "in epoch 3, after 2 of 7 batches".
    at_once : bool
        Whether a second signal ended it.

    Examples
    --------
    >>> import gatewise as gw
    >>> error = gw.TrainingInterrupted(2, "run.checkpoint", "after 3 epochs")
    >>> print(error)
    SIGINT ended the training after 3 epochs; run.checkpoint holds it: the same call with resume=True continues it.
    """

    def __init__(self, signal: int, path: str, where: str, at_once: bool = False) -> None:
        self.signal, self.path, self.where, self.at_once = signal, path, where, at_once
        name = Signals(signal).name
        if at_once:
            text = f"a second {name} ended the training at once; {path} holds what was written before"
        else:
            text = f"{name} ended the training {where}; {path} holds it"
        super().__init__(f"{text}: the same call with resume=True continues it.")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.signal, self.path, self.where, self.at_once)


def check_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    """Return `dtype` as a NumPy dtype; raise unless it is float32 or float64."""
    try:
        found = np.dtype(dtype)
    except TypeError:
        found = None
    if dtype is None or found is None or found not in FLOATS:
        raise GatewiseTypeError(f"dtype is {dtype!r}; need float32 or float64: pass dtype=np.float32 or np.float64.")
    return found


def check_array(name: str, value: Any, shape: Sequence[int | str], dtype: DTypeLike) -> Array:
    """Return `value`; raise unless it is an array of `dtype` whose shape fits.

    `shape` lists a size, or the name of a dimension of any size, for each axis. Nothing is converted.
    """
    if type(value) is np.ndarray and value.dtype == dtype and _fits(value.shape, shape):
        return value
    dtype = np.dtype(dtype)
    check_unmasked(name, value)
    if not isinstance(value, np.ndarray):
        raise GatewiseTypeError(
            f"{name} is a {type(value).__name__}; need a NumPy array: pass np.asarray({name}, dtype=np.{dtype})."
        )
    if not _fits(value.shape, shape):
        need = ", ".join(str(size) for size in shape) + ("," if len(shape) == 1 else "")
        raise GatewiseValueError(f"{name} has shape {value.shape}; need ({need}): reshape {name} or rebuild the layer.")
    if value.dtype != dtype:
        raise GatewiseTypeError(
            f"{name} has dtype {value.dtype}; need {dtype}: convert it with {name}.astype(np.{dtype}), "
            f"or build the layer with the dtype of the data."
        )
    return value


def _fits(sizes: tuple[int, ...], shape: Sequence[int | str]) -> bool:
    """Whether a shape is as `shape` has it; a loop, for every array of every pass comes through here."""
    if len(sizes) != len(shape):
        return False
    for size, need in zip(sizes, shape, strict=True):  # noqa: SIM110
        if size != need and type(need) is not str:
            return False
    return True


def check_unmasked(name: str, value: Any) -> None:
    """Raise if `value` is a masked array, whose hidden values would count as data."""
    if isinstance(value, np.ma.MaskedArray):
        count = int(np.ma.getmaskarray(value).sum())
        raise GatewiseTypeError(
            f"{name} is a masked array with {count} value(s) masked; need a plain array: "
            f"fill it, {name}.filled(0), and leave out what is masked with lengths or weights."
        )


def check_finite(name: str, value: Array, valid: Array | None = None) -> None:
    """Raise at the first NaN or infinity in `value`; steps that `valid` (batch, time) excludes may hold anything."""
    finite = np.isfinite(value)
    if valid is not None:
        finite |= ~valid.reshape(valid.shape + (1,) * (value.ndim - 2))
    count = finite.size - np.count_nonzero(finite)
    if not count:
        return
    where = tuple(int(i) for i in np.argwhere(~finite)[0])
    raise GatewiseValueError(
        f"{name} holds {count} value(s) that are not finite, the first {value[where]} at {name}{list(where)}; "
        f"need finite numbers: fill or drop the gaps before the call."
    )


def check_lengths(lengths: Any, batch: int, time: int) -> Array:
    """Return `lengths` as int64 (batch,); raise unless each is between 1 and `time`."""
    check_unmasked("lengths", lengths)
    try:
        found = np.asarray(lengths)
    except ValueError:
        found = np.empty(0)
    if found.shape != (batch,):
        raise GatewiseValueError(f"lengths has shape {found.shape}; need ({batch},): pass one length per sequence.")
    if batch and found.dtype.kind not in "iu":
        raise GatewiseTypeError(f"lengths has dtype {found.dtype}; need integers: pass lengths.astype(int).")
    if batch and (int(found.min()) < 1 or int(found.max()) > time):
        row = int(np.flatnonzero((found < 1) | (found > time))[0])
        raise GatewiseValueError(
            f"lengths[{row}] is {found[row]}; need 1 to {time} (the time axis of x): "
            f"drop empty sequences, pad longer ones."
        )
    return found.astype(np.int64)


def check_choice(name: str, value: Any, choices: Iterable[Any]) -> None:
    """Raise unless `value` is one of `choices`."""
    choices = list(choices)
    if value not in choices:
        raise GatewiseValueError(f"{name} is {value!r}; need one of {', '.join(map(repr, choices))}.")


def check_number(
    name: str, value: Any, low: float, high: float = np.inf, *, integer: bool = False, open_low: bool = False
) -> None:
    """Raise unless `value` is a number in [low, high], or in (low, high] with `open_low`."""
    kind = np.integer | int if integer else np.integer | np.floating | int | float
    if isinstance(value, bool | np.bool_) or not isinstance(value, kind):
        raise GatewiseTypeError(f"{name} is {value!r}; need {'an integer' if integer else 'a number'}.")
    if not (low < value if open_low else low <= value) or not value <= high:
        bounds = f"{'more than' if open_low else 'at least'} {low:g}" + (
            f" and at most {high:g}" if high < np.inf else ""
        )
        raise GatewiseValueError(f"{name} is {value!r}; need {bounds}.")


def check_names(what: str, found: Iterable[str], needed: Iterable[str]) -> None:
    """Raise unless the names in `found` are exactly those in `needed`."""
    found, needed = list(found), list(needed)
    missing = [name for name in needed if name not in found]
    extra = [name for name in found if name not in needed]
    if missing or extra:
        parts = [f"lacks {', '.join(missing)}"] * bool(missing) + [f"has unknown {', '.join(extra)}"] * bool(extra)
        raise GatewiseValueError(f"{what} {' and '.join(parts)}; need exactly {', '.join(needed)}.")
