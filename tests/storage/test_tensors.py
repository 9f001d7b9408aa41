"""Our safetensors: the bytes that the library reads and writes too, and every lie of a header refused at once."""

import inspect
import json
import os
import struct
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load as their_load
from safetensors.numpy import save as their_save

from gatewise import GatewiseError
from gatewise.limits import Limits
from gatewise.storage import Tensors, parse_json, read_metadata, read_tensors, tensor_bytes
from gatewise.storage.tensors import CHECKSUM, KINDS

DTYPES = sorted(set(KINDS.values()) - {"<c8"})  # the library knows no complex numbers in its older versions
ARRAYS = {f"of {code}": (np.arange(6) % 2).reshape(2, 3).astype(code) for code in DTYPES}
ARRAYS |= {"none": np.zeros((2, 0), np.float32), "single": np.array(3.0), "a.b/ü": np.ones(1, np.float32)}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.safetensors"


def packed(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def same(found, wanted):
    assert sorted(found) == sorted(wanted)
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array, strict=True)


def test_the_library_reads_ours_and_we_read_theirs(path):
    ours, theirs = tensor_bytes(ARRAYS), their_save(ARRAYS)
    same(their_load(ours), ARRAYS)
    for content in (ours, theirs):
        path.write_bytes(content)
        found = read_tensors(path)
        same(found.arrays, ARRAYS)
        assert (list(found.arrays), found.metadata, found.is_verified) == (sorted(ARRAYS), {}, False)
    size, their_size = (struct.unpack("<Q", content[:8])[0] for content in (ours, theirs))
    assert (json.loads(ours[8 : 8 + size]), ours[8 + size :]) == (
        json.loads(theirs[8 : 8 + their_size]),
        theirs[8 + their_size :],
    )


def test_any_memory_order_is_written(path):
    arrays = {
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big": np.arange(3, dtype=">f4"),
        "steps": np.arange(9)[::-2],
        "complex": np.ones(2, np.complex64),
    }
    path.write_bytes(tensor_bytes(arrays, {}))
    found = read_tensors(path)
    assert found.is_verified
    same(found.arrays, arrays | {"big": np.arange(3, dtype="f4")})
    for array in found.arrays.values():
        array += 1  # nobody else writes to them
    with pytest.raises(GatewiseError, match="x has dtype object; need numbers of one of"):
        tensor_bytes({"x": np.array([None])})
    with pytest.raises(GatewiseError, match="an array has the name __metadata__"):
        tensor_bytes({"__metadata__": np.ones(2)})


def test_the_order_of_names_does_not_matter_and_the_data_are_aligned():
    texts = {"b": "1", "a": "ü"}
    content = tensor_bytes(ARRAYS, texts)
    assert tensor_bytes(dict(reversed(ARRAYS.items())), dict(reversed(texts.items()))) == content
    size = struct.unpack("<Q", content[:8])[0]
    assert size % 8 == 0
    header = json.loads(content[8 : 8 + size])
    for name, array in ARRAYS.items():
        assert header[name]["data_offsets"][0] % array.itemsize == 0


def outcome(path):
    """What a file holds, or why it is refused."""
    try:
        return read_tensors(path)
    except GatewiseError as error:
        return str(error)


@pytest.mark.parametrize("texts", [{}, {"format": "mine", "text": 'a "quoted" ü \n'}])
def test_any_flipped_bit_is_refused(path, texts):
    arrays = {"a": np.arange(3, dtype=np.float32), "b": np.array([True, False])}
    content = tensor_bytes(arrays, texts)
    path.write_bytes(content)
    assert read_tensors(path).metadata == texts
    assert read_metadata(path) == texts
    for place in range(len(content)):
        spoiled = bytearray(content)
        spoiled[place] ^= 1 << place % 8
        path.write_bytes(spoiled)
        found = outcome(path)
        if isinstance(found, Tensors):  # a letter of the checksum's own name, or of \u00fc: the content is the same
            same(found.arrays, arrays)
            assert not found.is_verified or found.metadata == texts
            assert place < struct.unpack("<Q", content[:8])[0]
        else:
            assert str(path) in found


def test_a_flipped_bit_in_the_numbers_says_damaged(path):
    content = bytearray(tensor_bytes({"a": np.zeros(4)}, {}))
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(GatewiseError, match=f"{path} is damaged: its content does not give the checksum"):
        read_tensors(path)


def test_a_file_that_the_library_wrote_again_keeps_its_checksum(path):
    content = tensor_bytes({"a": np.ones(3), "b": np.ones(2, np.float32)}, {"x": "y"})
    size = struct.unpack("<Q", content[:8])[0]
    texts = json.loads(content[8 : 8 + size])["__metadata__"]
    path.write_bytes(their_save(their_load(content), texts))
    assert read_tensors(path).is_verified


A = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
DATA = bytes(8)
LIES = {
    "a header longer than the file": struct.pack("<Q", 2**62) + b"{}",
    "a header of all that is addressable": b"\xff" * 64,
    "nothing": b"",
    "seven bytes": b"1234567",
    "no brace": packed(b"[]"),
    "spaces before": packed(b'  {"a":1}'),
    "no JSON": packed(b"{"),
    "text after": packed(b"{}x"),
    "no UTF-8": packed(b'{"\xff":1}'),
    "half a character": packed(b'{"__metadata__":{"a":"\\ud800"}}'),
    "a name twice": packed(b'{"a":%s,"a":%s}' % (json.dumps(A).encode(), json.dumps(A).encode()), DATA),
    "a key twice": packed(b'{"a":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}', DATA),
    "deep": packed(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
    "deep without an end": packed(b'{"a":' + b"[" * 100_000),
    "many quotes": packed(b'{"' + b'\\"' * 10**6),
    "a long number": packed(b'{"a":' + b"9" * 10**6 + b"}"),
    "many values": packed(b'{"a":[' + b"[]," * 10**6 + b"[]]}"),
    "metadata of a list": packed({"__metadata__": [], "a": A}, DATA),
    "metadata of numbers": packed({"__metadata__": {"a": 1}, "a": A}, DATA),
    "an entry of a list": packed({"a": [1]}),
    "no shape": packed({"a": {"dtype": "F32", "data_offsets": [0, 8]}}, DATA),
    "more than that": packed({"a": A | {"strides": [1]}}, DATA),
    "unknown kind": packed({"a": A | {"dtype": "F128"}}, DATA),
    "a kind that is a list": packed({"a": A | {"dtype": ["F32"]}}, DATA),
    "a kind that NumPy lacks": packed({"a": A | {"dtype": "BF16", "shape": [4]}}, DATA),
    "shape of text": packed({"a": A | {"shape": "22"}}, DATA),
    "shape of true": packed({"a": A | {"shape": [True, 2]}}, DATA),
    "shape of fractions": packed({"a": A | {"shape": [2.0]}}, DATA),
    "shape below 0": packed({"a": A | {"shape": [-1, -2]}}, DATA),
    "shape that overflows": packed({"a": A | {"shape": [2**32, 2**32]}}, DATA),
    "shape beyond all": packed({"a": A | {"shape": [10**40, 0], "data_offsets": [0, 0]}}),
    "shape of nothing that NumPy cannot make": packed({"a": A | {"shape": [2**47, 2**47, 0], "data_offsets": [0, 0]}}),
    "too many axes": packed({"a": A | {"shape": [1] * 40 + [2]}}, DATA),
    "shape larger than its bytes": packed({"a": A | {"shape": [3]}}, DATA),
    "one offset": packed({"a": A | {"data_offsets": [8]}}, DATA),
    "three offsets": packed({"a": A | {"data_offsets": [0, 8, 8]}}, DATA),
    "offsets backward": packed({"a": A | {"data_offsets": [8, 0]}}, DATA),
    "beyond the end": packed({"a": A | {"shape": [2**40], "data_offsets": [0, 2**42]}}, DATA),
    "a gap before": packed({"a": A | {"data_offsets": [4, 12]}}, bytes(12)),
    "bytes after": packed({"a": A}, bytes(9)),
    "bytes of nobody": packed({}, bytes(1)),
    "two at one place": packed({"a": A, "b": A}, DATA),
    "overlap": packed({"a": A, "b": A | {"data_offsets": [4, 12]}}, bytes(12)),
    "neither true nor false": packed({"a": {"dtype": "BOOL", "shape": [1], "data_offsets": [0, 1]}}, b"\x02"),
    "a checksum of other things": packed({"__metadata__": {CHECKSUM: "0" * 64}, "a": A}, DATA),
}


@pytest.mark.parametrize("name", LIES)
def test_lies_are_refused_at_once(path, name):
    path.write_bytes(LIES[name])
    started = time.perf_counter()
    tracemalloc.start()
    try:
        with pytest.raises(GatewiseError) as caught:
            read_tensors(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert peak < 20e6 + 5 * len(LIES[name])
    assert time.perf_counter() - started < 2


def test_what_the_library_takes_is_taken(path):
    empty = A | {"shape": [0], "data_offsets": [0, 0]}
    for header, data in [({}, b""), ({"a": A}, DATA), ({"a": empty, "b": A, "c": empty}, DATA)]:
        path.write_bytes(packed(header, data))
        same(read_tensors(path).arrays, their_load(path.read_bytes()))


def test_limits_can_be_raised_and_lowered(path):
    path.write_bytes(tensor_bytes({"a": np.ones(2)}, {"text": "x" * 1000}))
    with pytest.raises(GatewiseError, match="need at most 500, the limit `header`"):
        read_tensors(path, limits=Limits(header=500))
    with pytest.raises(GatewiseError, match="need at most 5, the limit `values`"):
        read_metadata(path, limits=Limits(values=5))
    assert read_tensors(path, limits=Limits(header=5000, values=50)).is_verified


def test_memory_is_what_the_file_holds(path):
    arrays = {str(k): np.ones(250_000) for k in range(8)}
    path.write_bytes(tensor_bytes(arrays, {}))
    del arrays
    tracemalloc.start()
    try:
        found = read_tensors(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert len(found.arrays) == 8
    assert peak < 1.05 * path.stat().st_size


def test_a_file_that_shrinks_while_it_is_read(path, monkeypatch):
    path.write_bytes(tensor_bytes({"a": np.ones(100)}, {}))
    stat, whole = os.fstat, path.stat().st_size

    def shrunk(handle):
        found = stat(handle)
        if any(line.function == "_header" for line in inspect.stack()):
            os.truncate(path, whole - 9)
        return found

    monkeypatch.setattr(os, "fstat", shrunk)
    with pytest.raises(GatewiseError, match="it ends within a"):
        read_tensors(path)


@pytest.mark.skipif(os.name != "posix", reason="FIFOs and devices are those of POSIX")
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", "/dev/zero", tmp_path):
        with pytest.raises(GatewiseError, match="it is no regular file"):
            read_tensors(path)
        with pytest.raises(GatewiseError, match="it is no regular file"):
            read_metadata(path)
    with pytest.raises(GatewiseError, match=r"cannot read .*none as a safetensors file: No such file"):
        read_metadata(tmp_path / "none")


@settings(max_examples=50)
@given(st.binary(max_size=300))
def test_random_headers_are_read_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "random"
    for part in (content, packed(b"{" + content), packed({"a": A}, content)):
        path.write_bytes(part)
        found = outcome(path)
        assert isinstance(found, Tensors) or str(path) in found


letters = st.text(st.characters(codec="utf-8"), max_size=4)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | letters | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(letters, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50)
@given(json_values, st.booleans())
def test_json_is_read_as_it_was_written(value, ascii_only):
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert parse_json(text, "it") == value


@pytest.mark.parametrize("text", ['{"a":1,"a":2}', "[1,", '"\\udc00"', "[" * 10**5, "", "nul", "9" * 5000])
def test_json_that_cannot_be_read(text):
    with pytest.raises(GatewiseError, match="its text is no JSON that can be read"):
        parse_json(text, "its text")


def test_quotes_and_brackets_in_texts_are_no_values():
    text = json.dumps({"a": '[{,"\\' * 100})
    assert parse_json(text, "it", Limits(values=1))["a"].startswith("[{")
    with pytest.raises(GatewiseError, match="it holds 3 values; need at most 2, the limit `values`"):
        parse_json("[1,2,3]", "it", Limits(values=2))
