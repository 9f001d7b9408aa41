"""Functions that a file brings with it: mathematics without a library, and products with tables.

exp, tanh and log are computed here, so that a step needs no library, and so that compilers make vectors of the loops
that call them. Largest errors against correctly rounded results, in units in the last place, over all floats: see the
tests. Nothing needs the exactness of one compiler: neither fused operations nor their absence change more than that.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from string import Template

from gatewise.interop.c.expressions import literal

LIBRARY = {"sqrt": "sqrt", "sin": "sin", "cos": "cos"}
"""Operations that call the C library, whose header is then included."""

_TEXTS = {
    "power_of_two": """
/* 2^k, for -126 <= k <= 127 (double: -1022 to 1023): k becomes the exponent. */
static inline $real ${name}_power_of_two(int32_t k)
{
    union { $bits bits; $real value; } number;
    number.bits = ($bits)(k + $bias) << $mantissa;
    return number.value;
}
""",
    "expm1_part": """
/* e^r - 1 for |r| <= ln 2 / 2: a Taylor polynomial. */
static inline $real ${name}_expm1_part($real r)
{
    $real sum = $last_term;
$terms
    return sum * r * r + r;
}
""",
    "exp": """
/* e^a = 2^k e^r; 2^k in two factors, so that neither leaves the range where the result does not. */
static inline $real ${name}_exp($real a)
{
    const $real low = a > -$exp_limit ? a : -$exp_limit;
    const $real y = low < $exp_limit ? low : $exp_limit;
    const int32_t k = (int32_t)(y * $log2e + $exp_shift) - $exp_whole;
    const int32_t part = k / 2;
    const $real r = (y - ($real)k * $ln2_high) - ($real)k * $ln2_low;
    const $real power = (${name}_expm1_part(r) + $one) * ${name}_power_of_two(part);
    return a == a ? power * ${name}_power_of_two(k - part) : a;
}
""",
    "tanh": """
/* tanh a = m / (m + 2) with m = e^(2a) - 1, computed without cancellation. */
static inline $real ${name}_tanh($real a)
{
    const $real low = a > -$tanh_limit ? a : -$tanh_limit;
    const $real y = $two * (low < $tanh_limit ? low : $tanh_limit);
    const int32_t k = (int32_t)(y * $log2e + $tanh_shift) - $tanh_whole;
    const $real r = (y - ($real)k * $ln2_high) - ($real)k * $ln2_low;
    const $real power = ${name}_power_of_two(k);
    const $real m = power * ${name}_expm1_part(r) + (power - $one);
    return a == a ? m / (m + $two) : a;
}
""",
    "sigmoid": """
static inline $real ${name}_sigmoid($real a)
{
    return $half * ${name}_tanh($half * a) + $half;
}
""",
    "log": """
/* ln a = e ln 2 + 2 artanh((m - 1) / (m + 1)), where a = m 2^e and m is near 1. */
static inline $real ${name}_log($real a)
{
    const $real tiny = $smallest;
    const $real scaled = a < tiny ? a * $lift : a;
    union { $real value; $bits bits; } number;
    int32_t e;
    $real m, t, square, sum;
    number.value = scaled > $zero ? scaled : $one;
    e = (int32_t)(number.bits >> $mantissa) - $bias - (a < tiny ? $lift_exponent : 0);
    number.bits = (number.bits & $mantissa_mask) | (($bits)$bias << $mantissa);
    m = number.value > $root2 ? $half * number.value : number.value;
    e += number.value > $root2;
    t = (m - $one) / (m + $one);
    square = t * t;
    sum = $last_odd;
$odd_terms
    sum = ($real)e * $ln2_high + (($real)e * $ln2_low + $two * t * (sum * square + $one));
    if (a > $largest || a != a)
        return a;
    return a > $zero ? sum : (a < $zero ? $zero / (a - a) : -$one / (a * a));
}
""",
    "max": """
static inline $real ${name}_max($real a, $real b)
{
    return a < b ? b : a;
}
""",
    "min": """
static inline $real ${name}_min($real a, $real b)
{
    return a > b ? b : a;
}
""",
    "abs": """
static inline $real ${name}_abs($real a)
{
    return a < $zero ? -a : a;
}
""",
    "sign": """
static inline $real ${name}_sign($real a)
{
    return a > $zero ? $one : (a < $zero ? -$one : a);
}
""",
    "affine": """
/* y = W x + b. W stands column by column, so that the loop inside runs along y and has no sum in it. */
static void ${name}_affine(int outputs, int inputs, const $real *restrict W, const $real *restrict b,
                           const $real *restrict x, $real *restrict y)
{
    int i, k;
    for (i = 0; i < outputs; ++i)
        y[i] = b[i];
    for (k = 0; k + 4 <= inputs; k += 4, W += 4 * outputs) {
        const $real x0 = x[k], x1 = x[k + 1], x2 = x[k + 2], x3 = x[k + 3];
        const $real *restrict W1 = W + outputs, *restrict W2 = W1 + outputs, *restrict W3 = W2 + outputs;
        for (i = 0; i < outputs; ++i)
            y[i] += (x0 * W[i] + x1 * W1[i]) + (x2 * W2[i] + x3 * W3[i]);
    }
    for (k = inputs - inputs % 4; k < inputs; ++k, W += outputs) {
        const $real x0 = x[k];
        for (i = 0; i < outputs; ++i)
            y[i] += x0 * W[i];
    }
}
""",
    "affine_blocks": """
/* y = W x + b for a multiple of 16 outputs. W stands four columns at a time, of these 16 rows after 16 rows, so that
   it is read from its beginning to its end. */
static void ${name}_affine_blocks(int outputs, int inputs, const $real *restrict W, const $real *restrict b,
                                  const $real *restrict x, $real *restrict y)
{
    int i, j, k;
    for (i = 0; i < outputs; ++i)
        y[i] = b[i];
    for (k = 0; k + 4 <= inputs; k += 4) {
        const $real x0 = x[k], x1 = x[k + 1], x2 = x[k + 2], x3 = x[k + 3];
#ifdef __clang__
#pragma clang loop vectorize(disable) /* this one: Clang is to make vectors of the loops inside */
#endif
        for (i = 0; i < outputs; i += 16, W += 64) {
            $real block[16];
            for (j = 0; j < 16; ++j)
                block[j] = y[i + j] + ((x0 * W[j] + x1 * W[16 + j]) + (x2 * W[32 + j] + x3 * W[48 + j]));
            for (j = 0; j < 16; ++j)
                y[i + j] = block[j];
        }
    }
    for (k = inputs - inputs % 4; k < inputs; ++k, W += outputs) {
        const $real x0 = x[k];
        for (i = 0; i < outputs; ++i)
            y[i] += x0 * W[i];
    }
}
""",
    "affine_ahead": """
/* y = W x + b for several steps side by side, with W in the order of affine_blocks, which is read once for all. */
static void ${name}_affine_ahead(int steps, int outputs, int inputs, const $real *restrict W, const $real *restrict b,
                                 const $real *restrict x, $real *restrict y)
{
    int i, j, k, t;
    for (t = 0; t < steps; ++t)
        for (i = 0; i < outputs; ++i)
            y[t * outputs + i] = b[i];
    for (k = 0; k + 4 <= inputs; k += 4)
        for (i = 0; i < outputs; i += 16, W += 64)
#ifdef __clang__
#pragma clang loop vectorize(disable)
#endif
            for (t = 0; t < steps; ++t) {
                const $real *restrict in = x + t * inputs + k;
                $real *restrict out = y + t * outputs + i;
                $real block[16];
                for (j = 0; j < 16; ++j)
                    block[j] = out[j] + ((in[0] * W[j] + in[1] * W[16 + j]) + (in[2] * W[32 + j] + in[3] * W[48 + j]));
                for (j = 0; j < 16; ++j)
                    out[j] = block[j];
            }
    for (k = inputs - inputs % 4; k < inputs; ++k, W += outputs)
        for (t = 0; t < steps; ++t)
            for (i = 0; i < outputs; ++i)
                y[t * outputs + i] += x[t * inputs + k] * W[i];
}
""",
    "affine_int8": """
/* y = scale (W x) + b, where W holds whole numbers and scale one number a row. */
static void ${name}_affine_int8(int outputs, int inputs, const int8_t *restrict W, const $real *restrict scale,
                                const $real *restrict b, const $real *restrict x, $real *restrict y)
{
    int i, k;
    for (i = 0; i < outputs; ++i)
        y[i] = $zero;
    for (k = 0; k + 4 <= inputs; k += 4, W += 4 * outputs) {
        const $real x0 = x[k], x1 = x[k + 1], x2 = x[k + 2], x3 = x[k + 3];
        const int8_t *restrict W1 = W + outputs, *restrict W2 = W1 + outputs, *restrict W3 = W2 + outputs;
        for (i = 0; i < outputs; ++i)
            y[i] += (x0 * ($real)W[i] + x1 * ($real)W1[i]) + (x2 * ($real)W2[i] + x3 * ($real)W3[i]);
    }
    for (k = inputs - inputs % 4; k < inputs; ++k, W += outputs) {
        const $real x0 = x[k];
        for (i = 0; i < outputs; ++i)
            y[i] += x0 * ($real)W[i];
    }
    for (i = 0; i < outputs; ++i)
        y[i] = scale[i] * y[i] + b[i];
}
""",
    "means": """
/* Means of x (steps, size) over parts of equal duration, part after part; a step on a border counts by its share. */
static void ${name}_means(int parts, int size, int64_t steps, const $real *x, $real *y)
{
    const double length = (double)steps / (double)parts;
    int part, j;
    for (part = 0; part < parts; ++part, y += size) {
        const double from = (double)part * length, to = (double)(part + 1) * length;
        int64_t t;
        for (j = 0; j < size; ++j)
            y[j] = $zero;
        for (t = (int64_t)from; t < steps && (double)t < to; ++t) {
            const double first = (double)t > from ? (double)t : from;
            const double last = (double)(t + 1) < to ? (double)(t + 1) : to;
            const $real share = ($real)((last - first) / length);
            for (j = 0; j < size; ++j)
                y[j] += share * x[t * size + j];
        }
    }
}
""",
    "softmax": """
/* y = exp(a) / sum exp(a), times share; added to y. */
static void ${name}_softmax(int count, $real share, const $real *a, $real *y)
{
    int i;
    $real highest = a[0], sum = $zero;
    for (i = 1; i < count; ++i)
        highest = a[i] > highest ? a[i] : highest;
    for (i = 0; i < count; ++i)
        sum += ${name}_exp(a[i] - highest);
    for (i = 0; i < count; ++i)
        y[i] += share * ${name}_exp(a[i] - highest) / sum;
}
""",
}
_NEEDS = {
    "expm1_part": (),
    "exp": ("power_of_two", "expm1_part"),
    "tanh": ("power_of_two", "expm1_part"),
    "sigmoid": ("tanh",),
    "softmax": ("exp",),
}


def helper_texts(functions: Iterable[str], real: str, name: str) -> str:
    """Return the text of these helpers and of those that they call, in an order that C takes."""
    wanted: set[str] = set()

    def want(function: str) -> None:
        for needed in _NEEDS.get(function, ()):
            want(needed)
        wanted.add(function)

    for function in functions:
        want(function)
    parts = [_library(function, real) for function in sorted(wanted & set(LIBRARY))]
    parts += [text for function, text in _TEXTS.items() if function in wanted]
    return "".join(Template(text).substitute(_constants(real), name=name) for text in parts)


def _library(function: str, real: str) -> str:
    called = LIBRARY[function] + ("f" if real == "float" else "")
    return f"\nstatic inline $real ${{name}}_{function}($real a)\n{{\n    return {called}(a);\n}}\n"


def _constants(real: str) -> dict[str, str]:
    """What the texts have for one type of numbers."""
    double = real == "double"
    bits, mantissa, bias, terms, keep = (64, 52, 1023, 13, 32) if double else (32, 23, 127, 7, 15)
    odd = 21 if double else 9
    high = math.floor(math.ldexp(math.log(2), keep)) / 2.0**keep  # few bits, so that k high is exact
    numbers = {
        "zero": 0.0,
        "half": 0.5,
        "one": 1.0,
        "two": 2.0,
        "log2e": 1 / math.log(2),
        "ln2_high": high,
        "ln2_low": (math.log(2) - high) + 2.3190468138462996e-17,  # what float64 leaves of ln 2
        "last_term": 1 / math.factorial(terms),
        "last_odd": 1 / odd,
        "root2": math.sqrt(2),
        "exp_limit": 750.0 if double else 105.0,
        "exp_shift": (1100 if double else 160) + 0.5,
        "tanh_limit": 20.0,
        "tanh_shift": 64.5,
        "smallest": 2.0 ** (1 - bias),
        "lift": 2.0 ** (mantissa + 2),
        "largest": (2 - 2.0**-mantissa) * 2.0**bias,
    }
    steps = {
        "terms": [f"    sum = sum * r + {literal(1 / math.factorial(i), real)};" for i in range(terms - 1, 1, -1)],
        "odd_terms": [f"    sum = sum * square + {literal(1 / i, real)};" for i in range(odd - 2, 1, -2)],
    }
    return (
        {key: literal(value, real) for key, value in numbers.items()}
        | {key: "\n".join(lines) for key, lines in steps.items()}
        | {"real": real, "bits": f"uint{bits}_t", "mantissa": str(mantissa), "bias": str(bias)}
        | {"exp_whole": "1100" if double else "160", "tanh_whole": "64"}
        | {"mantissa_mask": f"UINT{bits}_C({(1 << mantissa) - 1:#x})", "lift_exponent": str(mantissa + 2)}
    )
