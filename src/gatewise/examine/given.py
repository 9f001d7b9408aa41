"""The gradients that a backward pass gave, in the library's letters and orientation, and what is missing among them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from gatewise.errors import Array
from gatewise.examine import tensors
from gatewise.examine.calling import role_of
from gatewise.examine.conventions import Identity
from gatewise.examine.differences import slope
from gatewise.examine.guard import NotUnderstoodError, theirs
from gatewise.examine.network import Network, Outputs, Upstream
from gatewise.examine.passes import C_PREV, H_PREV, Gradients, X
from gatewise.examine.reading import Returned
from gatewise.examine.result import Slip

INCOMING = ("dh", "dh_next", "dstate", "target")
LOSS_TABLE = (("target", r"y|ys|ytrue|targets?|t|labels?|true"), ("prediction", r".*"))


@dataclass
class Given:
    """Gradients in the shapes of the weights; x (T, B, D), h_prev and c_prev (B, H)."""

    returned: Returned
    arrays: dict[str, Array]
    x: Array | None = None
    h_prev: Array | None = None
    c_prev: Array | None = None
    slips: list[Slip] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    single: bool = False
    """Whether any of them is less than float64."""

    def canonical(self, identity: Identity) -> Gradients:
        """Return the gradients by matrix and gate."""
        result: Gradients = {}
        for key, block in identity.blocks.items():
            if block.array in self.arrays:
                result[key] = block.read(self.arrays[block.array])
        for key, value in ((X, self.x), (H_PREV, self.h_prev), (C_PREV, self.c_prev)):
            if value is not None and (key != C_PREV or identity.form.cell == "lstm"):
                result[key] = value
        return result

    def name(self, array: str) -> str:
        """Return what an array's gradient is called."""
        own = {"x": "dx", "h_prev": "dh_prev", "c_prev": "dc_prev"}.get(array)
        name = self.returned.names.get(array, array)
        return own or (f"d{array}" if name == array else name)


def gradients_given(network: Network, returned: Returned) -> Given:
    """Return what came back, brought into shape; say what did not come back or has a shape of its own."""
    given = Given(returned, {})
    for name, value in returned.weights.items():
        _shape(given, name, np.asarray(value), network.weights[name])
    for role in ("x", "h_prev", "c_prev"):
        value = getattr(returned, role)
        if value is not None:
            given.single |= value.dtype not in (np.float64, np.dtype(int))
            setattr(given, role, network.taken(value) if role == "x" else network.step.take(np.asarray(value, float)))
    if not returned.weights and given.x is None and given.h_prev is None:
        raise NotUnderstoodError(
            "backward gives no gradients that can be read: none is returned, none stands in an attribute such as dWx "
            "or grads, and no weight changes. Return them, or pass adapter= with a backward function that does "
            "(docs/examine.md)."
        )
    _missing(network, given)
    if returned.changed:
        kept = "; its gradients are read from the change, divided by the learning rate" if _from_change(given) else ""
        given.notes.append(f"backward changes the weights{kept}.")
        if _from_change(given) and not returned.rate:
            given.notes.append("no learning rate is known: 1 is assumed.")
    if given.x is None:
        given.notes.append("backward gives no dx: a layer below could not learn.")
    return given


def _from_change(given: Given) -> bool:
    return any(name.startswith("−Δ") for name in given.returned.names.values())


def _shape(given: Given, name: str, value: Array, weight: Array) -> None:
    given.single |= value.dtype.kind == "f" and value.dtype != np.float64
    value = value.astype(np.float64)
    flat = value.size == weight.size and min(weight.ndim, value.ndim) == 1
    if flat or np.squeeze(value).shape == np.squeeze(weight).shape:
        given.arrays[name] = value.reshape(weight.shape)
    elif value.shape == weight.shape[::-1]:
        what = f"has shape {value.shape}, the weight has {weight.shape}: it is transposed"
        given.slips.append(Slip(given.name(name), "", what, f"the shape of {name}", target="shape"))
        given.arrays[name] = value.T
    else:
        given.slips.append(
            Slip(given.name(name), "", f"has shape {value.shape}, the weight has {weight.shape}: "
                 "a sum over the batch is missing, or it is another array's", f"the shape of {name}", target="shape")
        )  # fmt: skip


def _missing(network: Network, given: Given) -> None:
    wanted = [name for name in network.weights if name not in given.returned.weights]
    if not network.sequence and network.takes_state and given.h_prev is None:
        wanted.append("h_prev")
    for name in wanted:
        what = "is missing: it is neither returned nor kept in an attribute"
        given.slips.append(Slip(given.name(name), "", what, f"give the gradient of {name}", target="missing"))


def upstream_of(network: Network, outputs: Outputs, rng: np.random.Generator) -> tuple[Upstream, Upstream]:
    """Return the gradients that come in: those of the loss, and those that are handed over as dh.

    They differ where the backward pass takes targets and makes dh itself, and a loss function says what dh is.
    """
    plan = network.backward_plan
    assert plan is not None
    if not any(plan.has(role) for role in INCOMING):
        raise NotUnderstoodError(
            f"backward({plan}) takes no gradient of its output: need backward(dh), backward(cache, dh) or, with "
            f"targets, backward(…, y_true, y_pred); or pass adapter= (docs/examine.md)."
        )
    shape = outputs.h.shape
    second = plan.has("dh_next") and (plan.has("dh") or network.sequence)
    cell = not network.sequence and (plan.has("dc") or plan.has("dstate") or network.state != "h")
    handed = Upstream(
        rng.normal(size=shape),
        rng.normal(size=shape[1:]) * second,
        rng.normal(size=shape[1:]) * (cell and outputs.c is not None),
    )
    made = plan.has("target") and not plan.has("dh") and network.loss is not None
    return (handed._replace(dy=_slopes_of_loss(network, outputs, handed)) if made else handed), handed


def _slopes_of_loss(network: Network, outputs: Outputs, handed: Upstream) -> Array:
    """Return the gradient of Σ_t loss(y_t, ŷ_t), by differences of their loss function."""
    values = network._upstream(outputs, handed, None)
    target, prediction = values["target"], values["prediction"]
    order = _loss_order(network)
    result = np.zeros_like(prediction)
    for t in range(len(prediction)):
        for index in np.ndindex(prediction[t : t + 1].shape):

            def moved(e: float, t: int = t, index: tuple[int, ...] = index) -> float:
                own = prediction[t : t + 1].copy()
                own[index] += e
                pair = (target[t : t + 1], own)
                own_pair = tensors.given(pair) if network.on_tensors else pair
                return float(theirs("the loss", network.loss, *(own_pair if order else own_pair[::-1])))

            result[t : t + 1][index] = slope(moved, 1e-2)
    return network.taken(result.reshape(network.given(outputs.h).shape))


def _loss_order(network: Network) -> bool:
    """Whether the loss function takes the target first."""
    code = getattr(network.loss, "__code__", None)
    names = code.co_varnames[: code.co_argcount] if code is not None else ()
    return not names or role_of(names[0], LOSS_TABLE) == "target"
