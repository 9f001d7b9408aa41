"""Equations in the reader's letters: the tree of a line, printed with the names and the orientation of their code."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

from gatewise.errors import Array
from gatewise.examine.conventions import Identity
from gatewise.examine.equations import backward, forward
from gatewise.examine.tracing import Trace, alike

_WORDS = {"Mult": " ⊙ ", "Add": " + ", "Sub": " − ", "MatMult": " @ "}
_SLOPES = {"dsigmoid": "{v} ⊙ (1 − {v})", "dtanh": "(1 − {v}²)", "drelu": "[{v} > 0]", "sigmoid": "σ({v})"}
_POWERS = {"2": "²", "3": "³"}
# The values whose names in their code are looked for, in this order.
_WANTED = ("x", "h_prev", "c_prev", "r", "z", "n", "i", "f", "g", "o", "c", "tanh_c", "h", "s", "q_n")


def letters(identity: Identity, trace: Trace) -> dict[str, str]:
    """Return the reader's name of every value that one of their functions holds, by ours."""
    step = identity.steps[-1]
    held = {event.name: event.value for event in trace.events}  # at the end, which is the last step
    chosen: dict[str, str] = {}
    for ours in _WANTED:
        for name, value in held.items():
            if ours in step and name not in chosen.values() and alike(value, step[ours]):
                chosen.setdefault(ours, name)
    return chosen


def gradient_letters(values: Mapping[str, Array], targets: Iterable[str], trace: Trace) -> dict[str, str]:
    """Return the reader's name of every gradient that a local of one value holds: `dA_z` for our `da_z`."""
    held: dict[str, list[Array]] = {}
    for event in trace.events:
        held.setdefault(event.name, []).append(event.value)
    single = {name: own[0] for name, own in held.items() if all(alike(value, own[0]) for value in own)}
    chosen: dict[str, str] = {}
    for target in targets:
        for name, value in single.items():
            if name not in chosen.values() and alike(value, values[target]):
                chosen.setdefault(target, name)
    return chosen


def weight_letters(identity: Identity, trace: Trace, weights: Mapping[str, object]) -> dict[str, str]:
    """Return the reader's name of every block of the weights: `W_z`, or `Wx[z]` for a part of a packed array."""
    names = {}
    environment = identity.environment(weights)  # type: ignore[arg-type]
    for (matrix, gate), block in identity.blocks.items():
        value = environment[f"{matrix}_{gate}"]
        local = next((event.name for event in trace.events if alike(event.value, value, 0.0)), None)
        plain = block.array if block.parts == 1 and not block.span else None
        if plain is not None and "[" in plain:
            plain = local or plain
        part = f"{block.array}[{gate if block.parts > 1 else 'x' if matrix == 'W' else 'h'}]"
        if block.span and block.parts > 1:
            part = f"{block.array}[{gate},{'x' if matrix == 'W' else 'h'}]"
        names[f"{matrix}_{gate}"] = plain or local or part
    return names


class Printer:
    """Prints trees of lines; knows the letters, how matrices are stored, and whether vectors are columns."""

    def __init__(self, identity: Identity, names: Mapping[str, str], columns: bool):
        self.names, self.columns = dict(names), columns
        own = {line.target: line.tree for line in (*forward(identity.form), *backward(identity.form))}
        self.inlined = {name: own[name] for name in ("ds", "s", "q_n") if name in own and name not in names}
        self.stored = {f"{matrix}_{gate}": block.transposed for (matrix, gate), block in identity.blocks.items()}

    def line(self, target: str, tree: ast.expr) -> str:
        """Return `target = tree`."""
        return f"{self.name(target)} = {self.value(target, tree)}"

    def value(self, target: str, tree: ast.expr) -> str:
        """Return the right-hand side of a line."""
        return self.print(tree, self._turned(target))

    def part(self, target: str, tree: ast.expr) -> str:
        """Return a part of a line; vectors alone stand as the reader has them."""
        return self.print(tree, self.columns if self._pointwise(tree) else self._turned(target))

    def name(self, name: str) -> str:
        """Return the reader's name of a value."""
        known = self.names.get(name)
        if known:
            return known
        weight = self.names.get(name[1:]) if name[:1] == "d" and name[1:] in self.stored else None
        if weight:
            return f"d{weight}"
        prefix, _, gate = name.partition("_")
        if prefix in ("da", "a", "dq", "q") and gate in self.names:
            return f"{prefix}_{self.names[gate]}"
        if name[0] == "d" and name[1:] in self.names and name not in ("dh", "dc"):
            return f"d{self.names[name[1:]]}"
        return {"dh_prev": f"d{self.names.get('h_prev', 'h_prev')}", "dx": f"d{self.names.get('x', 'x')}"}.get(
            name, name
        )

    def _turned(self, target: str) -> bool:
        """Whether the reader's array is the transpose of ours."""
        weight = target[1:]
        return self.stored[weight] if target[:1] == "d" and weight in self.stored else self.columns

    def _pointwise(self, node: ast.expr) -> bool:
        """Whether an expression has neither a matrix nor a product of matrices in it."""
        return not any(
            isinstance(inner, ast.MatMult)
            or (isinstance(inner, ast.Name) and inner.id in {*self.stored, *self.inlined})
            for inner in ast.walk(node)
        )

    def print(self, node: ast.expr, turned: bool, strength: int = 0) -> str:
        """Return a tree, or its transpose if `turned`, as text."""
        if isinstance(node, ast.Name) and node.id in self.inlined:
            return self.print(self.inlined[node.id], turned, 3)
        if isinstance(node, ast.Name):
            flipped = turned != (self.stored.get(node.id, self.columns))
            vector = node.id[:2] in ("b_", "c_") and node.id in self.stored
            return self.name(node.id) + ("ᵀ" if flipped and not vector else "")
        if isinstance(node, ast.Attribute):
            return self.print(node.value, not turned, 3)
        if isinstance(node, ast.Constant):
            return "½" if node.value == 0.5 else str(node.value)
        if isinstance(node, ast.UnaryOp):
            return f"−{self.print(node.operand, turned, 3)}"
        if isinstance(node, ast.Call):
            return self._call(node, turned, strength)
        if isinstance(node, ast.BinOp) and turned != self.columns and self._pointwise(node):
            return f"({self.print(node, self.columns)})ᵀ"
        if isinstance(node, ast.BinOp):
            return self._operation(node, turned, strength)
        return ast.unparse(node)

    def _call(self, node: ast.Call, turned: bool, strength: int) -> str:
        name = node.func.id if isinstance(node.func, ast.Name) else "?"
        inner = [self.print(argument, turned, 3) for argument in node.args]
        if name == "dot":
            return f"{inner[0]} @ {inner[1]}"
        if name == "swap":
            return f"({self.print(node.args[0], not turned)})"
        if name == "total":
            return f"Σ {self.print(node.args[0], self.columns, 3)}"
        text = _SLOPES.get(name, name + "({v})").format(v=inner[0].strip("()") if name == "sigmoid" else inner[0])
        return f"({text})" if name == "dsigmoid" and strength > 2 else text

    def _operation(self, node: ast.BinOp, turned: bool, strength: int) -> str:
        kind = type(node.op).__name__
        own = {"Add": 1, "Sub": 1, "Mult": 2, "MatMult": 2, "Pow": 4, "Div": 2}[kind]
        if kind == "Pow":
            return f"{self.print(node.left, turned, 4)}{_POWERS.get(ast.unparse(node.right), '^')}"
        left, right = node.left, node.right
        if kind == "MatMult" and turned:
            left, right = right, left
        after = own + (kind in ("Sub", "MatMult"))
        before = own + (kind == "MatMult" and not isinstance(left, ast.Name | ast.Attribute))
        text = self.print(left, turned, before) + _WORDS.get(kind, " / ") + self.print(right, turned, after)
        return f"({text})" if own < strength or (own == strength == 2 and kind == "MatMult") else text
