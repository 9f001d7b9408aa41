"""Everything that happens inside a recurrent network in one forward and one backward pass, as a labeled data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewise import recurrence
from gatewise.errors import Array, GatewiseError, GatewiseTypeError, GatewiseValueError
from gatewise.layers import Layer
from gatewise.layers.padding import blank, reverse, valid_steps
from gatewise.layers.parts import Part, has_recurrent_part, recurrent_parts
from gatewise.losses import Loss, named_loss
from gatewise.recurrence import Pass, Run
from gatewise.threads import get_num_threads, run_together, single_threaded_blas

if TYPE_CHECKING:
    from xarray import Dataset

# Fewer elements than this of each array are not worth a thread of their own.
SHARE = 2**16
# As many are worked on at once, so that what is computed in between stays near.
NEAR = 2**15
COORDINATES = {
    "batch": "sequence",
    "time": "time step",
    "unit": "unit",
    "feature": "input feature",
    "out": "output feature",
    "layer": "layer",
    "direction": "direction",
}


@single_threaded_blas()
def trace(
    model: Layer,
    x: Array,
    dy: Array | None = None,
    lengths: Any = None,
    *,
    loss: str | Loss | None = None,
    target: Array | None = None,
    state: Any = None,
) -> Dataset:
    """Return every gate, candidate and state of every step and, given `dy` or a loss, the gradient of each.

    Parameters
    ----------
    model : Layer
        `GRU`, `LSTM`, `RNN`, or a `Sequential` that holds at least one. It is not changed; dropout does not act.
    x : ndarray (batch, time, features), or integers (batch, time) for an `Embedding`
        Input as `model.forward` takes it.
    dy : ndarray, optional
        Gradient of a loss with respect to the model's output, in its shape and dtype.
    lengths : array of int (batch,), optional
        Valid steps of each sequence.
    loss : str or callable, optional
        Instead of `dy`: a loss as `gatewise.train` takes it; needs `target`. Steps past `lengths` do not enter it.
    target : ndarray, optional
        What the loss takes beside the model's output.
    state : optional
        Initial state as `model.forward` takes it; zeros if None.

    Returns
    -------
    xarray.Dataset
        Float variables of the model's dtype, NaN past each length:

        - `x` (batch, time, feature) and `y` (batch, time, out), or (batch, out) if the model takes the last step only;
        - the gates after their nonlinearity, (batch, time, unit) in the order of x: `reset`, `update`, `candidate` of a
          GRU, and with `reset="after"` `recurrent_candidate`, its q_n; `input`, `forget`, `candidate`, `output` of an
          LSTM;
        - the states after each step, `hidden` and, of an LSTM, `cell`; `initial_hidden`, `initial_cell` (batch, unit);
        - with `dy` or a loss, for each of these variables V its gradient `d_V`: the derivative of the loss with respect
          to V at that step along *all* ways on which V acts, so that `d_hidden` holds what comes from the output at t
          and what comes back from the step after it, and `d_cell` what comes through h_t too.

        Where there are several layers or directions, dimensions `layer` and `direction` ("forward", "reverse") stand
        in front. Where a `Sequential` holds several recurrent layers, names of variables and of `unit`, `layer` and
        `direction` begin with the layer's place, as those of its parameters do: `0.update`, `d_0.update`.
        `batch` has the coordinate `length` if lengths were given; attributes name the model and the loss's value.

    Raises
    ------
    GatewiseError
        If xarray is not installed, the model has no recurrent layer, `dy` and a loss are both given, or an argument
        does not fit the model.

    Notes
    -----
    The gradient of a gate's pre-activation is `d_V` times the slope of its nonlinearity: z (1 − z) for a gate z,
    1 − n² for a candidate n. The equations of all gradients stand in the documentation under Mathematics.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    >>> seen = gw.trace(gw.GRU(3, 4, rng=0), x, dy=np.ones((2, 5, 4), np.float32), lengths=[5, 3])
    >>> dict(seen["update"].sizes), seen["d_update"].shape
    ({'batch': 2, 'time': 5, 'unit': 4}, (2, 5, 4))
    >>> bool(seen["hidden"].sel(batch=1, time=3).isnull().all())
    True
    """
    if not has_recurrent_part(model):
        raise GatewiseTypeError(
            f"trace got a {type(model).__name__}; need a recurrent layer, as gw.GRU, or a Sequential that holds one."
        )
    _xarray()
    y, _, tape = model.forward(x, state, lengths=lengths)
    parts = list(recurrent_parts(model, tape))
    steps = parts[0].tape.lengths
    variables = {"x": (X_DIMS[: x.ndim], _gaps(x, steps)), "y": _output(model, y, steps)}
    attrs: dict[str, Any] = {"model": repr(model)}
    passes = None
    dy, value = output_gradient(model, y, steps, dy, loss, target)
    if value is not None:
        attrs["loss"] = value
    if dy is not None:
        dx, _, _, passes = model.backward_passes(tape, dy)
        variables["d_y"] = _output(model, dy, steps)
        if dx is not None:
            variables["d_x"] = (X_DIMS[: dx.ndim], _gaps(dx, steps))
    for part in recurrent_parts(model, tape, passes):
        variables |= _part_variables(part._replace(prefix=part.prefix if len(parts) > 1 else ""))
    return _dataset(variables, steps, attrs, _titles(parts))


Variables = dict[str, tuple[tuple[str, ...], Array]]
X_DIMS = ("batch", "time", "feature")


def output_gradient(
    model: Layer, y: Array, lengths: Array | None, dy: Array | None, loss: str | Loss | None, target: Any
) -> tuple[Array | None, float | None]:
    """Return the gradient of the output, `dy` or the loss's, None without either, and the value of the loss, if any."""
    if dy is not None and loss is not None:
        raise GatewiseValueError("dy and a loss came both; need one of them: leave the other out.")
    if (loss is None) != (target is None):
        lacking = "loss" if loss is None else "target"
        raise GatewiseValueError(f"no {lacking} came; need loss and target together: pass {lacking}= too.")
    if loss is None:
        return dy, None
    weights = {}
    if lengths is not None and model.keeps_time:
        weights["weights"] = valid_steps(lengths, y.shape[1])
    value, dy = named_loss(loss)(y, target, **weights)
    return dy, value


def _xarray() -> Any:
    try:
        import xarray
    except ImportError as error:
        raise GatewiseError("a trace needs xarray, not installed here: run pip install 'gatewise[trace]'.") from error
    return xarray


def _output(model: Layer, y: Array, lengths: Array | None) -> tuple[tuple[str, ...], Array]:
    if not model.keeps_time:
        return ("batch", "out"), y
    return ("batch", "time", "out"), _gaps(y, lengths)


def _gaps(a: Array, lengths: Array | None) -> Array:
    """`a` (batch, time, ...) with NaN past each length; integers, which have none, as they are."""
    return blank(a, lengths, np.nan) if np.issubdtype(a.dtype, np.floating) else a


def _part_variables(part: Part) -> Variables:
    """Values and gradients of all layers and directions of one recurrent layer."""
    passes = part.passes or (None,) * len(part.tape.runs)
    directions = [
        _run_values(run, passed, index % part.tape.directions == 1)
        for index, (run, passed) in enumerate(zip(part.tape.runs, passes, strict=True))
    ]
    shape = {"layer": part.layer.num_layers, "direction": part.layer.directions}
    front = tuple(part.prefix + name for name, size in shape.items() if size > 1)
    sizes = tuple(size for size in shape.values() if size > 1)
    variables: Variables = {}
    for name, first in directions[0].items():
        dims = ("batch", "time", part.prefix + "unit") if first.ndim == 3 else ("batch", part.prefix + "unit")
        whole = np.stack([values[name] for values in directions]).reshape(*sizes, *first.shape) if sizes else first
        quantity = name.removeprefix("d_")
        variables[name.removesuffix(quantity) + part.prefix + quantity] = (front + dims, whole)
    return variables


def _run_values(run: Run, passed: Pass | None, reverse_order: bool) -> dict[str, Array]:
    """Values (batch, time, unit) of one layer and direction in the order of x, and gradients if there was a pass."""
    cell = run.cell
    record = recurrence.recorded(run)
    names, initial_names = (*cell.recorded, *cell.states), [f"initial_{name}" for name in cell.states]
    values = dict(zip(names, (*record, *run.states), strict=True))
    initial = dict(zip(initial_names, run.initial, strict=True))
    if passed is not None:
        gradients = _gradients(run._replace(record=record), passed)
        values |= {f"d_{name}": d for name, d in zip(names, gradients, strict=True)}
        initial |= {f"d_{name}": d for name, d in zip(initial_names, passed.dinitial, strict=True)}
    ordered = {name: reverse(a, run.lengths) if reverse_order else a for name, a in values.items()}
    return {name: _gaps(a, run.lengths) for name, a in ordered.items()} | initial


def _gradients(run: Run, passed: Pass) -> list[Array]:
    """Return the gradients of every recorded value, then of every state, (B, T, H) each."""
    B, T, H = run.states[0].shape
    groups = (passed.dstates, run.states, run.previous(), run.record)
    gradients = [np.empty_like(run.states[0]) for _ in (*run.cell.recorded, *run.cell.states)]

    def fill(first: int, last: int) -> None:
        for b in range(first, last, some):
            rows = slice(b, min(b + some, last))
            dstate, state, before, record = (tuple(a[rows].reshape(-1, H) for a in group) for group in groups)
            dstates, drecord = run.cell.record_gradients(dstate, state, before, record, run.weights.U)
            for whole, d in zip(gradients, (*drecord, *dstates), strict=True):
                whole[rows] = d.reshape(whole[rows].shape)

    some = max(1, NEAR // max(1, T * H))
    share = max(-(-B // get_num_threads()), -(-SHARE // max(1, T * H)))
    run_together([partial(fill, b, min(b + share, B)) for b in range(0, max(1, B), share)])
    return gradients


def _titles(parts: Sequence[Part]) -> dict[str, str]:
    """What each variable that is no gradient is called in text."""
    titles = {"x": "input of the model", "y": "output of the model"}
    for part in parts:
        cell, prefix = part.layer.cell, part.prefix if len(parts) > 1 else ""
        place = f", layer {prefix[:-1]}" if prefix else ""
        titles |= {prefix + name: cell.title(name) + place for name in (*cell.recorded, *cell.states)}
        titles |= {f"{prefix}initial_{name}": f"{name} state before the first step{place}" for name in cell.states}
    return titles


def _dataset(
    variables: Variables, lengths: Array | None, attrs: Mapping[str, Any], titles: Mapping[str, str]
) -> Dataset:
    xr = _xarray()
    sizes = {dim: size for dims, a in variables.values() for dim, size in zip(dims, a.shape, strict=True)}
    coords = {dim: xr.Variable(dim, _labels(dim, size), _coordinate_attrs(dim)) for dim, size in sizes.items()}
    if lengths is not None:
        coords["length"] = xr.Variable("batch", lengths, {"long_name": "valid steps", "units": "steps"})
    data = {name: xr.Variable(dims, a, _attrs(name, titles)) for name, (dims, a) in variables.items()}
    dataset: Dataset = xr.Dataset(data, coords, attrs)
    return dataset


def _labels(dim: str, size: int) -> Any:
    return ["forward", "reverse"] if dim.endswith("direction") else np.arange(size)


def _coordinate_attrs(dim: str) -> dict[str, str]:
    attrs = {"long_name": COORDINATES[dim.rpartition(".")[2]]}
    return attrs | {"units": "steps"} if dim == "time" else attrs


def _attrs(name: str, titles: Mapping[str, str]) -> dict[str, str]:
    if name in titles:
        return {"long_name": titles[name], "units": "1"}
    return {"long_name": f"gradient of the loss with respect to {titles[name.removeprefix('d_')]}", "units": "loss"}
