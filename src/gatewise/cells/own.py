"""A cell of one's own: two pointwise functions and the names of what they work on, checked on small random arrays."""

from __future__ import annotations

import copy
import keyword
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from gatewise.cells.cell import Cell, Pointwise, PointwiseBackward, Record, State, plain_cell
from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError

OwnRecordGradients = Callable[[State, State, State, Record], tuple[State, Record]]
# Attributes of a tape and variables of a trace, which the values of a cell may not hide.
RESERVED = frozenset({"runs", "lengths", "masks", "directions", "owner", "values", "x", "y"})
ROWS, UNITS = 3, 5
SOME = (slice(1, None), slice(1, 4))  # rows and units that a probe takes alone


class OwnRecord:
    """`record_gradients` of a cell of one's own: the user's function, or NaN for what it would say."""

    def __init__(self, function: OwnRecordGradients | None) -> None:
        self.function = function

    def __call__(
        self, dstate: State, state: State, state_prev: State, record: Record, U: Array
    ) -> tuple[State, Record]:
        """`record_gradients` of `Cell`."""
        if self.function is None:
            return dstate, tuple(np.full_like(value, np.nan) for value in record)
        return self.function(dstate, state, state_prev, record)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OwnRecord) and self.function == other.function

    def __hash__(self) -> int:
        return hash((OwnRecord, self.function))


def own_cell(
    name: str,
    gates: Sequence[str],
    states: Sequence[str],
    forward: Pointwise,
    backward: PointwiseBackward,
    *,
    recorded: Sequence[str] | None,
    record_gradients: OwnRecordGradients | None,
    recurrent: bool,
    recurrent_bias: bool,
) -> Cell:
    """Return the cell of these functions; raise unless they do what `gatewise.define_cell` asks of them."""
    gates, states = check_value_names("gates", gates), check_value_names("states", states)
    for label, function in (("forward", forward), ("backward", backward)):
        if not callable(function):
            raise GatewiseTypeError(f"{label} is a {type(function).__name__}; need a function of tuples of arrays.")
    count = _Probe(len(gates), len(states), len(gates) if recurrent else 0, forward, backward).check()
    names = _recorded_names(recorded, gates, count)
    check_value_names("states and recorded values", (*states, *names))
    return plain_cell(
        name,
        gates,
        letters(gates),
        states,
        names,
        forward,
        backward,
        OwnRecord(record_gradients),
        recurrent=recurrent,
        recurrent_bias=recurrent_bias,
    )


def check_value_names(what: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names as a tuple; raise unless each can be an attribute of a tape and none comes twice."""
    if isinstance(names, str) or not all(isinstance(name, str) for name in names) or (not names and what != "recorded"):
        raise GatewiseTypeError(f"{what} is {names!r}; need one or more names, such as ('update', 'candidate').")
    for name in names:
        plain = name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_")
        if not plain or name in RESERVED or name.startswith(("d_", "initial_")):
            raise GatewiseValueError(
                f"{what} hold the name {name!r}; need a Python name that is neither a keyword nor one of "
                f"{', '.join(sorted(RESERVED))} and does not begin with _, d_ or initial_: choose another."
            )
    if len(set(names)) < len(names):
        twice = next(name for name in names if list(names).count(name) > 1)
        raise GatewiseValueError(f"{what} hold the name {twice!r} twice; need each once: rename one.")
    return tuple(names)


def _recorded_names(recorded: Sequence[str] | None, gates: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Names of the `count` values that forward records: those given, those of the gates, or numbered ones."""
    if recorded is None:
        return gates if count == len(gates) else tuple(f"record_{k}" for k in range(count))
    if len(recorded) != count:
        raise GatewiseValueError(
            f"recorded names {len(recorded)} values, and forward records {count}; need one name for each."
        )
    return check_value_names("recorded", recorded)


def letters(gates: Sequence[str]) -> tuple[str, ...]:
    """Return a letter for each gate: the first of its name that no gate before it has, else its number.

    Examples
    --------
    >>> letters(("forget", "candidate", "fine"))
    ('f', 'c', 'i')
    """
    chosen: list[str] = []
    for k, gate in enumerate(gates):
        chosen.append(next((c for c in gate if c.isalpha() and c not in chosen), str(k)))
    return tuple(chosen)


class _Probe:
    """Random arguments of both functions, and what is asked of the results."""

    def __init__(self, gates: int, states: int, products: int, forward: Pointwise, backward: PointwiseBackward) -> None:
        self.sizes = {"gates": gates, "products": products, "states": states}
        self.forward, self.backward = forward, backward

    def check(self) -> int:
        """Raise unless both functions are pointwise and keep the dtype; return how many values are recorded."""
        rng = np.random.default_rng(0)
        for dtype in (np.float64, np.float32):
            p, q, state_prev, dstate = (
                tuple(rng.standard_normal((ROWS, UNITS)).astype(dtype) for _ in range(self.sizes[name]))
                for name in ("gates", "products", "states", "states")
            )
            state, record = self._forward(p, q, state_prev)
            self._backward(dstate, state, state_prev, record)
        return len(record)

    def _forward(self, *arguments: Any) -> tuple[State, Record]:
        (p, _, _), S = arguments, self.sizes["states"]
        state, record = self._called("forward", self.forward, arguments, "(state, record)", 2)
        _check_tuple("forward", "state", state, S, p[0].dtype)
        _check_tuple("forward", "record", record, None, p[0].dtype)
        _check_pointwise("forward", self.forward, arguments, (state, record))
        return state, record

    def _backward(self, *arguments: Any) -> None:
        results = self._called("backward", self.backward, arguments, "(dp, dq, dstate_prev)", 3)
        pairs = zip(("dp", "dq", "dstate_prev"), results, self.sizes.values(), strict=True)
        for label, result, size in pairs:
            _check_tuple("backward", label, result, size, arguments[0][0].dtype)
        _check_pointwise("backward", self.backward, arguments, results)

    def _called(self, label: str, function: Callable[..., Any], arguments: Any, need: str, count: int) -> Any:
        """Call a function; raise if it fails, changes its arguments, or does not return `count` tuples."""
        before = copy.deepcopy(arguments)
        try:
            with np.errstate(all="ignore"):
                results = function(*arguments)
        except Exception as error:
            raise GatewiseValueError(
                f"{label} failed on arrays ({ROWS}, {UNITS}), with {self._numbers()}: {type(error).__name__}: {error}."
            ) from error
        if not all(map(np.array_equal, chain(*before), chain(*arguments))):
            raise GatewiseValueError(f"{label} changes its arguments; need a function that returns new arrays.")
        if not isinstance(results, tuple) or len(results) != count:
            raise GatewiseTypeError(f"{label} returned {_described(results)}; need {need}, {count} tuples of arrays.")
        return results

    def _numbers(self) -> str:
        return f"{self.sizes['gates']} arrays in p, {self.sizes['products']} in q and {self.sizes['states']} states"


def _described(result: Any) -> str:
    return f"{len(result)} values" if isinstance(result, tuple) else f"a {type(result).__name__}"


def _check_tuple(function: str, label: str, values: Any, size: int | None, dtype: Any) -> None:
    """Raise unless `values` is a tuple of `size` arrays of a probe's shape and dtype."""
    if not isinstance(values, tuple) or (size is not None and len(values) != size):
        need = "a tuple" if size is None else f"a tuple of {size}"
        raise GatewiseTypeError(f"{function} returned as {label} {_described(values)}; need {need} arrays.")
    for k, value in enumerate(values):
        if not isinstance(value, np.ndarray) or value.shape != (ROWS, UNITS):
            came = f"shape {value.shape}" if isinstance(value, np.ndarray) else f"a {type(value).__name__}"
            raise GatewiseValueError(
                f"{function} returned {label}[{k}] as {came} from arrays ({ROWS}, {UNITS}); "
                f"need an array of the same shape: work element by element, and write 0 * h, not 0."
            )
        if value.dtype != dtype:
            raise GatewiseTypeError(
                f"{function} returned {label}[{k}] with dtype {value.dtype} from {dtype}; need the same: "
                f"use Python numbers as constants, not arrays or NumPy scalars."
            )


def _check_pointwise(label: str, function: Callable[..., Any], arguments: Any, results: Any) -> None:
    """Raise unless some rows and units of the arguments give these rows and units of the results."""
    with np.errstate(all="ignore"):
        alone = function(*(tuple(a[SOME] for a in group) for group in arguments))
    for whole_group, group in zip(results, alone, strict=True):
        for whole, part in zip(whole_group, group, strict=True):
            if not np.allclose(whole[SOME], part, rtol=1e-5, atol=1e-6, equal_nan=True):
                raise GatewiseValueError(
                    f"{label} is not pointwise: some rows and units alone give other numbers than among all; "
                    f"need functions in which each element depends on the same element of the arguments only."
                )
