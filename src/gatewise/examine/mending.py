"""Code that does not run as it stands: the line, the cause, what seems meant, and the class with that line mended.

Mended, in a copy of the class: a method without self, a name that nothing defines, a matrix product whose shapes do not
fit where ⊙ does. Line numbers stay those of the file.
"""

from __future__ import annotations

import ast
import builtins
import linecache
import os
import symtable
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import Any

import numpy as np

from gatewise.examine.calling import BACKWARD, role_of
from gatewise.examine.equations import sigmoid
from gatewise.examine.guard import TheirError
from gatewise.examine.result import Slip


def _softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x))
    return e / e.sum(axis=0)


HELPERS: dict[str, Any] = {
    "np": np,
    "numpy": np,
    "sigmoid": sigmoid,
    "sigm": sigmoid,
    "tanh": np.tanh,
    "relu": lambda a: np.maximum(a, 0),
    "softmax": _softmax,
}


class Mender:
    """A class and its tree, mended step by step; `slips` and `notes` say what was."""

    def __init__(self, thing: Any):
        self.thing = thing
        self.slips: list[Slip] = []
        self.notes: list[str] = []
        self._original = thing
        self._cls = thing if isinstance(thing, type) else type(thing)
        self._supplied: dict[str, Any] = {}
        self._file = _file_of(self._cls)
        self._tree = _tree_of(self._cls, self._file)

    def at_once(self) -> None:
        """Mend what can be seen without running anything."""
        if self._tree is None or self._cls.__module__.split(".")[0] == "gatewise":
            return
        changed = sum(self._without_self(method) for method in list(self._methods())) > 0
        for method in self._methods():
            for name in self._undefined(method):
                changed |= self._define(method, name)
        if changed:
            self._rebuild()

    def after(self, error: TheirError) -> bool:
        """Mend the product on which the code stopped; return whether there was one."""
        if self._tree is None or not isinstance(error.cause, ValueError) or error.frame is None:
            return False
        node = self._node_at(error.frame)
        operands = _operands(node)
        if node is None or operands is None:
            return False
        shapes = [_shape(operand, error.frame) for operand in operands]
        if None in shapes or not _elementwise(shapes[0], shapes[1]):
            return False
        a, b = (ast.unparse(operand) for operand in operands)
        self._replace(node, ast.BinOp(operands[0], ast.Mult(), operands[1]))
        self._say(
            error.frame.tb_frame.f_code.co_name,
            node.lineno,
            f"{ast.unparse(node)} is a matrix product of shapes {shapes[0]} and {shapes[1]}, which do not fit; the "
            f"product element by element, {a} ⊙ {b}, seems meant",
            f"{a} * {b}",
        )
        self._rebuild()
        return True

    def _methods(self) -> Iterator[ast.FunctionDef]:
        assert self._tree is not None
        for node in ast.walk(self._tree):
            if isinstance(node, ast.ClassDef):
                yield from (item for item in node.body if isinstance(item, ast.FunctionDef))

    def _without_self(self, method: ast.FunctionDef) -> bool:
        arguments = method.args
        if method.decorator_list or arguments.args or arguments.posonlyargs or arguments.vararg:
            return False
        arguments.args.insert(0, ast.arg("self", lineno=method.lineno, col_offset=0))
        missing = [name for name in self._undefined(method) if role_of(name, BACKWARD) in ("dh", "dh_next", "dc")]
        arguments.args += [ast.arg(name, lineno=method.lineno, col_offset=0) for name in missing]
        meant = f"def {method.name}(self{''.join(f', {name}' for name in missing)})"
        what = f"{method.name} takes no argument, not even self"
        if missing:
            what += f"; it uses {', '.join(missing)}, the gradient that comes in, and does not take it"
        self._say(method.name, method.lineno, f"{what}; {meant} seems meant", meant)
        return True

    def _undefined(self, method: ast.FunctionDef) -> list[str]:
        """Return the names that a method reads and nothing defines, in order."""
        names = {**vars(builtins), **self._globals()}
        module = ast.unparse(ast.Module([method], []))
        table = symtable.symtable(module, "<method>", "exec").get_children()[0]
        unknown = {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()} - set(names)
        ordered = [node.id for node in ast.walk(method) if isinstance(node, ast.Name) and node.id in unknown]
        return list(dict.fromkeys(ordered))

    def _define(self, method: ast.FunctionDef, name: str) -> bool:
        if name in HELPERS:
            self._supplied[name] = HELPERS[name]
            note = f"{name} is not defined in {os.path.basename(self._file)}: the usual function is taken for it."
            if name not in ("np", "numpy") and note not in self.notes:
                self.notes.append(note)
            return True
        uses = [n for n in ast.walk(method) if isinstance(n, ast.Name) and n.id == name and isinstance(n.ctx, ast.Load)]
        meant = self._unused(method, name)
        if meant is None:
            return False
        for use in uses:
            use.id = meant.id
        self._say(
            name,
            uses[0].lineno,
            f"{name} is not defined; {meant.id}, which line {meant.lineno} sets and nothing uses, seems meant",
            f"one name for both: {name}",
        )
        return True

    def _unused(self, method: ast.FunctionDef, like: str) -> ast.Name | None:
        """Return the local name that is set and never read, and looks like the undefined one."""
        read = {n.id for n in ast.walk(method) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        stored = [n for n in ast.walk(method) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        unused = [n for n in stored if n.id not in read and n.id[0] == like[0]]
        unused.sort(key=lambda n: abs(len(n.id) - len(like)))
        return unused[0] if unused else None

    def _node_at(self, traceback: TracebackType) -> ast.expr | None:
        """Return the innermost expression of the tree that the failing instruction belongs to."""
        code = traceback.tb_frame.f_code
        if code.co_filename != self._file or self._tree is None:
            return None
        positions = list(code.co_positions())[traceback.tb_lasti // 2]
        line, _, column, end = positions
        if line is None or column is None or end is None:
            return None
        for node in ast.walk(self._tree):
            where = tuple(getattr(node, name, -1) for name in ("lineno", "col_offset", "end_col_offset"))
            if where == (line, column, end) and isinstance(node, ast.BinOp | ast.Call):
                return node
        return None

    def _replace(self, old: ast.expr, new: ast.expr) -> None:
        class Swap(ast.NodeTransformer):
            def generic_visit(self, node: ast.AST) -> ast.AST:
                return ast.copy_location(new, old) if node is old else super().generic_visit(node)

        assert self._tree is not None
        self._tree = Swap().visit(self._tree)

    def _globals(self) -> dict[str, Any]:
        module = sys.modules.get(self._cls.__module__)
        names = dict(vars(module)) if module is not None else {}
        for value in vars(self._cls).values():
            names |= getattr(value, "__globals__", {})
            code, cells = getattr(value, "__code__", None), getattr(value, "__closure__", None) or ()
            for name, cell in zip(code.co_freevars if code else (), cells, strict=False):
                names.setdefault(name, cell.cell_contents)
        return names | self._supplied

    def _rebuild(self) -> None:
        assert self._tree is not None
        names = self._globals()
        tree = ast.fix_missing_locations(self._tree)
        exec(compile(tree, self._file, "exec"), names)
        cls = names[self._cls.__name__]
        if isinstance(self._original, type):
            self.thing = cls
            return
        self.thing = cls.__new__(cls)
        self.thing.__dict__.update(self._original.__dict__)

    def _say(self, array: str, line: int, what: str, right: str) -> None:
        if any(slip.array == array and slip.what.split(";")[0] == what.split(";")[0] for slip in self.slips):
            return
        source = linecache.getline(self._file, line).strip()
        self.slips.append(Slip(array, "", what, right, kind="code", line=line, source=source))


def _file_of(cls: type) -> str:
    """Return the file in which the methods of a class stand, as their code names it: a cell of a notebook too."""
    codes = [getattr(value, "__code__", None) for value in vars(cls).values()]
    return next((code.co_filename for code in codes if code is not None), "")


def _tree_of(cls: type, file: str) -> ast.Module | None:
    """Return a module with the definition of a class alone, its line numbers those of the file."""
    try:
        whole = ast.parse("".join(linecache.getlines(file)))
    except SyntaxError:
        return None
    starts = {value.__code__.co_firstlineno for value in vars(cls).values() if hasattr(value, "__code__")}
    for node in ast.walk(whole):
        if not isinstance(node, ast.ClassDef) or node.name != cls.__name__:
            continue
        if any(node.lineno <= start <= (node.end_lineno or 0) for start in starts):
            return ast.Module([node], [])
    return None


def _operands(node: ast.expr | None) -> tuple[ast.expr, ast.expr] | None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return node.left, node.right
    if isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.dot", "np.matmul", "numpy.dot", "numpy.matmul"):
        return (node.args[0], node.args[1]) if len(node.args) == 2 else None
    return None


def _shape(node: ast.expr, traceback: TracebackType) -> Any:
    frame = traceback.tb_frame
    plain = all(isinstance(n, ast.Name | ast.Attribute | ast.BinOp | ast.operator | ast.expr_context | ast.Constant
                           | ast.UnaryOp | ast.unaryop) for n in ast.walk(node))  # fmt: skip
    if not plain:
        return None
    try:
        code = compile(ast.fix_missing_locations(ast.Expression(node)), "<operand>", "eval")
        return np.shape(eval(code, frame.f_globals, frame.f_locals))
    except Exception:
        return None


def _elementwise(a: Any, b: Any) -> bool:
    """Whether two vectors of a step multiply element by element: equal shapes."""
    return bool(a == b and len(a) >= 1)
