"""`gatewise.to_c`: a model as one file of C."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gatewise.errors import GatewiseValueError, check_choice, check_number
from gatewise.interop.c.expressions import RESERVED
from gatewise.interop.c.fitted import add_estimator, check_kind, described, is_fitted_estimator, labels_of
from gatewise.interop.c.layers import add_layer
from gatewise.interop.c.program import Program, Value
from gatewise.interop.c.source import Source
from gatewise.interop.c.vectors import answers, rounded, vectors_of
from gatewise.layers import Layer
from gatewise.layers.cell import RecurrentCell
from gatewise.layers.embedding import Embedding
from gatewise.layers.parts import first_layers
from gatewise.storage import write_whole

WEIGHTS = ("float32", "float64", "int8")


class CExport(NamedTuple):
    """What was written."""

    path: Path
    name: str
    """What the names of its functions begin with."""
    inputs: int
    outputs: int
    weight_bytes: int
    """Memory of the constant tables."""
    state_bytes: int
    """Memory of one stream."""
    loss: float | None
    """With `weights="int8"` the largest difference that the rounding made in the outputs for the self-test's input."""

    def code_bytes(self, compiler: str | None = None) -> int | None:
        """Return the size of the machine code, without tables, optimized for size; None if no compiler is here."""
        from gatewise.interop.c.compilers import code_bytes

        return code_bytes(self.path, compiler)


def to_c(
    model: Any,
    path: str | os.PathLike[str],
    *,
    name: str | None = None,
    weights: str = "float32",
    max_steps: int | None = None,
) -> CExport:
    """Write a model as one C99 file that runs it step by step: static memory, no library.

    The file is its own header: other files see its declarations by `#define NAME_HEADER_ONLY` before they include it.
    Compiled with `-DGATEWISE_SELF_TEST` it has a `main` that compares it with the model's own answers and returns 0.

    Parameters
    ----------
    model : Layer, or a fitted RecurrentClassifier or RecurrentRegressor
        What to write: recurrent layers, cells of your own included, `Dense`, `Embedding`, `Softmax`, `Last`, `Pool`,
        `Dropout` and `Noise` (which do nothing), and `Sequential` and `Parallel` of them. Estimators read values in the
        units of X, NaN where one is missing, and give probabilities, or predictions in the unit of y.
    path : str or path
        The file, which is replaced.
    name : str, optional
        What the names in the file begin with; by default the name of the file.
    weights : {"float32", "float64", "int8"}
        "float32" and "float64" are the type of weights and of all numbers in C, whatever the model has. "int8" stores
        matrices as whole numbers with a factor for each row, a quarter of the memory, and computes in float32.
    max_steps : int, optional
        Most steps of one stream, for models that have to keep all of them: those with means over several parts, as
        estimators have with `segments`.

    Returns
    -------
    CExport
        Path, name, sizes in bytes, and with "int8" the loss of accuracy, which is also said at the top of the file.

    Raises
    ------
    GatewiseError
        If the model has what a stream in fixed memory cannot say: a reverse direction, a ridge beside the networks,
        downsampling, means over parts without `max_steps`, a cell of your own that branches on values or calls what C
        does not have; or the file cannot be written.

    Notes
    -----
    The equations of a step come from the cell's own pointwise functions, run on symbols. The same model gives the same
    bytes.

    Examples
    --------
    >>> import tempfile, pathlib, gatewise as gw
    >>> model = gw.Sequential(gw.GRU(3, 16, rng=0), gw.Dense(16, 2, rng=1))
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "wheel.c"
    >>> written = gw.to_c(model, path)
    >>> written.name, written.inputs, written.outputs, written.weight_bytes
    ('wheel', 3, 2, 4168)
    >>> "int wheel_step(wheel_state *s, const float *x, float *y);" in path.read_text()
    True
    """
    check_choice("weights", weights, WEIGHTS)
    if max_steps is not None:
        check_number("max_steps", max_steps, 1, 2**24, integer=True)
    source, loss = source_of(model, name or _plain(Path(path).stem), weights, max_steps)
    text = source.text()
    write_whole(path, text.encode())
    program = source.program
    sizes = (source.x.size, source.y.size, program.weight_bytes, program.state_bytes)
    return CExport(Path(path), program.name, *sizes, loss)


def source_of(model: Any, name: str, weights: str, max_steps: int | None) -> tuple[Source, float | None]:
    """Return a model as the parts of a C file, and with whole numbers as weights what they cost."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) or name in RESERVED:
        raise GatewiseValueError(f"name is {name!r}; need letters, digits and _, a letter first, and no word of C.")
    model = model.layer if isinstance(model, RecurrentCell) else model
    estimator = is_fitted_estimator(model)
    if not estimator and not isinstance(model, Layer):
        check_kind(model)
    real = "double" if weights == "float64" else "float"
    program = Program(name, real, weights == "int8", max_steps)
    x = _input(model)
    y = add_estimator(program, model, x) if estimator else add_layer(program, model, x)
    if y.place == x.place:
        raise GatewiseValueError(f"{model!r} does nothing but in training; need a model with weights.")
    vectors = vectors_of(model, real, max_steps, rounded(model) if program.int8 else None)
    loss = None
    if program.int8:
        loss = float(np.abs(answers(model, vectors.x) - vectors.y).max())
    about = _about(model, program, x, y, loss)
    return Source(program, x, y, vectors, about, labels_of(model) if estimator else ()), loss


def _input(model: Any) -> Value:
    """What the model reads."""
    if is_fitted_estimator(model):
        return Value("x", len(model._inputs.mean))
    if any(isinstance(layer, Embedding) for layer in first_layers(model)):
        return Value("x", 1, integer=True)
    size = getattr(model, "input_size", None)
    if size is None:
        raise GatewiseValueError(
            f"{model!r} takes inputs of any size; need one that says which: put a Dense before it."
        )
    return Value("x", size)


def _plain(stem: str) -> str:
    """The name of a file as one of C."""
    name = re.sub(r"[^A-Za-z0-9_]+", "_", stem).strip("_")
    name = name if name[:1].isalpha() else f"model_{name}".rstrip("_")
    return f"{name}_model" if name in RESERVED else name


def _about(model: Any, program: Program, x: Value, y: Value, loss: float | None) -> list[str]:
    from gatewise import __version__

    name, big = program.name, program.name.upper()
    lines = [f"{name}: a {type(model).__name__} with {x.size} input(s) and {y.size} output(s), one step at a time."]
    lines += [
        f"Written by Gatewise {__version__}; the equations are those of gatewise.cells.",
        "",
        *described(model).splitlines(),
        "",
    ]
    lines.append(
        f"Use: static {name}_state s; {name}_init(&s); then {name}_step(&s, x, y) for every step. In other files: "
        f"#define {big}_HEADER_ONLY before you include this one. Test: cc -DGATEWISE_SELF_TEST, which has a main."
    )
    weights = "8-bit whole numbers with a factor for each row" if program.int8 else program.real
    lines.append(
        f"Weights are {weights}, {program.weight_bytes:,} bytes; numbers are {program.real}; a stream takes "
        f"{program.state_bytes:,} bytes. It asks for no memory, and calls no library unless math.h is included below."
    )
    if loss is not None:
        lines.append(
            f"Rounding the weights to 8 bits changes the outputs for the self-test's input by up to {loss:.2g}."
        )
    return lines
