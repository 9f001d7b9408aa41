"""ONNX operators that work element by element, in NumPy.

Here and beside it an operator is a function: its positional parameters are the inputs (None where one is left out), its
keywords the attributes; `opset` and `outputs`, where it asks for them, are the version of the operators and how many
results are wanted. Shapes of results are checked before they are allocated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import numpy as np
from scipy.special import erf as scipy_erf

from gatewise.activations import relu, sigmoid, tanh
from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError
from gatewise.interop.onnx.tensors import check_size, dtype_of


def unary(function: Callable[[Any], Any]) -> Callable[[Array], Array]:
    """Return the operator that applies `function` and keeps the element type."""

    def operator(x: Array) -> Array:
        return np.asarray(function(x), x.dtype)

    return operator


def binary(function: Callable[[Any, Any], Any], dtype: Any = None) -> Callable[[Array, Array], Array]:
    """Return the operator that broadcasts two inputs of one type; the result has it, or `dtype`."""

    def operator(a: Array, b: Array) -> Array:
        check_alike(a, b)
        return np.asarray(function(a, b), a.dtype if dtype is None else dtype)

    return operator


def variadic(function: Callable[[Any, Any], Any]) -> Callable[..., Array]:
    """Return the operator that joins any number of inputs, two at a time."""

    def operator(*inputs: Array) -> Array:
        check_alike(*inputs)
        return np.asarray(reduce(function, inputs), inputs[0].dtype)

    return operator


def check_alike(*inputs: Array) -> None:
    """Raise unless all inputs have one element type and shapes that broadcast to one that may be allocated."""
    if len({x.dtype for x in inputs}) > 1:
        raise GatewiseTypeError(f"the inputs have the types {', '.join(str(x.dtype) for x in inputs)}; need one type.")
    check_size(np.broadcast_shapes(*(x.shape for x in inputs)))


def divide(a: Array, b: Array) -> Array:
    """a / b; of integers the quotient without its fraction."""
    if a.dtype.kind == "f":
        return np.divide(a, b)
    if not np.all(b):
        raise GatewiseValueError("an integer is divided by 0; need divisors other than 0.")
    quotient = np.abs(a) // np.abs(b)
    return np.where((a < 0) != (b < 0), -quotient, quotient)


def remainder(a: Array, b: Array, *, fmod: int = 0) -> Array:
    """Return what a / b leaves: with the sign of b, or of a with `fmod`."""
    check_alike(a, b)
    if a.dtype.kind != "f" and not np.all(b):
        raise GatewiseValueError("an integer is divided by 0; need divisors other than 0.")
    return np.asarray(np.fmod(a, b) if fmod else np.mod(a, b), a.dtype)


def power(a: Array, b: Array) -> Array:
    """a to the power b, in the type of a."""
    check_size(np.broadcast_shapes(a.shape, b.shape))
    return np.asarray(np.power(a, b).astype(a.dtype))


def mean(*inputs: Array) -> Array:
    """Return the mean of all inputs."""
    return np.asarray(variadic(np.add)(*inputs) / inputs[0].dtype.type(len(inputs)), inputs[0].dtype)


def where(condition: Array, a: Array, b: Array) -> Array:
    """Return a where the condition holds, else b."""
    check_alike(a, b)
    check_size(np.broadcast_shapes(condition.shape, a.shape, b.shape))
    return np.where(condition, a, b)


def cast(x: Array, *, to: int, saturate: int = 1, round_mode: str = "up") -> Array:
    """Return x in another element type; the attributes beside it concern types of 8 bits, which are not read."""
    dtype = dtype_of(to, "the result of Cast")
    if dtype.kind == "O":
        return np.array([str(value) for value in x.ravel()], dtype=object).reshape(x.shape)
    return x.astype(dtype)


def cast_like(x: Array, like: Array, *, saturate: int = 1, round_mode: str = "up") -> Array:
    """Return x in the element type of another array."""
    return x.astype(like.dtype)


def clip(
    x: Array, low: Array | None = None, high: Array | None = None, /, *, min: Any = None, max: Any = None
) -> Array:
    """Return x within bounds, which are inputs or, in old files, attributes."""
    bounds = [bound if given is None else given for bound, given in ((min, low), (max, high))]
    if all(bound is None for bound in bounds):
        return x
    return np.asarray(np.clip(x, *bounds), x.dtype)


def leaky_relu(x: Array, *, alpha: float = 0.01) -> Array:
    """Return x, where negative alpha x."""
    return np.asarray(np.where(x < 0, x * x.dtype.type(alpha), x), x.dtype)


def thresholded_relu(x: Array, *, alpha: float = 1.0) -> Array:
    """Return x where it is above alpha, else 0."""
    return np.asarray(np.where(x > alpha, x, 0), x.dtype)


def hard_sigmoid(x: Array, *, alpha: float = 0.2, beta: float = 0.5) -> Array:
    """alpha x + beta, within 0 and 1."""
    return np.asarray(np.clip(x * x.dtype.type(alpha) + x.dtype.type(beta), 0, 1), x.dtype)


def elu(x: Array, *, alpha: float = 1.0) -> Array:
    """Return x, where negative alpha (exp(x) − 1)."""
    return np.asarray(np.where(x < 0, x.dtype.type(alpha) * np.expm1(np.minimum(x, 0)), x), x.dtype)


def selu(x: Array, *, alpha: float = 1.6732632423543772, gamma: float = 1.0507009873554805) -> Array:
    """Elu times gamma."""
    return np.asarray(x.dtype.type(gamma) * elu(x, alpha=alpha), x.dtype)


def softplus(x: Array) -> Array:
    """log(1 + exp(x))."""
    return np.asarray(np.logaddexp(x, x.dtype.type(0)), x.dtype)


def softsign(x: Array) -> Array:
    """x / (1 + |x|)."""
    return np.asarray(x / (1 + np.abs(x)), x.dtype)


def hard_swish(x: Array) -> Array:
    """Return x times its hard sigmoid of slope 1/6."""
    return np.asarray(x * hard_sigmoid(x, alpha=1 / 6), x.dtype)


def erf(x: Array) -> Array:
    """Return the error function."""
    return np.asarray(scipy_erf(x), x.dtype)


def gelu(x: Array, *, approximate: str = "none") -> Array:
    """Return x Φ(x), where Φ is the normal distribution function or its approximation by tanh."""
    if approximate == "tanh":
        return np.asarray(0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))), x.dtype)
    return np.asarray(0.5 * x * (1 + scipy_erf(x / np.sqrt(2.0))), x.dtype)


def prelu(x: Array, slope: Array) -> Array:
    """Return x, where negative slope · x."""
    check_alike(x, slope)
    return np.asarray(np.where(x < 0, x * slope, x), x.dtype)


def identity(x: Array) -> Array:
    """Return x."""
    return x


def dropout(
    x: Array,
    given_ratio: Array | None = None,
    training: Array | None = None,
    /,
    *,
    ratio: float = 0.5,
    seed: int = 0,
    outputs: int = 1,
) -> tuple[Array, ...]:
    """Return x, which inference does not change, and a mask that drops nothing; raise if the file says to train."""
    dropped = ratio if given_ratio is None else float(given_ratio)
    if training is not None and bool(training) and dropped > 0:
        raise GatewiseValueError("Dropout has training_mode=1; need a model exported for inference, model.eval().")
    return (x, np.ones(x.shape, bool))[:outputs]


POINTWISE: dict[str, Callable[..., Any]] = {
    "Abs": unary(np.abs),
    "Add": binary(np.add),
    "And": binary(np.logical_and, bool),
    "Cast": cast,
    "CastLike": cast_like,
    "Ceil": unary(np.ceil),
    "Clip": clip,
    "Cos": unary(np.cos),
    "Div": binary(divide),
    "Dropout": dropout,
    "Elu": elu,
    "Equal": binary(np.equal, bool),
    "Erf": erf,
    "Exp": unary(np.exp),
    "Floor": unary(np.floor),
    "Gelu": gelu,
    "Greater": binary(np.greater, bool),
    "GreaterOrEqual": binary(np.greater_equal, bool),
    "HardSigmoid": hard_sigmoid,
    "HardSwish": hard_swish,
    "Identity": identity,
    "IsNaN": lambda x: np.isnan(x),
    "LeakyRelu": leaky_relu,
    "Less": binary(np.less, bool),
    "LessOrEqual": binary(np.less_equal, bool),
    "Log": unary(np.log),
    "Max": variadic(np.maximum),
    "Mean": mean,
    "Min": variadic(np.minimum),
    "Mod": remainder,
    "Mul": binary(np.multiply),
    "Neg": unary(np.negative),
    "Not": unary(np.logical_not),
    "Or": binary(np.logical_or, bool),
    "PRelu": prelu,
    "Pow": power,
    "Reciprocal": unary(np.reciprocal),
    "Relu": unary(relu),
    "Round": unary(np.rint),
    "Selu": selu,
    "Sigmoid": unary(sigmoid),
    "Sign": unary(np.sign),
    "Sin": unary(np.sin),
    "Softplus": softplus,
    "Softsign": softsign,
    "Sqrt": unary(np.sqrt),
    "Sub": binary(np.subtract),
    "Sum": variadic(np.add),
    "Tanh": unary(tanh),
    "ThresholdedRelu": thresholded_relu,
    "Where": where,
    "Xor": binary(np.logical_xor, bool),
}
