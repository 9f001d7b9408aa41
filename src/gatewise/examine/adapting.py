"""How is it called? Found out by the names of parameters and by trying, or set by an adapter."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from itertools import combinations
from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseValueError
from gatewise.examine import blocks, building, objects, tensors
from gatewise.examine.calling import BACKWARD, FORWARD, Plan, parameters, plan, role_of, simple
from gatewise.examine.guard import NotUnderstoodError, TheirError, theirs
from gatewise.examine.holders import Functions, Holder, Namespace, Spread, holder, is_pair
from gatewise.examine.kept import Kept, keeping
from gatewise.examine.network import Inputs, Network, Outputs
from gatewise.examine.shapes import SEQUENCE, STEP, Sequences, Sizes, Vectors

KINDS = ("step", "sequence")
ADAPTER = ("make", "weights", "forward", "backward", "loss")
SIZES = Sizes(4, 5)
_GRADIENTS = re.compile(r"(?i)^(d|g|grad|delta|m|v)_?(params?|weights?|w)?$|grad|cache|momentum|velocity|moment")
_STATES = re.compile(
    r"^(h|c|s|state|hidden|h_?prev|c_?prev|h_?0|c_?0|h_?next|c_?next|hs|h_?t|c_?t|cell|dh|dc|dx|d[hc]_?(prev|next))$",
    re.IGNORECASE,
)


class Adapted(Holder):
    """A thing whose forward and backward pass are functions of an adapter."""

    def __init__(self, inner: Holder, adapter: Mapping[str, Callable[..., Any]]):
        super().__init__(inner.original, inner.name)
        self.inner, self.adapter = inner, adapter

    def fresh(self) -> Any:
        """Return a copy, or what `make` makes."""
        return objects.copied(self.adapter["make"]()) if "make" in self.adapter else self.inner.fresh()

    def forward(self, own: Any) -> Callable[..., Any]:
        """Return the adapter's forward function, else the thing's."""
        mine = self.adapter.get("forward")
        return functools.partial(mine, own) if mine else self.inner.forward(own)

    def backward(self, own: Any) -> Callable[..., Any]:
        """Return the adapter's backward function, else the thing's."""
        mine = self.adapter.get("backward")
        return functools.partial(mine, own) if mine else self.inner.backward(own)

    def extra(self, own: Any) -> dict[str, Any]:
        """Return what the inner holder knows."""
        return self.inner.extra(own)


def check_adapter(adapter: Any) -> None:
    """Raise unless `adapter` is a dict of functions under known names."""
    known = isinstance(adapter, Mapping) and all(key in ADAPTER and callable(f) for key, f in adapter.items())
    if not known:
        raise GatewiseValueError(
            f"adapter is {adapter!r}; need a dict of functions, of which it may have {', '.join(map(repr, ADAPTER))}: "
            f"docs/examine.md shows one."
        )


def networks(
    thing: Any, name: str, kind: str | None, adapter: Mapping[str, Any] | None, rng: np.random.Generator
) -> Iterator[Network]:
    """Yield `thing` as networks that can be called, in every way that works; raise what came nearest if none does."""
    failures: list[NotUnderstoodError] = []
    any_at_all = False
    for own in _holders(thing, name, adapter, rng, failures):
        for network in _ways(own, kind, adapter or {}, rng, failures):
            network.backward_plan = _backward_plan(network)
            network.loss = (adapter or {}).get("loss") or _loss(own)
            any_at_all = True
            yield network
        if any_at_all:
            return
    if not failures:
        raise NotUnderstoodError(f"{name} is not called in any known way: pass adapter= (docs/examine.md).")
    raise max(failures, key=lambda error: error.depth)


def _ways(
    own: Holder,
    kind: str | None,
    adapter: Mapping[str, Any],
    rng: np.random.Generator,
    failures: list[NotUnderstoodError],
) -> Iterator[Network]:
    """Yield the networks that a holder may be; if it is none, those with the state in an attribute."""
    any_at_all = False
    for network in _networks(own, kind, adapter, rng, failures):
        any_at_all = True
        yield network
    if any_at_all or adapter or kind == "sequence":
        return
    for inside in keeping(own):
        yield from (own for own in _networks(inside, "step", {}, rng, failures) if _reads_state(own, rng))


def _holders(
    thing: Any,
    name: str,
    adapter: Mapping[str, Any] | None,
    rng: np.random.Generator,
    failures: list[NotUnderstoodError],
) -> Iterator[Holder]:
    if adapter:
        yield Adapted(holder(thing, name), adapter)
    elif isinstance(thing, type):
        for arguments in building.arguments(thing, SIZES, rng):
            try:
                own = tensors.given(arguments) if tensors.written_for(thing) else arguments
                yield Holder(theirs(f"{name}({', '.join(arguments)})", thing, **own), name)
            except TheirError as error:
                failures.append(error)
        if not failures:
            failures.append(NotUnderstoodError(f"{name} cannot be made: pass an object of it, {name}(…)."))
    elif is_pair(thing) and len(thing) == 2 and spread_names(thing[0]):
        names = spread_names(thing[0])
        for weights in building.guesses(names, SIZES, rng):
            own = tensors.given(weights) if tensors.written_for(thing[0]) else weights
            yield Spread(thing[0], thing[1], own, name)
    else:
        yield holder(thing, name)


def spread_names(forward: Callable[..., Any]) -> list[str]:
    """Return the parameters of a forward function that are weights: those that must be given, but x and states."""
    rest: list[str] = []
    taken: set[str] = set()
    for name in (p.name for p in parameters(forward) if p.default is p.empty):
        role = role_of(name, FORWARD)
        if role in (None, "weights") or role in taken:  # a U after an x is no second input
            rest.append(name)
        taken.add(role or "")
    return rest if len(rest) > 1 else []


def _networks(
    own: Holder,
    kind: str | None,
    adapter: Mapping[str, Any],
    rng: np.random.Generator,
    failures: list[NotUnderstoodError],
) -> Iterator[Network]:
    """Try every shape of vectors and sequences, and yield those in which the forward pass is a recurrent network's."""
    try:
        first = own.fresh()
        places = _places(own, first, adapter)
        forward = own.forward(first)
        shapes = {name: objects.at(first, where[0]).shape for name, where in places.items()}
        found = blocks.sizes(shapes, _hints(first))
        if found is None:
            shapes, places, found = _readable(shapes, places, first)
    except NotUnderstoodError as error:
        failures.append(error)
        return
    D, H = found
    B = next(n for n in (2, 3, 4, 6) if n not in (D, H))
    T = next(n for n in (3, 6, 7, 8, 9) if n not in (D, H, B))
    weights = {name: _random(rng, shape) for name, shape in shapes.items()}
    for layout in _layouts(forward, kind):
        sizes = Sizes(D, H, B if layout.batch else 1, T)
        for state in ("h", "hc", "ch"):
            try:
                network = Network(own, layout, sizes, weights, places, _forward_plan(forward, own.named), state)
                _check(network, rng)
                yield network
                break
            except NotUnderstoodError as error:
                failures.append(error)
                if not _may_be_pair(error):
                    break


def _reads_state(network: Network, rng: np.random.Generator) -> bool:
    """Whether the output depends on the state that is put into the attribute."""
    inputs = example(network, rng)
    moved = inputs._replace(h_prev=inputs.h_prev + 0.5)
    return not np.array_equal(network.run(network.weights, inputs).h, network.run(network.weights, moved).h)


def _may_be_pair(error: NotUnderstoodError) -> bool:
    return isinstance(error, TheirError) and isinstance(error.cause, ValueError | TypeError | IndexError | RuntimeError)


def _layouts(forward: Callable[..., Any], kind: str | None) -> list[Vectors | Sequences]:
    """Return the shapes to try: those of steps first where a state must be handed over."""
    if kind is not None and kind not in KINDS:
        raise GatewiseValueError(f"kind is {kind!r}; need 'step' or 'sequence', or None to find out.")
    states = [p for p in parameters(forward) if role_of(p.name, FORWARD) in ("h", "state", "c")]
    own = parameters(forward)
    needed = any(p.default is p.empty for p in states) or (not states and sum(p.default is p.empty for p in own) > 1)
    plural = any(re.fullmatch(r"xs|X|inputs|seq|sequence|x_seq", p.name) for p in own)
    steps: list[Vectors | Sequences] = list(STEP)
    sequences: list[Vectors | Sequences] = list(SEQUENCE)
    if kind is not None:
        return steps if kind == "step" else sequences
    if not needed and not states:
        return sequences
    return [*steps, *sequences] if needed and not plural else [*sequences, *steps]


def _forward_plan(forward: Callable[..., Any], named: tuple[str, ...]) -> Plan:
    return plan(forward, "forward", FORWARD, ("x", "h", "c", "state", "weights"), named)


def _backward_plan(network: Network) -> Plan:
    function = network.holder.backward(network.holder.fresh())
    raw = network.run(network.weights, example(network, np.random.default_rng(0))).raw
    cached = isinstance(raw, tuple | list) and len(raw) > 1
    order = ("dh", "dc", "dstate", *(["cache"] if cached else []), "dh_next", "x", "h", "c", "target", "prediction")
    table = [*BACKWARD[:1], *BACKWARD[1:], *FORWARD]
    return plan(function, "backward", table, (*order, "weights"), network.holder.named)


def example(network: Network, rng: np.random.Generator) -> Inputs:
    """Return random inputs and states; those of a sequence have only column t of x at step t, if there are enough."""
    D, H, B, T = network.sizes
    steps = T if network.sequence else 1
    x = rng.normal(size=(steps, B, D))
    if network.sequence and D >= T:
        x *= np.eye(T, D)[:, None]
    h, c = rng.normal(0, 0.7, (2, B, H)) if network.takes_state else np.zeros((2, B, H))
    return Inputs(x, h, c if network.takes_cell else np.zeros((B, H)))


def _check(network: Network, rng: np.random.Generator) -> Outputs:
    """Raise unless the output depends on the input as a recurrent network's does."""
    D, H, B, T = network.sizes
    steps = T if network.sequence else 1
    inputs = Inputs(rng.normal(size=(steps, B, D)), *(rng.normal(0, 0.5, (2, B, H))))
    outputs = network.run(network.weights, inputs)
    if not network.sequence and B == 1:
        return outputs
    moved = inputs.x.copy()
    moved[0, 0] += 0.5
    changed = np.abs(network.run(network.weights, inputs._replace(x=moved)).h - outputs.h).max(axis=-1) > 0
    if changed[:, 1:].any():
        raise NotUnderstoodError(
            f"with {network.layout.words} one sequence of the batch changes another: the axes mean something else, or "
            f"forward mixes the batch."
        )
    if network.sequence and not changed[1:, 0].any() and np.isfinite(outputs.h).all():
        raise NotUnderstoodError(
            f"with {network.layout.words} an input changes no later state: forward is not recurrent."
        )
    if network.sequence:
        moved = inputs.x.copy()
        moved[-1] += 0.5
        after = np.abs(network.run(network.weights, inputs._replace(x=moved)).h - outputs.h).max(axis=-1) > 0
        if after[:-1].any():
            raise NotUnderstoodError(f"with {network.layout.words} an input changes earlier states.")
    return outputs


def _random(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return weights of moderate size, so that no gate is shut."""
    fan = shape[0] if len(shape) < 2 or min(shape) == 1 else min(shape)
    scale = 0.6 if fan < 12 else 1.5 / np.sqrt(fan)
    return rng.normal(0, scale, shape)


def _places(own: Holder, first: Any, adapter: Mapping[str, Any]) -> dict[str, list[objects.Place]]:
    """Return where each array of weights is: those an adapter names, or all that are no gradients and no states."""
    found: dict[Any, list[objects.Place]] = {}
    for place, array in objects.arrays(first):
        found.setdefault(tensors.identity(array), []).append(place)
    if "weights" in adapter:
        named = {name: tensors.identity(tensors.array(array)) for name, array in adapter["weights"](first).items()}
        missing = [name for name, own in named.items() if own not in found]
        if missing:
            raise NotUnderstoodError(f"the adapter's weights {', '.join(missing)} are not arrays of {own.name} itself.")
        return {name: found[own] for name, own in named.items()}
    places: dict[str, list[objects.Place]] = {}
    plains = {objects.plain(place.name) for group in found.values() for place in group}
    for group in found.values():
        best = min(group, key=lambda place: (place.name.endswith("]"), len(place.steps)))
        if not any(_no_weight(place, plains) and not _second_bias(place, first) for place in group):
            common = best.name in places or best.name in ("weight", "bias")  # those of nn.Linear
            places[best.whole if common else best.name] = group
    if not places:
        raise NotUnderstoodError(f"{own.name} holds no arrays of weights: pass an object that has them, or adapter=.")
    return places


def _no_weight(place: objects.Place, plains: set[str]) -> bool:
    """Whether a place is one of a gradient, a moment, a state or a cache."""
    keys = [str(key) for _, key in place.steps]
    if any(_GRADIENTS.search(key) for key in keys) or _STATES.match(keys[-1]):
        return True
    bare = objects.core(place.name)
    return bare != objects.plain(place.name) and bare in plains


def _second_bias(place: objects.Place, first: Any) -> bool:
    """Whether an array called c is the bias beside one called b, and no cell state."""
    container, name = place.steps[:-1], place.steps[-1][1]
    beside = objects.Place((*container, (place.steps[-1][0], "b")))
    try:
        return bool(name == "c" and np.shape(objects.at(first, beside)) == np.shape(objects.at(first, place)))
    except (AttributeError, KeyError, IndexError, TypeError):
        return False


def _readable(
    shapes: dict[str, tuple[int, ...]], places: dict[str, list[objects.Place]], first: Any
) -> tuple[dict[str, tuple[int, ...]], dict[str, list[objects.Place]], tuple[int, int]]:
    """Leave out the arrays that belong to something else, such as an output layer."""
    hints = _hints(first)
    for count in (1, 2):
        for others in sorted(
            combinations(shapes, count), key=lambda names: -sum("y" in name.lower() for name in names)
        ):
            rest = {name: shape for name, shape in shapes.items() if name not in others}
            found = blocks.sizes(rest, hints) if rest else None
            if found is not None:
                return rest, {name: places[name] for name in rest}, found
    listed = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    raise NotUnderstoodError(
        f"the arrays {listed} are not the weights of one recurrent layer: need for each gate a matrix on the input, "
        f"one on the state (or one on both) and perhaps biases; name them with adapter={{'weights': …}}."
    )


def _hints(own: Any) -> dict[str, int]:
    hints = {}
    for _, key, member in objects.members(own):
        if isinstance(key, str) and isinstance(member, int | np.integer) and not isinstance(member, bool):
            value = building._size(key, Sizes(-1, -2, -3, -4))
            if value in (-1, -2):
                hints["D" if value == -1 else "H"] = int(member)
    return hints


def _loss(own: Holder) -> Callable[..., Any] | None:
    """Return the loss function of a module, if its backward pass takes targets."""
    if not isinstance(own, Namespace):
        return None
    for name, value in own.original.items():
        if inspect.isfunction(value) and re.search(r"loss|mse|error|cost", simple(name)):
            return value
    return None


def taken_as(network: Network) -> str:
    """Return in a line how the network is called."""
    kind = "a whole sequence" if network.sequence else "one step"
    shapes = ", ".join(f"{name} {_letters(network, value.shape)}" for name, value in network.weights.items())
    states = f"forward({network.forward_plan}), backward({network.backward_plan})"
    functions = "functions" if isinstance(network.holder, Functions | Namespace) else "methods"
    kept = f", the state kept in {' and '.join(network.holder.states)}" if isinstance(network.holder, Kept) else ""
    on = " on PyTorch tensors" if network.on_tensors else ""
    return f"{kind}, {network.layout.words}, {functions} {states}{kept}{on}; weights {shapes}"


def _letters(network: Network, shape: tuple[int, ...]) -> str:
    """Return a shape in the letters D and H."""
    D, H = network.sizes[:2]
    words = []
    for n in shape:
        names = {D: "D", H: "H", D + H: "D+H"} | {k * H: f"{k}H" for k in (2, 3, 4, 6, 8)}
        words.append("H" if n == H else names.get(n, str(n)))
    return f"({', '.join(words)}{',' if len(shape) == 1 else ''})"
