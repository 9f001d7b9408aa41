"""What a file of a table holds, as bytes: as it is, and unpacked, no more of it than its limits allow."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gatewise.errors import GatewiseError, GatewiseValueError

if TYPE_CHECKING:
    from gatewise.limits import Limits

PARQUET = b"PAR1"
_CODECS = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
_ARCHIVES = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx, .ods and other zips; .xls
_BLOCK = 1 << 22  # bytes read at a time
_UNPACKED = 1 << 20  # bytes unpacked at a time
_KEPT = 1 << 25  # unpacked bytes that are kept before it is known how many there are, where they are unusually many
_USUAL = 20  # times as large as it is packed, a table may be before that is unusual


def content_of(path: str | os.PathLike[str], source: str, limits: Limits) -> bytes:
    """Return the bytes of a file, for `unpacked`; `source` is what messages call it.

    Raises
    ------
    GatewiseError
        If there is no such file, or it has a line beyond the limit, of which little is read then.
    """
    if os.fspath(path) == "-":
        return _read(source, sys.stdin.buffer, limits)
    try:
        with Path(path).open("rb") as file:
            return _read(source, file, limits)
    except GatewiseError:
        raise
    except IsADirectoryError as error:
        raise GatewiseValueError(f"{source} is a directory; need a CSV or Parquet file.") from error
    except FileNotFoundError as error:
        raise GatewiseValueError(f"{source}: there is no such file; need a CSV or Parquet file.") from error
    except (OSError, ValueError) as error:  # a ValueError of a path that holds a NUL byte
        raise GatewiseValueError(f"cannot read {source} ({getattr(error, 'strerror', error)}).") from error


def _read(source: str, file: BinaryIO, limits: Limits) -> bytes:
    """Return all of a file, unless it is text with a line without end."""
    blocks = [file.read(_BLOCK)]
    if _codec(blocks[0]) is not None or blocks[0].startswith((PARQUET, *_ARCHIVES)):
        if not file.seekable():
            return blocks[0] + file.read()
        file.seek(0)
        return file.read()
    line = 0
    while blocks[-1]:
        line = _check_lines(source, blocks[-1], line, limits)
        blocks.append(file.read(_BLOCK))
    return b"".join(blocks)


def _check_lines(source: str, block: bytes, begun: int, limits: Limits) -> int:
    """Raise for a line that is too long, of which `begun` bytes were before the block; return those at its end."""
    place = 0
    while True:
        stop = place + limits.line - begun + 1
        end = block.rfind(b"\n", place, stop)
        end = block.rfind(b"\r", place, stop) if end < 0 else end
        if end < 0 and stop <= len(block):
            limits.check("line", limits.line + 1, source)
        if end < 0:
            return begun + len(block) - place
        place, begun = end + 1, 0
        if place == len(block):
            return 0


def _codec(content: bytes) -> str | None:
    return next((name for magic, name in _CODECS.items() if content.startswith(magic)), None)


def unpacked(source: str, content: bytes, limits: Limits) -> bytes:
    """Return what a file holds, given its bytes, which may be compressed.

    Raises
    ------
    GatewiseError
        If it cannot be unpacked or is an archive, or it passes a limit: unpacked bytes, or those of a line. Of what
        passes a limit little is kept.
    """
    import pyarrow as pa

    codec = _codec(content)
    if codec is not None:
        try:
            content = _unpack(source, content, codec, limits)
        except (OSError, pa.ArrowException) as error:
            raise GatewiseValueError(f"{source} is a damaged {codec} file ({error}).") from error
        if not content.startswith(PARQUET):
            _check_lines(source, content, 0, limits)
    if content.startswith(_ARCHIVES):
        raise GatewiseValueError(f"{source} is a workbook or an archive; save the sheet as CSV in UTF-8.")
    return content


def _unpack(source: str, content: bytes, codec: str, limits: Limits) -> bytes:
    """Unpack all, a block at a time; where it grows unusually, see first how much there is."""
    import pyarrow as pa

    packed = pa.BufferReader(content)
    stream, blocks, size, counted = pa.CompressedInputStream(packed, codec), [], 0, False
    while block := stream.read(_UNPACKED):
        size += len(block)
        limits.check_unpacked(size, len(content), source)
        blocks.append(block)
        if size > _KEPT and size > _USUAL * packed.tell() and not counted:
            _check_size(source, content, codec, limits)
            counted = True
    return b"".join(blocks)


def _check_size(source: str, content: bytes, codec: str, limits: Limits) -> None:
    """Raise if there is too much to unpack, without keeping any of it."""
    import pyarrow as pa

    stream, size = pa.CompressedInputStream(pa.BufferReader(content), codec), 0
    while block := stream.read(_UNPACKED):
        size += len(block)
        limits.check_unpacked(size, len(content), source)
