"""Tables that ask for far more than they hold, or hold what nobody expects: refused at once, in words, by the limit."""

import bz2
import gzip
import io
import struct

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from pyarrow import parquet
from table_files import days, refused

import gatewise as gw
from gatewise.limits import Limits
from gatewise.tables import SeriesRoles, as_table, parse_times, predict, read_forecast_task, read_table, thrift
from gatewise.tables.delimited import parse

PACKED = {
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "zstd": lambda rows: pa.compress(rows, codec="zstd", asbytes=True),
}
DELTAS = {"use_dictionary": False, "column_encoding": "DELTA_BYTE_ARRAY"}
ODD = ["1" * 5000 + "x", "9" * 5000, " " * 5000 + "x", "1 " * 3000, ":" * 9000, "²", "①", "1e400", "−5", "0000-00-00"]
BROKEN = [b"\x15", b"\x18\xff\xff\xff\xff\x0f", b"\x19\xf5\xff\x7f", b"\x1c" * 20, b"\x1f\x00", b"\x16" + b"\xff" * 12]
CELLS = ["1", "", "a", '"', "\n", "2024-01-01", "1,5", "-", "'=1", "²", "é", "\0", "Jan"]
SMALL = Limits(unpacked=10_000, expansion=5, columns=50, field=1000, line=5000)


def written(path, content):
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def said(call):
    """Return the message of a refusal; nothing if there is none."""
    try:
        call()
    except gw.GatewiseError as error:
        return str(error)
    return ""


def as_parquet(table, **options):
    target = io.BytesIO()
    parquet.write_table(table, target, **options)
    return target.getvalue()


@pytest.mark.parametrize("codec", ["gzip", "bz2", "zstd"])
def test_what_unpacks_to_far_more_is_refused_and_read_on_request(tmp_path, codec):
    rows = b"day,x\n" + b"2024-01-01,1\n2024-01-02,2\n" * 20_000
    path = written(tmp_path / "a.csv", PACKED[codec](rows))
    words = (
        "a.csv asks for",
        "the limit is 10,000, or 5 times",
        "limits=gw.Limits(unpacked=",
        'GATEWISE_LIMITS="unpacked=',
    )
    refused(lambda: read_table(path, limits=SMALL), *words)
    assert len(read_table(path, limits=Limits(unpacked=10**6))) == 40_000


def test_much_that_unpacks_is_counted_before_it_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("gatewise.tables.contents._KEPT", 1 << 20)
    path = written(tmp_path / "a.csv", gzip.compress(b"a,b\n" + b"1,2\n" * 1_000_000))
    assert len(read_table(path)) == 1_000_000
    refused(lambda: read_table(path, limits=Limits(unpacked=3 << 20, expansion=1)), "a.csv asks for")


def test_the_command_line_raises_a_limit(tmp_path, monkeypatch):
    path = written(tmp_path / "a.csv", ",".join(f"c{k}" for k in range(60)) + "\n" + ",".join(["1"] * 60) + "\n")
    monkeypatch.setenv("GATEWISE_LIMITS", "columns=59")
    refused(lambda: read_table(path), "a.csv asks for columns=60; the limit is columns=59")
    monkeypatch.setenv("GATEWISE_LIMITS", "columns=60")
    assert len(read_table(path).names) == 60


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("1," * 60 + "1\n", ["columns=61"]),
        ("day,x\n" + "y" * 6000 + "\n", ["line=5001"]),
        (b"day,x\n1," + b"y" * 2000 + b"\n", ["a.csv, line 2 asks for field=2000"]),
        (gzip.compress(b"day,x\n1," + b"y" * 6000 + b"\n"), ["line=5001"]),
        (gzip.compress(b"\n" * 9000 + b"PK\x03\x04"), ["a.csv"]),
    ],
    ids=["columns", "line", "cell", "line unpacked", "archive unpacked"],
)
def test_wide_rows_and_long_lines_and_cells(tmp_path, content, words):
    path = written(tmp_path / "a.csv", content)
    refused(lambda: read_table(path, limits=SMALL), *words)


def test_a_longer_cell_is_read_on_request(tmp_path):
    path = written(tmp_path / "a.csv", 'a,b\n1,"' + "y" * 150_000 + '"\n2,z"\n')
    refused(lambda: read_table(path), "never closed? It asks for field=131073", "limits=gw.Limits(field=131073)")
    assert read_table(path, limits=Limits(field=200_000)).data["b"].to_pylist() == ["y" * 150_000, 'z"']


def test_lines_of_rows_are_the_same_with_and_without_quotes():
    rows = "a,b\r\n\n1,2\n\r\n\r\n3,4\n\n5,6"
    _, plain = parse("a", rows.encode())
    _, quoted = parse("a", rows.replace("6", '"6"').encode())
    assert [plain.line_of(row) for row in range(3)] == [quoted.line_of(row) for row in range(3)] == [3, 6, 8]


def test_blank_lines_without_end(tmp_path):
    assert read_table(written(tmp_path / "a.csv", "\n" * 200_000 + "a,b\n1,2\n")).where(0).endswith("line 200002")


@pytest.mark.parametrize(
    ("column", "options", "words"),
    [
        (pa.array(np.zeros(50_000)), {"compression": "zstd"}, "asks for 400,000 bytes"),
        (pa.array(["x" * 9000] * 30), {"compression": "zstd", "use_dictionary": False}, "asks for 270,"),
        (pa.array(["x" * 900] * 3000).dictionary_encode(), {"store_schema": False}, "asks for 2,700,000 bytes"),
        (
            pa.array(["x" * 900] * 300),
            DELTAS,
            "a.csv asks for",
        ),
        (pa.array([[0] * 50_000]), {"compression": "zstd"}, "asks for 400,000 bytes"),
        (pa.array([[[1]], [[2]]]), {}, "asks for depth="),
    ],
)
def test_columns_of_parquet_that_unpack_to_far_more(tmp_path, column, options, words):
    path = written(tmp_path / "a.csv", as_parquet(pa.table({"a": column}), **options))
    refused(lambda: read_table(path, limits=Limits(unpacked=10_000, expansion=5, depth=3, columns=3)), words)
    assert len(read_table(path, limits=Limits(unpacked=10**8))) == len(column)


def test_text_of_dictionaries_and_prefixes_is_read_as_it_is(tmp_path):
    texts = [f"{k % 7}" + "x" * 99 for k in range(500)]
    limits = Limits(unpacked=60_000, expansion=1)
    for options in ({}, DELTAS):
        path = written(tmp_path / "a.csv", as_parquet(pa.table({"a": texts, "b": texts}), **options))
        assert read_table(path, limits=Limits(unpacked=150_000, expansion=1)).data.to_pydict() == {
            "a": texts,
            "b": texts,
        }
        refused(lambda path=path: read_table(path, limits=limits), "a.csv asks for")


def test_metadata_that_no_file_could_hold(tmp_path):
    footer = bytes([0x15, 4, 0x19, 0xFC, 0xC0, 0x84, 0x3D]) + bytes(300)  # a list of a million elements
    content = b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1"
    refused(lambda: read_table(written(tmp_path / "a.csv", content)), "is a damaged Parquet file", "size limit")
    refused(lambda: read_table(written(tmp_path / "a.csv", b"PARE" + content)), "encrypted Parquet file")


@pytest.mark.parametrize("data", BROKEN)
def test_pages_that_are_no_structs(data):
    with pytest.raises((ValueError, IndexError)):
        thrift.read_struct(memoryview(data), 0)


@pytest.mark.parametrize("zone", ["dateutil//etc/passwd", "/etc/passwd", "../../etc/passwd", "Nowhere/Else", "+99:99"])
def test_time_zones_that_name_files(tmp_path, zone):
    stamps = pa.array([0, 1], pa.int64()).cast(pa.timestamp("s")).cast(pa.timestamp("s", zone))
    path = written(tmp_path / "a.csv", as_parquet(pa.table({"day": stamps, "x": [1, 2]})))
    refused(lambda: parse_times(read_table(path), "day"), "a.csv, column 'day'", zone)


def test_text_of_parquet_that_is_no_utf8(tmp_path):
    text = pa.array([b"\xff\xfe", b"a"]).cast(pa.string(), safe=False)
    refused(lambda: read_table(written(tmp_path / "a.csv", as_parquet(pa.table({"a": text})))), "UTF8")


@pytest.mark.parametrize("cell", ODD, ids=lambda cell: cell[:8])
def test_odd_cells_end_in_words(tmp_path, cell):
    for rows in (days(f"2024-01-01,{cell}", "2024-01-02,2"), days(f"{cell},1", "2024-01-02,2", "2024-01-03,3")):
        table = read_table(written(tmp_path / "a.csv", rows))
        for roles in (SeriesRoles.of(), SeriesRoles.of(("day", "x"))):
            assert len(said(lambda table=table, roles=roles: read_forecast_task(table, roles))) < 1000


def test_names_of_megabytes_are_cut(tmp_path):
    table = read_table(written(tmp_path / "a.csv", f"{'a' * 90_000},{'b' * 90_000}\n1,2\n"))
    assert len(refused(lambda: table.require(["c" * 90_000, *map(str, range(9000))]), "no column 'ccc")) < 4100
    assert len(refused(lambda: table.refuse("a" * 90_000, "is bad"), "column 'aaa")) < 200


def test_sparse_rows_of_minutes_are_no_minutes():
    table = as_table(pd.DataFrame({"day": ["1700-01-01", "2250-01-01"], "x": [1, 2]}))
    roles = SeriesRoles.of("day", "x", every="minute", aggregate="sum")
    refused(lambda: read_forecast_task(table, roles), "span 289,", "--every with a longer period")


def test_side_by_side_columns_of_types_that_are_no_numbers(tmp_path):
    columns = {"land": ["a"], "1960": pa.array([1.5]), "1961": pa.array([1], pa.duration("s")), "1962": pa.array([2.5])}
    table = read_table(written(tmp_path / "a.csv", as_parquet(pa.table(columns))))
    refused(lambda: read_forecast_task(table, SeriesRoles.of(series="land", wide=True)), "'1961': its type is duration")


@settings(max_examples=80, derandomize=True, deadline=None)
@given(
    st.lists(
        st.lists(
            st.sampled_from(CELLS),
            max_size=4,
        ),
        max_size=6,
    ),
    st.sampled_from([",", ";", "\t", " "]),
    st.sampled_from(["utf-8", "utf-16", "cp1252"]),
    st.binary(max_size=3),
)
def test_any_text_is_a_table_or_refused(tmp_path_factory, rows, separator, encoding, end):
    content = "\n".join(separator.join(row) for row in rows).encode(encoding) + end
    path = written(tmp_path_factory.getbasetemp() / "any.csv", content)
    assert len(said(lambda: read_forecast_task(read_table(path), SeriesRoles.of()))) < 4100


def test_a_table_that_predicts_is_held_to_its_limits(tmp_path):
    path = written(tmp_path / "a.csv", gzip.compress(b"day,x\n" + b"2024-01-01,1\n" * 5000))
    refused(lambda: predict(_result(), path, limits=SMALL), "a.csv asks for")


def _result():
    from gatewise.tables import Result

    roles = SeriesRoles.of("day", "x")._asdict()
    step, columns = {"kind": "ticks", "size": 1}, {"known": [], "past": []}
    description = {
        "command": "forecast",
        "roles": roles,
        "columns": columns,
        "step": step,
        "series": ["x"],
        "last": [0],
    }
    return Result(None, description, [])


def test_lists_of_text_stay_as_short_as_they_are(tmp_path):
    texts = pa.array([["x" * 900] * 100] * 30)
    path = written(tmp_path / "a.csv", as_parquet(pa.table({"a": texts, "b": range(30)}), store_schema=False))
    table = read_table(path, limits=Limits(unpacked=50_000, expansion=1))
    assert table.data.nbytes < 50_000
    assert table.numbers("b").values.tolist() == list(range(30))
    refused(lambda: table.text("a"), "its type is list")


def test_halves_of_floats_are_text_too():
    table = as_table(pa.table({"a": pa.array(np.array([1.5, 2.0], np.float16))}))
    assert table.text("a").to_pylist() == ["1.5", "2"]


def test_a_frame_of_text_that_is_no_utf8():
    text = pa.array([b"\xff\xfe", b"a"]).cast(pa.string(), safe=False)
    frame = pd.DataFrame({"a": pd.Series(pd.arrays.ArrowExtensionArray(pa.chunked_array([text])))})
    refused(lambda: as_table(frame), "column 'a': is damaged", "UTF8")
