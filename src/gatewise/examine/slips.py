"""The catalogue of slips: every single change of a backward (or forward) pass that people make, made from its lines.

Nothing here knows a cell. A line's tree is a sum of products; a slip leaves a term or a factor out, changes a sign,
takes one gate for another, writes a slope wrongly, transposes a matrix, adds a factor. What concerns the loop over time
or the arrays as they are handed over (divided by T, overwritten, in another order) is in `passes`.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any, NamedTuple

from gatewise.examine.equations import Form, Line, backward, forward, line, parse


class Change(NamedTuple):
    """A line that departs from the right one: what was done (`kind`), to which nodes (`parts`)."""

    target: str
    kind: str
    parts: tuple[ast.expr, ...]
    line: Line
    said: str = ""
    """The slip in words, with the names of our letters in braces, where the trees alone would not say it."""


Variant = tuple[str, tuple[ast.expr, ...], ast.expr]
_MISSING = "the transposes of {U_r}, {U_z} and {U_n} are missing"
_INSIDE = "{r} multiplies inside the product with {U_n}, which belongs to the other form of reset"
_OTHER_RESET = "the gradient of the other form of reset, {tree}, stands for {right}"

SLOPES = {
    "dsigmoid": ["{v}", "1 - {v}", "1 - {v}**2", "sigmoid({v}) * (1 - sigmoid({v}))", "(1 - {v})**2", "{v} * (1 + {v})",
                 "{a} * (1 - {a})", "1 - tanh({v})**2"],
    "dtanh": ["(1 - {v})**2", "1 - {v}", "1 + {v}**2", "{v} * (1 - {v})", "1 - tanh({v})**2", "1 - {a}**2",
              "{v}**2", "(1 + {v})**2", "1 - {v}**3", "1 + {v}", "tanh({v})"],
    "drelu": ["{v}"],
}  # fmt: skip
ARGUMENTS = {"tanh_c": "c", "h": "a_n"}
NONLINEARITIES = ("sigmoid", "tanh", "relu")
# What is taken for what, beside one gate for another.
TAKEN = {
    "h_prev": ["h", "r * h_prev"],
    "c_prev": ["c", "h_prev", "g"],
    "tanh_c": ["c", "h"],
    "q_n": ["h_prev @ U_n.T", "h_prev", "n", "q_n + x @ W_n.T"],
    "n": ["h", "a_n"],
    "s": ["h_prev"],
    "x": ["h_prev"],
    "g": ["a_g"],
}
# Whole lines that belong elsewhere: a gradient of the other form of reset, a factor on the wrong side of a product.
ELSEWHERE: dict[str, dict[str, dict[str, str]]] = {
    "before": {
        "dr": {
            "da_n * (h_prev @ U_n.T)": _OTHER_RESET, "da_n * (h_prev @ U_n.T + b_n)": _OTHER_RESET,
            "da_n * (h_prev @ U_n.T + c_n)": _OTHER_RESET, "da_n * (h_prev @ U_n.T + b_n + c_n)": _OTHER_RESET,
            "da_n @ U_n": "", "da_n * h_prev": "", "(da_n * h_prev) @ U_n": "", "dn * h_prev": "",
        },
        "ds": {"da_n * h_prev": ""},
        "dh_prev": {
            "{0} + {2} + {3} + (da_n * r) @ U_n": _INSIDE,
            "{0} + {2} + {3} + (da_n * r) @ U_n.T": f"the transpose of {{U_n}} is missing, and {_INSIDE}",
            "{0} + {2} + {3} + (da_n @ U_n.T) * r": "the transpose of {U_n} is wrong",
            "{0} + da_r @ U_r.T + da_z @ U_z.T + (da_n * r) @ U_n.T": f"{_MISSING}, and {_INSIDE}",
            "{0} + da_r @ U_r.T + da_z @ U_z.T + (da_n @ U_n.T) * r": _MISSING,
            "{0} + {3} + da_r @ U_r.T + da_z @ U_z.T": "the transposes of {U_r} and {U_z} are missing",
        },
    },
    "after": {
        "dr": {"(da_n @ U_n) * h_prev": _OTHER_RESET, "dq_n * q_n": ""},
        "dh_prev": {
            "{0} + da_r @ U_r.T + da_z @ U_z.T + dq_n @ U_n.T": _MISSING,
            "{0} + {1} + {2} + (da_n @ U_n) * r":
                "{r} multiplies outside the product, which belongs to the other form of reset",
            "{0} + da_r @ U_r.T + da_z @ U_z.T + {3}": "the transposes of {U_r} and {U_z} are missing",
        },
    },
    "lstm": {
        "dh_prev": {
            "da_i @ U_i.T + da_f @ U_f.T + da_g @ U_g.T + da_o @ U_o.T":
                "the transposes of {U_i}, {U_f}, {U_g} and {U_o} are missing",
        },
        "dc_prev": {"dc_next * f": "{f} multiplies the cell's incoming gradient alone, without the way through {h}"},
    },
    "rnn": {"da_n": {"dh * h_prev": ""}},
}  # fmt: skip


def changes(form: Form, lines: Iterable[Line]) -> Iterator[Change]:
    """Yield every slip of every line, the likelier ones first within a line."""
    elsewhere = ELSEWHERE.get(form.reset or form.cell, {})
    for right in lines:
        seen = {ast.dump(right.tree)}
        terms = [ast.unparse(_signed(*term)) for term in _terms(right.tree)]
        for text, said in elsewhere.get(right.target, {}).items():
            if "{" not in text or len(terms) == 4:
                tree = parse(text.format(*terms))
                seen.add(ast.dump(tree))
                yield Change(right.target, "instead", (tree, right.tree), line(right.target, tree), said)
        for kind, parts, tree in [*_whole(right), *_sum(form, right.target, right.tree)]:
            key = ast.dump(tree)
            if key not in seen:
                seen.add(key)
                yield Change(right.target, kind, parts, line(right.target, tree))


@cache
def catalogue(form: Form) -> tuple[Change, ...]:
    """Return every slip of the backward pass of a form."""
    return tuple(changes(form, backward(form)))


@cache
def forward_catalogue(form: Form) -> tuple[Change, ...]:
    """Return every slip of the forward pass of a form."""
    return tuple(changes(form, forward(form)))


def _whole(right: Line) -> Iterator[Variant]:
    """Changes of a line as a whole."""
    square = [node for node in ast.walk(right.tree) if isinstance(node, ast.Name) and node.id.startswith("U_")]
    if len(square) > 1:
        yield "all transposed", tuple(square), _map(right.tree, lambda node: _flip(node) if node in square else node)
    for node in _names(right.tree, "h_prev"):
        if len(_names(right.tree, "h_prev")) == 1 and not right.target.startswith("dh"):
            yield "instead", (parse("h"), node), _replace(right.tree, node, parse("h"))
    if right.target.startswith("dU_"):
        yield "transposed", (right.tree,), parse(f"swap({ast.unparse(right.tree)})")


def _sum(form: Form, target: str, tree: ast.expr) -> Iterator[Variant]:
    terms = _terms(tree)
    for k, (sign, term) in enumerate(terms):
        others = terms[:k] + terms[k + 1 :]
        if others:
            yield "left out", (term,), _join(others)
            yield "sign", (term,), _join([*terms[:k], (-sign, term), *terms[k + 1 :]])
        for kind, parts, changed in _product(form, target, term):
            yield kind, parts, _join([*terms[:k], (sign, changed), *terms[k + 1 :]])
    if len(terms) == 1:
        yield "sign", (tree,), parse(f"-({ast.unparse(tree)})")
    for factor in ("2", "0.5"):
        yield "factor", (parse(factor),), parse(f"{factor} * ({ast.unparse(tree)})")


def _product(form: Form, target: str, term: ast.expr) -> Iterator[Variant]:
    factors = _factors(term)
    for k, factor in enumerate(factors):
        rest = factors[:k] + factors[k + 1 :]
        if rest:
            yield "left out", (factor,), _times(rest)
        for kind, parts, changed in _other(form, factor):
            yield kind, parts, _times([*factors[:k], changed, *factors[k + 1 :]])
        if len(rest) == 1 and isinstance(factor, ast.Name) and k == 0:
            a, b = ast.unparse(factors[0]), ast.unparse(factors[1])
            yield "product", (factors[0], factors[1]), parse(f"dot({a}, {b})")
    if target.startswith(("da_", "dr", "dq", "dn", "dz", "dh_prev", "dc", "di", "df", "dg", "do")):
        for extra in _extras(form, factors):
            yield "extra", (extra,), _times([*factors, extra])
    if target.startswith("da_") and len(factors) == 2:
        yield "extra", (factors[1],), _times([*factors, factors[1]])


def _extras(form: Form, factors: list[ast.expr]) -> Iterator[ast.expr]:
    present = {ast.unparse(factor) for factor in factors}
    sigmoids = [gate for gate in form.gates if gate not in "ng"]
    for text in [*sigmoids, *(f"(1 - {gate})" for gate in sigmoids), "h_prev"]:
        if text not in present and text.strip("()") not in present:
            yield parse(text)


def _other(form: Form, node: ast.expr) -> Iterator[Variant]:
    """Everything that is written in the place of `node` by mistake."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        yield from _call(form, node)
    elif isinstance(node, ast.Name):
        for text in _taken(form, node.id):
            yield "instead", (parse(text), node), parse(text)
    elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        yield from _matrix_product(form, node)
    elif isinstance(node, ast.BinOp):
        yield from _difference(form, node)


def _call(form: Form, node: ast.Call) -> Iterator[Variant]:
    name, value = node.func.id, ast.unparse(node.args[0])  # type: ignore[attr-defined]
    for text in SLOPES.get(name, ()):
        tree = parse(text.format(v=value, a=ARGUMENTS.get(value, f"a_{value}")))
        yield "instead", (tree, node), tree
    if name in NONLINEARITIES:
        for other in NONLINEARITIES:
            yield "instead", (parse(f"{other}({value})"), node), parse(f"{other}({value})")
        yield "left out", (parse(name),), node.args[0]
    if name == "total":
        for kind, parts, tree in _other(form, node.args[0]):
            yield kind, parts, parse(f"total({ast.unparse(tree)})")


def _taken(form: Form, name: str) -> Iterator[str]:
    """What may be taken for a name: another gate, another gate's gradient, the gate's complement."""
    sigmoids = [gate for gate in form.gates if gate not in "ng"]
    if name in sigmoids:
        yield f"(1 - {name})"
    if name in form.gates:
        yield from (gate for gate in form.gates if gate != name)
    prefix, _, gate = name.rpartition("_")
    if prefix in ("da", "U", "W", "a") and gate in form.gates:
        if prefix == "da" and form.cell != "rnn":
            yield f"d{gate}"
        yield from (f"{prefix}_{other}" for other in form.gates if other != gate)
    if name == "dq_n":
        yield from ("da_n", "da_z", "da_r")
    if name == "da_n" and form.reset == "after":
        yield "dq_n"
    if name in ("dn", "dz", "dr", "di", "df", "dg", "do"):
        yield from (f"d{other}" for other in form.gates if other != name[1:])
    if name in ("dh", "dc"):
        yield from {"dh": ["dy"], "dc": ["dc_next", "dh"]}[name]
    yield from TAKEN.get(name, ())


def _matrix_product(form: Form, node: ast.BinOp) -> Iterator[Variant]:
    left, right = node.left, node.right
    weight = right.value if isinstance(right, ast.Attribute) else right
    if isinstance(weight, ast.Name) and weight.id.startswith("U_"):
        yield "transposed", (weight,), ast.BinOp(left, node.op, _flip(right))
    for k, side in enumerate((left, right)):
        inner = side.value if isinstance(side, ast.Attribute) else side
        bare = inner if not isinstance(side, ast.Attribute) else None
        options = _product(form, "", inner) if isinstance(inner, ast.BinOp) else _other(form, inner)
        for kind, parts, tree in options:
            changed = tree if bare is not None else parse(f"({ast.unparse(tree)}).T")
            pair = (changed, right) if k == 0 else (left, changed)
            yield kind, parts, ast.BinOp(pair[0], node.op, pair[1])


def _difference(form: Form, node: ast.BinOp) -> Iterator[Variant]:
    """(1 − z), (h_prev − n), (n − h_prev)."""
    a, b = ast.unparse(node.left), ast.unparse(node.right)
    if isinstance(node.left, ast.Constant):
        others = [gate for gate in form.gates if gate not in "ng" and gate != b]
        texts = [b, *(f"(1 - {gate})" for gate in others), f"(1 + {b})"]
    else:
        texts = [a, f"-{b}", f"({a} + {b})", b, f"(h - {b})" if a == "h_prev" else f"({a} - h)"]
        yield "sign", (node,), parse(f"({b} - {a})")
    for text in texts:
        yield "instead", (parse(text), node), parse(text)


def _terms(tree: ast.expr) -> list[tuple[int, ast.expr]]:
    """Take a sum apart into terms with their signs."""
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Add | ast.Sub):
        sign = 1 if isinstance(tree.op, ast.Add) else -1
        if isinstance(tree.left, ast.Constant):
            return [(1, tree)]
        return [*_terms(tree.left), *((sign * s, term) for s, term in _terms(tree.right))]
    return [(1, tree)]


def _factors(tree: ast.expr) -> list[ast.expr]:
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Mult):
        return [*_factors(tree.left), *_factors(tree.right)]
    return [tree]


def _signed(sign: int, term: ast.expr) -> ast.expr:
    return term if sign > 0 else ast.UnaryOp(ast.USub(), term)


def _join(terms: list[tuple[int, ast.expr]]) -> ast.expr:
    (sign, first), *others = terms
    tree = _signed(sign, first)
    for sign, term in others:
        tree = ast.BinOp(tree, ast.Add() if sign > 0 else ast.Sub(), term)
    return tree


def _times(factors: list[ast.expr]) -> ast.expr:
    tree = factors[0]
    for factor in factors[1:]:
        tree = ast.BinOp(tree, ast.Mult(), factor)
    return tree


def _flip(node: ast.expr) -> ast.expr:
    return node.value if isinstance(node, ast.Attribute) else ast.Attribute(node, "T", ast.Load())


def _names(tree: ast.expr, name: str) -> list[ast.expr]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]


def _replace(tree: ast.expr, old: ast.expr, new: ast.expr) -> ast.expr:
    return _map(tree, lambda node: new if node is old else node)


def _map(tree: ast.expr, function: Callable[[ast.expr], ast.expr]) -> ast.expr:
    """Return a copy of `tree` with `function` applied to every node, the outermost first."""
    changed = function(tree)
    if changed is not tree:
        return changed
    fields: dict[str, Any] = {}
    for name, value in ast.iter_fields(tree):
        if isinstance(value, ast.expr):
            value = _map(value, function)
        elif isinstance(value, list):
            value = [_map(item, function) if isinstance(item, ast.expr) else item for item in value]
        fields[name] = value
    copy: ast.expr = type(tree)(**fields)
    return copy
