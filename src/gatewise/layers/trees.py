"""States, outputs and their gradients as trees: tuples of tuples of arrays, None where a layer has no state."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from gatewise.errors import Array, check_array, check_names


def leaves(tree: Any, path: str = "") -> Iterator[tuple[str, Array]]:
    """Yield the arrays in a tree with their paths; None holds nothing.

    Examples
    --------
    >>> [path for path, _ in leaves((np.zeros(1), None, (np.zeros(2),)))]
    ['.0', '.2.0']
    """
    if isinstance(tree, np.ndarray):
        yield path, tree
    elif tree is not None:
        names = getattr(tree, "_fields", range(len(tree)))
        for name, branch in zip(names, tree, strict=True):
            yield from leaves(branch, f"{path}.{name}")


def mapped(function: Callable[[Array], Array], tree: Any) -> Any:
    """Return the same tree with `function` of every array.

    Examples
    --------
    >>> mapped(np.negative, (np.ones(1), None))
    (array([-1.]), None)
    """
    if tree is None or isinstance(tree, np.ndarray):
        return tree if tree is None else function(tree)
    branches = [mapped(function, branch) for branch in tree]
    return type(tree)(*branches) if hasattr(tree, "_fields") else tuple(branches)


def with_leaves(tree: Any, arrays: Mapping[str, Array]) -> Any:
    """Return the same tree with copies of these arrays, by path, in place of its own; raise unless they fit."""
    own = dict(leaves(tree))
    check_names("state", arrays, own)
    new = iter([check_array(f"state{path}", arrays[path], a.shape, a.dtype).copy() for path, a in own.items()])
    return mapped(lambda _: next(new), tree)


def restarted(state: Any, rows: Array) -> Any:
    """Return a state of (…, batch, H) arrays, or the gradient of one, with the rows that `rows` (batch,) marks at 0.

    Examples
    --------
    >>> restarted(np.ones((1, 2, 3)), np.array([True, False]))
    array([[[0., 0., 0.],
            [1., 1., 1.]]])
    """
    if state is None or not rows.any():
        return state
    return mapped(lambda a: np.where(rows[:, None], a.dtype.type(0), a), state)
