"""JSON from files that nobody trusts."""

from __future__ import annotations

import json
import re
from typing import Any

from gatewise.errors import GatewiseValueError
from gatewise.limits import Limits

# Nothing is tried twice: the quantifiers give nothing back, and the last quote may lack.
_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)


def parse_json(text: str, what: str, limits: Limits | None = None) -> Any:
    """Return what a JSON text holds, its values counted before any is made.

    Parameters
    ----------
    text : str
        From a file.
    what : str
        How a message calls the text, such as "its header".
    limits : Limits, optional
        `values` is how many values it may hold.

    Raises
    ------
    GatewiseError
        If it is no JSON, too large or too deep, or gives one name twice.

    Examples
    --------
    >>> parse_json('{"a": [1, 2]}', "it")
    {'a': [1, 2]}
    """
    most = (limits or Limits.usual()).values
    structure = _STRING.sub("", text)
    count = sum(map(structure.count, "[{,"))
    if count > most:
        raise GatewiseValueError(f"{what} holds {count} values; need at most {most}, the limit `values`.")
    try:
        value = json.loads(text, object_pairs_hook=_once_each)
        if "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode()  # halves of characters cannot be printed
    except (ValueError, RecursionError) as error:
        raise GatewiseValueError(f"{what} is no JSON that can be read ({error}).") from error
    return value


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it gives one name twice")
    return found
