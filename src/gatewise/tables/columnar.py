"""Parquet as an Arrow table: what its metadata and the headers of its pages ask for is checked before it is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from gatewise.errors import GatewiseError, GatewiseValueError
from gatewise.tables.thrift import read_struct

if TYPE_CHECKING:
    from gatewise.limits import Limits

ENCRYPTED = b"PARE"
_TAIL = 8  # bytes of the length of the metadata and the magic after it
_ELEMENT = 8  # bytes that an element of the metadata needs at least
_SHORT = 64  # elements that a list may have however short the metadata is
_STRING = 1 << 20  # bytes of a text in the header of a page at most
_WIDTHS = {"BOOLEAN": 1, "INT32": 4, "INT64": 8, "INT96": 8, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 4}
_WIDE = 1000  # columns from which reading them in parallel takes longer, and much memory
_DICTIONARY_PAGE = 2
_DATA_PAGES = {0: 5, 3: 8}  # types of pages: the field of their own header
_DELTA_BYTE_ARRAY = 7


def read(source: str, content: bytes, limits: Limits) -> Any:
    """Return a Parquet file as an Arrow table.

    Parameters
    ----------
    source : str
        What messages call it.
    content : bytes
    limits : Limits
        Of columns, depth and unpacked size.

    Raises
    ------
    GatewiseError
        If it is damaged or encrypted, or asks for more than the limits.
    """
    import pyarrow as pa

    try:
        return _read(source, content, limits)
    except GatewiseError:
        raise
    except (OSError, MemoryError, ValueError, LookupError, TypeError, pa.ArrowException) as error:
        said = " ".join(str(error).split())
        raise GatewiseValueError(f"{source} is a damaged Parquet file ({said}).") from error


def _read(source: str, content: bytes, limits: Limits) -> Any:
    from pyarrow import parquet

    file = _opened(content)
    metadata = file.metadata
    limits.check("columns", metadata.num_columns, source)
    names = [metadata.schema.column(k).path for k in range(metadata.num_columns)]
    limits.check("depth", max((name.count(".") + 1 for name in names), default=0), source)
    sizes = _sizes(source, content, metadata, limits)
    most = max(limits.unpacked, limits.expansion * len(content))
    prefixes = [size.by_prefixes for size in sizes]
    if sum(prefixes) > most:
        nested = sum(size for name, size in zip(names, prefixes, strict=True) if "." in name)
        limits.check_unpacked(nested, len(content), source)
        return _by_batches(source, content, max(size.longest for size in sizes), limits)
    coded = [name for name, size in zip(names, sizes, strict=True) if size.by_dictionary]
    if sum(size.by_dictionary for size in sizes) <= most or _longest(content, metadata, coded) <= most:
        coded = [name for name in coded if "." in name]  # of lists and structs: nobody reads them, so they stay coded
    if metadata.num_columns > _WIDE:
        data = _opened(content, coded).read()
    else:
        data = parquet.read_table(_buffer(content), read_dictionary=coded, **_bounds(content))
    data.validate(full=True)
    return _decoded(source, content, data, coded, limits) if coded else data


def _opened(content: bytes, coded: list[str] | None = None) -> Any:
    from pyarrow import parquet

    return parquet.ParquetFile(_buffer(content), read_dictionary=coded, **_bounds(content))


def _buffer(content: bytes) -> Any:
    import pyarrow as pa

    return pa.BufferReader(content)


def _bounds(content: bytes) -> dict[str, int]:
    """Return how many elements and bytes the metadata can hold at most."""
    length = min(int.from_bytes(content[-_TAIL:-4], "little"), len(content))
    return {
        "thrift_string_size_limit": max(length, _STRING),
        "thrift_container_size_limit": _SHORT + length // _ELEMENT,
    }


class _Size(NamedTuple):
    """What a column may unpack to that its rows do not say.

    Bytes of its pages; bytes of text, if the longest one of a dictionary, or of those that share prefixes, stood in
    every row; and the longest page of such text.
    """

    pages: int = 0
    by_dictionary: int = 0
    by_prefixes: int = 0
    longest: int = 0


def _sizes(source: str, content: bytes, metadata: Any, limits: Limits) -> list[_Size]:
    """Return the sizes of all columns; raise if rows, pages or metadata ask for too much."""
    groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
    rows = sum(group.num_rows for group in groups)
    if rows != metadata.num_rows or any(group.num_rows < 0 for group in groups):
        raise ValueError(f"it says that it has {metadata.num_rows:,} rows, and its parts {rows:,}")
    widths = [_WIDTHS.get(metadata.schema.column(k).physical_type, 1) for k in range(metadata.num_columns)]
    limits.check_unpacked(rows * sum(widths), len(content), source)
    sizes, pages = [], 0
    for place, width in enumerate(widths):
        chunks = [group.column(place) for group in groups]
        limits.check_unpacked(sum(chunk.num_values for chunk in chunks) * width, len(content), source)
        sizes.append(_size(content, chunks))
        pages += sizes[-1].pages
        limits.check_unpacked(pages, len(content), source)
    return sizes


def _size(content: bytes, chunks: list[Any]) -> _Size:
    pages = by_dictionary = by_prefixes = longest = 0
    for chunk in chunks:
        texts = chunk.physical_type == "BYTE_ARRAY"
        for page in _pages(content, chunk):
            pages += page.size
            if texts and page.of_dictionary:
                by_dictionary += page.size * chunk.num_values
            elif texts and page.by_prefixes:
                by_prefixes += page.size * page.values
                longest = max(longest, page.size)
    return _Size(pages, by_dictionary, by_prefixes, longest)


class _Page(NamedTuple):
    """What the header of a page says: its size when unpacked, and how many values it holds."""

    size: int
    values: int
    of_dictionary: bool
    by_prefixes: bool


def _pages(content: bytes, chunk: Any) -> Iterator[_Page]:
    """Yield the headers of the pages of a column's part."""
    data = memoryview(content)
    place, seen = chunk.data_page_offset, 0
    if chunk.dictionary_page_offset and 0 < chunk.dictionary_page_offset < place:
        place = chunk.dictionary_page_offset
    while seen < chunk.num_values:
        if not 0 <= place < len(data):
            raise ValueError("a page lies outside of the file")
        header, start = read_struct(data, place)
        kind, size, packed = header[1], header[2], header[3]
        place = start + packed
        if size < 0 or packed < 0 or place > len(data):
            raise ValueError(f"a page has {packed:,} bytes, which are not in the file, and {size:,} when unpacked")
        own = header[7 if kind == _DICTIONARY_PAGE else _DATA_PAGES[kind]] if kind != 1 else {1: 0}
        values = own[1]
        if values < 0 or (kind == _DICTIONARY_PAGE and values > size):
            raise ValueError(f"a page of {size:,} bytes says that it holds {values:,} values")
        if kind in _DATA_PAGES:
            seen += values
        encoding = own.get(2 if kind == 0 else 4)
        yield _Page(size, values, kind == _DICTIONARY_PAGE, encoding == _DELTA_BYTE_ARRAY)


def _longest(content: bytes, metadata: Any, names: list[str]) -> int:
    """Return the bytes of text if the longest one of each dictionary stood in all of its rows."""
    import pyarrow.compute as pc

    file, size = _opened(content, names), 0
    for group in range(metadata.num_row_groups):
        batch = next(file.iter_batches(1, [group], names), None)
        for column in [] if batch is None else batch.columns:
            longest = pc.max(pc.binary_length(column.dictionary)).as_py() if hasattr(column, "dictionary") else None
            size += (longest or 0) * metadata.row_group(group).num_rows
    return size


def _decoded(source: str, content: bytes, data: Any, coded: list[str], limits: Limits) -> Any:
    """Return a table with text in place of the codes of a dictionary, once it is known how much text that is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    size = 0
    for place, name in enumerate(data.column_names):
        column = data.column(place)
        if name not in coded or not pa.types.is_dictionary(column.type):
            continue
        for chunk in column.chunks:
            lengths = pc.binary_length(chunk.dictionary).take(chunk.indices)
            size += pc.sum(lengths.cast(pa.int64())).as_py() or 0
        limits.check_unpacked(size, len(content), source)
        data = data.set_column(place, data.schema.field(place).name, column.cast(column.type.value_type))
    return data


def _by_batches(source: str, content: bytes, longest: int, limits: Limits) -> Any:
    """Return a table that is read a few rows at a time, as many as cannot be too large."""
    import pyarrow as pa

    file = _opened(content)
    rows, size, batches = max(1, limits.unpacked // longest), 0, []
    for batch in file.iter_batches(batch_size=rows):
        batch.validate(full=True)
        size += batch.get_total_buffer_size()
        limits.check_unpacked(size, len(content), source)
        batches.append(batch)
    return pa.Table.from_batches(batches, file.schema_arrow)
