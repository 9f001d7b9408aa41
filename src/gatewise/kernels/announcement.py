"""What is said, once a command, when kernels are compiled."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from functools import cache
from multiprocessing.util import Finalize
from pathlib import Path

_FORGOTTEN = 600  # seconds after which an announcement counts no more


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
