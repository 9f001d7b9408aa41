"""The processor that Numba compiles for, and how wide its registers are: 64 bytes with AVX-512, 32 with AVX2, else 16.

GATEWISE_VECTORS narrows them, so that a wide machine compiles and runs the code of a narrow one: without the
instructions, and without the registers, that the narrow one lacks. This module has to be imported before Numba compiles
anything, because Numba asks once what it compiles for. Numba's cache keeps the code of each set of features apart.
"""

from __future__ import annotations

import os
from typing import NamedTuple

import llvmlite.binding as llvm
from numba.core import config
from numba.core.codegen import get_host_cpu_features
from numba.core.registry import cpu_target

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


def choose_target() -> Target:
    """Let Numba compile for registers as narrow as GATEWISE_VECTORS says, if it says so, and return what there is.

    Raises
    ------
    GatewiseError
        If it is neither 64, 32 nor 16, if the processor has no registers so wide, or if Numba has already compiled
        for wider ones.
    """
    features = _current_features()
    here = _target(features)
    text = os.environ.get(VARIABLE, "").strip()
    if not text:
        return here
    if text not in map(str, WIDTHS):
        raise GatewiseValueError(f"{VARIABLE} is {text!r}; need 64, 32 or 16, the bytes of a vector: set one of these.")
    width = int(text)
    if width > here.bytes:
        raise GatewiseValueError(
            f"{VARIABLE} is {width}, but Numba compiles for vectors of {here.bytes} bytes here: set at most that."
        )
    if width < here.bytes:
        _narrow(features, width)
    return _target(_current_features())


def _narrow(features: str, width: int) -> None:
    """Leave out of what Numba compiles for all that vectors of more bytes need."""
    if _asked():
        raise GatewiseValueError(
            f"{VARIABLE} is {width}, but Numba has already been set up for wider vectors in this process: "
            "use Gatewise before any other function that Numba compiles, or set NUMBA_CPU_FEATURES too."
        )
    beyond = tuple(f"+{name}" for name in _BEYOND[width])
    kept = (f"-{name[1:]}" if name.startswith(beyond) else name for name in features.split(","))
    config.CPU_FEATURES = ",".join(kept)


def _asked() -> bool:
    """Whether Numba has set up what it compiles for."""
    return "_toplevel_target_context" in vars(cpu_target)


def _current_features() -> str:
    """Return what Numba compiles for, as LLVM writes it: `+sse2,-avx`, and so on."""
    if _asked():
        return str(cpu_target.target_context.codegen().magic_tuple()[2])
    return str(get_host_cpu_features() if config.CPU_FEATURES is None else config.CPU_FEATURES)


def _target(features: str) -> Target:
    names = features.split(",")
    if not llvm.get_process_triple().startswith(("x86", "i386", "i686", "amd64")):
        return Target(16, 32, True)  # as ARM and POWER have them
    if "+avx512f" in names:
        return Target(64, 32, True)
    fused = "+fma" in names
    return Target(32 if "+avx2" in names and fused else 16, 16, fused)


BYTES, REGISTERS, FUSED = choose_target()
