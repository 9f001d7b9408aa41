"""How large the caches of a core are."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path("/sys/devices/system/cpu/cpu0/cache")
_FILES = ("level", "type", "size")
KIB = 1024
# Bytes, where the system does not say: as small as processors of the last ten years have them.
SMALLEST = {1: 32 * KIB, 2: 256 * KIB}


def cache_sizes(folder: Path = _FOLDER) -> dict[int, int]:
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


def cache_size(level: int) -> int:
    """Return the bytes of the first core's data cache of a level, 1 or 2, or, where unknown, of the smallest."""
    return cache_sizes().get(level, SMALLEST[level])
