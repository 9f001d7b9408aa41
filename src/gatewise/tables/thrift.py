"""The compact encoding of Thrift, in which Parquet writes the headers of its pages."""

from __future__ import annotations

from typing import Any

_TRUE, _FALSE, _BYTE, _DOUBLE, _BINARY, _LIST, _SET, _STRUCT = 1, 2, 3, 7, 8, 9, 10, 12
_INTEGERS = (4, 5, 6)
_DEEPEST = 8  # structs within one another; those of a page are two


def read_struct(data: memoryview, place: int, depth: int = 0) -> tuple[dict[int, Any], int]:
    """Return the fields of a struct by their numbers, and the place after it.

    Raises
    ------
    ValueError, IndexError
        If the data is no such struct or ends before it does.

    Examples
    --------
    >>> read_struct(memoryview(bytes([0x15, 0x04, 0x1C, 0x11, 0x00, 0x00])), 0)
    ({1: 2, 2: {1: True}}, 6)
    """
    if depth > _DEEPEST:
        raise ValueError("structs are too deep within one another")
    fields: dict[int, Any] = {}
    number = 0
    while head := data[place]:
        place += 1
        kind, step = head & 15, head >> 4
        if step:
            number += step
        else:
            number, place = _integer(data, place)
        if kind in _INTEGERS:
            fields[number], place = _integer(data, place)
        else:
            fields[number], place = _value(data, place, kind, depth)
    return fields, place + 1


def _integer(data: memoryview, place: int) -> tuple[int, int]:
    value, place = _varint(data, place)
    return (value >> 1) ^ -(value & 1), place


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    byte = data[place]
    value, shift = byte & 127, 7
    while byte > 127:
        place += 1
        byte = data[place]
        value |= (byte & 127) << shift
        shift += 7
        if shift > 70:
            raise ValueError("an integer is too long")
    return value, place + 1


def _value(data: memoryview, place: int, kind: int, depth: int) -> tuple[Any, int]:
    """Return a value that is no integer, and the place after it."""
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, place
    if kind == _STRUCT:
        return read_struct(data, place, depth + 1)
    if kind in (_LIST, _SET):
        return _list(data, place, depth)
    size, place = (1 if kind == _BYTE else 8, place) if kind in (_BYTE, _DOUBLE) else _varint(data, place)
    if kind not in (_BYTE, _DOUBLE, _BINARY):
        raise ValueError(f"{kind} is no kind of value")
    if place + size > len(data):
        raise IndexError("the data ends within a value")
    return bytes(data[place : place + size]), place + size


def _list(data: memoryview, place: int, depth: int) -> tuple[list[Any], int]:
    head = data[place]
    kind, size, place = head & 15, head >> 4, place + 1
    if size == 15:
        size, place = _varint(data, place)
    if size > len(data) - place:
        raise IndexError("a list is longer than the data")
    values: list[Any] = []
    value: Any
    for _ in range(size):
        if kind in (_TRUE, _FALSE):
            value, place = data[place] == _TRUE, place + 1
        elif kind in _INTEGERS:
            value, place = _integer(data, place)
        else:
            value, place = _value(data, place, kind, depth + 1)
        values.append(value)
    return values, place
