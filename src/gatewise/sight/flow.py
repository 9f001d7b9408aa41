"""How far a gradient reaches: the Jacobian of every step, their products over time, and what each step contributes.

N is the size of the state: H, or 2H for an LSTM, whose state is (h, c) side by side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gatewise import recurrence
from gatewise.errors import Array, GatewiseTypeError, check_choice, check_number
from gatewise.layers import Layer
from gatewise.layers.directions import parameter_names
from gatewise.layers.padding import reverse as reverse_time
from gatewise.layers.padding import valid_steps
from gatewise.layers.parts import recurrent_parts
from gatewise.losses import Loss
from gatewise.recurrence import Run
from gatewise.sight.trace import output_gradient
from gatewise.threads import single_threaded_blas


@single_threaded_blas()
def jacobians(
    model: Layer, x: Array, state: Any = None, lengths: Any = None, *, layer: int = 0, reverse: bool = False
) -> Array:
    """Return ∂h_t/∂h_{t−1} of every step, in closed form.

    Parameters
    ----------
    model : Layer
        `GRU`, `LSTM`, `RNN`, or a `Sequential` that holds exactly one of them.
    x : ndarray (batch, time, features)
        Input as `model.forward` takes it.
    state : optional
        Initial state as `model.forward` takes it; zeros if None.
    lengths : array of int (batch,), optional
        Valid steps of each sequence.
    layer, reverse : int, bool
        Which layer of a stack, from 0, and which of its directions; the first, forward, unless said otherwise.

    Returns
    -------
    ndarray (batch, time, N, N)
        Rows belong to the state after step t, columns to the state before it: that of t − 1, or of t + 1 with
        `reverse`. N is H; of an LSTM 2H, the state being (h, c) side by side. NaN past each length; the model's dtype.

    Raises
    ------
    GatewiseError
        If the model has no recurrent layer or several, or an argument does not fit it.

    Notes
    -----
    For a GRU with `reset="after"`, every product with a diagonal matrix being one by rows,

        diag(z) + diag((h_{t−1} − n) z (1 − z)) U_z + diag((1 − z)(1 − n²)) [diag(r) U_n + diag(q_n r (1 − r)) U_r]

    The factors are those by which the cell's hand-written backward step multiplies a gradient. Memory grows with
    batch · time · N²; `gradient_flow` needs one step's share of it.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> x = np.random.default_rng(0).normal(size=(2, 5, 3))
    >>> J = gw.jacobians(gw.GRU(3, 4, dtype="float64", rng=0), x)
    >>> J.shape, bool(np.linalg.norm(J[0, 0], 2) < 1)
    ((2, 5, 4, 4), True)
    """
    chosen = _forward(model, x, state, lengths, layer, reverse)
    run = chosen.run
    J = run.cell.jacobian(tuple(run.states), tuple(run.previous()), tuple(run.record), run.weights.U)
    if run.lengths is not None:
        J[~valid_steps(run.lengths, J.shape[1])] = np.nan
    return chosen.in_order_of_x(J)


@dataclass(frozen=True)
class GradientFlow:
    """What `gradient_flow` measures; all of it float64, steps in the order of x, NaN past each length.

    As an array it is `norms`, (batch, time): `np.asarray(flow)`.

    Attributes
    ----------
    log10_spectra : ndarray (batch, time, N)
        log₁₀ of the singular values of ∂h_T/∂h_t, the largest first; −inf for those that are 0 to the precision of
        float64 beside the largest. At t = T all are 0.
    memory : ndarray of int (batch,)
        Effective memory: the most steps k with ‖∂h_T/∂h_{T−k}‖ ≥ `threshold`.
    threshold : float
    shares : dict of str to ndarray (time,)
        For each parameter of the layer, ‖its gradient's part from step t‖ over the sum of these norms; empty without a
        loss.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> flow = gw.gradient_flow(gw.RNN(1, 8, rng=0), np.zeros((1, 20, 1), np.float32))
    >>> flow.norms[0, -1], bool(flow.norms[0, 0] < 1e-2), int(flow.memory[0]) < 10
    (np.float64(1.0), True, True)
    """

    log10_spectra: Array
    memory: Array
    threshold: float
    shares: dict[str, Array]

    @property
    def norms(self) -> Array:
        """‖∂h_T/∂h_t‖, the largest singular value, (batch, time); 0 and inf where float64 ends."""
        with np.errstate(over="ignore"):
            return np.power(10.0, self.log10_spectra[..., 0])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """`norms`."""
        return np.asarray(self.norms, dtype=dtype)


@single_threaded_blas()
def gradient_flow(
    model: Layer,
    x: Array,
    state: Any = None,
    lengths: Any = None,
    *,
    dy: Array | None = None,
    loss: str | Loss | None = None,
    target: Array | None = None,
    layer: int = 0,
    reverse: bool = False,
    threshold: float = 0.1,
) -> GradientFlow:
    """Return how much of a gradient at the last state is left at each step before, and each step's share in learning.

    Parameters
    ----------
    model, x, state, lengths, layer, reverse
        As in `jacobians`.
    dy, loss, target : optional
        As in `gatewise.trace`: with a gradient of the output, or a loss, the shares are computed too.
    threshold : float
        What ‖∂h_T/∂h_t‖ must reach for a step to count as remembered.

    Returns
    -------
    GradientFlow
        `norms`, `log10_spectra`, `memory` and `shares`. T is each sequence's own last valid step; with `reverse` it is
        the first, to which that direction comes last.

    Raises
    ------
    GatewiseError
        If the model has no recurrent layer or several, or an argument does not fit it.

    Notes
    -----
    ∂h_T/∂h_t = J_T J_{T−1} … J_{t+1} with the Jacobians of `jacobians`. Where ‖J‖ stays below 1 it vanishes
    exponentially with T − t (Bengio, Simard and Frasconi 1994, *Learning long-term dependencies with gradient descent
    is difficult*), and it can only explode where ‖J‖ exceeds 1 (Pascanu, Mikolov and Bengio 2013, *On the difficulty
    of training recurrent neural networks*, section 2.1). The product is kept at norm 1 and its logarithm beside it, so
    that nothing underflows; it is float64 whatever the model's dtype.

    The gradient of U is Σ_t dq_tᵀ h_{t−1}, that of W is Σ_t dp_tᵀ x_t, over all sequences: a share is the Frobenius
    norm of one step's term.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> x = np.random.default_rng(0).normal(size=(4, 50, 2)).astype(np.float32)
    >>> remembers, forgets = gw.GRU(2, 8, chrono=50, rng=0), gw.RNN(2, 8, rng=0)
    >>> bool(gw.gradient_flow(remembers, x).memory.min() > gw.gradient_flow(forgets, x).memory.max())
    True
    """
    check_number("threshold", threshold, 0, open_low=True)
    twin = model.astype(np.float64) if isinstance(model, Layer) else model
    chosen = _forward(twin, _as_float64(x), _as_float64(state), lengths, layer, reverse)
    run = chosen.run
    spectra = _log10_spectra(run)
    last = (np.full(len(run.x), run.x.shape[1]) if run.lengths is None else run.lengths) - 1
    reached = spectra[..., 0] >= np.log10(threshold)
    memory = np.where(reached.any(axis=1), last - reached.argmax(axis=1), 0)
    dy, _ = output_gradient(chosen.model, chosen.y, run.lengths, _as_float64(dy), loss, _as_float64(target))
    shares = {} if dy is None else _shares(chosen, dy)
    return GradientFlow(chosen.in_order_of_x(spectra), memory, threshold, shares)


class _Chosen(NamedTuple):
    """One layer and direction of a model after a forward pass."""

    model: Layer
    y: Array
    tape: Any
    place: int  # of the run in the tape of the recurrent layer
    run: Run
    names: list[str]  # of its parameters, in the order of `Weights`
    reverse: bool

    def in_order_of_x(self, a: Array) -> Array:
        """`a` (batch, time, ...), from the order in which the direction runs."""
        rows = a.reshape(*a.shape[:2], -1)
        return reverse_time(rows, self.run.lengths).reshape(a.shape) if self.reverse else a


def _forward(model: Layer, x: Array, state: Any, lengths: Any, layer: int, reverse: bool) -> _Chosen:
    if not isinstance(model, Layer):
        raise GatewiseTypeError(
            f"model is a {type(model).__name__}; need a recurrent layer, as gw.GRU, or a Sequential."
        )
    y, _, tape = model.forward(x, state, lengths=lengths)
    parts = list(recurrent_parts(model, tape))
    if len(parts) != 1:
        raise GatewiseTypeError(
            f"{model!r} has {len(parts)} recurrent layers; need one: pass one of model.layers, and what it reads as x."
        )
    (part,) = parts
    check_choice("layer", layer, range(part.layer.num_layers))
    check_choice("reverse", reverse, (False, True)[: part.layer.directions])
    place = layer * part.layer.directions + reverse
    run = part.tape.runs[place]
    names = [part.prefix + name for name in parameter_names(layer, int(reverse))]
    return _Chosen(model, y, tape, place, run._replace(record=recurrence.recorded(run)), names, bool(reverse))


def _as_float64(tree: Any) -> Any:
    """Every float array in a tree of tuples as float64; whatever else it holds, as it is."""
    if isinstance(tree, tuple | list):
        branches = [_as_float64(branch) for branch in tree]
        return type(tree)(*branches) if hasattr(tree, "_fields") else tuple(branches)
    return tree.astype(np.float64) if isinstance(tree, np.ndarray) and tree.dtype.kind == "f" else tree


def _log10_spectra(run: Run) -> Array:
    """log₁₀ of the singular values of J_T … J_{t+1} for every t, (B, T, N), in the order of the run."""
    B, T, _ = run.x.shape
    N = len(run.states) * run.states[0].shape[-1]
    last = np.full(B, T - 1) if run.lengths is None else run.lengths - 1
    previous = run.previous()
    product, log_scale = np.broadcast_to(np.eye(N), (B, N, N)), np.zeros(B)
    result = np.full((B, T, N), np.nan)
    for t in reversed(range(T)):
        spectrum = np.linalg.svd(product, compute_uv=False)
        result[:, t] = np.where((t <= last)[:, None], _log10(spectrum) + log_scale[:, None], np.nan)
        state, state_prev, record = (tuple(a[:, t] for a in arrays) for arrays in (run.states, previous, run.record))
        J = run.cell.jacobian(state, state_prev, record, run.weights.U)
        product = np.where((t <= last)[:, None, None], product @ J, product)
        size = np.linalg.norm(product, axis=(1, 2))
        product = product / np.where(size > 0, size, 1)[:, None, None]
        log_scale += _log10(size)
    return result


def _log10(a: Array) -> Array:
    """log₁₀ of values of at least 0, the largest of each row first; −inf for what is rounding beside the largest."""
    floor = a.shape[-1] * np.finfo(a.dtype).eps * a[..., :1] if a.ndim > 1 else 0
    return np.log10(a, out=np.full_like(a, -np.inf), where=a > floor)


def _shares(chosen: _Chosen, dy: Array) -> dict[str, Array]:
    """The share of every step, (T,) in the order of x, in the gradient of each parameter."""
    _, _, grads, passes = chosen.model.backward_passes(chosen.tape, dy)
    (part,) = recurrent_parts(chosen.model, chosen.tape, passes)
    run, dstates = chosen.run, part.passes[chosen.place].dstates
    cell = run.cell
    groups = [
        tuple(map(chosen.in_order_of_x, arrays))
        for arrays in (dstates, run.states, run.previous(), run.record, (run.x,))
    ]
    norms = np.zeros((4, run.x.shape[1]))
    for t in range(run.x.shape[1]):
        dstate, state, state_prev, record, (x,) = (tuple(a[:, t] for a in arrays) for arrays in groups)
        dp, dq, _ = cell.step_backward(dstate, state, state_prev, record, run.weights.U)
        dU = cell.recurrent_gradient(dq, state_prev[0], record)
        norms[:, t] = [np.linalg.norm(d) for d in (dp.T @ x, dU, dp.sum(axis=0), dq.sum(axis=0))]
    totals = norms.sum(axis=1, keepdims=True)
    shares = np.divide(norms, totals, out=np.zeros_like(norms), where=totals > 0)
    return {name: share for name, share in zip(chosen.names, shares, strict=True) if name in grads}
