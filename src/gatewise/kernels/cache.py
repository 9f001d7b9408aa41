"""The first call: what is said while kernels are compiled, and compiled code that no longer fits the sources."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import sys
import tempfile
import time
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

from numba.core import event

import gatewise.cells

_PACKAGE = Path(gatewise.cells.__file__).parent.parent
_FOLDER = Path(__file__).parent / "__pycache__"
_FORGOTTEN = 600  # seconds after which an announcement counts no more


class _Announcement(event.Listener):
    """Says once, on standard error, that kernels are being compiled; loading them from the cache needs no word."""

    def __init__(self) -> None:
        self._said = False

    def on_start(self, event: Any) -> None:
        function = event.data["dispatcher"].py_func
        if not self._said and function.__module__.startswith("gatewise.kernels"):
            self._said = True
            if not _first_to_announce():
                return
            print("gatewise: compiling kernels, once; `gatewise warmup` does it ahead", file=sys.stderr, flush=True)

    def on_end(self, event: Any) -> None:
        """Nothing to say."""


def announce_compilation() -> None:
    """Let the first compilation in this process be announced."""
    event.register("numba:compile", _Announcement())


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


def drop_stale_code() -> None:
    """Remove cached code that was compiled from other sources than today's.

    Numba looks only at the file a function stands in; these kernels are also made of `cells` and `activations`. A file
    beside the code is named after a digest of all of them.
    """
    digest = hashlib.sha256(b"".join(source.read_bytes() for source in _sources())).hexdigest()[:16]
    stamp = _FOLDER / f"{digest}.sources"
    if stamp.exists():
        return
    try:
        for old in [*_FOLDER.glob("*.nbi"), *_FOLDER.glob("*.sources")]:
            old.unlink(missing_ok=True)
        _FOLDER.mkdir(exist_ok=True)
        stamp.touch()
    except OSError:  # not ours to write: then Numba has not written there either
        return


def _sources() -> list[Path]:
    """Every file that compiled code depends on."""
    cells, kernels = _PACKAGE / "cells", _PACKAGE / "kernels"
    return [_PACKAGE / "activations.py", *sorted(cells.glob("*.py")), *sorted(kernels.glob("*.py"))]
