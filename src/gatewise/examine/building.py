"""Objects of somebody's class: its constructor called with sizes, rates and weights, by the names it gives them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import Array
from gatewise.examine.calling import is_rate, parameters, simple
from gatewise.examine.shapes import Sizes

_INPUT = (
    r"(in|input|inputs|x|nin|nx|ninput|ninputs|numinputs?|idim|embed|embedding|feature|features|wordvec|emb|vocab)"
    r"(size|dim|dims|features|units|n|length|shape)?|d|nfeatures|numfeatures|sizein|diminput|dx|n|inunits|dimx|dimin|i"
)
_HIDDEN = (
    r"(hidden|h|hid|state|unit|units|nh|nhidden|nunits|numhiddens?|numunits|hdim|neurons|rnn|cell|memcell)"
    r"(size|dim|dims|units|n|nodes|neurons|ct|features|state)?|sizehidden|dimhidden|dh|m|hiddens|nhid|out|output|outsize|"
    r"outputsize|outputdim|outdim|outfeatures|dimh|dimout|k|j"
)
_BATCH, _TIME = (
    r"b|bs|batch|batchsize|nbatch",
    r"t|time|timesteps?|steps|seqlen|seqlength|sequencelength|length|bptt|tau",
)


class Guess(NamedTuple):
    """How the weight arrays of a constructor are shaped."""

    gates: int
    columns: bool
    bias: str
    swapped: bool


def arguments(cls: type, sizes: Sizes, rng: np.random.Generator) -> Iterator[dict[str, Any]]:
    """Yield the arguments with which a constructor may be called, the likelier ones first."""
    plain: dict[str, Any] = {}
    weights: list[str] = []
    for parameter in parameters(cls):
        value = _size(parameter.name, sizes)
        if value is not None and (parameter.default is parameter.empty or not _is_flag(parameter.default)):
            plain[parameter.name] = value
        elif parameter.default is parameter.empty:
            weights.append(parameter.name)
    if not weights:
        yield plain
        return
    yield from (plain | own for own in guesses(weights, sizes, rng))


def guesses(weights: list[str], sizes: Sizes, rng: np.random.Generator) -> Iterator[dict[str, Array]]:
    """Yield arrays for parameters that are weights, in every shape that they may have."""
    gates = (1, 3, 4) if len(weights) < 4 else (1,)
    for count, columns, bias, swapped in product(gates, (True, False), ("flat", "row", "column"), (False, True)):
        guess = Guess(count, columns, bias, swapped)
        yield {name: _weight(name, weights, guess, sizes, rng) for name in weights}
    for columns, bias in product((True, False), ("flat", "row", "column")):  # [x, h] joined
        joined = Guess(1, columns, bias, False)
        yield {name: _weight(name, weights, joined, sizes, rng, joined=True) for name in weights}


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool | str) or value is None


def _size(name: str, sizes: Sizes) -> float | int | None:
    """Return the number that a parameter of this name wants, or None for an array."""
    if is_rate(name):
        return 0.01
    short = simple(name)
    if not name[0].isupper() or len(name) == 1 or name.isupper():
        for pattern, value in ((_BATCH, sizes.B), (_TIME, sizes.T), (_INPUT, sizes.D), (_HIDDEN, sizes.H)):
            if re.fullmatch(pattern, short) and not (len(short) == 1 and name.islower() and short in "bw"):
                return value
    return None


def _weight(
    name: str, names: list[str], guess: Guess, sizes: Sizes, rng: np.random.Generator, joined: bool = False
) -> Array:
    H = guess.gates * sizes.H
    if is_bias(name):
        shape = {"flat": (H,), "row": (1, H), "column": (H, 1)}[guess.bias]
    else:
        inputs = sizes.D + sizes.H if joined else sizes.H if is_recurrent(name, names) != guess.swapped else sizes.D
        shape = (inputs, H) if guess.columns else (H, inputs)
    return rng.normal(0, 0.6, shape)


def is_bias(name: str) -> bool:
    """Whether a name is one of a bias."""
    return re.match(r"(?i)^b(?![a-z]{3})|bias", name.split(".")[-1]) is not None


def is_recurrent(name: str, names: list[str]) -> bool:
    """Whether a name is one of a matrix on the state: U beside W, or an h in it beside an x."""
    short = simple(name.split(".")[-1])
    if any(n.startswith("U") for n in names) and any(n.startswith("W") for n in names):
        return name.startswith("U")
    if len(short) > 2:
        return short[1:3] in ("hh",) or (short[1] in "hrus" and "x" not in short[1:])
    return short.startswith("u") or short[1:] in ("h", "r", "s", "hh", "rec", "aa")
