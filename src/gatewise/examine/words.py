"""What a slip is called: the sentence that says which array or line is wrong, and what is right."""

from __future__ import annotations

import ast

from gatewise.examine.equations import Line
from gatewise.examine.letters import Printer
from gatewise.examine.passes import Handling
from gatewise.examine.slips import Change

_HANDLINGS = {
    "overwritten": "{what} is overwritten at each step instead of summed over the steps: only the first step's is left",
    "never summed": "{what} is that of the last step alone instead of the sum over the steps",
    "zero": "{what} stays zero",
    "transposed": "{what} is given transposed",
    "reversed in time": "dx comes in reversed order of time",
    "forward in time": "the backward pass runs from the first step to the last instead of back",
    "only the last output": "only the last step's dh enters: the gradients of earlier outputs are left out",
    "no last": "the gradient of the final state is left out",
    "updated inside": "weights change inside the backward pass: earlier steps get the gradients of another network",
}
_RIGHT_HANDLINGS = {
    "overwritten": "sum over the steps: {what} += …",
    "never summed": "sum over the steps: {what} += …",
    "zero": "keep it",
    "transposed": "give it in the shape of the weight",
    "reversed in time": "reverse it, or write into dx[t]",
    "forward in time": "for t in reversed(range(T))",
    "only the last output": "dh = dh_t + dh_next at every step",
    "no last": "start from the gradient of the final state",
    "updated inside": "all gradients first, then one update",
}


def sentence(slip: Change | Handling, printer: Printer) -> str:
    """Return what is wrong."""
    if isinstance(slip, Handling):
        return _handling(slip)
    part = [printer.part(slip.target, node) for node in slip.parts]
    if slip.target == "dh" and slip.kind == "left out" and _name(slip) == "dh_next":
        return "the gradient from the next step is left out"
    if slip.target in ("dh", "dc") and slip.kind == "left out" and _name(slip) == "dy":
        return "the gradient of the output is left out"
    if slip.said:
        names = {name: printer.name(name) for name in printer.stored} | {g: printer.name(g) for g in "rzifgoh"}
        return slip.said.format(tree=part[0], right=part[-1], **names)
    if slip.kind == "transposed":
        return _transposed(slip, printer)
    return {
        "left out": "{0} is left out",
        "sign": "the sign of {0} is wrong",
        "instead": "{0} stands for {1}",
        "all transposed": "the transposes of {all} are wrong: where one belongs it is missing, and the reverse",
        "product": "the matrix product {0} @ {1} stands for {0} ⊙ {1}",
        "extra": "{0} is a factor too many",
        "factor": "there is a factor {0} too many",
    }[slip.kind].format(*part, all=", ".join(part))


def _transposed(slip: Change, printer: Printer) -> str:
    if slip.target[1:] in printer.stored:
        return f"{printer.name(slip.target)} is given transposed"
    name = printer.name(ast.unparse(slip.parts[0]))
    missing = f"{name}ᵀ" not in printer.value(slip.target, slip.line.tree)
    return f"the transpose of {name} is missing" if missing else f"{name} is transposed, and should not be"


def _name(slip: Change) -> str:
    return ast.unparse(slip.parts[0])


def _handling(slip: Handling) -> str:
    what = slip.what if slip.what.startswith(("d", "the ", "every ", "any ")) else f"d{slip.what}"
    if slip.kind == "scaled":
        size = slip.amount[0]
        return f"the sign of {what} is wrong" if size == "−1" else f"{what} {_has(what)} a factor {size} too many"
    if slip.kind == "reordered":
        gates = [key[1] for key in slip.keys]
        return f"{what} holds its parts in another order than the weights: {' '.join(gates[k] for k in slip.amount)}"
    return _HANDLINGS[slip.kind].format(what=what)


def _has(what: str) -> str:
    return "have" if what.endswith("s of weights") or "gradients" in what else "has"


def right(slip: Change | Handling, lines: dict[str, Line], printer: Printer) -> str:
    """Return the right line."""
    if isinstance(slip, Change):
        return printer.line(slip.target, lines[slip.target].tree)
    if slip.kind == "reordered":
        return "in the weights' order: " + " ".join(key[1] for key in slip.keys)
    if slip.kind == "scaled":
        return "the gradient of the loss that is reported, without that factor"
    return _RIGHT_HANDLINGS[slip.kind].format(what=f"d{slip.what}")


def gate_of(slip: Change | Handling) -> str:
    """Return the gate to which a slip belongs, or ""."""
    if isinstance(slip, Handling):
        gates = {key[1] for key in slip.keys}
        return gates.pop() if len(gates) == 1 else ""
    _, _, gate = slip.target.partition("_")
    return gate if len(gate) == 1 else slip.target[1:] if slip.target[1:] in tuple("rznifgo") else ""
