"""The processor that is compiled for, and how wide its registers are: 64 bytes with AVX-512, 32 with AVX2, else 16.

GATEWISE_VECTORS narrows them, so that a wide machine compiles and runs the code of a narrow one: without the
instructions, and without the registers, that the narrow one lacks. The cache keeps the code of each width apart.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import llvmlite.binding as llvm

from gatewise.errors import GatewiseValueError

VARIABLE = "GATEWISE_VECTORS"
WIDTHS = (64, 32, 16)
# How the features begin, on x86, that a processor whose registers have at most so many bytes lacks.
_BEYOND = {
    32: ("avx512", "avx10", "amx", "evex512"),
    16: ("avx", "amx", "evex512", "fma", "f16c", "xop", "vaes", "vpclmulqdq", "sha512", "sm3", "sm4"),
}


class Target(NamedTuple):
    """What kernels may use of a processor."""

    bytes: int  # in a vector register
    registers: int  # of vectors
    fused: bool  # whether x y + z is one instruction
    features: str  # of the instruction set, as LLVM writes them: `+sse2,-avx`, and so on


def choose_target() -> Target:
    """Return what there is, or of that what GATEWISE_VECTORS leaves.

    Raises
    ------
    GatewiseError
        If it is neither 64, 32 nor 16, or if the processor has no registers so wide.
    """
    here = _target(_host_features())
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return here
    if text not in map(str, WIDTHS):
        raise GatewiseValueError(f"{VARIABLE} is {text!r}; need 64, 32 or 16, the bytes of a vector: set one of these.")
    width = int(text)
    if width > here.bytes:
        raise GatewiseValueError(f"{VARIABLE} is {width}, but vectors have {here.bytes} bytes here: set at most that.")
    return _target(_narrowed(here.features, width)) if width < here.bytes else here


def _narrowed(features: str, width: int) -> str:
    """The features without all that vectors of more bytes need."""
    beyond = tuple(f"+{name}" for name in _BEYOND[width])
    return ",".join(f"-{name[1:]}" if name.startswith(beyond) else name for name in features.split(","))


def _host_features() -> str:
    try:
        return str(llvm.get_host_cpu_features().flatten())
    except RuntimeError:  # LLVM does not know how to ask here
        return ""


def _target(features: str) -> Target:
    names = features.split(",")
    if not llvm.get_process_triple().startswith(("x86", "i386", "i686", "amd64")):
        return Target(16, 32, True, features)  # as ARM and POWER have them
    if "+avx512f" in names:
        return Target(64, 32, True, features)
    fused = "+fma" in names
    return Target(32 if "+avx2" in names and fused else 16, 16, fused, features)


BYTES, REGISTERS, FUSED, FEATURES = choose_target()
