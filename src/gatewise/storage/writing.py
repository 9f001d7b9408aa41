"""Files that are the old ones or the whole new ones, whatever happens while they are written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TypeVar

from gatewise.errors import GatewiseValueError
from gatewise.storage.targets import Target, target_of, telling, write_through
from gatewise.storage.temporaries import Temporary, remove_strays

Place = TypeVar("Place", bound=str | os.PathLike[str])


def write_whole(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file through a temporary one beside it, so that it is either the old file or the whole new one.

    Parameters
    ----------
    path : str or path
        A link is followed, and its target written. A character device, a FIFO and /dev/stdout are written to; they stay
        what they are. A file that is there keeps its owner, group and mode.
    content : bytes
        What it will hold.

    Raises
    ------
    GatewiseError
        If it cannot be written, or is a folder, socket, block device, or a FIFO that nobody reads.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "notes.txt"
    >>> write_whole(path, b"whole")
    >>> path.read_text()
    'whole'
    """
    write_together({path: content})


def write_together(contents: Mapping[Place, bytes]) -> None:
    """Write several files in one step: all are on disk before the first takes its name, and an error undoes all.

    Parameters
    ----------
    contents : mapping of path to bytes
        As `write_whole` takes them.

    Raises
    ------
    GatewiseError
        If one cannot be written; files that were there are as before, and no new one is left.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> write_together({folder / "a.txt": b"a", folder / "b.txt": b"b"})
    >>> sorted(path.name for path in folder.iterdir())
    ['a.txt', 'b.txt']
    """
    targets = _targets(contents)
    written: list[Temporary] = []
    try:
        for target, content in zip(targets, contents.values(), strict=True):
            if target.is_replaced:
                _add_temporary(written, target, content)
        for target, content in zip(targets, contents.values(), strict=True):
            if not target.is_replaced:
                write_through(target, content)
        _take_names(written)
    finally:
        for one in written:
            one.end()
    for folder in {os.path.dirname(one.target.path) or os.curdir for one in written}:
        _sync_folder(folder)


def check_places(paths: Iterable[str | os.PathLike[str]]) -> None:
    """Raise unless files can be written at some paths; a temporary file beside each shows it, and is removed.

    Raises
    ------
    GatewiseError
        As `write_whole` does.

    Examples
    --------
    >>> check_places(["/nowhere/a.txt"])
    Traceback (most recent call last):
    ...
    gatewise.errors.GatewiseValueError: cannot write /nowhere/a.txt: No such file or directory.
    """
    for target in map(target_of, paths):
        if target.is_replaced:
            written: list[Temporary] = []
            try:
                _add_temporary(written, target, b"\0")
            finally:
                for one in written:
                    one.end()


def _targets(paths: Iterable[str | os.PathLike[str]]) -> list[Target]:
    """Where the paths lead; no two to one file."""
    targets = [target_of(path) for path in paths]
    names: dict[str, str] = {}
    for target in targets:
        place = os.path.realpath(target.path)
        if place in names:
            raise GatewiseValueError(f"{names[place]} and {target.name} are the same file; need a name for each.")
        names[place] = target.name
    return targets


def _add_temporary(written: list[Temporary], target: Target, content: bytes) -> None:
    remove_strays(target)
    with telling(target.name):
        written.append(Temporary(target))
        written[-1].write(content)


def _take_names(written: list[Temporary]) -> None:
    """Rename all temporaries, or none."""
    for one in written[: len(written) * (len(written) > 1)]:
        with telling(one.target.name):
            one.keep_old()
    try:
        for one in written:
            with telling(one.target.name):
                one.take_name()
    except BaseException:
        for one in written:
            with suppress(OSError):
                one.give_name_back()
        raise


def _sync_folder(folder: str) -> None:
    """Wait until new names are on disk, where the system can do that for a folder."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
