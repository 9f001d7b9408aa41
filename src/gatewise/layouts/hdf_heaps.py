"""What the HDF5 library believes without a check: the lists of texts of variable length in a file.

A list that does not end lets the library loop without end, one that claims too much lets it allocate that; see the HDF5
File Format Specification, version 3.0, III.E, Global Heap.
"""

from __future__ import annotations

import mmap
import struct

from gatewise.errors import GatewiseValueError

SIGNATURE = b"\x89HDF\r\n\x1a\n"
COLLECTION = b"GCOL\x01\0\0\0"  # with its version, without which the library refuses it
HEAD = 16  # bytes before the first object of a collection, and before the content of each object
OLD, NEW = (0, 1), (2, 3)  # versions of the superblock, which have their sizes in different places


def check(content: bytes | mmap.mmap) -> None:
    """Raise unless a file begins as one of HDF5 and each of its collections of texts is whole.

    Raises
    ------
    GatewiseError
        If it is none, has numbers of other than 8 bytes, or a collection is longer than what is there.
    """
    version = content[8] if len(content) > 48 and content[:8] == SIGNATURE else None
    if version not in (*OLD, *NEW):
        raise GatewiseValueError("it does not begin as an HDF5 file.")
    if content[13:15] != b"\x08\x08" if version in OLD else content[9:11] != b"\x08\x08":
        raise GatewiseValueError("its addresses have not 8 bytes; need a file that Keras wrote.")
    place = content.find(COLLECTION)
    while place >= 0:
        _check_collection(content, place)
        place = content.find(COLLECTION, place + 1)


def _check_collection(content: bytes | mmap.mmap, start: int) -> None:
    size = _number(content, start + 8)
    end, place = start + size, start + HEAD
    if size < HEAD or end > len(content):
        raise GatewiseValueError(f"a collection of texts claims {size} bytes, which the file does not have.")
    while end - place >= HEAD:
        used, length = any(content[place : place + 2]), _number(content, place + 8)
        step = HEAD + -(-length // 8) * 8 if used else length  # the rest, which is free, counts its own head
        if step < HEAD or place + step > end:
            raise GatewiseValueError(f"a text claims {length} bytes in a collection of {size}: the file is damaged.")
        place += step


def _number(content: bytes | mmap.mmap, place: int) -> int:
    found = content[place : place + 8]
    return struct.unpack("<Q", found)[0] if len(found) == 8 else 0
