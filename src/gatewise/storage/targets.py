"""What a path to write leads to: a file behind links, a device, a FIFO, an open descriptor, or nothing yet."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gatewise.errors import GatewiseTypeError, GatewiseValueError

LINKS = 40  # links to follow at most, as Linux does
DESCRIPTOR = re.compile(r"/(?:dev|proc/(?:self|thread-self|[0-9]+))/fd/([0-9]+)")
THROUGH = os.O_WRONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_CLOEXEC", 0)


@dataclass(frozen=True)
class Target:
    """Where a path leads.

    Attributes
    ----------
    name : str
        The path as it was given, for messages.
    path : str
        The path that no link replaces.
    before : os.stat_result or None
        Of what is there.
    descriptor : int or None
        The open descriptor that the path stands for, as /dev/stdout does.
    """

    name: str
    path: str
    before: os.stat_result | None = None
    descriptor: int | None = None

    @property
    def is_replaced(self) -> bool:
        """Whether the content takes the name of a regular file or a new one; if not, it is written through."""
        return self.descriptor is None and (self.before is None or stat.S_ISREG(self.before.st_mode))


@contextmanager
def telling(name: str) -> Iterator[None]:
    """Turn what the system says of a file that is written into an error that names it."""
    try:
        yield
    except OSError as error:
        raise GatewiseValueError(f"cannot write {name}: {error.strerror or error}.") from error
    except MemoryError as error:
        raise GatewiseValueError(f"cannot write {name}: there is not enough memory.") from error


def target_of(path: str | os.PathLike[str]) -> Target:
    """Return where a path leads; raise where nothing can be written there.

    Raises
    ------
    GatewiseError
        If the path is a folder, a socket or a block device, or its links make a loop.
    """
    name = path_text(path)
    with telling(name):
        place = _followed(name)
        found = DESCRIPTOR.fullmatch(place)
        if found and _is_own(place):
            return Target(name, place, descriptor=int(found[1]))
        try:
            before = os.stat(place)
        except FileNotFoundError:
            return Target(name, place)
        _check_kind(name, before.st_mode)
        return Target(name, place, before)


def path_text(path: str | os.PathLike[str]) -> str:
    """Return a path as text without a slash at its end; raise unless it is one."""
    try:
        text = os.fsdecode(path)
    except TypeError as error:
        raise GatewiseTypeError(f"path is {path!r}; need the name of a file.") from error
    if "\0" in text:
        raise GatewiseValueError(f"path is {text!r}; need a name without a null character.")
    return text if set(text) <= {os.sep} else text.rstrip(os.sep)


def _followed(place: str) -> str:
    """Follow the links in the last part of a path, up to a name that stands for an open descriptor."""
    for _ in range(LINKS):
        if DESCRIPTOR.fullmatch(place):
            return place
        try:
            link = os.readlink(place)
        except OSError:  # no link; or there is nothing, which is for others to say
            return place
        _check_trusted(place)
        place = os.path.join(os.path.dirname(place), link)
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _check_trusted(link: str) -> None:
    """Raise for a link that somebody else put into a folder such as /tmp, as Linux does where a file is opened."""
    folder, owner = os.stat(os.path.dirname(link) or os.curdir), os.lstat(link).st_uid
    if folder.st_mode & stat.S_ISVTX and folder.st_mode & stat.S_IWOTH and owner not in (os.geteuid(), folder.st_uid):
        raise PermissionError(errno.EACCES, "it is a link that another user put into a folder that all may write")


def _is_own(place: str) -> bool:
    return not place.startswith("/proc/") or place.split("/")[2] in ("self", "thread-self", str(os.getpid()))


def _check_kind(name: str, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    kinds = {"a socket": stat.S_ISSOCK(mode), "a block device": stat.S_ISBLK(mode)}
    for kind in (kind for kind, is_it in kinds.items() if is_it):
        raise GatewiseValueError(f"cannot write {name}: it is {kind}; need a file, a FIFO or a character device.")


def write_through(target: Target, content: bytes) -> None:
    """Write to a device, a FIFO or an open descriptor, which stays what it is."""
    with telling(target.name):
        handle = _opened(target)
        try:
            write_all(handle, content)
        finally:
            os.close(handle)


def _opened(target: Target) -> int:
    if target.descriptor is not None:
        return os.dup(target.descriptor)
    try:
        handle = os.open(target.path, THROUGH)  # without waiting for somebody who reads a FIFO
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise
        raise GatewiseValueError(
            f"cannot write {target.name}: nobody reads this FIFO or device; start what reads it first."
        ) from error
    if hasattr(os, "set_blocking"):
        os.set_blocking(handle, True)
    return handle


def write_all(handle: int, content: bytes) -> None:
    """Write everything; the system may take a part at a time."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(handle, rest) :]
