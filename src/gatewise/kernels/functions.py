"""Functions of Vectors: exp, tanh, the activations and the others that a pointwise function is likely to call."""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from llvmlite import ir

from gatewise.kernels.arithmetic import unary
from gatewise.kernels.values import constant
from gatewise.kernels.vectors import call_llvm, fma, suffix


class _Format:
    """Constants of a Vector's format: bits, those of the mantissa, the bias of exponents.

    And for exp: terms of the polynomial, and how many bits of ln 2 can be multiplied by k without rounding.
    """

    def __init__(self, vec: Any) -> None:
        self.vec = vec
        self.double = isinstance(vec.element, ir.DoubleType)
        numbers = (64, 52, 1023, 13, 32) if self.double else (32, 23, 127, 7, 15)
        self.bits, self.mantissa, self.bias, self.terms, self.keep = numbers
        self.integer = ir.VectorType(ir.IntType(self.bits), vec.count)

    def integers(self, value: int) -> Any:
        """An integer in every lane."""
        return ir.Constant(self.integer, [value] * self.vec.count)


def _reduce(builder, y, tail_of_ln2: float = 0.0):
    """k + shift, k, and eʳ − 1, where y = k ln 2 + r with |r| ≤ ln 2 / 2; a Taylor polynomial.

    Adding `shift` rounds to the integer k and leaves it in the low bits. A large k needs the tail of ln 2 past float64.
    """
    vec, form = y.type, _Format(y.type)
    shift = constant(vec, 1.5 * 2.0**form.mantissa)
    shifted = fma(builder, y, constant(vec, 1 / math.log(2)), shift)
    k = builder.fsub(shifted, shift)
    high = math.floor(math.ldexp(math.log(2), form.keep)) / 2.0**form.keep  # few bits, so that k · high is exact
    low = 0.6931471805599453094172321 - high + tail_of_ln2
    r = fma(builder, k, constant(vec, -low), fma(builder, k, constant(vec, -high), y))
    tail = constant(vec, _rounded(1 / math.factorial(form.terms), form.double))
    for i in range(form.terms - 1, 1, -1):
        tail = fma(builder, tail, r, constant(vec, _rounded(1 / math.factorial(i), form.double)))
    return shifted, k, fma(builder, builder.fmul(tail, r), r, r)


def _power_of_two(builder, shifted):
    """2ᵏ for k + shift: the low bits moved into the exponent."""
    form = _Format(shifted.type)
    exponent = builder.shl(builder.bitcast(shifted, form.integer), form.integers(form.mantissa))
    return builder.bitcast(builder.add(exponent, form.integers(form.bias << form.mantissa)), shifted.type)


# tanh (x / 2) = x P(x²) / Q(x²), fitted so that tanh x, made from it, is off by 10⁻⁸ at most until float32 rounds it
# to 1. Of the coefficients nearby these have the smallest rounding errors; the first ones make small numbers exact.
SATURATED = 8.88
P = (1.0, 0.0297984481, 0.000114796669)
Q = (2.0, 0.226263508, 0.0024183034, 2.48109745e-06)


def _polynomial(builder, x, coefficients):
    """Σ coefficients[i] xⁱ."""
    value = constant(x.type, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = fma(builder, value, x, constant(x.type, coefficient))
    return value


def _emit_tanh(builder, x):
    """tanh, within 4 ulp, or 5 without fused multiply-add; never past ±1."""
    return _emit_double_tanh(builder, x) if _Format(x.type).double else _emit_single_tanh(builder, x)


def _emit_single_tanh(builder, x):
    """2 t / (1 + t²) of t = tanh (x / 2) = a / b: with fewer instructions than an exponential, never past ±1."""
    top, bottom = constant(x.type, SATURATED), constant(x.type, -SATURATED)
    y = builder.select(builder.fcmp_ordered(">", x, top), top, x)  # NaN stays NaN
    y = builder.select(builder.fcmp_ordered("<", y, bottom), bottom, y)
    square = builder.fmul(y, y)
    a = fma(builder, builder.fmul(y, square), _polynomial(builder, square, P[1:]), y)
    b = _polynomial(builder, square, Q)
    return builder.fdiv(builder.fmul(a, builder.fadd(b, b)), fma(builder, b, b, builder.fmul(a, a)))


def _emit_double_tanh(builder, x):
    """tanh |x| = −m / (m + 2) with m = exp(−2|x|) − 1, computed without cancellation."""
    vec = x.type
    size = call_llvm(builder, f"llvm.fabs.{suffix(vec)}", vec, x)
    y = builder.fmul(size, constant(vec, -2.0))
    y = builder.select(builder.fcmp_ordered("<", y, constant(vec, -40.0)), constant(vec, -40.0), y)
    shifted, _, expm1 = _reduce(builder, y)
    scale = _power_of_two(builder, shifted)
    m = fma(builder, scale, expm1, builder.fsub(scale, constant(vec, 1.0)))
    t = builder.fdiv(builder.fneg(m), builder.fadd(m, constant(vec, 2.0)))
    return call_llvm(builder, f"llvm.copysign.{suffix(vec)}", vec, t, x)


def _emit_exp(builder, x):
    """eˣ = 2ᵏ eʳ, within 2 ulp; 2ᵏ in two factors, so that neither leaves the range where the result does not."""
    vec, form = x.type, _Format(x.type)
    limit = 800.0 if form.double else 110.0
    y = builder.select(builder.fcmp_ordered(">", x, constant(vec, limit)), constant(vec, limit), x)
    y = builder.select(builder.fcmp_ordered("<", y, constant(vec, -limit)), constant(vec, -limit), y)
    _, k, expm1 = _reduce(builder, y, 2.3190468138462996e-17)
    shift = constant(vec, 1.5 * 2.0**form.mantissa)
    half = builder.fadd(builder.fmul(k, constant(vec, 0.5)), shift)
    rest = builder.fadd(builder.fsub(k, builder.fsub(half, shift)), shift)
    value = builder.fadd(expm1, constant(vec, 1.0))
    return builder.fmul(builder.fmul(value, _power_of_two(builder, half)), _power_of_two(builder, rest))


def _emit_sign(builder, x):
    """−1, 0 or 1; NaN stays NaN."""
    zero = constant(x.type, 0.0)
    below = builder.select(builder.fcmp_ordered("<", x, zero), constant(x.type, -1.0), x)
    return builder.select(builder.fcmp_ordered(">", x, zero), constant(x.type, 1.0), below)


def _llvm(name: str) -> Any:
    """LLVM's own function of that name; of those without an instruction, libm's, lane by lane."""
    return lambda builder, x: call_llvm(builder, f"llvm.{name}.{suffix(x.type)}", x.type, x)


def _rounded(value: float, double: bool) -> float:
    return value if double else float(np.float32(value))


unary(np.tanh, _emit_tanh)
unary(np.exp, _emit_exp)
unary(np.sign, _emit_sign)
for _function, _name in {
    np.sqrt: "sqrt",
    np.abs: "fabs",
    operator.abs: "fabs",
    np.log: "log",
    np.sin: "sin",
    np.cos: "cos",
}.items():
    unary(_function, _llvm(_name))
