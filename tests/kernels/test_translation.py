"""Loops in Python become loops in compiled code that do the same: each routine here runs both ways, on many numbers."""

import itertools
from typing import NamedTuple

import numpy as np
import pytest

from gatewise import kernels

if not kernels.enabled():
    pytest.skip("kernels are switched off", allow_module_level=True)

from gatewise.kernels.marks import routine, stage

NUMBERS = [-7, -3, -1, 0, 1, 2, 3, 8]


class Pair(NamedTuple):
    a: int
    b: int


@routine
def arithmetic(a, b, c, out):
    out[0], out[1], out[2] = a + b * c, a - b, -a
    out[3], out[4] = a // 4, a % 4
    if b != 0:
        out[5], out[6], out[7] = a // b, a % b, 17 // b
    out[8], out[9] = min(a, b), max(a, max(b, c))
    out[10] += a
    out[10] -= 2


@routine
def choices(a, b, c, out):
    if a < b:
        low, high = a, b
    elif a == b:
        low, high = 0, c
    else:
        low, high = b, a
    out[0], out[1] = low, high
    out[2] = 1 if (a > 0 and b > 0) or not c > 0 else (2 if a else 3)
    kind = None
    if kind is None:
        out[3] = 4
    both = a if a > b else 0
    out[4] = both
    out[5] = (a >= 0) + (b <= 0)


@routine
def loops(a, b, c, out):
    total, k = 0, 0
    for i in range(a, b):
        if i % 3 == 0:
            continue
        for j in range(b, a, -2):
            total += i * j
            if j < 0:
                continue
            total -= 1
        k = i
    steps = 0
    while steps * steps < c * c + 5:
        steps += 1
    for n in range(a, b, c if c != 0 else 1):
        total = total + n
    out[0], out[1], out[2] = total, steps, k


@routine
def first_above(a, b, c, out):
    for i in range(10):
        if i * a > b:
            out[1] = i
            return i
    if c > 0:
        return c
    return -1


def swapped(pair):
    a, b = pair
    return Pair(b, a)


inlined = stage(swapped)


@stage
def added(pair, more):
    if more > 2:
        return pair.a + more
    return pair.b


@routine
def tuples(a, b, c, out):
    pair = Pair(a, b)
    for _ in range(3):
        pair = inlined(pair)
    out[0], out[1] = pair
    out[2] = added(pair, c) + pair[0]
    several = (a, (b, c))
    x, (y, z) = several
    out[3], out[4] = x * y, z + len(several)
    for i in range(2):
        if c > 0:
            pair = Pair(pair.a + i, c)
    out[5] = pair.a


def in_python(function):
    """The same function without translation: its stages as plain functions."""
    names = {"inlined": swapped, "added": added.py_func}
    code = function.py_func
    return type(code)(code.__code__, code.__globals__ | names, code.__name__)


@pytest.mark.parametrize("function", [arithmetic, choices, loops, first_above, tuples], ids=lambda f: f.__name__)
def test_a_routine_does_what_python_does(function):
    plain = in_python(function)
    for a, b, c in itertools.product(NUMBERS, repeat=3):
        got, need = np.full(12, 9, np.int64), np.full(12, 9, np.int64)
        returned = function(a, b, c, got)
        assert returned == (plain(a, b, c, need) or 0), (a, b, c)
        np.testing.assert_array_equal(got, need, err_msg=f"{a}, {b}, {c}")


@routine
def strided(x, out):
    total = x[0] - x[0]
    for i in range(x.size):
        total += x[i] * 2
        out[i] = x[i] - 1
    out[x.size] = total
    return x.size * x.itemsize + len(x)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_arrays_are_read_where_they_lie(dtype):
    x = np.arange(24, dtype=dtype)
    for part in (x, x[::2], x[20:2:-3], x.reshape(4, 6)[:, 2]):
        out = np.zeros(len(part) + 1, dtype)
        assert strided(part, out) == len(part) * (1 + part.itemsize)
        np.testing.assert_array_equal(out, [*(part - 1), 2 * part.sum()])


@routine
def counted(x, out):
    out[0], out[1], out[2] = x.shape[0], x.shape[1], x.size
    return x.shape[2]


def test_shapes_and_read_only_arrays():
    x, out = np.zeros((2, 3, 5), np.float32), np.zeros(3, np.int64)
    x.flags.writeable = False
    assert counted(x, out) == 5
    assert list(out) == [2, 3, 30]


def test_what_it_cannot_translate_it_names():
    @routine
    def several_kinds(a, out):
        value = (a, a)
        for _ in range(a):
            value = a
        out[0] = value

    @routine
    def unknown(a, out):
        out[0] = undefined_name  # noqa: F821

    @routine
    def iterates(a, out):
        for i in (1, 2):
            out[i] = a

    @routine
    def counts_what_has_a_value(a, out):
        i = a
        for i in range(3):
            out[i] = i

    out = np.zeros(3, np.int64)
    with pytest.raises(TypeError, match="i has a value before the loop"):
        counts_what_has_a_value(3, out)
    with pytest.raises(TypeError, match="value changes from"):
        several_kinds(3, out)
    with pytest.raises(NameError, match="undefined_name has no value here"):
        unknown(3, out)
    with pytest.raises(TypeError, match="need a range"):
        iterates(3, out)


def test_only_numbers_of_a_call_are_looked_at():
    """A routine is compiled once for all numbers, and again for another kind of array."""
    out = np.zeros(12, np.int64)
    for a in range(3):
        arithmetic(a, 1, 2, out)
        assert out[0] == a + 2
