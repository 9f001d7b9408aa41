"""What the parameters of somebody's functions are for, by their names: which of them is x, the state, the gradient."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from gatewise.examine.guard import NotUnderstoodError

# Names without underscores, in lower case; the first pattern that fits gives the role.
FORWARD = (
    ("x", r"x|xt|xs|xb|xin|inp|inputs?|inputt|inputseq|seq|sequence|data|u|ut|xseq|embedded|xvec"),
    ("c", r"c|ct|cprev|prevc|c0|cell|cellstate|prevcell|cellprev|cx|cold|ctm1|ct1|cs|cin|cinit|cellin|clast|lastc"),
    ("h", r"h|ht|hprev|prevh|htm1|ht1|h0|h1|hidden|hiddenstate|prevhidden|hiddenprev|hx|hold|lasth|hlast|hin|hinit|"
          r"s|sprev|aprev|a0|hs|state0|hiddenin|initialh|previoush|previoushidden|hpast"),
    ("state", r"state|states|prevstate|stateprev|initstate|initialstate|hc|previousstate|statein"),
    ("weights", r"params?|parameters|weights?|theta|w|p|model"),
)  # fmt: skip
BACKWARD = (
    ("cache", r"cache|caches|cached|tape|ctx|context|saved|memory|store|history|values|fwd|forwardcache|stepcache|"
              r"rec|record"),
    ("dh_next", r"dhnext|dhnextstep|dnexth|nextdh|dhfuture|dhn|dhback|dhfromnext"),
    ("dc", r"dc|dcnext|dnextc|dcs|dct|dcell|dcnextt|dcellnext|dcout|dcprev|gradc|nextdc|deltac|dcellstate"),
    ("dstate", r"dstate|dstates|dstatenext|dnextstate|gradstate"),
    ("target", r"y|ys|ytrue|targets?|t|ts|labels?|truth|yt|true|expected|desired"),
    ("prediction", r"ypred|preds?|predictions?|yhat|outp|outputs?|hs|ypreds"),
    ("dh", r"d?d?h|dhs|dht|dhtop|dout|douts|dy|dys|dyt|grads?|gradh|gradout|gradoutput|dldh|dlossdh|delta|deltah|"
           r"deltas|upstream|g|err|error|errors?|eh|dl|dloss|da|dat|danext|gradh?next|dhidden|gh|gradients?|dhcur|dyh|dhout|outgrad"),
)  # fmt: skip
FLAGS = r"learn|update|train|training|apply|step|doupdate|updateweights"
_RATE = r"lr|learningrate|alpha|eta|rate|stepsize|epsilon|lrate|learnrate"


class Plan(NamedTuple):
    """Which value goes into which parameter."""

    roles: tuple[tuple[str, str], ...]
    """(parameter, role)."""
    positional: bool
    """Whether every parameter may be given by position only."""

    def call(self, function: Callable[..., Any], values: Mapping[str, Any]) -> Any:
        """Call `function` with the values of the roles."""
        if self.positional:
            return function(*(values[role] for _, role in self.roles))
        return function(**{name: values[role] for name, role in self.roles})

    def has(self, role: str) -> bool:
        """Whether a parameter has this role."""
        return any(role == own for _, own in self.roles)

    def __str__(self) -> str:
        return ", ".join(name for name, _ in self.roles)


def simple(name: str) -> str:
    """Return a name in lower case, without underscores."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def is_rate(name: str) -> bool:
    """Whether a name is one of the learning rate."""
    return re.fullmatch(_RATE, simple(name)) is not None


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters of a function, without those that take any number of arguments."""
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError) as error:
        raise NotUnderstoodError(
            f"{function!r} does not say what it takes: pass adapter=, see docs/examine.md."
        ) from error
    return [p for p in signature.parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]


def role_of(name: str, table: Iterable[tuple[str, str]]) -> str | None:
    """Return the role that a parameter's name says."""
    short = simple(name)
    return next((role for role, pattern in table if re.fullmatch(pattern, short)), None)


def plan(
    function: Callable[..., Any],
    what: str,
    table: Sequence[tuple[str, str]],
    order: Sequence[str],
    named: Iterable[str] = (),
) -> Plan:
    """Return which value goes into which parameter; those whose name says nothing take what is left, in `order`.

    A parameter with a default is left alone unless its name says that it is one of `order`; a flag such as `learn` is
    switched off. The parameters in `named` are roles of their own.
    """
    chosen: list[tuple[str, str | None]] = []
    taken: set[str] = set()
    own = parameters(function)
    for parameter in own:
        role = role_of(parameter.name, table)
        needed = parameter.default is parameter.empty
        if parameter.name in named:
            chosen.append((parameter.name, parameter.name))
        elif role is not None and role in order and role not in taken:
            taken.add(role)
            chosen.append((parameter.name, role))
        elif re.fullmatch(FLAGS, simple(parameter.name)):
            chosen.append((parameter.name, "no"))
        elif is_rate(parameter.name) and needed:
            chosen.append((parameter.name, "rate"))
        elif needed:
            chosen.append((parameter.name, None))
    left = [role for role in order if role not in taken]
    filled = []
    for name, role in chosen:
        if role is None:
            if not left:
                raise NotUnderstoodError(
                    f"{what} needs an argument {name!r} whose meaning its name does not say: pass adapter=, three "
                    f"functions that call it (docs/examine.md)."
                )
            role = left.pop(0)
        filled.append((name, role))
    by_position = [p.name for p in own if p.kind is p.POSITIONAL_ONLY]
    return Plan(tuple(filled), bool(by_position))
