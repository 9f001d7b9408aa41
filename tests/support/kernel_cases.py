"""Cases for the compiled loops, what a pass over one gives, and how results are compared."""

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest
from forms import FORMS, parts, weight_shapes

import gatewise as gw
from gatewise import kernels, recurrence
from gatewise.recurrence import Run, Weights

CELLS = {name: form.cell for name, form in FORMS.items()}
DTYPES = [np.float32, np.float64]
TOLERANCE = {np.dtype(np.float32): 2e-5, np.dtype(np.float64): 1e-12}
# A relu whose argument is within rounding of 0 may fall to either side of its kink.
KINK = {np.dtype(np.float32): 2e-6, np.dtype(np.float64): 1e-14}

compiled = pytest.mark.skipif(not kernels.enabled(), reason="kernels are switched off")
NAMES = [name for name, cell in CELLS.items() if kernels.find(cell)]
names = pytest.mark.parametrize("name", NAMES)
dtypes = pytest.mark.parametrize("dtype", DTYPES, ids=["float32", "float64"])


@dataclass
class Case:
    """All that the two passes over time take."""

    cell: object
    x: np.ndarray
    weights: Weights
    initial: np.ndarray
    lengths: np.ndarray | None
    dh: np.ndarray
    dfinal: np.ndarray

    def rows(self, chosen):
        """The same for some sequences of the batch."""
        return Case(
            self.cell,
            np.ascontiguousarray(self.x[chosen]),
            self.weights,
            np.ascontiguousarray(self.initial[:, chosen]),
            None if self.lengths is None else self.lengths[chosen],
            np.ascontiguousarray(self.dh[chosen]),
            np.ascontiguousarray(self.dfinal[:, chosen]),
        )


def make(name, dtype=np.float64, *, B=3, T=4, D=2, H=3, ragged=False, seed=0, scale=0.7):
    rng = np.random.default_rng(seed)
    cell = CELLS[name]

    def normal(*shape, scale=1.0):
        return rng.normal(0, scale, shape).astype(dtype)

    W, U, b, c = weight_shapes(name, D, H)
    weights = Weights(normal(*W, scale=D**-0.5), normal(*U, scale=scale * H**-0.5), normal(*b), normal(*c))
    lengths = rng.integers(1, T + 1, B) if ragged and T else None
    dh = normal(B, T, H)
    if lengths is not None:
        dh[np.arange(T) >= lengths[:, None]] = 0
    states = [normal(len(cell.states), B, H) for _ in range(2)]
    return Case(cell, normal(B, T, D), weights, states[0], lengths, dh, states[1])


def forward(case, **options):
    return recurrence.forward(case.cell, case.x, case.weights, case.initial, case.lengths, **options)


def numpys(case):
    """The run and the gradients of the NumPy path."""
    states, record, final = recurrence._forward(case.cell, case.x, case.weights, case.initial, case.lengths)
    run = Run(case.cell, case.x, case.weights, case.initial, case.lengths, states, record, final)
    return run, recurrence._backward(run, case.dh, case.dfinal)


def gradients(result):
    """dx, dinitial and the gradients of the weights, by name."""
    dx, dinitial, weights = result
    named = {f"dinitial[{k}]": d for k, d in enumerate(dinitial)}
    return {"dx": dx, **named, **{f"d{name}": d for name, d in zip(weights._fields, weights, strict=True)}}


def values(run):
    """Everything a run holds, by name."""
    parts = {"states": run.states, "record": run.record, "final": run.final}
    return {f"{name}[{k}]": a for name, arrays in parts.items() for k, a in enumerate(arrays)}


def assert_close(got, need, tolerance=None):
    """Equal within the tolerance of the dtype, relative to the largest number of each array or to 1."""
    assert list(got) == list(need)
    for name, a in need.items():
        assert got[name].shape == a.shape, name
        assert got[name].dtype == a.dtype, name
        size = max(1.0, float(np.abs(a).max(initial=0)))
        bound = size * (tolerance or TOLERANCE[a.dtype])
        np.testing.assert_allclose(got[name], a, rtol=0, atol=bound, err_msg=name)


def assert_identical(got, need):
    assert list(got) == list(need)
    for name, a in need.items():
        np.testing.assert_array_equal(got[name], a, err_msg=name)


def at_a_kink(run):
    """Whether a pre-activation of a relu is too close to 0 to compare."""
    if run.cell is not CELLS["rnn_relu"] or not run.states[0].size:
        return False
    W, U, b, c = run.weights
    a = run.x @ W.T + b + run.previous()[0] @ U.T + c
    return np.abs(a).min() < KINK[a.dtype] * max(1, np.abs(a).max())


def check(case):
    """Kernels and NumPy agree in both passes, whatever is kept."""
    need, need_gradients = numpys(case)
    kept, again, final = forward(case), forward(case, record=False), forward(case, keep=False)
    assert_close(values(kept), values(need))
    assert len(again.record) == 0
    assert_identical(values(again), {n: a for n, a in values(kept).items() if not n.startswith("record")})
    assert len(final.states) == 1
    np.testing.assert_array_equal(final.states[0], kept.states[0])
    for a, b in zip(final.final, kept.final, strict=True):
        np.testing.assert_array_equal(a, b)
    if not at_a_kink(need):
        for run in (kept, again):
            assert_close(gradients(recurrence.backward(run, case.dh, case.dfinal)), gradients(need_gradients))
        check_dstates(case, kept, need)


def check_dstates(case, run, need):
    """What reached each state is what it is in NumPy, and to keep it changes nothing else."""
    dx, passed = recurrence.backward_pass(run, case.dh, case.dfinal)
    recorded = (dx, passed.dinitial, passed.gradients)
    assert_identical(gradients(recorded), gradients(recurrence.backward(run, case.dh, case.dfinal)))
    without, passed_without = recurrence.backward_pass(run, case.dh, case.dfinal, needs_dx=False)
    assert without.shape == (0, *dx.shape[1:])
    assert_identical(gradients((dx, passed_without.dinitial, passed_without.gradients)), gradients(recorded))
    dstates = np.zeros_like(need.states)
    recurrence._backward(need, case.dh, case.dfinal, dstates)
    assert_close(*({f"dstates[{k}]": d for k, d in enumerate(found)} for found in (passed.dstates, dstates)))


@contextmanager
def threads(count):
    """`count` threads, and work of any size split between them."""
    from gatewise.kernels import dispatch

    before = gw.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dispatch, "OPERATIONS_A_THREAD", 1e-3)
        gw.set_num_threads(count)
        try:
            yield
        finally:
            gw.set_num_threads(before)


@contextmanager
def crowd(count, *, units=False, asleep=False):
    """As `threads`, on a machine of 8 cores; `units`: always shared; `asleep`: no worker is there when needed."""
    from gatewise.kernels import crew, dispatch

    with threads(count), pytest.MonkeyPatch.context() as patch:
        patch.setattr(crew, "cores", lambda: 8)
        if asleep:
            patch.setattr(dispatch, "engage", lambda count, brief: ())
        if units:
            patch.setattr(dispatch, "ROWS_A_THREAD", 1000)
            patch.setattr(dispatch, "UNITS_A_THREAD", 1)
        yield


def run_python(script, timeout=120, **environment):
    """Run a script in a fresh interpreter, warnings as errors; return its standard output."""
    environment = {**os.environ, **environment}
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=timeout)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def outcome(layer, x, state, dy, **options):
    """All numbers of both passes of a layer, by name."""
    y, final, tape = layer.forward(x, state, **options)
    dx, dstate, grads = layer.backward(tape, dy)
    found = {"y": y, "dx": dx, **grads}
    for k, (a, b) in enumerate(zip(parts(final), parts(dstate), strict=True)):
        found |= {f"final[{k}]": a, f"dstate[{k}]": b}
    return found


def layer_case(name, dtype, B=5, T=7, D=3, H=19, seed=0, **options):
    """A layer, x, an initial state and dy."""
    rng = np.random.default_rng(seed)
    layer = FORMS[name].make(D, H, dtype=dtype, rng=seed, **options)
    shape = (layer.num_layers * layer.directions, B, H)
    state = [rng.normal(size=shape).astype(dtype) for _ in layer.cell.states]
    x, dy = (rng.normal(size=(B, T, n)).astype(dtype) for n in (D, layer.output_size))
    return layer, x, gw.LSTMState(*state) if len(state) == 2 else state[0], dy


def assert_same_nan(got, need, where=None):
    for name, a in need.items():
        at = where.get(name, ...) if where else ...
        np.testing.assert_array_equal(np.isnan(got[name][at]), np.isnan(a[at]), err_msg=f"NaN of {name}")
        finite = np.isfinite(a[at])
        np.testing.assert_array_equal(np.isfinite(got[name][at]), finite, err_msg=f"infinity of {name}")
        np.testing.assert_array_equal(got[name][at][~finite], a[at][~finite], err_msg=name)
