"""`from_onnx`: an ONNX file as a model of layers where layers can say it, else as a graph that runs."""

from __future__ import annotations

import warnings
from typing import Any

from gatewise.errors import GatewiseValueError, GatewiseWarning, check_choice, check_number
from gatewise.interop.onnx import limits as bounds
from gatewise.interop.onnx.chain import chain_of
from gatewise.interop.onnx.described import described_model
from gatewise.interop.onnx.graph import Graph, build
from gatewise.interop.onnx.probing import difference
from gatewise.interop.onnx.reading import Source, read
from gatewise.interop.onnx.signals import Refusal
from gatewise.layers import Layer
from gatewise.limits import Limits, in_force


def from_onnx(
    source: Any,
    *,
    kind: str | None = None,
    reset: str | None = None,
    max_steps: int = bounds.MAX_STEPS,
    limits: Limits | None = None,
) -> Any:
    """Read a model from an ONNX file.

    Parameters
    ----------
    source : str, path or bytes
        The file, or what it holds. External data are read only from within the file's folder.
    kind : {None, "layers", "graph"}
        "layers" for a model of layers, which trains and can be saved; where the graph is none, the error says why.
        "graph" for a `Graph`, which runs every operator that is known, with the names and shapes of the file's inputs
        and outputs. None for a model of layers where the graph is one, else a `Graph`.
    reset : {None, "after", "before"}
        Where the reset gate of every GRU acts, whatever its attribute `linear_before_reset` says: "after" reads it as
        1, "before" as 0.
    max_steps : int
        Steps of all Scan, GRU, LSTM and RNN together that the graph may take in one run, here, where it is tried, and
        later: a hostile file can ask for any number. It is kept as `Graph.max_steps`; a model of layers has no limit.
    limits : Limits, optional
        How deep graphs stand within one another, and how many times more bytes than the file all results have where it
        is tried: one that makes more is a `Graph`. By default `Limits.usual()`.

    Returns
    -------
    Layer or Graph
        A single layer, or a `Sequential` of embedding, recurrent layers, `Last`, `Pool` and `Dense`; in a file that
        Gatewise wrote, the same model that was written. Layers take x (batch, time, ...), also where the graph's
        input is (time, batch, ...); further inputs and outputs of the graph that are states come and go as the state
        of the layer. Both are called alike, and give the output and the rest: `y, state = model(x)`.

    Raises
    ------
    GatewiseError
        If the package `onnx` is not installed, the file cannot be read, it is damaged, or it has an operator, an
        attribute, an opset or an element type that is not known: it is named.

    Warns
    -----
    GatewiseWarning
        If PyTorch wrote the file and a GRU in it has `linear_before_reset=0`, which PyTorch's own GRU never computes:
        see Notes.

    Notes
    -----
    A model of layers is what the graph computes: both are run on random inputs, and where they differ the graph is
    returned. `torch.onnx.export(dynamo=True)` with onnxscript 0.5.7 to 0.7.0 wrote `linear_before_reset=0` for every
    GRU, which is another network than the one that was trained; `reset="after"` reads such a file as it was meant.

    Examples
    --------
    >>> import gatewise as gw
    >>> content = gw.to_onnx(gw.Sequential(gw.GRU(3, 8, rng=0), gw.Last(), gw.Dense(8, 2, rng=1)))
    >>> model = gw.from_onnx(content)
    >>> type(model).__name__, model.layers[0].hidden_size
    ('Sequential', 8)
    """
    check_choice("kind", kind, (None, "layers", "graph"))
    check_choice("reset", reset, (None, "after", "before"))
    check_number("max_steps", max_steps, 1, integer=True)
    with in_force(limits) as given:
        opened = read(source)
        graph = build(opened, reset=reset)
    graph.max_steps = int(max_steps)
    if reset is None:
        _warn_of_reset(opened, graph)
    if kind == "graph":
        return graph
    try:
        size = max(given.unpacked, given.expansion * opened.model.ByteSize())
        with in_force(given), bounds.at_most(min(max_steps, bounds.TRIED_STEPS), size, bounds.TRIED_NODES):
            return _layers(opened, graph)
    except (Refusal, bounds.ExceededError) as refusal:
        if kind == "layers":
            raise GatewiseValueError(
                f"the graph is no chain of layers: {refusal}. gw.from_onnx without kind= gives a Graph, which runs."
            ) from refusal
        return graph


def _layers(source: Source, graph: Graph) -> Layer:
    model = described_model({entry.key: entry.value for entry in source.model.metadata_props}, graph)
    if model is not None and difference(model, graph, False) is None:
        return model
    model, time_first = chain_of(graph)
    found = difference(model, graph, time_first)
    if found is not None:
        raise Refusal(f"layers like it give other outputs: {found}")
    return model


def _warn_of_reset(source: Source, graph: Graph) -> None:
    before = [n for n in graph.nodes if n.kind == "GRU" and not n.attributes.get("linear_before_reset", 0)]
    if before and source.model.producer_name == "pytorch":
        warnings.warn(
            "PyTorch wrote this file, and a GRU in it has linear_before_reset=0: the reset gate acts before the matrix "
            "product, which PyTorch's GRU never computes. torch.onnx.export(dynamo=True) with onnxscript 0.5.7 to "
            "0.7.0 wrote that by mistake for every GRU. Pass reset='after' to read it as 1, as it was most likely "
            "trained, or reset='before' to read it as the file says.",
            GatewiseWarning,
            stacklevel=3,
        )
