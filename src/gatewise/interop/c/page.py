"""`gatewise.to_html`: a page in which a model runs on what is typed, pasted or drawn."""

from __future__ import annotations

import base64
import html
import json
import os
import tempfile
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import check_choice, check_number
from gatewise.interop.c import templates
from gatewise.interop.c.compilers import compile_c, wasm_compiler
from gatewise.interop.c.export import WEIGHTS, source_of
from gatewise.interop.c.fitted import described, is_fitted_estimator
from gatewise.interop.c.source import Source
from gatewise.storage import write_whole

WASM_FLAGS = ("--target=wasm32", "-std=c99", "-O2", "-ffreestanding", "-nostdlib", "-Wl,--no-entry", "-Wl,--strip-all")
DRAWN = 100
MOST = 100_000
MAX_STEPS = 1000


class HtmlExport(NamedTuple):
    """What was written."""

    path: Path
    inputs: int
    outputs: int
    wasm_bytes: int
    """Size of the model as WebAssembly, weights included."""
    loss: float | None
    """With `weights="int8"` the largest difference that the rounding made in the outputs for the example."""


def to_html(
    model: Any,
    path: str | os.PathLike[str],
    *,
    title: str | None = None,
    weights: str = "float32",
    max_steps: int | None = MAX_STEPS,
) -> HtmlExport:
    """Write a page in which the model runs, as the data come, on what a reader types, pastes or draws.

    The page is one file that reads nothing from any network. It holds the C file of `to_c`, compiled to WebAssembly.

    Parameters
    ----------
    model : Layer, or a fitted RecurrentClassifier or RecurrentRegressor
        As in `to_c`.
    path : str or path
        The file, which is replaced.
    title : str, optional
        Heading of the page; by default the name of the file.
    weights : {"float32", "float64", "int8"}
        As in `to_c`; "int8" makes the page smaller.
    max_steps : int, optional
        As in `to_c`.

    Returns
    -------
    HtmlExport
        Path and sizes.

    Raises
    ------
    GatewiseError
        If the model cannot be written as C, Clang and wasm-ld, which make WebAssembly, are not installed here, or the
        file cannot be written.

    Examples
    --------
    >>> import tempfile, pathlib, gatewise as gw
    >>> from gatewise.interop.c import compilers
    >>> model = gw.Sequential(gw.GRU(1, 8, rng=0), gw.Dense(8, 1, rng=1))
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "model.html"
    >>> compilers.find_wasm_compiler() is None or gw.to_html(model, path).inputs
    1
    """
    check_choice("weights", weights, WEIGHTS)
    if max_steps is not None:
        check_number("max_steps", max_steps, 1, 2**24, integer=True)
    compiler = wasm_compiler()
    source, loss = source_of(model, "model", weights, max_steps)
    wasm = _wasm(source, compiler)
    text = _page(source, model, wasm, title or Path(path).stem, loss)
    write_whole(path, text.encode())
    return HtmlExport(Path(path), source.x.size, source.y.size, len(wasm), loss)


def _wasm(source: Source, compiler: str) -> bytes:
    """Return the program as WebAssembly that exports reset, step, and the places of input and output."""
    with tempfile.TemporaryDirectory() as folder:
        c, wasm = Path(folder, "model.c"), Path(folder, "model.wasm")
        words = {"x": source.input_kind, "real": source.program.real}
        write_whole(c, (source.text() + Template(templates.WASM).substitute(words)).encode())
        compile_c([compiler, *WASM_FLAGS, str(c), "-o", str(wasm)])
        return wasm.read_bytes()


def _page(source: Source, model: Any, wasm: bytes, title: str, loss: float | None) -> str:
    from gatewise import __version__

    estimator = is_fitted_estimator(model)
    channels = _channels(model, source.x.size)
    labels = source.labels or tuple(f"Output {k + 1}" for k in range(source.y.size))
    parts = files(__package__)
    words = {
        "title": html.escape(title),
        "eyebrow": html.escape(type(model).__name__),
        "lede": html.escape(_lede(source)),
        "input_intro": html.escape(_input_intro(source, estimator)),
        "output_intro": html.escape(_output_intro(source)),
        "facts": _facts(source, model, wasm, loss),
        "most_steps": str(_limit(source)),
        "draw_steps": str(min(DRAWN, _limit(source))),
        "version": html.escape(__version__),
        "css": parts.joinpath("page.css").read_text(encoding="utf-8"),
        "js": parts.joinpath("page.js").read_text(encoding="utf-8"),
        "model": _model(source, estimator, wasm, channels, labels),
    }
    return Template(parts.joinpath("page.html").read_text(encoding="utf-8")).substitute(words)


def _model(source: Source, estimator: bool, wasm: bytes, channels: tuple[str, ...], labels: tuple[str, ...]) -> str:
    """What the page's script reads."""
    x = source.vectors.x
    example = [[None if value != value else value for value in row] for row in x.tolist()]
    data = {
        "inputs": source.x.size,
        "outputs": source.y.size,
        "x": source.input_kind,
        "real": source.program.real,
        "whole": source.x.integer,
        "gaps": estimator,
        "classes": bool(source.labels),
        "channels": channels,
        "labels": labels,
        "limit": _limit(source),
        "ranges": np.stack([np.nanmin(x, axis=0), np.nanmax(x, axis=0)], axis=1).tolist(),
        "example": example,
        "wasm": base64.b64encode(wasm).decode(),
    }
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")


def _limit(source: Source) -> int:
    return source.program.max_steps or MOST if source.keeps_all_steps else MOST


def _channels(model: Any, count: int) -> tuple[str, ...]:
    names = getattr(model, "feature_names_in_", None)
    known = names is not None and len(names) == count
    return tuple(map(str, names)) if known else tuple(f"Input {k + 1}" for k in range(count))  # type: ignore[arg-type]


def _lede(source: Source) -> str:
    what = f"the probabilities of {source.y.size} classes" if source.labels else _count(source.y.size, "output")
    read = _count(source.x.size, "number")
    return f"The model runs in this page, step by step: it reads {read} a step, keeps its state, and gives {what}."


def _input_intro(source: Source, estimator: bool) -> str:
    kind = "whole numbers" if source.x.integer else "numbers"
    gaps = " An empty place between commas, or nan, is a missing value." if estimator else ""
    return f"Draw a curve, or type or paste {kind}: {_count(source.x.size, 'column')}, as in a CSV file.{gaps}"


def _output_intro(source: Source) -> str:
    if source.labels:
        return "The probability of each class after the last step, and below after each step."
    return "What the model gives after the last step, and below after each step."


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _facts(source: Source, model: Any, wasm: bytes, loss: float | None) -> str:
    program = source.program
    facts = {
        "Layers": described(model),
        "Weights": f"{program.weight_bytes:,} bytes" + (", rounded to 8 bits" if program.int8 else ""),
        "State of a stream": f"{program.state_bytes:,} bytes",
        "WebAssembly": f"{len(wasm):,} bytes, weights included",
    }
    if loss is not None:
        facts["Loss by rounding"] = f"outputs for the example change by up to {loss:.2g}"
    escaped = ((html.escape(name), html.escape(text)) for name, text in facts.items())
    return "\n".join(f"      <div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in escaped)
