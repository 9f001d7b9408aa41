"""Named arrays from files: .npz, .safetensors, and .keras or .h5 through h5py. No pickle, no framework.

Sizes that a file claims are held against the bytes it has before anything is allocated.
"""

from __future__ import annotations

import io
import math
import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from lzma import LZMAError
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np

from gatewise.errors import Array, GatewiseError, GatewiseValueError
from gatewise.limits import Limits, current, in_force
from gatewise.storage import read_tensors

DEFLATE = 1032  # how often at most Deflate can make what it packs smaller (zlib's technical details)
HEADER = 64 * 1024  # bytes of the header of an .npy, which is a line of text
ENDINGS = (".npz", ".safetensors", ".keras", ".h5", ".hdf5")
_BROKEN = (
    *(ValueError, TypeError, LookupError, AttributeError, ArithmeticError, EOFError, OSError, RuntimeError),
    *(SyntaxError, TokenError),  # of the header of an .npy
)


def read_arrays(path: str | os.PathLike[str], limits: Limits | None = None) -> dict[str, Array]:
    """Return the arrays of a file under their names.

    Parameters
    ----------
    path : str or path
        A file .npz, .safetensors, .keras, .h5 or .hdf5. Of a Keras file names are paths, with `kernel`,
        `recurrent_kernel` and `bias` for the numbered variables of a recurrent cell.
    limits : Limits, optional
        How much larger what is packed may be; by default those in force, `limits.current()`.

    Raises
    ------
    GatewiseError
        If the file is absent, of another kind, broken, or says that it holds more than it does.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "weights.npz"
    >>> np.savez(path, Wx=np.ones((2, 3)))
    >>> read_arrays(path)["Wx"].shape
    (2, 3)
    """
    path = Path(path)
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise GatewiseValueError(f"{path} ends in {ending!r}; need one of {', '.join(ENDINGS)}.")
    with in_force(limits or current()):
        if ending == ".safetensors":
            return _of_safetensors(path)
        with readable(path):
            if ending == ".npz":
                return dict(_of_npz(path))
            from gatewise.layouts import hdf

            with hdf.opened(path) as file:
                return hdf.weights(file)


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn what a broken file raises into an error that names the file."""
    try:
        if not path.is_file():
            raise GatewiseValueError("it is no file.")
        yield
    except GatewiseError as error:
        raise type(error)(f"cannot read {path}: {error}") from error
    except MemoryError as error:
        raise GatewiseValueError(f"cannot read {path}: it asks for more memory than there is.") from error
    except (zipfile.BadZipFile, zlib.error, LZMAError, *_BROKEN) as error:
        raise GatewiseValueError(f"cannot read {path}: {type(error).__name__}: {error}.") from error


def _of_npz(path: Path) -> Iterator[tuple[str, Array]]:
    size = path.stat().st_size
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len({info.filename for info in members}) < len(members):
            raise GatewiseValueError("it has a member twice; need each name once.")
        for info in members:
            check_member(info, size)
        current().check_unpacked(sum(info.file_size for info in members), size, "its content")
        for info in members:
            if info.filename.endswith(".npy"):
                with archive.open(info) as member:
                    yield info.filename.removesuffix(".npy"), _of_npy(info.filename, member, info.file_size)


def check_member(info: zipfile.ZipInfo, size: int) -> None:
    """Raise if a member claims more than the `size` bytes of its archive can be unpacked to, or the limits allow."""
    if info.flag_bits & 1:
        raise GatewiseValueError(f"{info.filename} is encrypted; need a plain archive.")
    if info.compress_size > size or info.file_size > DEFLATE * max(info.compress_size, 1):
        raise GatewiseValueError(f"{info.filename} claims {info.file_size} bytes, which the archive cannot hold.")
    current().check_unpacked(info.file_size, size, info.filename)


def _of_npy(name: str, member: IO[bytes], size: int) -> Array:
    """The array of one .npy member of `size` bytes, whose header is checked before the array is made."""
    version = np.lib.format.read_magic(member)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise GatewiseValueError(f"{name} has format version {version}; need 1.0 or 2.0, as numpy.savez writes.")
    shape, fortran, dtype = readers[version](member, max_header_size=HEADER)
    if dtype.hasobject:
        raise GatewiseValueError(f"{name} holds Python objects (pickle), which are never read; need numbers.")
    count = math.prod(shape)
    if min(shape, default=0) < 0 or count * dtype.itemsize != size - member.tell():
        raise GatewiseValueError(
            f"{name} claims shape {shape} of {dtype}, and {size - member.tell()} bytes follow; the header is wrong."
        )
    values = np.frombuffer(member.read(), dtype)
    return np.array(values.reshape(shape, order="F" if fortran else "C"), order="C")


def _of_safetensors(path: Path) -> dict[str, Array]:
    arrays = read_tensors(path, limits=current()).arrays
    for name, array in arrays.items():
        if array.dtype == np.float16:
            raise GatewiseValueError(
                f"cannot read {path}: {name} has dtype F16; need F32 or F64: convert the file before."
            )
    return arrays


def member_bytes(archive: zipfile.ZipFile, name: str, size: int) -> io.BytesIO:
    """Return a member of an archive of `size` bytes as a file in memory."""
    if name not in archive.namelist():
        raise GatewiseValueError(f"it has no {name}; need a file that Keras 3 wrote with model.save.")
    info = archive.getinfo(name)
    check_member(info, size)
    return io.BytesIO(archive.read(name))
