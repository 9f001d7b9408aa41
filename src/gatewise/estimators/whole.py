"""Fits that are whole or have not been: what fails or is interrupted leaves an estimator as it was."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar, cast

Method = TypeVar("Method", bound=Callable[..., Any])


def whole_or_unchanged(method: Method) -> Method:
    """Let a method that fits work on a twin, whose attributes its object takes all at once at the end.

    The twin shares what the attributes hold, so the method may replace that but not write into it. However it ends
    early, by an error, Ctrl-C or a callback that raises, the object has the attributes that it had; until it is done,
    other threads see these too.

    Examples
    --------
    >>> class Sum:
    ...     @whole_or_unchanged
    ...     def fit(self, values):
    ...         self.count_ = len(values)
    ...         self.total_ = sum(values)
    ...         return self
    >>> model = Sum().fit([1, 2])
    >>> try:
    ...     model.fit([1, 2, "three"])
    ... except TypeError:
    ...     print(vars(model))
    {'count_': 2, 'total_': 3}
    """

    @functools.wraps(method)
    def fit(self: Any, *args: Any, **options: Any) -> Any:
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        result = method(twin, *args, **options)
        self.__dict__ = twin.__dict__
        return self if result is twin else result

    return cast("Method", fit)
