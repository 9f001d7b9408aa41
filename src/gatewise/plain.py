"""What a file says in JSON, taken value by value, each with a check that names it.

Nothing is converted: true is no 1, "3" is no 3, and 3.0 is no whole number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError, check_array

WHOLE = 2**53  # up to which every whole number is a float too
TEXT = 10_000  # characters of a name


def mapping(name: str, value: Any) -> dict[str, Any]:
    """Return `value`; raise unless it is an object of JSON, a dict."""
    found: dict[str, Any] = _of_type(name, value, dict, "names and values")
    return found


def entries(name: str, value: Any, count: int | None = None) -> list[Any]:
    """Return `value`; raise unless it is a list, of `count` entries if that is given."""
    listed: list[Any] = _of_type(name, value, list, "a list")
    if count is not None and len(listed) != count:
        raise GatewiseValueError(f"{name} has {len(listed)} entries; need {count}.")
    return listed


def text(name: str, value: Any) -> str:
    """Return `value`; raise unless it is text that can be written, of at most 10,000 characters."""
    found: str = _of_type(name, value, str, "text")
    if len(found) > TEXT:
        raise GatewiseValueError(f"{name} has {len(found):,} characters; need {TEXT:,} at most.")
    if any("\ud800" <= letter <= "\udfff" for letter in found):
        raise GatewiseValueError(f"{name} is {found!r}, which is no text: it holds half of a character.")
    return found


def flag(name: str, value: Any) -> bool:
    """Return `value`; raise unless it is true or false."""
    found: bool = _of_type(name, value, bool, "true or false")
    return found


def texts(name: str, value: Any) -> tuple[str, ...]:
    """Return a list of texts, none of them twice, as a tuple."""
    found = tuple(text(f"{name}[{k}]", part) for k, part in enumerate(entries(name, value)))
    if len(set(found)) < len(found):
        raise GatewiseValueError(f"{name} has an entry twice; need each once.")
    return found


def whole(name: str, value: Any, low: int = -WHOLE, high: int = WHOLE) -> int:
    """Return `value`; raise unless it is a whole number from `low` to `high`.

    Examples
    --------
    >>> whole("horizon", True, 1)
    Traceback (most recent call last):
        ...
    gatewise.errors.GatewiseTypeError: horizon is True; need a whole number.
    """
    if type(value) is not int:
        raise GatewiseTypeError(f"{name} is {value!r}; need a whole number.")
    found: int = _within(name, value, low, high)
    return found


def real(name: str, value: Any, low: float = -np.inf, high: float = np.inf) -> float:
    """Return `value` as a float; raise unless it is a finite number from `low` to `high`."""
    if type(value) not in (int, float):
        raise GatewiseTypeError(f"{name} is {value!r}; need a number.")
    return float(_within(name, value, max(low, -1e300), min(high, 1e300)))


def _within(name: str, value: Any, low: float, high: float) -> Any:
    if not low <= value <= high:
        raise GatewiseValueError(f"{name} is {value!r}; need a number from {low:g} to {high:g}.")
    return value


def one_of(name: str, value: Any, choices: Iterable[str]) -> str:
    """Return `value`; raise unless it is one of some texts."""
    choices = list(choices)
    if not isinstance(value, str) or value not in choices:
        raise GatewiseValueError(f"{name} is {value!r}; need one of {', '.join(map(repr, choices))}.")
    return value


def optional(check: Callable[..., Any], name: str, value: Any, *bounds: Any) -> Any:
    """Return None for None, else what a check returns."""
    return None if value is None else check(name, value, *bounds)


def any_number(name: str, value: Any) -> float:
    """Return `value` as a float; raise unless it is a number: finite, infinite or NaN."""
    return value if type(value) is float else real(name, value)


def scalar(name: str, value: Any) -> Any:
    """Return `value`; raise unless it is text, a number, true, false or null."""
    if isinstance(value, str):
        text(name, value)
    elif value is not None and not isinstance(value, bool):
        any_number(name, value)
    return value


def scalars(name: str, value: Any) -> Any:
    """Return `value`; raise unless it is such a scalar, or a list of them."""
    for part in value if isinstance(value, list) else [value]:
        scalar(name, part)
    return value


def check_weights(arrays: Mapping[str, Array]) -> None:
    """Raise at the first array of floats, by its name, that holds NaN or infinity.

    Examples
    --------
    >>> check_weights({"bias": np.array([0.0, np.nan])})
    Traceback (most recent call last):
        ...
    gatewise.errors.GatewiseValueError: bias holds 1 value(s) that are not finite, the first nan at (1,); need finite \
numbers: the training that gave them went wrong, or the file is damaged.
    """
    for name, value in arrays.items():
        finite = np.isfinite(value) if value.dtype.kind in "fc" else np.ones(1, bool)
        if not finite.all():
            where = tuple(int(i) for i in np.argwhere(~finite)[0])
            raise GatewiseValueError(
                f"{name} holds {finite.size - np.count_nonzero(finite)} value(s) that are not finite, the first "
                f"{value[where]} at {where}; need finite numbers: the training that gave them went wrong, or the file "
                f"is damaged."
            )


def array(
    name: str,
    value: Array,
    shape: Sequence[int | str],
    dtype: DTypeLike,
    *,
    finite: bool = True,
    above: float = -np.inf,
) -> Array:
    """Return an array of a file; raise unless it has this shape and dtype, and finite numbers above `above`.

    With `finite=False` its numbers may be any.
    """
    check_array(name, value, shape, dtype)
    if finite:
        check_weights({name: value})
    if above > -np.inf and not (value > above).all():
        raise GatewiseValueError(f"{name} holds {value.min()}; need numbers above {above:g}.")
    return value


def _of_type(name: str, value: Any, kind: type, need: str) -> Any:
    if not isinstance(value, kind):
        raise GatewiseTypeError(f"{name} is {value!r}; need {need}.")
    return value


def known_keys(name: str, value: Any, keys: Iterable[str]) -> dict[str, Any]:
    """Return `value`; raise unless it is a dict with no keys but these."""
    keys = dict.fromkeys(keys)
    unknown = [key for key in mapping(name, value) if key not in keys]
    if unknown:
        raise GatewiseValueError(f"{name} has unknown {unknown[0]!r}; need {', '.join(keys)} only.")
    return dict(value)
