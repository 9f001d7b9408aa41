"""When a kernel is used, and that compiled code follows the equations."""

import copy
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from forms import FORMS
from kernel_cases import CELLS, assert_close, compiled, names, outcome, run_python

import gatewise as gw
from gatewise import kernels


@compiled
@names
def test_copies_of_a_layer_use_the_kernel(name):
    layer = FORMS[name].make(2, 3, rng=0)
    copies = [layer, copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), layer.astype("float64")]
    for twin in copies:
        assert kernels.find(twin.cell) is kernels.find(CELLS[name]) is not None
    x = np.ones((1, 2, 2), np.float32)
    for twin in copies[1:4]:
        y, _, tape = twin.forward(x)
        np.testing.assert_array_equal(y, layer(x)[0])
        np.testing.assert_array_equal(twin.backward(tape, np.ones((1, 2, 3), np.float32))[0].shape, x.shape)


@compiled
@names
@pytest.mark.parametrize("part", ["step", "step_backward", "recurrent_gradient", "phases"])
def test_a_cell_with_a_part_of_its_own_does_not(name, part):
    cell = CELLS[name]
    other = () if part == "phases" else lambda *arguments: getattr(cell, part)(*arguments)
    assert kernels.find(cell._replace(**{part: other})) is None


@compiled
@names
def test_a_replaced_backward_step_is_the_one_that_runs(name):
    layer = FORMS[name].make(2, 3, dtype=np.float64, rng=0)
    calls = []

    def counted(*arguments):
        calls.append(1)
        return CELLS[name].step_backward(*arguments)

    x, dy = np.ones((1, 4, 2)), np.ones((1, 4, 3))
    need = outcome(layer, x, None, dy)
    layer.cell = layer.cell._replace(step_backward=counted)
    assert_close(outcome(layer, x, None, dy), need)
    assert len(calls) == 4


SMALL = """
import sys
import numpy as np
import gatewise as gw
from gatewise import kernels
from gatewise.cells import FORMS
from gatewise.layers import RECURRENT

for layer in (kind(3, 4, rng=0) for kind in RECURRENT.values()):
    y, _, tape = layer.forward(np.ones((2, 5, 3), np.float32))
    dx, _, grads = layer.backward(tape, y)
    print(repr(float(dx.sum())), file=sys.stderr)
print(any(kernels.find(cell) for cell in FORMS.values()), bool(sys.modules.get("llvmlite")))
"""


def test_switched_off_no_cell_has_a_kernel_and_llvmlite_is_never_imported():
    assert run_python(SMALL, GATEWISE_KERNELS="0") == "False False"


def test_without_llvmlite_layers_work():
    assert run_python("import sys; sys.modules['llvmlite'] = None" + SMALL) == "False False"


def test_importing_gatewise_never_imports_llvmlite():
    script = "import sys, gatewise, gatewise.kernels; gatewise.GRU(3, 4); print('llvmlite' in sys.modules)"
    assert run_python(script) == "False"


@compiled
@pytest.mark.parametrize(
    "newer",
    [
        True,
        False,
    ],
)
def test_compiled_code_follows_the_equations(tmp_path, newer):
    source = Path(gw.__file__).parent
    shutil.copytree(source, tmp_path / "gatewise", ignore=shutil.ignore_patterns("__pycache__"))
    script = """
import numpy as np, gatewise as gw
layer = gw.RNN(1, 1, dtype="float64")
for value in layer.params.values():
    value[...] = 0.25
print(gw.__file__, repr(float(layer(np.ones((1, 1, 1)))[0][0, 0, 0])))
"""
    equation = tmp_path / "gatewise" / "cells" / "rnn.py"
    changed = equation.read_text(encoding="utf-8").replace("(tanh(p_h + q_h),)", "(0.5 * tanh(p_h + q_h),)")
    assert changed != equation.read_text(encoding="utf-8")
    where, before = run_python(script, PYTHONPATH=str(tmp_path)).split()
    time = equation.stat().st_mtime - 3600
    equation.write_text(changed, encoding="utf-8")
    if not newer:
        os.utime(equation, (time, time))
    _, after = run_python(script, PYTHONPATH=str(tmp_path)).split()
    assert where.startswith(str(tmp_path))
    np.testing.assert_allclose(float(before), np.tanh(0.75), rtol=1e-14)
    np.testing.assert_allclose(float(after), 0.5 * np.tanh(0.75), rtol=1e-14)
