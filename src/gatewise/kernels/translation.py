"""From the Python source of a loop to LLVM instructions.

The loops and their helpers are plain functions, marked by `stage` and `routine`, of a small part of Python: integers,
arrays, Vectors, tuples of these; assignments, `if`, `for … in range`, `while`, `continue`, `return`. Each statement is
followed once. What is known beforehand is computed at once, as Python would; the rest becomes instructions. A `stage`
becomes part of its caller, a `routine` a function of its own. A name that is first given a value within a loop, or in
one arm of an `if`, is unknown after it.
"""

# mypy: disable-error-code="no-untyped-def, no-untyped-call"
from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import operator
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from llvmlite import ir

from gatewise.kernels.structures import Slot, alike, dynamic, merged
from gatewise.kernels.values import I1, I64, Array, Number, current, integer, larger, number, smaller, truth

OPERATORS: dict[type, Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Is: operator.is_,
    ast.IsNot: operator.is_not,
}


@cache
def _definitions(path: str) -> dict[int, ast.FunctionDef]:
    """The functions of a file by the line they start in."""
    tree = ast.parse("".join(linecache.getlines(path)))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    return {min([node.lineno, *(d.lineno for d in node.decorator_list)]): node for node in found}


def _definition(function: Any) -> ast.FunctionDef:
    code = function.__code__
    return _definitions(code.co_filename)[code.co_firstlineno]


def _stored(statements: list[ast.stmt]) -> set[str]:
    """The names that statements assign to."""
    nodes = (node for statement in statements for node in ast.walk(statement))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def gives_number(function: Any) -> bool:
    """Whether a function returns a value."""
    return any(isinstance(node, ast.Return) and node.value for node in ast.walk(_definition(function)))


def translate(function: Any, arguments: tuple[Any, ...]) -> Any:
    """Add the instructions of a plain function to the current place; return what it returns."""
    return _Frame(function, arguments).run()


class _Frame:
    """One function on its way: its variables, and the places from which it returns."""

    def __init__(self, function: Any, arguments: tuple[Any, ...]) -> None:
        self._function, self._definition = function, _definition(function)
        names = [argument.arg for argument in self._definition.args.args]
        self.variables: dict[str, Any] = dict(zip(names, arguments, strict=True))
        self._outside = inspect.getclosurevars(function).nonlocals
        self._exits: list[tuple[Any, Any]] = []  # (block, value)
        self._next: list[Any] = []  # blocks in which the next turn of each loop starts

    def run(self) -> Any:
        """Follow all statements; return the value."""
        self._follow(self._definition.body)
        if not current().block.is_terminated and not self._returned():
            self._exits.append((current().block, None))
        if len(self._exits) == 1:
            block, value = self._exits[0]
            current().position_at_end(block)
            return value
        end = current().append_basic_block("end")
        arms = self._leave(self._exits, end)
        return merged(arms)

    def _leave(self, arms: list[tuple[Any, Any]], end: Any) -> list[tuple[Any, Any]]:
        """Let several blocks go on at `end`; their values, all of one kind, with the blocks they come from."""
        if not all(alike(value, arms[0][1]) for _, value in arms):
            for k, (block, value) in enumerate(arms):
                current().position_at_end(block)
                arms[k] = block, dynamic(value)
        for block, _ in arms:
            current().position_at_end(block)
            current().branch(end)
        if not all(alike(value, arms[0][1]) for _, value in arms):
            raise TypeError(f"{self._function.__name__} gives values of several kinds: {[v for _, v in arms]}")
        current().position_at_end(end)
        return arms

    # Statements

    def _follow(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            if current().block.is_terminated or self._returned():
                return
            getattr(self, f"_do_{type(statement).__name__}")(statement)

    def _returned(self) -> bool:
        """Whether the current place has been left by a `return`."""
        return any(block is current().block for block, _ in self._exits)

    def _do_Expr(self, statement: ast.Expr) -> None:
        if not isinstance(statement.value, ast.Constant):
            self.value(statement.value)

    def _do_Assign(self, statement: ast.Assign) -> None:
        value = self.value(statement.value)
        for target in statement.targets:
            self._assign(target, value)

    def _do_AugAssign(self, statement: ast.AugAssign) -> None:
        before = ast.copy_location(_as_load(statement.target), statement.target)
        value = OPERATORS[type(statement.op)](self.value(before), self.value(statement.value))
        self._assign(statement.target, value)

    def _do_Return(self, statement: ast.Return) -> None:
        value = self.value(statement.value) if statement.value else None
        self._exits.append((current().block, value))

    def _do_Continue(self, statement: ast.Continue) -> None:
        current().branch(self._next[-1])

    def _do_Pass(self, statement: ast.Pass) -> None:
        pass

    def _assign(self, target: ast.expr, value: Any) -> None:
        if isinstance(target, ast.Name):
            held = self.variables.get(target.id)
            if isinstance(held, Slot):
                held.set(value)
            else:
                self.variables[target.id] = value
        elif isinstance(target, ast.Tuple):
            parts = value.parts() if hasattr(value, "parts") else value
            for part, one in zip(target.elts, parts, strict=True):
                self._assign(part, one)
        elif isinstance(target, ast.Subscript):
            self.value(target.value)[self.value(target.slice)] = value
        else:
            raise TypeError(f"cannot assign to {ast.unparse(target)}")

    def _do_If(self, statement: ast.If) -> None:
        condition = self.value(statement.test)
        if not isinstance(condition, Number):
            self._follow(statement.body if condition else statement.orelse)
            return
        before, arms, builder = dict(self.variables), [], current()
        blocks = [builder.append_basic_block(name) for name in ("then", "else")]
        builder.cbranch(truth(condition), *blocks)
        for block, statements in zip(blocks, (statement.body, statement.orelse), strict=True):
            self.variables = dict(before)
            builder.position_at_end(block)
            self._follow(statements)
            if not builder.block.is_terminated and not self._returned():
                arms.append((builder.block, self._without_new_slots(before)))
        if len(arms) == 1:
            block, self.variables = arms[0]
            builder.position_at_end(block)
        elif arms:
            self._join(arms)

    def _without_new_slots(self, before: dict[str, Any]) -> dict[str, Any]:
        """The variables at the end of an arm of an `if`; memory that a loop in it has given to some is left."""
        return {
            name: held.get() if isinstance(held, Slot) and before.get(name) is not held else held
            for name, held in self.variables.items()
        }

    def _join(self, arms: list[tuple[Any, Any]]) -> None:
        """Go on after an `if` whose two arms end in blocks with variables; names of one arm alone are forgotten."""
        (_, one), (_, other) = arms
        names = [name for name in one if name in other]
        changed = tuple(name for name in names if one[name] is not other[name])
        end = current().append_basic_block("endif")
        arms = self._leave([(block, tuple(v[name] for name in changed)) for block, v in arms], end)
        values = merged(arms)
        self.variables = {name: one[name] for name in names} | dict(zip(changed, values, strict=True))

    def _keep_in_memory(self, statements: list[ast.stmt]) -> None:
        """Give memory to the variables that statements of a loop change."""
        for name in _stored(statements) & self.variables.keys():
            if not isinstance(self.variables[name], Slot):
                self.variables[name] = Slot(self.variables[name], name)

    def _do_For(self, statement: ast.For) -> None:
        bounds = self._range(statement.iter)
        name = ast.unparse(statement.target)
        if name in self.variables and name != "_":
            raise TypeError(f"{name} has a value before the loop that counts it; need another name")
        self._keep_in_memory(statement.body)
        builder, outside, entry = current(), dict(self.variables), current().block
        head, body, after, done = (builder.append_basic_block(n) for n in ("for", "body", "next", "done"))
        start, stop, step = (integer(bound) for bound in bounds)
        builder.branch(head)
        builder.position_at_end(head)
        index = builder.phi(I64, "i")
        index.add_incoming(start, entry)
        builder.cbranch(_goes_on(index, stop, bounds[2]), body, done)
        builder.position_at_end(body)
        self._assign(statement.target, Number(index))
        self._turn(statement.body, after)
        builder.position_at_end(after)
        index.add_incoming(builder.add(index, step, flags=("nsw",)), after)
        builder.branch(head)
        builder.position_at_end(done)
        self.variables = outside

    def _turn(self, statements: list[ast.stmt], after: Any) -> None:
        """Follow the body of a loop, which goes on at `after`."""
        self._next.append(after)
        self._follow(statements)
        self._next.pop()
        if not current().block.is_terminated and not self._returned():
            current().branch(after)

    def _range(self, call: ast.expr) -> list[Any]:
        if not (isinstance(call, ast.Call) and self.value(call.func) is range):
            raise TypeError(f"cannot loop over {ast.unparse(call)}; need a range")
        bounds = [self.value(argument) for argument in call.args]
        start = [] if len(bounds) > 1 else [0]
        return [*start, *bounds, *([1] if len(bounds) < 3 else [])]

    def _do_While(self, statement: ast.While) -> None:
        self._keep_in_memory(statement.body)
        builder, outside = current(), dict(self.variables)
        head, body, done = (builder.append_basic_block(n) for n in ("while", "body", "done"))
        builder.branch(head)
        builder.position_at_end(head)
        builder.cbranch(truth(self.value(statement.test)), body, done)
        builder.position_at_end(body)
        self._turn(statement.body, head)
        builder.position_at_end(done)
        self.variables = outside

    # Expressions

    def value(self, node: ast.expr) -> Any:
        """The value of an expression."""
        return getattr(self, f"_of_{type(node).__name__}")(node)

    def _of_Constant(self, node: ast.Constant) -> Any:
        return node.value

    def _of_Name(self, node: ast.Name) -> Any:
        for names in (self.variables, self._outside, self._function.__globals__, vars(builtins)):
            if node.id in names:
                value = names[node.id]
                value = value.get() if isinstance(value, Slot) else value
                return int(value) if isinstance(value, np.integer) else value
        raise NameError(f"{node.id} has no value here, in {self._function.__name__}")

    def _of_Tuple(self, node: ast.Tuple) -> Any:
        return tuple(self.value(part) for part in node.elts)

    def _of_Attribute(self, node: ast.Attribute) -> Any:
        return getattr(self.value(node.value), node.attr)

    def _of_Subscript(self, node: ast.Subscript) -> Any:
        return self.value(node.value)[self.value(node.slice)]

    def _of_Slice(self, node: ast.Slice) -> Any:
        return slice(*(None if part is None else self.value(part) for part in (node.lower, node.upper, node.step)))

    def _of_BinOp(self, node: ast.BinOp) -> Any:
        return OPERATORS[type(node.op)](self.value(node.left), self.value(node.right))

    def _of_UnaryOp(self, node: ast.UnaryOp) -> Any:
        value = self.value(node.operand)
        if isinstance(node.op, ast.Not):
            return Number(current().not_(truth(value))) if isinstance(value, Number) else not value
        return -value

    def _of_Compare(self, node: ast.Compare) -> Any:
        if len(node.ops) > 1:
            raise TypeError(f"cannot compare more than two: {ast.unparse(node)}")
        return OPERATORS[type(node.ops[0])](self.value(node.left), self.value(node.comparators[0]))

    def _of_BoolOp(self, node: ast.BoolOp) -> Any:
        """`and` and `or`, as truth values; what comes later is computed only if it counts."""
        is_and = isinstance(node.op, ast.And)
        first, *others = node.values
        value = self.value(first)
        for other in others:
            value = self._either(value, other, is_and)
        return value

    def _either(self, value: Any, other: ast.expr, is_and: bool) -> Any:
        if not isinstance(value, Number):
            return self.value(other) if bool(value) == is_and else value
        builder = current()
        more, end = builder.append_basic_block("more"), builder.append_basic_block("known")
        condition, start = truth(value), builder.block
        builder.cbranch(condition, *((more, end) if is_and else (end, more)))
        builder.position_at_end(more)
        late = truth(number(self.value(other)))
        come_from = builder.block
        builder.branch(end)
        builder.position_at_end(end)
        node = builder.phi(I1)
        node.add_incoming(ir.Constant(I1, int(not is_and)), start)
        node.add_incoming(late, come_from)
        return Number(node)

    def _of_IfExp(self, node: ast.IfExp) -> Any:
        condition = self.value(node.test)
        if not isinstance(condition, Number):
            return self.value(node.body if condition else node.orelse)
        builder, arms = current(), []
        blocks = [builder.append_basic_block(name) for name in ("then", "else")]
        builder.cbranch(truth(condition), *blocks)
        for block, part in zip(blocks, (node.body, node.orelse), strict=True):
            builder.position_at_end(block)
            value = self.value(part)
            arms.append((builder.block, value))
        arms = self._leave(arms, builder.append_basic_block("endif"))
        return merged(arms)

    def _of_Call(self, node: ast.Call) -> Any:
        function = self.value(node.func)
        return called(function, *(self.value(argument) for argument in node.args))


def _as_load(target: ast.expr) -> ast.expr:
    """A target of an assignment, to be read."""
    if isinstance(target, ast.Name):
        return ast.Name(target.id, ast.Load())
    if isinstance(target, ast.Subscript):
        return ast.Subscript(target.value, target.slice, ast.Load())
    raise TypeError(f"cannot add to {ast.unparse(target)}")


def _goes_on(index: Any, stop: Any, step: Any) -> Any:
    """Whether a loop over a range has not reached its end."""
    builder = current()
    if isinstance(step, int):
        return builder.icmp_signed("<" if step > 0 else ">", index, stop)
    up = builder.icmp_signed(">", integer(step), ir.Constant(I64, 0))
    return builder.select(up, builder.icmp_signed("<", index, stop), builder.icmp_signed(">", index, stop))


def _length(value: Any) -> Any:
    return value.shape[0] if isinstance(value, Array) else len(value)


BUILT_IN: dict[Any, Callable[..., Any]] = {
    min: smaller,
    max: larger,
    len: _length,
    np.int64: lambda value: value,
}


def called(function: Any, *arguments: Any) -> Any:
    """What a call gives: of a stage, a routine, an emitter, or of a Python function of what is known beforehand."""
    if function in BUILT_IN:
        return BUILT_IN[function](*arguments)
    follow = getattr(function, "follow", None)
    return follow(*arguments) if follow else function(*arguments)
