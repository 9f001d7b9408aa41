"""The conventions of others: THE table of how each system names, orders and orients its weights.

Every system is one row of `LAYOUTS`, as data. Conversion goes through *blocks*: for each layer and direction,
a dict from (matrix, gate) to the rows of that gate in our own form, whose update gate keeps the old state.

    matrices   W (H, D) on the input, U (H, H) on the state, b (H,) and c (H,) their biases
    gates      r z n of the GRU (reset, update, candidate), i f g o of the LSTM, n of the Elman network

Arrays in, arrays out; no layer is known here, and nothing that comes out shares memory with what came in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import FLOATS, Array, GatewiseTypeError, GatewiseValueError, check_choice, check_names

Blocks = dict[tuple[str, str], Array]
BIASES = ("b", "c")


class Slot(NamedTuple):
    """One array of a layout: its key, the matrix it holds, and the gates in it, in order."""

    key: str
    matrix: str
    gates: str


@dataclass(frozen=True)
class Layout:
    """How one system stores the weights of one kind of cell.

    Attributes
    ----------
    name : str
        As in `convert`.
    cell : {"gru", "lstm", "rnn"}
        The kind of cell.
    arrays : mapping
        For each matrix, the keys it is stored under and the gates each key holds, in order. "WU" is W and U
        side by side. Without "c" there is one bias, which is b + c; without "b" there is none.
    columns : bool
        Whether matrices are stored transposed, (D, G·H), so that row vectors multiply them from the left.
    bias_row : bool
        Whether biases are given back as (1, H); both (H,) and (1, H) are taken.
    bias_optional : bool
        Whether the biases may be left out.
    writes : bool
        Whether z writes the new state, h = (1 − z) h + z n: then the weights of z change their sign.
    stacks : bool
        Whether there may be several layers and directions, told apart by suffixes: _l0, _l0_reverse, _l1, …
    fixed : mapping
        Options of the layer in which the system leaves no choice.
    free : mapping
        Options that the arrays do not tell, with what is assumed unless a hint says otherwise.
    """

    name: str
    cell: str
    arrays: Mapping[str, Mapping[str, str]]
    columns: bool = False
    bias_row: bool = False
    bias_optional: bool = False
    writes: bool = False
    stacks: bool = False
    fixed: Mapping[str, Any] = field(default_factory=dict)
    free: Mapping[str, Any] = field(default_factory=dict)

    def slots(self, bias: bool = True) -> list[Slot]:
        """Return every array of one layer and direction."""
        every = (Slot(key, matrix, g) for matrix, keys in self.arrays.items() for key, g in keys.items())
        return [slot for slot in every if bias or slot.matrix not in BIASES]

    def suffixes(self, num_layers: int, bidirectional: bool) -> list[str]:
        """Return what is added to the keys of each layer and direction."""
        directions = ("", "_reverse")[: 1 + bidirectional]
        return [f"_l{layer}{d}" for layer in range(num_layers) for d in directions] if self.stacks else [""]

    def shape(self, slot: Slot, D: int, H: int) -> tuple[int, ...]:
        """Return the shape in which an array is given back."""
        rows = len(slot.gates) * H
        if slot.matrix in BIASES:
            return (1, rows) if self.bias_row else (rows,)
        inputs = {"W": D, "U": H, "WU": D + H}[slot.matrix]
        return (inputs, rows) if self.columns else (rows, inputs)

    def letters(self, slot: Slot) -> str:
        """Return the shapes in which an array is taken, in letters, for messages."""
        rows = f"{len(slot.gates)}H" if len(slot.gates) > 1 else "H"
        if slot.matrix in BIASES:
            return f"({rows},) or (1, {rows})"
        inputs = {"W": "D", "U": "H", "WU": "D+H"}[slot.matrix]
        return f"({inputs}, {rows})" if self.columns else f"({rows}, {inputs})"


_BEFORE = {"reset": "before", "num_layers": 1, "bidirectional": False}
_ELMAN = {"nonlinearity": "tanh", "num_layers": 1, "bidirectional": False}


def _torch(cell: str, gates: str, **free: Any) -> Layout:
    keys = {"W": "weight_ih", "U": "weight_hh", "b": "bias_ih", "c": "bias_hh"}
    arrays = {matrix: {key: gates} for matrix, key in keys.items()}
    return Layout("torch", cell, arrays, bias_optional=True, stacks=True, free=free)


LAYOUTS = (
    _torch("gru", "rzn", reset="after"),
    _torch("lstm", "ifgo"),
    _torch("rnn", "n", nonlinearity="tanh"),
    Layout(
        "packed",
        "gru",
        {"W": {"Wx": "zrn"}, "U": {"Wh": "zrn"}, "b": {"b": "zrn"}},
        columns=True,
        bias_optional=True,
        writes=True,
        fixed=_BEFORE,
    ),
    Layout(
        "columns",
        "gru",
        {"W": {"W": "n", "W_r": "r", "W_z": "z"}, "U": {"U": "n", "U_r": "r", "U_z": "z"}},
        fixed=_BEFORE,
    ),
    Layout(
        "rows",
        "gru",
        {
            "W": {"Uz": "z", "Ur": "r", "Uh": "n"},
            "U": {"Wz": "z", "Wr": "r", "Wh": "n"},
            "b": {"bz": "z", "br": "r", "bh": "n"},
        },
        columns=True,
        bias_row=True,
        writes=True,
        fixed=_BEFORE,
    ),
    Layout("elman", "rnn", {"W": {"Wx": "n"}, "U": {"Wh": "n"}, "b": {"b": "n"}}, columns=True, fixed=_ELMAN),
    Layout(
        "joined",
        "gru",
        {"WU": {"W_z": "z", "W_r": "r", "W_g": "n"}, "b": {"b_z": "z", "b_r": "r", "b_g": "n"}},
        fixed=_BEFORE,
    ),
)

_REASONS = {
    "reset": "reset='after' and reset='before' are different functions of the same weights, never "
    "converted into each other; give reset= as the weights were trained",
    "nonlinearity": "the two are different functions; train or load a network with that nonlinearity",
    "num_layers": "convert one layer at a time, or use the layout 'torch'",
    "bidirectional": "convert one direction at a time, or use the layout 'torch'",
}
_HINTS = ("cell", "reset", "nonlinearity", "num_layers", "bidirectional", "bias", "prefix", "gradients")


class _Network(NamedTuple):
    """Weights in no system's convention: constructor arguments of the layer, and the blocks of every run."""

    cell: str
    options: dict[str, Any]
    runs: list[Blocks]


def convert(weights: Mapping[str, Array], source: str, target: str, **hints: Any) -> dict[str, Array]:
    """Convert weights from one system's names, order and orientation into another's.

    Exact: arrays are reordered, transposed and, where the update gates mean opposite things, negated. Only
    where the target has one bias for our two are these added.

    Parameters
    ----------
    weights : mapping of str to ndarray
        Arrays under the source's own keys, all float32 or all float64. With D inputs and H units:

        - ``torch``: ``weight_ih_l0`` (G·H, D), ``weight_hh_l0`` (G·H, H) and perhaps ``bias_ih_l0`` and
          ``bias_hh_l0`` (G·H,); further layers and directions as in PyTorch. `params` of a layer are this.
        - ``packed``: ``Wx`` (D, 3H), ``Wh`` (H, 3H), perhaps ``b`` (3H,); columns z, r, candidate; z writes.
        - ``columns``: ``W, W_r, W_z`` (H, D), ``U, U_r, U_z`` (H, H); no bias; z keeps.
        - ``rows``: ``Uz, Ur, Uh`` (D, H) on the input, ``Wz, Wr, Wh`` (H, H) on the state, ``bz, br, bh``
          (1, H); z writes.
        - ``elman``: ``Wx`` (D, H), ``Wh`` (H, H), ``b`` (H,); tanh.
        - ``joined``: ``W_z, W_r, W_g`` (H, D + H), ``b_z, b_r, b_g`` (H,); z keeps.

        The GRUs but PyTorch's have reset="before". Biases may come as (H,) or (1, H).
    source, target : {"torch", "packed", "columns", "rows", "elman", "joined"}
        The layouts.
    **hints
        What the arrays do not say. ``reset`` ("after" unless given) and ``nonlinearity`` ("tanh") for
        ``torch``; ``cell`` ("gru", "lstm", "rnn") where the shapes leave it open; ``prefix`` to take only the
        keys of `weights` that begin with it, and without it; ``num_layers``, ``bidirectional``, ``bias`` to have
        them checked; ``gradients=True`` if the arrays are gradients: these convert as weights do, except that
        the gradient of a bias b + c is that of either.

    Returns
    -------
    dict of str to ndarray
        New arrays, of the same dtype, under the target's keys.

    Raises
    ------
    GatewiseError
        If a name is unknown, an array is missing, unknown, of a wrong shape or dtype, or the target cannot
        express the network: another cell, reset or nonlinearity, more layers or directions, biases.

    Notes
    -----
    An update gate that writes is turned by σ(−a) = 1 − σ(a). Layout ``torch`` with reset="before" is our own
    form of a network that PyTorch itself cannot run. Sources: docs/hand-written.md.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> rng = np.random.default_rng(0)
    >>> packed = {"Wx": rng.normal(size=(3, 12)), "Wh": rng.normal(size=(4, 12))}
    >>> rows = gw.convert(packed | {"b": np.zeros(12)}, "packed", "rows")
    >>> rows["Uz"].shape, rows["Wh"].shape, rows["bz"].shape
    ((3, 4), (4, 4), (1, 4))
    >>> bool((rows["Uz"] == packed["Wx"][:, :4]).all())
    True
    """
    _check_hints(hints)
    cell = hints.get("cell") or _deduce_cell(_unprefixed(weights, hints), source)
    gradients = hints.get("gradients", False)
    return _write(_read(weights, _find(source, cell), hints), target, gradients)


def to_params(
    weights: Mapping[str, Array], layout: str, *, cell: str, **hints: Any
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Convert weights into `params` of a layer and the constructor arguments of that layer.

    Parameters
    ----------
    weights, layout, **hints
        As `weights`, `source` and `hints` of `convert`.
    cell : {"gru", "lstm", "rnn"}
        The layer to build.

    Returns
    -------
    params : dict of str to ndarray
        In PyTorch's names, shapes and order.
    options : dict
        Arguments of `gw.GRU`, `gw.LSTM` or `gw.RNN`.

    Raises
    ------
    GatewiseError
        As `convert`.

    Examples
    --------
    >>> elman = {"Wx": np.ones((3, 4)), "Wh": np.eye(4), "b": np.zeros(4)}
    >>> params, options = to_params(elman, "elman", cell="rnn")
    >>> list(params), options["hidden_size"], options["nonlinearity"]
    (['weight_ih_l0', 'weight_hh_l0', 'bias_ih_l0', 'bias_hh_l0'], 4, 'tanh')
    """
    _check_hints(hints)
    network = _read(weights, _find(layout, cell), hints)
    return _write(network, "torch", hints.get("gradients", False)), network.options


def from_params(
    params: Mapping[str, Array], layout: str, *, cell: str, options: Mapping[str, Any], **hints: Any
) -> dict[str, Array]:
    """Convert `params` of a layer into another system's weights: the inverse of `to_params`.

    Parameters
    ----------
    params : mapping of str to ndarray
        In PyTorch's names, shapes and order.
    layout : str
        As `target` of `convert`.
    cell : {"gru", "lstm", "rnn"}
        The layer's kind.
    options : mapping
        The layer's `config()`.
    **hints
        ``prefix`` to put before every key, ``gradients``; any other must agree with `options`.

    Returns
    -------
    dict of str to ndarray
        New arrays.

    Raises
    ------
    GatewiseError
        As `convert`.

    Examples
    --------
    >>> params = {"weight_ih_l0": np.ones((4, 3)), "weight_hh_l0": np.eye(4)}
    >>> from_params(params, "elman", cell="rnn", options={"nonlinearity": "tanh"})["b"]
    array([0., 0., 0., 0.])
    """
    _check_hints(hints)
    torch = _find("torch", cell)
    network = _read(params, torch, {name: options[name] for name in torch.free if name in options})
    _check_agreement(network.options, hints, "this layer has")
    weights = _write(network, layout, hints.get("gradients", False))
    return {(hints.get("prefix") or "") + key: array for key, array in weights.items()}


def _rows(name: str) -> list[Layout]:
    """Return the rows of the table for one system: one for each kind of cell."""
    check_choice("layout", name, dict.fromkeys(row.name for row in LAYOUTS))
    return [row for row in LAYOUTS if row.name == name]


def _find(name: str, cell: str) -> Layout:
    """Return the row for one system and kind of cell."""
    check_choice("cell", cell, ("gru", "lstm", "rnn"))
    rows = {row.cell: row for row in _rows(name)}
    if cell not in rows:
        raise GatewiseValueError(
            f"layout {name!r} was asked for the weights of a {cell}; it holds those of a {' or '.join(rows)}: "
            f"use {' or '.join('gw.' + name.upper() for name in rows)}, or another layout."
        )
    return rows[cell]


def _deduce_cell(weights: Mapping[str, Array], name: str) -> str:
    """Return the kind of cell: where a system has several, by the number of gates in U."""
    rows = _rows(name)
    if len(rows) == 1:
        return rows[0].cell
    for row in rows:
        slot = next(slot for slot in row.slots() if slot.matrix == "U")
        key = slot.key + row.suffixes(1, False)[0]
        U = weights.get(key)
        if isinstance(U, np.ndarray) and U.ndim == 2 and max(U.shape) == len(slot.gates) * min(U.shape):
            return row.cell
    raise GatewiseValueError(
        f"the weights do not tell their kind of cell; need {key} with H, 3H or 4H rows and H columns: "
        f"pass the hint cell=, or prefix= if the keys have one."
    )


def _unprefixed(weights: Mapping[str, Array], hints: Mapping[str, Any]) -> dict[str, Array]:
    """Return the arrays whose keys begin with the hint `prefix`, without it."""
    if not isinstance(weights, Mapping) or not all(isinstance(key, str) for key in weights):
        raise GatewiseTypeError(f"weights is a {type(weights).__name__}; need a dict of NumPy arrays by name.")
    prefix = hints.get("prefix") or ""
    return {key.removeprefix(prefix): a for key, a in weights.items() if key.startswith(prefix)}


def _check_hints(hints: Mapping[str, Any]) -> None:
    for name in hints:
        check_choice("hint", name, _HINTS)


def _check_agreement(options: Mapping[str, Any], hints: Mapping[str, Any], what: str) -> None:
    """Raise if a hint contradicts what is known."""
    for name, value in hints.items():
        if name in options and options[name] != value:
            reason = _REASONS.get(name, "drop the hint, or pass other weights")
            raise GatewiseValueError(f"hint {name} is {value!r}; {what} {name}={options[name]!r}: {reason}.")


def _read(weights: Mapping[str, Array], layout: Layout, hints: Mapping[str, Any]) -> _Network:
    """Check `weights` and take them apart into blocks."""
    weights = _unprefixed(weights, hints)
    num_layers, bidirectional, bias = _survey(weights, layout)
    suffixes, slots = layout.suffixes(num_layers, bidirectional), layout.slots(bias)
    keys = [slot.key + suffix for suffix in suffixes for slot in slots]
    check_names(f"weights in layout {layout.name!r}", weights, keys)
    dtype = _common_dtype(weights)
    D, H = _sizes(layout, slots[0], suffixes[0], weights)
    options = {
        "input_size": D,
        "hidden_size": H,
        "num_layers": num_layers,
        "bidirectional": bidirectional,
        "bias": bias,
        "dtype": dtype.name,
        **layout.fixed,
        **{name: hints.get(name, value) for name, value in layout.free.items()},
    }
    _check_agreement(options, hints, f"the weights, in layout {layout.name!r}, have")
    runs = []
    for i, suffix in enumerate(suffixes):
        inputs = D if i <= bidirectional else (1 + bidirectional) * H
        arrays = {slot: _shaped(layout, slot, suffix, weights, inputs, H) for slot in slots}
        runs.append(_read_run(layout, arrays, hints.get("gradients", False)))
    return _Network(layout.cell, options, runs)


def _survey(weights: Mapping[str, Array], layout: Layout) -> tuple[int, bool, bool]:
    """Return how many layers there are, whether two directions, whether biases, by the names alone."""
    found = [re.search(r"_l(\d+)(_reverse)?$", key) for key in weights] if layout.stacks else []
    num_layers = len({match[1] for match in found if match}) or 1
    bidirectional = any(match[2] for match in found if match)
    suffixes = layout.suffixes(num_layers, bidirectional)
    bias_keys = [slot.key + suffix for slot in layout.slots() if slot.matrix in BIASES for suffix in suffixes]
    bias = any(key in weights for key in bias_keys) if layout.bias_optional else bool(bias_keys)
    return num_layers, bidirectional, bias


def _common_dtype(weights: Mapping[str, Array]) -> np.dtype[Any]:
    first = next(iter(weights))
    for key, array in weights.items():
        if not isinstance(array, np.ndarray):
            raise GatewiseTypeError(f"{key} is a {type(array).__name__}; need a NumPy array: pass np.asarray({key}).")
        if array.dtype not in FLOATS or array.dtype != weights[first].dtype:
            raise GatewiseTypeError(
                f"{key} has dtype {array.dtype} and {first} has {weights[first].dtype}; need all float32 or "
                f"all float64: convert them with .astype(np.float32) or .astype(np.float64)."
            )
    return weights[first].dtype


def _sizes(layout: Layout, slot: Slot, suffix: str, weights: Mapping[str, Array]) -> tuple[int, int]:
    """Return D and H, from the first matrix."""
    shape = weights[slot.key + suffix].shape
    if len(shape) == 2:
        rows, inputs = shape[::-1] if layout.columns else shape
        H, rest = divmod(rows, len(slot.gates))
        D = inputs - H if slot.matrix == "WU" else inputs
        if H > 0 and D > 0 and not rest:
            return D, H
    raise GatewiseValueError(
        f"{slot.key + suffix} has shape {shape}; need {layout.letters(slot)} with D inputs and H units, as "
        f"layout {layout.name!r} stores it: transpose it, or name another layout."
    )


def _shaped(layout: Layout, slot: Slot, suffix: str, weights: Mapping[str, Array], D: int, H: int) -> Array:
    """Return one array; raise unless its shape fits."""
    array = weights[slot.key + suffix]
    need = layout.shape(slot, D, H)
    taken = ((need[-1],), (1, need[-1])) if slot.matrix in BIASES else (need,)
    if array.shape not in taken:
        raise GatewiseValueError(
            f"{slot.key + suffix} has shape {array.shape}; need {need}, which is {layout.letters(slot)} for "
            f"the D = {D} and H = {H} of {layout.slots()[0].key}: transpose it, or name another layout."
        )
    return array


def _read_run(layout: Layout, arrays: Mapping[Slot, Array], gradients: bool) -> Blocks:
    """Take the arrays of one layer and direction apart into blocks."""
    blocks: Blocks = {}
    for (_, matrix, gates), array in arrays.items():
        rows = array.reshape(-1) if matrix in BIASES else array.T if layout.columns else array
        for gate, block in zip(gates, np.split(rows, len(gates)), strict=True):
            block = _signed(layout, gate, block)
            H = len(block)
            parts = {"W": block[:, :-H], "U": block[:, -H:]} if matrix == "WU" else {matrix: block}
            blocks |= {(part, gate): value for part, value in parts.items()}
    for gate in [gate for matrix, gate in blocks if matrix == "b"]:
        b = blocks["b", gate]
        blocks.setdefault(("c", gate), b if gradients else np.zeros_like(b))
    return blocks


def _write(network: _Network, name: str, gradients: bool) -> dict[str, Array]:
    """Put the blocks together in another system's way; raise if it cannot express the network."""
    cell, options, runs = network
    layout = _find(name, cell)
    for option, value in layout.fixed.items():
        if options[option] != value:
            raise GatewiseValueError(
                f"the network has {option}={options[option]!r}; layout {name!r} can only express "
                f"{option}={value!r}: {_REASONS[option]}."
            )
    if not gradients:
        _check_no_bias_lost(layout, runs)
    slots = layout.slots(options["bias"] or not layout.bias_optional)
    suffixes = layout.suffixes(options["num_layers"], options["bidirectional"])
    return {
        slot.key + suffix: _write_array(layout, slot, blocks, gradients)
        for suffix, blocks in zip(suffixes, runs, strict=True)
        for slot in slots
    }


def _check_no_bias_lost(layout: Layout, runs: list[Blocks]) -> None:
    """Raise if the network has biases that are not 0 and the layout has none."""
    lost = "b" not in layout.arrays and any(
        np.any(blocks["b", gate] + blocks["c", gate]) for blocks in runs for matrix, gate in blocks if matrix == "b"
    )
    if lost:
        raise GatewiseValueError(
            f"the network has biases that are not 0; layout {layout.name!r} has no bias: "
            f"set them to 0, or use a layout with biases, such as 'joined'."
        )


def _write_array(layout: Layout, slot: Slot, blocks: Blocks, gradients: bool) -> Array:
    """Put one array of another system together."""
    rows = np.concatenate(
        [_signed(layout, gate, _block(layout, slot.matrix, gate, blocks, gradients)) for gate in slot.gates]
    )
    if slot.matrix in BIASES:
        return rows.reshape(1, -1) if layout.bias_row else rows
    return np.ascontiguousarray(rows.T if layout.columns else rows)


def _block(layout: Layout, matrix: str, gate: str, blocks: Blocks, gradients: bool) -> Array:
    """Return the rows of one gate, W and U side by side or the biases merged as the system has them."""
    if matrix == "WU":
        return np.concatenate([blocks["W", gate], blocks["U", gate]], axis=1)
    if matrix in BIASES and ("b", gate) not in blocks:
        return np.zeros_like(blocks["W", gate][:, 0])
    if matrix == "b" and "c" not in layout.arrays and not gradients:
        merged: Array = blocks["b", gate] + blocks["c", gate]
        return merged
    return blocks[matrix, gate]


def _signed(layout: Layout, gate: str, block: Array) -> Array:
    """Change the sign of z where it writes: σ(−a) = 1 − σ(a). Its own inverse."""
    return -block if layout.writes and gate == "z" else block
