"""CSV in all its dialects, read as text: encoding, separator, header, ragged lines, and the line of each row."""

from __future__ import annotations

import codecs
import csv
import io
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from gatewise import spreadsheets
from gatewise.errors import GatewiseValueError
from gatewise.limits import Limits

SAMPLE = 1 << 16  # bytes looked at to guess the separator
# On a tie the later ones lose: a comma also stands inside numbers.
SEPARATORS = {"\t": "tabs", ";": "semicolons", "|": "bars", ",": "commas"}
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BLOCK = 1 << 20  # bytes decoded at a time
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f"))


@contextmanager
def cells_up_to(size: int) -> Iterator[None]:
    """Let Python's reader of CSV take cells of so many characters, and no longer ones; afterwards those of before."""
    before = csv.field_size_limit(size)
    try:
        yield
    finally:
        csv.field_size_limit(before)


class Delimited(NamedTuple):
    """A CSV file as UTF-8, and what was found out about it."""

    source: str
    content: bytes
    separator: str
    notes: tuple[str, ...]
    header: bool = True
    limits: Limits = Limits()

    def records(self) -> Iterator[tuple[int, list[str]]]:
        """Yield the line on which each record starts, and its fields; blank lines are no records."""
        text = io.TextIOWrapper(io.BytesIO(self.content), "utf-8", newline="")
        reader, start = csv.reader(text, delimiter=self.separator), 1
        with cells_up_to(self.limits.field):
            try:
                for fields in reader:
                    if fields:
                        yield start, fields
                    start = reader.line_num + 1
            except csv.Error as error:
                bad = f"{self.source}, line {start} cannot be read as CSV ({error})"
                if "field larger" in str(error):
                    self.limits.check("field", self.limits.field + 1, f'{bad}: is a " never closed? It')
                raise GatewiseValueError(f"{bad}.") from error

    def line_of(self, row: int) -> int:
        """Return the line on which a row starts, the first row after the header being 0."""
        wanted = row + self.header
        if b'"' in self.content or self.content.count(b"\r") != self.content.count(b"\r\n"):
            return next(line for number, (line, _) in enumerate(self.records()) if number == wanted)
        ends = np.append(np.flatnonzero(np.frombuffer(self.content, np.uint8) == ord("\n")), len(self.content))
        lengths = np.diff(ends, prepend=-1) - 1
        blank = (lengths == 0) | ((lengths == 1) & (np.frombuffer(self.content, np.uint8)[ends - 1] == ord("\r")))
        return int(np.flatnonzero(~blank)[wanted]) + 1


def parse(source: str, content: bytes, limits: Limits | None = None) -> tuple[Any, Delimited]:
    r"""Read a CSV file as an Arrow table of text.

    Parameters
    ----------
    source : str
        What messages call the file.
    content : bytes
        The file: UTF-8 (with or without a byte order mark), UTF-16 with one, or Windows-1252; fields separated by
        commas, semicolons, tabs or bars, or by single spaces.
    limits : Limits, optional
        Of columns and cells; the usual ones if None.

    Returns
    -------
    pyarrow.Table
        Columns of text, named by their position. Cells are stripped; empty ones are null.
    Delimited
        Knows the separator, and the line of each row.

    Raises
    ------
    GatewiseError
        If the file is empty, binary or ragged, a quote is never closed, or a limit is passed; the message names the
        line.

    Examples
    --------
    >>> data, file = parse("a.csv", b'id;x\r\n1;"2,5"\r\n')
    >>> data.to_pydict(), file.separator, file.line_of(0)
    ({'0': ['id', '1'], '1': ['x', '2,5']}, ';', 2)
    """
    import pyarrow as pa
    from pyarrow import csv as arrow

    limits = limits or Limits.usual()
    content, notes = _decoded(source, content)
    file = Delimited(source, content, _separator(content), notes, limits=limits)
    width = len(_header(file))
    limits.check("columns", width, source)
    _check_quotes(file)
    names = [str(number) for number in range(width)]
    convert = arrow.ConvertOptions(
        column_types=dict.fromkeys(names, pa.string()), null_values=[""], strings_can_be_null=True
    )
    try:
        data = arrow.read_csv(
            pa.BufferReader(file.content),
            read_options=arrow.ReadOptions(column_names=names, block_size=1 << 24, use_threads=False),
            parse_options=arrow.ParseOptions(delimiter=file.separator, newlines_in_values=True),
            convert_options=convert,
        )
    except pa.ArrowInvalid as error:
        _refuse_ragged(file, width)
        raise GatewiseValueError(f"{source} cannot be read as CSV ({error}).") from error
    columns, quotes = data.columns, b"'" in content
    del data  # so that each column goes when the one made of it is there
    for place in range(width):
        _check_cells(file, columns[place])
        columns[place] = stripped(columns[place])
        columns[place] = _originals(columns[place]) if quotes else columns[place]
    return pa.table(columns, names), file


def _check_cells(file: Delimited, column: Any) -> None:
    """Raise for a cell that is longer than the limit."""
    import pyarrow.compute as pc

    if (pc.max(pc.binary_length(column)).as_py() or 0) <= file.limits.field:
        return
    lengths = pc.utf8_length(column).fill_null(0)
    longest = pc.max(lengths).as_py()
    line = file._replace(header=False).line_of(pc.index(lengths, longest).as_py())
    file.limits.check("field", longest, f"{file.source}, line {line}")


def _originals(column: Any) -> Any:
    """Return an Arrow column of text as it was before its formulas were written so that a spreadsheet runs none."""
    import pyarrow as pa
    import pyarrow.compute as pc

    quoted = pc.match_substring_regex(column, f"^'+{spreadsheets.FORMULA}")
    if not pc.any(quoted).as_py():
        return column
    original = pc.utf8_slice_codeunits(column, 1)
    number = pc.match_substring_regex(original, spreadsheets.NUMBER)
    return pc.if_else(pc.and_(quoted, pc.invert(number)), original, column).cast(pa.string())


def stripped(column: Any) -> Any:
    """Return an Arrow column of text without spaces around its cells, null where nothing is left."""
    import pyarrow as pa
    import pyarrow.compute as pc

    column = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)


def _decoded(source: str, content: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return the file as UTF-8 without a byte order mark."""
    wide = content.startswith(_UTF16)
    try:
        content = content.decode("utf-16").encode() if wide else content.removeprefix(codecs.BOM_UTF8)
    except UnicodeDecodeError as error:
        raise GatewiseValueError(f"{source} starts as UTF-16 and is none; save it as UTF-8.") from error
    if not content.strip():
        raise GatewiseValueError(f"{source} is empty; need a line of column names and at least one row.")
    if wide:
        return content, ("encoded as UTF-16",)
    head = content[:SAMPLE]
    if len(head.translate(None, _CONTROLS)) < len(head):
        raise GatewiseValueError(f"{source} is a binary file, neither CSV nor Parquet; export it as CSV in UTF-8.")
    if not _is_utf8(content):
        return content.decode("cp1252", errors="replace").encode(), ("not UTF-8: read as Windows-1252",)
    return content, ()


def _is_utf8(content: bytes) -> bool:
    """Return whether all is UTF-8, without a copy of it."""
    decoder, view = codecs.getincrementaldecoder("utf-8")(), memoryview(content)
    try:
        for place in range(0, len(content), _BLOCK):
            decoder.decode(view[place : place + _BLOCK])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _separator(content: bytes) -> str:
    """Return the separator that cuts most of the first records into as many fields as the header, and into most.

    A space counts if no other one fits, and it cuts all of them alike.
    """
    whole = len(content) <= SAMPLE
    text = content[:SAMPLE].decode(errors="ignore")

    def fit(separator: str) -> tuple[float, int]:
        try:
            records = [record for record in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if record]
        except csv.Error:
            records = []
        if not records:
            return (0, 0)
        widths = [len(record) for record in (records if whole or len(records) < 3 else records[:-1])]
        return (sum(width == widths[0] for width in widths) / len(widths) if widths[0] > 1 else 0, widths[0])

    if not any(fit(separator)[0] for separator in SEPARATORS):
        return " " if fit(" ")[0] == 1.0 else ","
    return max(SEPARATORS, key=lambda separator: (fit(separator)[0], separator != ",", fit(separator)[1]))


def _header(file: Delimited) -> list[str]:
    return next(file.records())[1]


def _check_quotes(file: Delimited) -> None:
    """Raise if a quoted value is never closed: all that follows it would be swallowed."""
    if file.content.count(b'"') % 2 == 0:
        return
    line, fields = deque(file.records(), maxlen=1)[0]
    if {"\n", "\r"} & set(fields[-1]):
        raise GatewiseValueError(
            f'{file.source}, line {line}: a value opened with " is never closed; close it, or double the ".'
        )


def _refuse_ragged(file: Delimited, width: int) -> None:
    for line, fields in file.records():
        if len(fields) != width:
            advice = "quote values that contain the separator" if len(fields) > width else "fill it up or delete it"
            raise GatewiseValueError(
                f"{file.source}, line {line}: {len(fields)} field(s) where the header has {width} "
                f"(separated by {SEPARATORS.get(file.separator, 'spaces')}); {advice}."
            )
