"""Mutations of tables: of their cells, columns and rows, of how they are written, and of their bytes."""

from __future__ import annotations

import bz2
import csv
import datetime
import decimal
import gzip
import io
import json
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from mutations import CHANGES, changed_bytes
from pyarrow import parquet

CELLS = """
inf|-inf|nan|NA|-|1e400|-1e400|1e308|1e-400|999999999999999999|9999999999999999999|0|-0|−5|²|٣|½|①|
1,234,567|1.234.567,8|12'345|5%|$5|5 kg|-5 k|1,5|,|;|'|'=1|=1+1|@x|+1+1|-1-1|NULL|é|𝄞|0000-00-00|
0001-01-01|9999-12-31|10000-01-01|1677-01-01|1678-01-01|2261-12-31|2262-12-31|-2024-01-01|2024-02-30|
2024-01-01T24:00|2024-01-01T00:00:60Z|2024-W53|2024-366|2024-01-01 00:00 Europe/Berlin|now|
2024-01-01T00:00+99:99|2024-01-01T00:00:00.123456789012Z|1/1/1|31/31/2024|13/13/24|Q5 2024|2024Q4|
JAN-1-95|Jan|Feb-30-2024|29 Feb 1900|1969-12-31 23:59:59.999999999|1e18|9223372036854775807|99999999|
20240231|202413|2024.99|1949.0833|1000.5|True|no|yes|on|00012|12:75|25:00|13:00 PM
""".replace("\n", "").split("|")
CELLS += ["", " ", "\n", "\r", "\t", "\x00", "\x1b[31m", "\u202e", "\u200d", "\ufeff", '"', '""', '"a', "|"]
CELLS += ["a" * 300, "9" * 5000]
CELLS += [
    "9" * 100_000,
    "1" * 10_000 + "x",
    "1" * 131_073,
    " " * 50_000 + "x",
    "1 " * 20_000,
    ":" * 9_000,
    "1:" * 20_000,
]
CELLS += ["2024-01-01 " + "0" * 500]
TYPES: list[Callable[[Any, int], Any]] = []  # of (random, rows), each a column of that many rows


def changed_csv(content: bytes, rng: random.Random) -> bytes:
    """Change cells, rows, columns, or the way in which a CSV file is written."""
    if rng.random() < 0.25:
        return changed_bytes(content, rng)
    rows = list(csv.reader(io.StringIO(content.decode("utf-8", "replace"), newline="")))
    for _ in range(rng.choice([1, 1, 2, 4])):
        _change_rows(rows, rng)
    return _written(rows, rng)


def _change_rows(rows: list[list[str]], rng: random.Random) -> None:
    if not rows:
        rows.append(["a"])
    row = rng.randrange(len(rows))
    column = rng.randrange(len(rows[row])) if rows[row] else 0
    rng.choice([_change_cell, _change_column, _change_row])(rows, row, column, rng)


def _change_cell(rows: list[list[str]], row: int, column: int, rng: random.Random) -> None:
    value, share = rng.choice(CELLS), rng.choice([0.1, 0.5, 1.0])
    if rng.random() < 0.7 or len(value) * len(rows) > 2**22:
        rows[row][column : column + 1] = [value]
        return
    for one in rows[rng.choice([0, 1]) :]:
        if len(one) > column and rng.random() < share:
            one[column] = value


def _change_column(rows: list[list[str]], row: int, column: int, rng: random.Random) -> None:
    way, many = rng.randrange(3), rng.choice([1, 2, 500 if len(rows) < 100 else 3])
    wide = rng.choice([300, 3000, 9_900])
    for number, one in enumerate(rows[: 1_000_000 // wide] if way == 2 else rows):
        if way == 0:
            del one[column : column + 1]
        elif way == 1:
            one[column:column] = one[column : column + 1] * many
        else:
            one += [str(number)] * wide if number else [f"c{k}" for k in range(wide)]


def _change_row(rows: list[list[str]], row: int, column: int, rng: random.Random) -> None:
    way = rng.randrange(5)
    if way == 0:
        del rows[row]
    elif way == 1:
        rows[row:row] = [list(rows[row]) for _ in range(rng.choice([1, 100, 20_000]) if len(rows[row]) < 99 else 1)]
    elif way == 2:
        rows[row:row] = [[] for _ in range(rng.choice([1, 1000, 100_000]))]
    elif way == 3:
        rows[row] = rng.choice([[], ["x"], [""] * 3, ["1"] * 12_000, [*rows[row], "x"]])
    else:
        rng.shuffle(rows)


def _written(rows: list[list[str]], rng: random.Random) -> bytes:
    text = io.StringIO()
    separator, line = rng.choice(",,,,;\t| "), rng.choice(["\n", "\n", "\n", "\r\n", "\r"])
    quoting = csv.QUOTE_ALL if rng.random() < 0.1 else csv.QUOTE_MINIMAL
    if rng.random() < 0.1:
        text.write(line.join(separator.join(row) for row in rows))
    else:
        csv.writer(text, delimiter=separator, lineterminator=line, quoting=quoting).writerows(rows)
    encoding = rng.choice(["utf-8"] * 8 + ["utf-16", "utf-16-le", "utf-8-sig", "cp1252", "latin-1"])
    content = text.getvalue().encode(encoding, "replace")
    return content + rng.choice([b""] * 12 + [b"\xff" * 9, b"\0" * 70_000, b'"', b"\n" * 300_000, b"y" * 5_000_000])


def changed_packed(content: bytes, rng: random.Random, unpack: Any, pack: Any) -> bytes:
    """Change what a packed file holds, or its own bytes, or let it hold far more."""
    way = rng.random()
    if way < 0.3:
        return changed_bytes(content, rng)
    text = unpack(content)
    if way < 0.85:
        return bytes(pack(changed_csv(text, rng)))
    line = rng.choice([text.splitlines(True)[-1], b"\n", b",\n", b'"', b"1", b"\0"])
    return bytes(pack(text + line * (rng.choice([10**4, 10**5, 10**6, 3 * 10**7]) // len(line))))


def changed_parquet(content: bytes, rng: random.Random) -> bytes:
    """Change the columns of a Parquet file, how it is written, or its bytes, most of all those at its end."""
    way = rng.random()
    if way < 0.25:
        return changed_bytes(content, rng)
    if way < 0.6:
        footer = int.from_bytes(content[-8:-4], "little") + 8
        return content[:-footer] + _same_length(content[-footer:-8], rng) + content[-8:]
    table = parquet.read_table(pa.BufferReader(content))
    target = io.BytesIO()
    try:
        for _ in range(rng.choice([1, 1, 2, 3])):
            table = _change_columns(table, rng)
        parquet.write_table(table, target, **_options(rng, table))
    except (pa.ArrowException, OSError, ValueError, TypeError):  # what Parquet cannot hold, or not so
        return changed_bytes(content, rng)
    return target.getvalue()


def _same_length(content: bytes, rng: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 3, 8])):
        place = rng.randrange(len(changed))
        changed[place] = rng.choice([rng.randrange(256), changed[place] ^ (1 << rng.randrange(8)), 0xFF, 0, 0x7F])
    return bytes(changed)


def _options(rng: random.Random, table: Any) -> dict[str, Any]:
    options: dict[str, Any] = {"compression": rng.choice(["snappy", "zstd", "gzip", "lz4", "brotli", "none"])}
    options |= {"row_group_size": rng.choice([1, 7, 10**6]), "version": rng.choice(["1.0", "2.4", "2.6"])}
    options |= {"use_dictionary": rng.random() < 0.6, "data_page_version": rng.choice(["1.0", "2.0"])}
    options |= {"data_page_size": rng.choice([1, 100, 2**20]), "store_schema": rng.random() < 0.8}
    if len(table) > 10_000:
        options |= {"row_group_size": 10**6, "data_page_size": 2**20}
    if rng.random() < 0.1:
        encodings = ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BINARY_PACKED", "BYTE_STREAM_SPLIT", "PLAIN"]
        options |= {"use_dictionary": False, "column_encoding": rng.choice(encodings)}
    return options


def _change_columns(table: Any, rng: random.Random) -> Any:
    place, rows = rng.randrange(max(1, table.num_columns)), len(table)
    way = rng.random()
    if way < 0.6:
        try:
            column = rng.choice(TYPES)(rng, rows)
        except (pa.ArrowException, OverflowError, ValueError):
            column = pa.nulls(rows)
        name = table.column_names[place] if table.num_columns else "a"
        return table.set_column(place, name, column) if table.num_columns else table.append_column(name, column)
    if way < 0.7 and table.num_columns:
        return table.remove_column(place)
    if way < 0.8 and table.num_columns:
        name = rng.choice(["", "x" * 9999, table.column_names[0], "=1", "a.b", "\x1b[0m", "time", "date", "year"])
        return table.rename_columns([*table.column_names[:place], name, *table.column_names[place + 1 :]])
    if way < 0.9 and rows:
        many = rows * 1000 if rows < 1000 and table.num_columns < 9 else 3
        return table.take(np.resize(np.arange(rows), rng.choice([0, 1, 2, many])))
    metadata = {b"pandas": rng.choice([b"{}", b"[", b"x" * 99]), b"ARROW:schema": rng.choice([b"", b"AAAA", b"x" * 99])}
    return table.replace_schema_metadata(metadata)


def _of(values: list[Any], kind: Any = None) -> Callable[[Any, int], Any]:
    return lambda rng, rows: pa.array([rng.choice(values) for _ in range(rows)], kind)


def _zoned(rng: random.Random, rows: int) -> Any:
    zones = ["dateutil//etc/passwd", "/etc/passwd", "../../../etc/passwd", "Europe/Berlin", "Nowhere", "+02:00"]
    zones += ["+99:99", "tzlocal()", "UTC", ""]
    unit = rng.choice(["s", "ms", "us", "ns"])
    return pa.array(range(rows), pa.int64()).cast(pa.timestamp(unit)).cast(pa.timestamp(unit, rng.choice(zones)))


def _stamps(rng: random.Random, rows: int) -> Any:
    unit = rng.choice(["s", "ms", "us", "ns"])
    start, step = rng.choice([0, 10**9, 10**15, 2**62, -(2**62)]), rng.choice([0, 1, 86400, 10**9])
    return pa.array([start + step * k for k in range(rows)], pa.int64()).cast(pa.timestamp(unit))


def _nested(rng: random.Random, rows: int) -> Any:
    kind: Any = pa.int64()
    for _ in range(rng.choice([1, 3, 30, 70])):
        kind = rng.choice([lambda one: pa.list_(one), lambda one: pa.struct([("a", one)])])(kind)
    return pa.nulls(rows, kind)


HUGE, TINY = decimal.Decimal("9" * 30), decimal.Decimal("1.5")
DATES = [datetime.date(1, 1, 1), datetime.date(9999, 12, 31), datetime.date(2024, 1, 1)]
VALUES: list[tuple[list[Any], Any]] = [
    ([1, 2**62, -(2**63), 0], None),
    ([1.5, 1e308, -1e308, float("nan"), float("inf"), None], None),
    ([True, False, None], None),
    ([None, 1], pa.uint64()),
    ([2**64 - 1, 0], pa.uint64()),
    ([1, -1], pa.int8()),
    ([1.5, 65504], pa.float16()),
    ([TINY, HUGE, None], pa.decimal128(38, 2)),
    ([decimal.Decimal("9" * 60)], pa.decimal256(76, 2)),
    (DATES, None),
    ([datetime.time(23, 59), None], None),
    ([0, 2**31 - 1, -(2**31)], pa.int32()),
    ([datetime.timedelta(days=1), None], None),
    ([b"a", b"\xff", None], None),
    ([b"\xff" * 16], pa.binary(16)),
    (["a", "b", None], None),
    ([cell for cell in CELLS if len(cell) < 20_000], None),
    (["x" * 20_000], None),
    (["a", "b"], pa.large_string()),
    (["a"], pa.string_view()),
    ([[1], [], None], None),
    ([{"a": 1}, None], None),
    ([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
]
TYPES += [_of(*one) for one in VALUES]
TYPES += [
    _zoned,
    _stamps,
    _nested,
    lambda rng, rows: _of([0, 2**31 - 1], pa.int32())(rng, rows).cast(pa.date32()),
    lambda rng, rows: _of(["a", "b", None, "1"])(rng, rows).dictionary_encode(),
    lambda rng, rows: pa.nulls(rows),
    lambda rng, rows: pa.array([f"2024-{k % 12 + 1:02d}-01" for k in range(rows)]),
    lambda rng, rows: pa.array(range(rows)),
    lambda rng, rows: _of([b"\xff\xfe", b"ok"])(rng, rows).cast(pa.string(), safe=False),
]


def changed_lines(content: bytes, rng: random.Random) -> bytes:
    """Change a line of JSON lines, or their bytes."""
    if rng.random() < 0.3:
        return changed_bytes(content, rng)
    lines = content.decode("utf-8", "replace").splitlines()
    for _ in range(rng.choice([1, 1, 3])):
        place = rng.randrange(len(lines))
        lines[place] = _changed_line(lines[place], rng)
    return "\n".join(lines).encode("utf-8", "replace")


LINES = [
    "[" * 100_000,
    '{"a":' * 50_000,
    "9" * 10**6,
    "[" + "1," * 20_000 + "1]",
    '"\\ud800"',
    "null",
    "NaN",
    "{}",
    "[]",
    "1",
]
LINES += ["", "\ufeff", "x" * 5_000_000, "[" + "[]," * 1_000_000 + "1]", '{"a":1,"a":2}']
LINES += ["{" + ",".join(f'"k{k}":{k}' for k in range(12_000)) + "}"]
ODD: list[Any] = [
    None,
    True,
    [],
    {},
    [[1]],
    1e308,
    float("nan"),
    float("inf"),
    10**400,
    -1,
    2**63,
    "\ud800",
    "x" * 10**6,
]


def _changed_line(line: str, rng: random.Random) -> str:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return rng.choice(LINES)
    if rng.random() < 0.25 or not isinstance(row, dict) or not row:
        return rng.choice(LINES)
    name = rng.choice(sorted(row))
    row[rng.choice([name, name, name, "\ud800", "", "=1", "x" * 9999])] = rng.choice([rng.choice(CELLS), *ODD])
    if rng.random() < 0.1:
        del row[name]
    text = json.dumps(row)
    return text.replace(": ", ":" + "[" * 500, 1).replace(",", "]" * 500 + ",", 1) if rng.random() < 0.05 else text


CHANGES |= {".csv": changed_csv, ".parquet": changed_parquet, ".frame": changed_parquet, ".jsonl": changed_lines}
CHANGES |= {
    ".gz": lambda content, rng: changed_packed(content, rng, gzip.decompress, _gz),
    ".bz2": lambda content, rng: changed_packed(content, rng, bz2.decompress, bz2.compress),
    ".zst": lambda content, rng: changed_packed(content, rng, _unzst, _zst),
}


def _unzst(content: bytes) -> bytes:
    return bytes(pa.CompressedInputStream(pa.BufferReader(content), "zstd").read())


def _gz(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def _zst(content: bytes) -> bytes:
    return bytes(pa.compress(content, codec="zstd", asbytes=True))
