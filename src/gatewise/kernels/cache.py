"""Compiled code on disk, and code that no longer fits the sources.

A file holds one unit (`units.py`): a line with a digest of the code and the names of the units it calls, then the code,
an object file. Its name tells the unit, what kind of machine it is for, and a digest of the sources it was made of.
"""

from __future__ import annotations

import hashlib
import json
import os
from functools import cache
from pathlib import Path

import gatewise.cells
from gatewise.kernels import machine

_PACKAGE = Path(gatewise.cells.__file__).parent.parent
ENDING = ".gatewise"


def read(name: str) -> tuple[bytes, list[str]] | None:
    """Return the code of a unit and the names of those it calls, if they are kept and whole."""
    folder = _folder()
    try:
        head, _, code = (folder / _file(name)).read_bytes().partition(b"\n") if folder else (b"", b"", b"")
        digest, *calls = json.loads(head)
    except (OSError, ValueError, TypeError):
        return None
    return (code, calls) if digest == _digest(code) else None


def write(name: str, code: bytes, calls: list[str]) -> None:
    """Keep a unit, if there is a folder to write to."""
    folder = _folder()
    if folder is None:
        return
    path = folder / _file(name)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        _drop_stale_code(folder)
        new.write_bytes(json.dumps([_digest(code), *calls]).encode() + b"\n" + code)
        os.replace(new, path)
    except OSError:
        return


def _digest(code: bytes) -> str:
    return hashlib.sha256(code).hexdigest()


def _file(name: str) -> str:
    return f"{name}.{machine.name()}.{sources()}{ENDING}"


@cache
def sources() -> str:
    """Return a digest of every file that compiled code depends on."""
    return hashlib.sha256(b"".join(source.read_bytes() for source in _sources())).hexdigest()[:16]


def _sources() -> list[Path]:
    cells, kernels = _PACKAGE / "cells", _PACKAGE / "kernels"
    return [_PACKAGE / "activations.py", *sorted(cells.glob("*.py")), *sorted(kernels.glob("*.py"))]


@cache
def _folder() -> Path | None:
    """Where compiled code is kept: GATEWISE_CACHE_DIR, else beside the sources, else in the user's folder.

    NUMBA_CACHE_DIR, which named the folder when Numba compiled the kernels, still does.
    """
    given = os.environ.get("GATEWISE_CACHE_DIR") or os.environ.get("NUMBA_CACHE_DIR")
    places = [_own(Path(given))] if given else [Path(__file__).parent / "__pycache__", _own(_user_folder())]
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(place, os.W_OK):
            return place
    return None


def _own(folder: Path) -> Path:
    """A folder for this installation in one that others use too: each drops what is not made of its sources."""
    return folder / f"gatewise-{hashlib.sha256(str(_PACKAGE).encode()).hexdigest()[:12]}"


def _user_folder() -> Path:
    home = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME")
    return Path(home) if home else Path.home() / ".cache"


@cache
def _drop_stale_code(folder: Path) -> None:
    """Remove code that was compiled from other sources than today's."""
    for old in folder.glob(f"*{ENDING}*"):
        if not old.name.endswith(f".{sources()}{ENDING}"):
            old.unlink(missing_ok=True)
