"""Weights of one system as those of another, and as the parameters of a layer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from gatewise.errors import Array, GatewiseValueError
from gatewise.layouts.files import read_arrays
from gatewise.layouts.hints import REASONS, check_agreement, check_hints, deduce_cell, unprefixed
from gatewise.layouts.layout import Layout, Network
from gatewise.layouts.reading import read
from gatewise.layouts.table import find
from gatewise.layouts.writing import write
from gatewise.limits import Limits
from gatewise.plain import check_weights


def convert(weights: Any, source: str, target: str, *, limits: Limits | None = None, **hints: Any) -> dict[str, Any]:
    """Convert weights from one system's names, order and orientation into another's.

    Exact: arrays are reordered, transposed and, where the update gates mean opposite things, negated. Only where the
    target has one bias for our two are these added.

    Parameters
    ----------
    weights : mapping of str to ndarray, str or path
        Arrays under the source's own keys, all float32 or all float64, or a file of them (.npz, .safetensors, .keras,
        .h5). With D inputs, H units and G gates:

        - ``torch``: ``weight_ih_l0`` (G·H, D), ``weight_hh_l0`` (G·H, H) and perhaps ``bias_ih_l0`` and
          ``bias_hh_l0`` (G·H,); further layers and directions as in PyTorch. `params` of a layer are this.
        - ``keras``: ``kernel`` (D, G·H), ``recurrent_kernel`` (H, G·H), perhaps ``bias`` (G·H,), of a GRU with
          reset="after" (2, G·H).
        - ``onnx``: ``W`` (directions, G·H, D), ``R`` (directions, G·H, H), perhaps ``B`` (directions, 2·G·H).
        - ``flax``, ``nnx``: nested dicts, as ``{"ir": {"kernel": (D, H), "bias": (H,)}, …}``.
        - ``haiku``: ``w_i`` (D, 3H), ``w_h`` (H, 3H), ``b`` (3H,) of a GRU; ``w`` (D + H, 4H), ``b`` (4H,) of an LSTM.
        - ``haste``: ``kernel``, ``recurrent_kernel``, ``bias``, of a GRU ``recurrent_bias``.
        - ``packed``: ``Wx`` (D, 3H), ``Wh`` (H, 3H), perhaps ``b`` (3H,); columns z, r, candidate; z writes.
        - ``columns``: ``W, W_r, W_z`` (H, D), ``U, U_r, U_z`` (H, H); no bias; z keeps.
        - ``rows``: ``Uz, Ur, Uh`` (D, H) on the input, ``Wz, Wr, Wh`` (H, H) on the state, ``bz, br, bh``
          (1, H); z writes.
        - ``elman``: ``Wx`` (D, H), ``Wh`` (H, H), ``b`` (H,); tanh.
        - ``joined``: ``W_z, W_r, W_g`` (H, D + H), ``b_z, b_r, b_g`` (H,); z keeps.

        Orders of gates, and how several layers and directions are named, stand in docs/rosetta.md. Nested dicts may
        also come flat, with "/" or "." in their keys, and within other dicts. Biases may come as (H,) or (1, H).
    source, target : str
        One of these names.
    limits : Limits, optional
        How much larger than a file what is packed in it may be; by default `Limits.usual()`.
    **hints
        What the arrays do not say. ``reset``, where it is open ("after" unless given, "before" for ``onnx``);
        ``nonlinearity`` of an Elman network ("tanh"); ``cell`` ("gru", "lstm", "rnn") where the shapes leave it open;
        ``prefix`` to take only the keys of `weights` that begin with it, and without it; ``num_layers``,
        ``bidirectional``, ``bias`` to have them checked; ``gradients=True`` if the arrays are gradients: these convert
        as weights do, except that the gradient of a bias b + c is that of either.

    Returns
    -------
    dict of str to ndarray
        New arrays, of the same dtype, under the target's keys; for ``flax``, ``nnx`` and several layers or directions
        of ``keras``, ``onnx``, ``haiku`` and ``haste`` in nested dicts.

    Raises
    ------
    GatewiseError
        If a name is unknown, an array is missing, unknown, of a wrong shape or dtype, or the target cannot express the
        network: another cell, reset or nonlinearity, more layers or directions, biases. If a framework's GRU with
        reset="before" is to be ``torch``, which PyTorch would compute otherwise, and no hint `reset` says that this is
        known. If a file cannot be read, or holds NaN or infinity.

    Notes
    -----
    An update gate that writes is turned by σ(−a) = 1 − σ(a). What Haiku adds to the forget gate in its code becomes the
    second bias of that gate. Layout ``torch`` with reset="before" is our own form of a network that PyTorch itself
    cannot run. Sources: docs/rosetta.md, docs/hand-written.md.

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
    >>> {name: array.shape for name, array in gw.convert(gw.GRU(3, 4, rng=0).params, "torch", "keras").items()}
    {'kernel': (3, 12), 'recurrent_kernel': (4, 12), 'bias': (2, 12)}
    """
    check_hints(hints)
    weights = of_file(weights, limits)
    cell = hints.get("cell") or deduce_cell(unprefixed(weights, hints), source)
    gradients = hints.get("gradients", False)
    network, theirs = read(weights, find(source, cell), hints), find(target, cell)
    if not find(source, cell)[0].published:
        _check_computed(network, theirs[0], hints)
    return write(network, target, gradients)


def _check_computed(network: Network, target: Layout, hints: Mapping[str, Any]) -> None:
    """Raise if the target's own system would compute another function, unless a hint says that this is known."""
    for option, value in target.computed.items():
        found = network.options[option]
        if found != value and option not in hints:
            raise GatewiseValueError(
                f"the network has {option}={found!r}; PyTorch itself computes only {option}={value!r}: "
                f"{REASONS[option]}. The hint {option}={found!r} gives the arrays as `params` of a layer here has them."
            )


def to_params(
    weights: Any, layout: str, *, cell: str, limits: Limits | None = None, **hints: Any
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Convert weights into `params` of a layer and the constructor arguments of that layer.

    Parameters
    ----------
    weights, layout, limits, **hints
        As `weights`, `source`, `limits` and `hints` of `convert`.
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
    check_hints(hints)
    network = read(of_file(weights, limits), find(layout, cell), hints)
    return write(network, "torch", hints.get("gradients", False)), network.options


def from_params(
    params: Mapping[str, Array], layout: str, *, cell: str, options: Mapping[str, Any], **hints: Any
) -> dict[str, Any]:
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
    check_hints(hints)
    torch = find("torch", cell)
    network = read(params, torch, {name: options[name] for name in torch[0].free if name in options})
    check_agreement(network.options, hints, "this layer has")
    return write(network, layout, hints.get("gradients", False), hints.get("prefix") or "")


def of_file(weights: Any, limits: Limits | None = None) -> Any:
    """Return the arrays of a file, whose numbers are finite; what is none as it is."""
    if not isinstance(weights, str | os.PathLike):
        return weights
    arrays = read_arrays(weights, limits)
    check_weights(arrays)
    return arrays
