"""The examination from beginning to end: called, recognized, measured, explained."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from gatewise.errors import GatewiseTypeError, check_number
from gatewise.examine import adapting, conventions, facts, letters, measuring, words
from gatewise.examine.conventions import Identity
from gatewise.examine.equations import backward, forward
from gatewise.examine.given import Given, gradients_given, upstream_of
from gatewise.examine.guard import NotUnderstoodError, TheirError, held, limited
from gatewise.examine.holders import is_pair
from gatewise.examine.locating import Locator
from gatewise.examine.mending import Mender
from gatewise.examine.network import Inputs, Network, Outputs
from gatewise.examine.origin import origin
from gatewise.examine.passes import Case, Handling
from gatewise.examine.result import Equation, Examination, Row, Slip
from gatewise.examine.search import Explanation, Search
from gatewise.examine.slips import Change
from gatewise.examine.tracing import Trace

MENDS = 8  # lines that are mended before giving up
DOUBTS = (
    "missing",
    "shape",
    "unknown",
)  # slips that may as well mean that the arrays were handed over in a wrong shape


def examine(
    thing: Any,
    *,
    kind: str | None = None,
    adapter: Mapping[str, Callable[..., Any]] | None = None,
    time_limit: float = 60.0,
    rng: int | np.random.Generator = 0,
) -> Examination:
    """Examine a recurrent network written by hand: say which it is, whether its gradients are right, which line is not.

    Its forward pass is compared with every known convention and known slips; every gradient it gives against central
    differences of its own forward pass; and where these differ, against a catalog of mistakes: each single change of
    the right backward pass, and several at once. All on copies, in float64: nothing of `thing` is changed.

    Parameters
    ----------
    thing : class, object, module, or (forward, backward, weights)
        A class or object with ``forward(x, h_prev)`` and ``backward(dh)`` of one step, or ``forward(xs)`` and
        ``backward(dhs)`` of a sequence; LSTM with ``c``. A module, or two functions that read its globals; or two
        functions and a dict of weights. All on arrays, or on PyTorch tensors. Gradients may be returned, or kept in
        attributes; row vectors, column vectors, flat vectors, time or batch first.
    kind : {"step", "sequence"}, optional
        What one call is; found out by trying unless given.
    adapter : dict of functions, optional
        What cannot be found out: ``make()`` -> object; ``weights(own)`` -> dict of its arrays; ``forward(own, x, h)``
        and ``backward(own, dh)``, with parameters named as in the classes above; ``loss(y_true, y_pred)`` of a backward
        pass that takes targets. `own` is a copy of `thing`.
    time_limit : float
        Seconds after which an endless loop in the code is ended.
    rng : int or Generator
        Of the weights and inputs that are tried.

    Returns
    -------
    Examination
        `ok`, `convention`, `slips`, `table()`; it prints as a table, and shows as a page in a notebook.

    Raises
    ------
    GatewiseError
        If the code fails by itself (with its own error, file and line), runs longer than `time_limit`, or cannot be
        called in any known way.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> class Elman:
    ...     def __init__(self, input_size, hidden_size):
    ...         self.W, self.U = np.zeros((hidden_size, input_size)), np.zeros((hidden_size, hidden_size))
    ...     def forward(self, x, h_prev):
    ...         self.cache = x, h_prev, np.tanh(self.W @ x + self.U @ h_prev)
    ...         return self.cache[2]
    ...     def backward(self, dh):
    ...         x, h_prev, h = self.cache
    ...         da = dh * (1 - h) ** 2
    ...         self.dW, self.dU = da @ x.T, da @ h_prev.T
    ...         return self.W.T @ da, self.U.T @ da
    >>> examination = gw.examine(Elman)
    >>> examination.words
    'an Elman network, tanh, no bias'
    >>> examination.slips[0].what
    '(1 − h)² stands for (1 − h²)'
    """
    check_number("time_limit", time_limit, 0, open_low=True)
    if not isinstance(rng, int | np.integer | np.random.Generator) or isinstance(rng, bool):
        raise GatewiseTypeError(f"rng is {rng!r}; need an int or a numpy.random.Generator.")
    if adapter is not None:
        adapting.check_adapter(adapter)
    generator = np.random.default_rng(rng)
    named = thing[0] if is_pair(thing) else thing
    name = getattr(named, "__name__", type(thing).__name__)
    with limited(time_limit), np.errstate(all="ignore"):
        mender = Mender(thing)
        if adapter is None:
            mender.at_once()
        for _ in range(MENDS):
            try:
                ways = adapting.networks(mender.thing, name, kind, adapter, generator)
                return _first(ways, mender, name, generator)
            except TheirError as error:
                if not mender.after(error):
                    raise
    raise NotUnderstoodError(f"{name} does not run after {MENDS} lines were mended: {mender.slips[-1]}")


def _first(ways: Iterator[Network], mender: Mender, name: str, rng: np.random.Generator) -> Examination:
    """Return the examination of the first way of calling in which both passes run."""
    failures: list[NotUnderstoodError] = []
    best: tuple[int, Examination] | None = None
    for network in ways:
        try:
            own = _Session(network, mender, name, rng).examination()
        except NotUnderstoodError as error:
            failures.append(error)
            continue
        doubts = sum(slip.target in DOUBTS for slip in own.slips)
        if not doubts:
            return own
        if best is None or doubts < best[0]:
            best = doubts, own
    if best is not None:
        return best[1]
    raise next((error for error in failures if isinstance(error, TheirError)), failures[0])


class _Session:
    """One examination: the network, one pass of it, and what is made of that."""

    def __init__(self, network: Network, mender: Mender, name: str, rng: np.random.Generator):
        self.network, self.mender, self.rng, self.name = network, mender, rng, name
        self.inputs: Inputs = adapting.example(self.network, rng)
        self.trace, self.forward_trace = Trace(), Trace()
        self.outputs: Outputs = self.network.run(self.network.weights, self.inputs)
        facts.check_outputs(self.network, self.inputs, self.outputs)
        with held():
            copy = self.network.with_weights(self.network.weights)
            self.network.traced_forward(copy, self.inputs, self.forward_trace)
        try:
            self.given = self._backward()
        except TheirError:
            self.network.reshaped, self.trace = True, Trace()
            if self.network.given(self.outputs.h).shape == self.network.raw_shape(self.outputs):
                raise
            self.given = self._backward()
        self.tolerance = 1e-8 if self.precise else 1e-4

    def _backward(self) -> Given:
        """Run both passes on one copy and read the gradients."""
        own = self.network.with_weights(self.network.weights)
        outputs = self.network.forward(own, self.inputs)
        self.upstream, handed = upstream_of(self.network, outputs, self.rng)
        returned = self.network.backward(own, self.inputs, outputs, handed, self.trace)
        return gradients_given(self.network, returned)

    @property
    def precise(self) -> bool:
        """Whether all is float64."""
        return self.outputs.dtype == np.float64 and not self.given.single

    def examination(self) -> Examination:
        """Return what there is to say."""
        notes = [*self.mender.notes, *facts.notes(self.network, self.inputs, self.outputs), *self.given.notes]
        known = conventions.identities(self.network, self.inputs, self.outputs)
        if not known and self.outputs.c is not None and self._swap():
            known = conventions.identities(self.network, self.inputs, self.outputs)
        explained = self._explained(known)
        identity, explanation, case = explained if explained else (None, None, None)
        rows = list(
            measuring.rows(self.network, self.inputs, self.upstream, self.given, identity, self.precise, self.rng)
        )
        slips = [*self.mender.slips]
        equations: list[Equation] = []
        if identity is not None and explanation is not None and case is not None:
            own, equations = self._named(identity, explanation, case, rows)
            slips += own
        else:
            notes.append("forward is that of no network in the table, nor of one with a known slip.")
            slips += measuring.unexplained(rows)
        slips += self.given.slips
        slips += self._update()
        names = letters.letters(identity, self.forward_trace) if identity else {}
        large = facts.overflow(self.network, self.inputs, names)
        slips += [large] if large else []
        convention, weights = origin(identity, self.network) if identity else ({}, {})
        said = conventions.described(identity) if identity else "no known network"
        if identity is not None and identity.change is not None:
            said = next(slip.what for slip in slips if slip.kind == "forward")
        return Examination(not slips, self.name, adapting.taken_as(self.network), convention, said, slips, rows,
                           notes, equations, weights)  # fmt: skip

    def _swap(self) -> bool:
        """Take the first state that comes back as c, the second as h."""
        self.network.swapped = not self.network.swapped
        self.outputs = self.network.outputs(self.outputs.raw)
        return True

    def _explained(self, known: list[Identity]) -> tuple[Identity, Explanation, Case] | None:
        """Return the network, among those it may be, whose backward pass is explained by the fewest slips."""
        best = None
        for identity in known:
            given = self.given.canonical(identity)
            case = Case(
                identity.steps,
                self.upstream.dy,
                {f"d{s}_next": getattr(self.upstream, f"d{s}_next") for s in identity.form.states},
                identity.owners(),
                self.given.returned.rate,
                self.network.sequence,
                self.network.sequence and self.network.sizes.D >= self.network.sizes.T,
            )
            explanation = Search(identity.form, case, given, self.tolerance).explain()
            score = (not explanation.complete, len(explanation.slips), -len(explanation.matched))
            if best is None or score < best[0]:
                best = score, (identity, explanation, case)
            if explanation.complete and not explanation.slips:
                break
        return best[1] if best else None

    def _named(
        self, identity: Identity, explanation: Explanation, case: Case, rows: list[Row]
    ) -> tuple[list[Slip], list[Equation]]:
        """Return the slips as a reader has them, and the equations."""
        names = letters.letters(identity, self.forward_trace)
        names |= letters.weight_letters(identity, self.forward_trace, self.network.weights)
        locator = Locator(identity, explanation, case, self.given.canonical(identity), self.trace, self.forward_trace)
        targets = [line.target for line in backward(identity.form) if line.target[:2] not in ("dW", "dU")]
        own = letters.gradient_letters(locator.explained(), targets, self.trace)
        printer = letters.Printer(identity, own | names, self.network.step.columns)
        slips = [self._forward_slip(identity, printer, locator)] if identity.change is not None else []
        right = {line.target: line for line in backward(identity.form)}
        consistent = identity.change is not None and all(row.ok for row in rows)
        equations = []
        if not consistent:
            for slip in explanation.slips:
                slips.append(self._slip(slip, explanation, printer, locator, right))
            if not explanation.complete:
                slips += measuring.unmatched(explanation, self.given, identity, case)
        wrong = {slip.target: slip for slip in slips if slip.target}
        for line in right.values():
            slip_here = wrong.get(line.target)
            text = printer.line(line.target, line.tree)
            changed = f"{printer.name(line.target)} = {slip_here.change}" if slip_here else ""
            equations.append(Equation(text, changed, slip_here.line if slip_here else None))
        if not identity.consistent:
            slips.append(self._crossed(identity))
        return slips or measuring.unexplained(rows), equations

    def _slip(self, slip: Change | Handling, explanation: Explanation, printer: letters.Printer, locator: Locator,
              right: dict[str, Any]) -> Slip:  # fmt: skip
        line, source = locator.backward(slip)
        change = printer.value(slip.target, slip.line.tree) if isinstance(slip, Change) else ""
        also = tuple(words.sentence(one, printer) for one in explanation.also) if slip is explanation.slips[-1] else ()
        array = printer.name(slip.target) if isinstance(slip, Change) else slip.what or "the weights"
        array = self.given.name(array) if array in self.network.weights else array
        said = words.sentence(slip, printer)
        if isinstance(slip, Handling) and slip.what == "every gradient" and self.network.loss is not None:
            said = f"the loss averages, its gradient does not: {said}"
        return Slip(array, words.gate_of(slip), said, words.right(slip, right, printer), locator.difference(),
                    "backward" if isinstance(slip, Change) else "loop", line, source, also[:3],
                    slip.target if isinstance(slip, Change) else slip.kind, change)  # fmt: skip

    def _forward_slip(self, identity: Identity, printer: letters.Printer, locator: Locator) -> Slip:
        change = identity.change
        assert change is not None
        right = next(line for line in forward(identity.form) if line.target == change.target)
        line, source = locator.forward(change)
        kind, *others = conventions.described(identity).split(", ")
        said = words.sentence(change, printer)
        if change.kind == "left out" and ast.unparse(change.parts[0]) == "r":
            said = "its candidate ignores the reset gate"
        line_right = printer.line(change.target, right.tree)
        what = f"not {kind}: {said}; with {line_right} it is one ({', '.join(others)})"
        return Slip(printer.name(change.target), words.gate_of(change), what, printer.line(change.target, right.tree),
                    None, "forward", line, source, (), f"forward {change.target}",
                    printer.value(change.target, change.line.tree))  # fmt: skip

    def _crossed(self, identity: Identity) -> Slip:
        pairs = []
        for gate in identity.form.gates:
            W, U = identity.blocks["W", gate], identity.blocks["U", gate]
            pairs.append(f"{W.array}{f'[{W.number}]' if W.parts > 1 else ''} with {U.array}"
                         f"{f'[{U.number}]' if U.parts > 1 else ''}")  # fmt: skip
        return Slip("h", "", f"weights of gates are crossed in the forward pass: it takes {', '.join(pairs)}",
                    "each gate takes its own two matrices and bias", kind="forward", target="crossed")  # fmt: skip

    def _update(self) -> list[Slip]:
        """Return the slip of a backward step that changes weights."""
        returned = self.given.returned
        if not returned.changed or self.network.sequence:
            return []
        function = self.network.holder.backward(self.network.holder.fresh())
        line, source = facts.update_line(function, [name.split("[")[0] for name in self.network.weights])
        what = (
            "the backward step changes its own weights: over a sequence they change in the middle of the backward "
            "pass, and earlier steps get the gradients of another network"
        )
        right = "all gradients first, summed over the steps, then one update"
        return [Slip("the weights", "", what, right, None, "loop", line, source, target="updated inside")]
