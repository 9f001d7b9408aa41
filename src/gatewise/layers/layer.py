"""What every layer is: parameters in a dict, and a forward and a backward pass that keep nothing in between."""

from __future__ import annotations

import copy
import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import DTypeLike

from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError, check_array, check_dtype
from gatewise.layers.padding import blank

if TYPE_CHECKING:
    from gatewise.layers.stepper import Stepper
    from gatewise.layers.summary import Summary

Rng = int | np.random.Generator | None


class Params(dict[str, Array]):
    """Named arrays whose names, shapes and dtypes are fixed.

    `params[name] = array` copies the values *into* the entry, so an optimizer, a stepper or a `Sequential` that
    holds the same entry sees them, and no two models ever share an array by accident.

    Examples
    --------
    >>> params = Params(bias=np.zeros(2))
    >>> params["bias"] = np.array([1.0, 2.0])
    >>> params["bias"][0] += 1
    >>> params["bias"]
    array([2., 2.])
    """

    def __setitem__(self, name: str, value: Array) -> None:
        if name not in self:
            raise GatewiseValueError(f"there is no parameter {name!r}; there are {', '.join(self)}.")
        entry = self[name]
        if value is not entry:
            entry[...] = check_array(f"params[{name!r}]", value, entry.shape, entry.dtype)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several entries; either all fit or none is changed."""
        values = dict(*args, **kwargs)
        twin = Params({name: np.empty_like(entry) for name, entry in self.items()})
        for name, value in values.items():
            twin[name] = value
        for name, value in values.items():
            self[name] = value

    def __ior__(self, other: Any) -> Self:  # type: ignore[override, misc]
        self.update(other)
        return self

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise GatewiseValueError("parameters cannot be added or removed: set the values of an entry instead.")

    __delitem__ = _refuse
    pop = clear = popitem = setdefault = _refuse

    def __reduce__(self) -> tuple[type[Params], tuple[dict[str, Array]]]:
        return Params, (dict(self),)


class Layer(ABC):
    """A function of arrays with parameters, a forward pass and a hand-written backward pass.

    Attributes
    ----------
    params : dict of str to ndarray
        The weights. Writing into an entry, or assigning an array of its shape and dtype, sets them.
    dtype : numpy.dtype
        float32 or float64; input, output and parameters all have it.
    """

    identity: object
    """Which layer this is: its tapes hold it too. A deep or pickled copy of a layer has its own, as a deep or pickled
    copy of a tape belongs to no layer but the one copied together with it."""
    params: Params
    dtype: np.dtype[Any]
    keeps_time: bool = True
    """Whether the output of (batch, time, ...) still has the time axis."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:  # noqa: D102
        layer = super().__new__(cls)
        layer.identity = object()
        return layer

    def __call__(self, x: Array, state: Any = None, *, lengths: Any = None) -> tuple[Array, Any]:
        """Inference: `forward` without dropout and without a tape; returns the output and the final state."""
        y, state, _ = self.forward(x, state, lengths=lengths)
        return y, state

    @abstractmethod
    def forward(
        self, x: Array, state: Any = None, *, lengths: Any = None, training: bool = False, rng: Rng = None
    ) -> tuple[Array, Any, Any]:
        """Return the output, the final state (None if the layer has none) and the tape for `backward`."""

    @abstractmethod
    def backward(self, tape: Any, dy: Array, dstate: Any = None) -> tuple[Array | None, Any, dict[str, Array]]:
        """Return the gradients of the input, of the initial state, and of every entry of `params`."""

    def __init_subclass__(cls, **options: Any) -> None:
        """Let a class with passes of its own have no shorter ones for training but those that it defines."""
        super().__init_subclass__(**options)
        own = vars(cls)
        if ("forward" in own or "backward" in own) and "learning_forward" not in own:
            cls.learning_forward = Layer.learning_forward  # type: ignore[method-assign]
            cls.learning_backward = Layer.learning_backward  # type: ignore[method-assign]

    def learning_forward(self, x: Array, lengths: Array | None, rng: np.random.Generator) -> tuple[Array, Any]:
        """`forward` in training and without its checks, of what stays as it is until `learning_backward`.

        x fits, is finite, and is 0 past `lengths`, int64 (batch,). Returns output, 0 past each length, and a tape.
        """
        y, _, tape = self.forward(x, lengths=lengths, training=True, rng=rng)
        return blank(y, lengths) if self.keeps_time else y, tape

    def learning_backward(self, tape: Any, dy: Array, needs_dx: bool) -> tuple[Array | None, dict[str, Array]]:
        """`backward` through a tape of `learning_forward`, of dy that fits and is 0 past each length.

        Returns the gradients of the input, None unless `needs_dx`, and of `params`, some perhaps in another order.
        """
        dx, _, grads = self.backward(tape, dy)
        return dx, grads

    def backward_passes(
        self, tape: Any, dy: Array, dstate: Any = None
    ) -> tuple[Array | None, Any, dict[str, Array], tuple[Any, ...]]:
        """Return what `backward` returns, and the passes over time that it consists of.

        Those of a recurrent layer are `gatewise.recurrence.Pass`, in the order of `tape.runs`; a model of layers has
        one entry per layer, in the order of its tapes; any other layer has none.
        """
        return (*self.backward(tape, dy, dstate), ())

    @abstractmethod
    def config(self) -> dict[str, Any]:
        """Return the constructor arguments that rebuild this layer, plain enough for JSON."""

    def stepper(self, batch: int | None = None) -> Stepper:
        """Return what runs this layer step by step, as the data come, and keeps its state.

        Parameters
        ----------
        batch : int, optional
            How many streams run side by side, each step x_t (batch, D); None for a single one, x_t (D,).

        Returns
        -------
        Stepper
            It starts from zeros, and reads `params` at every step.

        Raises
        ------
        GatewiseError
            If the layer cannot step, as one with a reverse direction.

        Examples
        --------
        >>> import gatewise as gw
        >>> model = gw.Sequential(gw.GRU(3, 16, rng=0), gw.Dense(16, 2, rng=1))
        >>> stream = model.stepper()
        >>> for x_t in np.zeros((5, 3), np.float32):
        ...     y_t = stream.step(x_t)
        >>> y_t.shape, stream.process(np.zeros((100, 3), np.float32)).shape
        ((2,), (100, 2))
        """
        from gatewise.layers.model_steppers import stepper_of

        return stepper_of(self, batch)

    def astype(self, dtype: DTypeLike) -> Self:
        """Return a copy of this layer whose parameters have `dtype` (float32 or float64).

        Examples
        --------
        >>> import gatewise as gw
        >>> gw.GRU(3, 4, rng=0).astype("float64").dtype
        dtype('float64')
        """
        twin = copy.deepcopy(self)
        twin.dtype = check_dtype(dtype)
        twin.params = Params({name: value.astype(dtype) for name, value in self.params.items()})
        return twin

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.config().items())
        return f"{type(self).__name__}({arguments})"

    def __str__(self) -> str:
        """As `repr`, without the options that have their defaults."""
        options = inspect.signature(type(self)).parameters
        defaults = {name: option.default for name, option in options.items()}
        changed = {
            name: value for name, value in self.config().items() if not _is_default(value, defaults.get(name, ...))
        }
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in changed.items())})"

    def summary(self) -> Summary:
        """Return a table of the layers of this model, with the shapes of their outputs and their parameters.

        Returns
        -------
        Summary
            It prints as text and shows as HTML in a notebook; `summary.parameters` is the number of all parameters.

        Examples
        --------
        >>> import gatewise as gw
        >>> gw.Sequential(gw.GRU(3, 16, rng=0), gw.Last(), gw.Dense(16, 1, rng=1)).summary()
        layer                                      output              parameters
        ─────────────────────────────────────────────────────────────────────────
        Sequential                                 (batch, 1)               1,025
          0: GRU(input_size=3, hidden_size=16)     (batch, time, 16)        1,008
          1: Last()                                (batch, 16)                  0
          2: Dense(input_size=16, output_size=1)   (batch, 1)                  17
        1,025 parameters, 4.1 kB
        """
        from gatewise.layers.summary import summarize

        return summarize(self)


def _is_default(value: Any, default: Any) -> bool:
    """Whether the value of an option, as `config` has it, is what its constructor takes by default."""
    if isinstance(default, type):  # a dtype
        return bool(value == np.dtype(default).name)
    return bool(tuple(value) == default if isinstance(default, tuple) else value == default)


def generator(rng: Rng) -> np.random.Generator:
    """Return `rng` itself if it is a Generator, else one seeded with it; raise if it cannot be a seed."""
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise GatewiseTypeError(
            f"rng is {rng!r}; need None, an integer of at least 0, or a numpy.random.Generator."
        ) from error


def check_tape(tape: Any, kind: type, layer: Layer) -> None:
    """Raise unless `tape`, of type `kind`, came from a forward pass of this very layer."""
    check_tape_type(tape, kind, layer)
    if tape.owner is not layer.identity:
        raise GatewiseValueError(
            f"the tape is another layer's: it was not made by this {layer!r}; "
            f"need the third result of this layer's forward: y, state, tape = layer.forward(x)."
        )


def check_tape_type(tape: Any, kind: type, layer: object) -> None:
    """Raise unless `tape` is of type `kind`, whichever layer made it."""
    if not isinstance(tape, kind):
        raise GatewiseTypeError(
            f"backward of {type(layer).__name__} got a {type(tape).__name__} as tape; "
            f"need the third result of its own forward: y, state, tape = layer.forward(x)."
        )


def prefixed(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """The same arrays under `prefix.name`."""
    return {f"{prefix}.{name}": array for name, array in arrays.items()}
