"""Compiled code on disk, what is said while it is made, and code that no longer fits the sources.

A file holds one unit (`units.py`): a line that names the units it calls, then an object file. Its name tells the unit,
what kind of machine it is for, and a digest of the sources it was made of.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import sys
import tempfile
import time
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path

import gatewise.cells
from gatewise.kernels import machine

_PACKAGE = Path(gatewise.cells.__file__).parent.parent
_FORGOTTEN = 600  # seconds after which an announcement counts no more
ENDING = ".gatewise"


def read(name: str) -> tuple[bytes, list[str]] | None:
    """Return the code of a unit and the names of those it calls, if it is kept."""
    folder = _folder()
    try:
        head, _, code = (folder / _file(name)).read_bytes().partition(b"\n") if folder else (b"", b"", b"")
        return (code, json.loads(head)) if code else None
    except (OSError, ValueError):
        return None


def write(name: str, code: bytes, calls: list[str]) -> None:
    """Keep a unit, if there is a folder to write to."""
    folder = _folder()
    if folder is None:
        return
    try:
        _drop_stale_code(folder)
        handle, path = tempfile.mkstemp(dir=folder, suffix=".new")
        with os.fdopen(handle, "wb") as file:
            file.write(json.dumps(calls).encode() + b"\n" + code)
        os.replace(path, folder / _file(name))
    except OSError:
        return


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
    """Where compiled code is kept: NUMBA_CACHE_DIR, else beside the sources, else in the user's folder."""
    given = os.environ.get("NUMBA_CACHE_DIR")
    places = [Path(given) / "gatewise"] if given else [Path(__file__).parent / "__pycache__", _user_folder()]
    for place in places:
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError:
            continue
        if os.access(place, os.W_OK):
            return place
    return None


def _user_folder() -> Path:
    home = os.environ.get("LOCALAPPDATA" if os.name == "nt" else "XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "gatewise"


@cache
def _drop_stale_code(folder: Path) -> None:
    """Remove code that was compiled from other sources than today's."""
    for old in folder.glob(f"*{ENDING}"):
        if not old.name.endswith(f".{sources()}{ENDING}"):
            old.unlink(missing_ok=True)


@cache
def announce() -> None:
    """Say once, on standard error, that kernels are being compiled; loading them from the cache needs no word."""
    if _first_to_announce():
        print("gatewise: compiling kernels, once; `gatewise warmup` does it ahead", file=sys.stderr, flush=True)


def _first_to_announce() -> bool:
    """Whether no other process of this command has announced a compilation: of many workers, one speaks for all.

    The first leaves an empty file, which it removes when it ends.
    """
    marker = Path(tempfile.gettempdir()) / f"gatewise-compiling-{_command()}"
    try:
        if marker.exists() and time.time() - marker.stat().st_mtime > _FORGOTTEN:
            marker.unlink(missing_ok=True)
        marker.touch(exist_ok=False)
    except FileExistsError:
        return False
    except OSError:
        return True
    Finalize(None, marker.unlink, kwargs={"missing_ok": True}, exitpriority=0)
    return True


def _command() -> str:
    """What a process shares with the workers that it starts, and with no other command: its process group."""
    if hasattr(os, "getpgid"):
        return f"{os.getuid()}-{os.getpgid(0)}"
    parent = multiprocessing.parent_process()
    return str(os.getpid() if parent is None else parent.pid)
