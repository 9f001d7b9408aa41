"""The first call: what is said while kernels are compiled, and compiled code that no longer fits the sources."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from numba.core import event

import gatewise.cells

_PACKAGE = Path(gatewise.cells.__file__).parent.parent
_FOLDER = Path(__file__).parent / "__pycache__"


class _Announcement(event.Listener):
    """Says once, on standard error, that kernels are being compiled; loading them from the cache needs no word."""

    def __init__(self) -> None:
        self._said = False

    def on_start(self, event: Any) -> None:
        function = event.data["dispatcher"].py_func
        if not self._said and function.__module__.startswith("gatewise.kernels"):
            self._said = True
            print("gatewise: compiling kernels, once; `gatewise warmup` does it ahead", file=sys.stderr, flush=True)

    def on_end(self, event: Any) -> None:
        """Nothing to say."""


def announce_compilation() -> None:
    """Let the first compilation in this process be announced."""
    event.register("numba:compile", _Announcement())


def drop_stale_code() -> None:
    """Remove cached code that is older than the sources it was compiled from.

    Numba looks only at the file a function stands in; these kernels are also made of `cells` and `activations`.
    """
    sources = [_PACKAGE / "activations.py", *(_PACKAGE / "cells").glob("*.py"), *Path(__file__).parent.glob("*.py")]
    newest = max(source.stat().st_mtime for source in sources)
    for index in _FOLDER.glob("*.nbi"):
        try:
            if index.stat().st_mtime < newest:
                index.unlink()
        except OSError:  # gone already, or not ours to remove: then Numba could not have written it either
            continue
