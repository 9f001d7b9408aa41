"""The machine that figures depend on: its processor, cores and caches, and how wide the vectors are."""

from __future__ import annotations

import platform
import re
from pathlib import Path
from typing import Any

from gatewise import kernels
from gatewise.errors import GatewiseValueError
from gatewise.threads import cores

# What keeps Gatewise, NumPy's OpenBLAS, PyTorch (oneDNN, MKL and its own loops) and XLA to the instructions of a width.
# ONNX Runtime has no such setting, and uses what the processor has.
_NARROW = {
    32: ("Haswell", "AVX2", "AVX2", "avx2", "AVX2"),
    16: ("Nehalem", "SSE41", "SSE4_2", "default", "SSE4_2"),
}
_SETTINGS = ("OPENBLAS_CORETYPE", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "ATEN_CPU_CAPABILITY", "XLA_FLAGS")
_CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
_FILES = ("level", "type", "size")
KIB = 1024


def machine(vectors: int | None = None) -> dict[str, Any]:
    """Return what the figures depend on; `vectors`: bytes of a vector, where narrower than the processor has them."""
    return {
        "cpu": _cpu(),
        "cores": cores(),
        "vectors": vectors or vector_bytes(),
        "caches": cache_sizes(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
    }


def _cpu() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.processor() or "unknown processor"


def cache_sizes(folder: Path = _CACHES) -> dict[int, int]:
    """Return the bytes of the first core's data caches, by level; empty where the system does not say."""
    sizes: dict[int, int] = {}
    for cache in sorted(folder.glob("index*")):
        try:
            level, kind, size = ((cache / name).read_text(encoding="ascii").strip() for name in _FILES)
            if kind != "Instruction":
                sizes[int(level)] = int(size.removesuffix("K")) * KIB
        except (OSError, ValueError):
            continue
    return sizes


def vector_bytes() -> int:
    """Return the bytes of a vector of the kernels in this process; 0 where there are no kernels."""
    if not kernels.enabled():
        return 0
    from gatewise.kernels.target import BYTES

    return BYTES


def narrowed(vectors: int | None) -> dict[str, str]:
    """Return the environment in which Gatewise, NumPy, PyTorch and JAX use vectors of so many bytes.

    Raises
    ------
    GatewiseError
        If the processor has none so wide.
    """
    if vectors is None or vectors == (widest := vector_bytes()):
        return {}
    if vectors > widest:
        raise GatewiseValueError(f"vectors of {vectors} bytes are asked for; need at most {widest} here.")
    names = dict(zip(_SETTINGS, _NARROW[vectors], strict=True))
    return names | {"GATEWISE_VECTORS": str(vectors), "XLA_FLAGS": f"--xla_cpu_max_isa={names['XLA_FLAGS']}"}
