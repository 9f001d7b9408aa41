"""Kernels for narrower registers than this processor's: the same numbers, with a narrow processor's instructions."""

import re
from pathlib import Path

import pytest
from kernel_cases import compiled, run_python

from gatewise import GatewiseError, kernels

if kernels.enabled():
    from gatewise.kernels import target
SUPPORT = Path(__file__).parents[1] / "support"

# 200 units and 9 rows: sums are cut into blocks, and rows into tiles of several heights.
COMPARE = f"""
import sys
sys.path.insert(0, {str(SUPPORT)!r})
import numpy as np
from kernel_cases import check, make
from gatewise.kernels.target import BYTES

check(make("gru_after", np.float32, B=9, T=3, D=5, H=200, ragged=True))
print(BYTES)
"""
# The assembly of a product with all its tiles, and of packing with its masks.
REGISTERS = """
import llvmlite.binding as llvm
import numpy as np
from gatewise.kernels import cache, machine, multiply, products

compile_text = machine.compile_text
def shown(text):
    print(machine._target_machine().emit_assembly(llvm.parse_assembly(text)))
    return compile_text(text)
machine.compile_text, cache.read = shown, lambda name: None
a, n = np.ones(64, np.float32), np.int64(0)
multiply.matmul((a, n, n, n), n, n, (a, n, n), n, (a, n, n), (a, n, n))
products.pack_rows(a, 0, np.ones((2, 3), np.float32), 0, 0, 1, 2)
"""
NARROWER = [width for width in (32, 16) if kernels.enabled() and width < target.BYTES]
narrower = pytest.mark.parametrize("width", NARROWER)


@compiled
@narrower
def test_narrow_kernels_equal_numpy(width):
    assert run_python(COMPARE, GATEWISE_VECTORS=str(width)) == str(width)


@compiled
@narrower
def test_narrow_kernels_use_no_register_that_a_narrow_processor_lacks(width):
    text = run_python(REGISTERS, GATEWISE_VECTORS=str(width))
    found = {(kind, int(number)) for kind, number in re.findall(r"%([xyz]mm)(\d+)", text)}
    assert {kind for kind, _ in found} <= ({"xmm", "ymm"} if width == 32 else {"xmm"})
    assert ("ymm" if width == 32 else "xmm", 15) in found
    assert max(number for _, number in found) == 15
    assert bool(re.search(r"\bvfmadd", text)) == (width == 32)
    assert not re.search(r"\bfmaf?\b", text)  # nor libm's


@compiled
@pytest.mark.parametrize("value", ["8", "none", "32 bytes", "-16"])
def test_other_widths_are_refused(value, monkeypatch):
    monkeypatch.setenv("GATEWISE_VECTORS", value)
    with pytest.raises(GatewiseError, match=f"GATEWISE_VECTORS is '{value}'; need 64, 32 or 16"):
        target.choose_target()


@compiled
def test_wider_vectors_than_there_are_are_refused(monkeypatch):
    monkeypatch.delenv("GATEWISE_VECTORS", raising=False)
    monkeypatch.setattr(target, "_host_features", lambda: "+sse2,-avx,-fma")
    assert target.choose_target().bytes == 16
    if target.choose_target().registers == 16:  # x86
        monkeypatch.setenv("GATEWISE_VECTORS", "32")
        with pytest.raises(GatewiseError, match="GATEWISE_VECTORS is 32, but vectors have 16 bytes here"):
            target.choose_target()


@compiled
@pytest.mark.skipif(not NARROWER, reason="nothing is narrower here")
def test_the_width_follows_the_features(monkeypatch):
    wide = "+avx,+avx2,+avx512f,+avx512vl,+fma,+sse2,-avx10.1,+vaes"
    monkeypatch.setattr(target, "_host_features", lambda: wide)
    monkeypatch.delenv("GATEWISE_VECTORS", raising=False)
    assert target.choose_target() == (64, 32, True, wide)
    monkeypatch.setenv("GATEWISE_VECTORS", "64")
    assert target.choose_target() == (64, 32, True, wide)
    monkeypatch.setenv("GATEWISE_VECTORS", "32")
    assert target.choose_target() == (32, 16, True, "+avx,+avx2,-avx512f,-avx512vl,+fma,+sse2,-avx10.1,+vaes")
    monkeypatch.setenv("GATEWISE_VECTORS", "16")
    assert target.choose_target() == (16, 16, False, "-avx,-avx2,-avx512f,-avx512vl,-fma,+sse2,-avx10.1,-vaes")
