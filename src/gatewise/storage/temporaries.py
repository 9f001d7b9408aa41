"""Temporary files beside their targets. Whoever writes one holds a lock on it, so that strays can be recognized."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import stat
import sys
import time
from contextlib import suppress

from gatewise.storage.targets import Target, write_all

if sys.platform != "win32":
    import fcntl

ENDING = ".writing"
NAME = 200  # bytes of a target's name that go into that of its temporary; file systems take 255 for both
OLD = 3600.0  # seconds after which a temporary counts as a stray where files cannot be locked, as on Windows
FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_MAKE = os.O_RDWR | os.O_CREAT | os.O_EXCL
_EXTRA = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


class Temporary:
    """A new file that will take the name of its target.

    Parameters
    ----------
    target : Target
        A regular file or none; the new one gets the owner and permissions of what is there, or those of the umask.
    """

    def __init__(self, target: Target) -> None:
        self.target = target
        self.path, self._handle = _made(target)
        self._old, self._old_handle = "", -1
        if target.before is not None:
            _keep_permissions(self._handle, target.before)

    def write(self, content: bytes) -> None:
        """Write the content, and wait until it is on disk."""
        write_all(self._handle, content)
        os.fsync(self._handle)
        if sys.platform == "win32":
            self._close()  # nobody can rename an open file there

    def keep_old(self) -> None:
        """Keep what the target holds under a second name, if the file system can do that; raise if it is full."""
        if self.target.before is None:
            return
        path = _free_name(self.target.path)
        try:
            os.link(self.target.path, path)
            self._old = path
            if sys.platform != "win32":
                self._old_handle = os.open(path, os.O_RDONLY | _EXTRA)
                _lock(self._old_handle, shared=True)
        except OSError as error:
            if error.errno in FULL:
                raise

    def take_name(self) -> None:
        """Become the target."""
        os.replace(self.path, self.target.path)

    def give_name_back(self) -> None:
        """Undo `take_name`, if it was done and can be undone."""
        if self._handle >= 0 and not _is_at(self.target.path, self._handle):
            return
        if self._handle < 0 and os.path.lexists(self.path):
            return
        if self._old:
            os.replace(self._old, self.target.path)
        elif self.target.before is None:
            os.unlink(self.target.path)

    def end(self) -> None:
        """Remove what is left beside the target."""
        self._close()  # before, for an open file cannot be removed on Windows
        for path in filter(None, (self.path, self._old)):
            with suppress(OSError):
                os.unlink(path)

    def _close(self) -> None:
        for handle in (self._handle, self._old_handle):
            if handle >= 0:
                os.close(handle)
        self._handle = self._old_handle = -1


def remove_strays(target: Target) -> None:
    """Remove temporaries of a target whose writers are gone."""
    folder, prefix = os.path.dirname(target.path) or os.curdir, re.escape(_prefix(target.path))
    ours = re.compile(prefix + "[0-9a-f]{12}" + re.escape(ENDING))
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if ours.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                _remove_unless_written(entry.path)


def _remove_unless_written(path: str) -> None:
    with suppress(OSError):
        if sys.platform == "win32":
            if time.time() - os.stat(path).st_mtime > OLD:
                os.unlink(path)
            return
        handle = os.open(path, os.O_RDWR | os.O_NONBLOCK | _EXTRA)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.unlink(path)
        finally:
            os.close(handle)


def _made(target: Target) -> tuple[str, int]:
    """Make and lock a file that nobody else has; the system applies the umask, which no thread has to change."""
    while True:
        path = _free_name(target.path)
        try:
            handle = os.open(path, _MAKE | _EXTRA, 0o666 if target.before is None else 0o600)
        except FileExistsError:
            continue
        if _lock(handle) and _is_at(path, handle):
            return path, handle
        os.close(handle)  # somebody who removes strays was quicker than the lock


def _free_name(place: str) -> str:
    return os.path.join(os.path.dirname(place), f"{_prefix(place)}{os.urandom(6).hex()}{ENDING}")


def _prefix(place: str) -> str:
    name = os.path.basename(place)
    if len(os.fsencode(name)) > NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()
    return f".{name}."


def _lock(handle: int, shared: bool = False) -> bool:
    """Lock a file for as long as it is open; return False if somebody else has locked it."""
    if sys.platform == "win32":
        return True
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks, where nobody can lock a stray either, so that it stays
        return True
    return True


def _is_at(path: str, handle: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(handle))
    except FileNotFoundError:
        return False


def _keep_permissions(handle: int, before: os.stat_result) -> None:
    """Give a file the owner, group and mode of another; a group that cannot be kept may do what all others may."""
    if sys.platform == "win32":
        return
    mode, new = stat.S_IMODE(before.st_mode), os.fstat(handle)
    if new.st_uid != before.st_uid:
        with suppress(OSError):
            os.fchown(handle, before.st_uid, -1)
    if new.st_gid != before.st_gid:
        try:
            os.fchown(handle, -1, before.st_gid)
        except OSError:
            mode = mode & ~0o070 | (mode & 0o007) << 3
    with suppress(OSError):  # a file system without permissions
        os.fchmod(handle, mode)
