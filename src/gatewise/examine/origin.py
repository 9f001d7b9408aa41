"""From somebody's network to the library's: the layout it is stored in, or its weights in PyTorch's names."""

from __future__ import annotations

from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseError
from gatewise.examine import objects
from gatewise.examine.conventions import Identity
from gatewise.examine.network import Network
from gatewise.layouts import convert

LAYOUTS = ("packed", "columns", "rows", "elman", "joined")


def origin(identity: Identity, network: Network) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the convention as a dict, and the original weights in the layout that it names."""
    form = identity.form
    convention: dict[str, Any] = {
        "cell": form.cell,
        "order": identity.order,
        "biases": len(form.bias_slots()) // len(form.gates),
    }
    convention["stored"] = "(inputs, units)" if identity.arrangement.transposed else "(units, inputs)"
    hints: dict[str, Any] = {}
    if form.cell == "gru":
        convention |= {"reset": form.reset, "update": form.update}
        hints["reset"] = form.reset
    if form.cell == "rnn":
        convention["nonlinearity"] = hints["nonlinearity"] = form.nonlinearity
    if identity.arrangement.joined:
        convention["joined"] = "[x, h]" if identity.arrangement.joined == "xh" else "[h, x]"
    if form.nonlinearity == "sigmoid":
        return convention | {"layout": None, "hints": {}}, {}
    own = network.holder.fresh()
    stored = {name: np.array(objects.at(own, places[0])) for name, places in network.places.items()}
    params = _params(identity, stored)
    for layout in LAYOUTS if form.cell != "lstm" else ():
        if _is(layout, stored, params, hints):
            return convention | {"layout": layout, "hints": {}}, stored
    return convention | {"layout": "torch", "hints": hints}, params


def _params(identity: Identity, stored: dict[str, Array]) -> dict[str, Array]:
    """Return the weights as `params` of a layer: PyTorch's names, gates by rows, z that keeps."""
    form, own = identity.form, identity.environment(stored)

    def rows(matrix: str) -> Array:
        parts = []
        for gate in form.gates:
            part = own.get(f"{matrix}_{gate}", np.zeros(len(own["U_n" if form.cell != "lstm" else "U_i"])))
            parts.append(-part if gate == "z" and form.update == "writes" else part)
        return np.concatenate(parts)

    params = {"weight_ih_l0": rows("W"), "weight_hh_l0": rows("U")}
    if form.biases:
        params |= {"bias_ih_l0": rows("b"), "bias_hh_l0": rows("c")}
    return params


def _is(layout: str, stored: dict[str, Array], params: dict[str, Array], hints: dict[str, Any]) -> bool:
    try:
        own = convert(stored, layout, "torch")
    except GatewiseError:
        return False
    fits = hints.get("reset", "before") == "before" and hints.get("nonlinearity", "tanh") == "tanh"
    return fits and own.keys() == params.keys() and all(np.array_equal(own[key], params[key]) for key in own)
