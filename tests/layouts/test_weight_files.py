"""Weights from files: what is written is read, and what is broken or lies is refused before anything is allocated."""

import io
import struct
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

import gatewise as gw
from gatewise.layouts.files import read_arrays
from gatewise.layouts.places import flat

h5py = pytest.importorskip("h5py")
LAYER = gw.GRU(3, 4, dtype="float64", rng=0)


def write_h5(path, tree):
    with h5py.File(path, "w") as file:
        for name, array in flat(tree).items():
            file[name] = array


def write_npz(path, tree, compressed=False):
    (np.savez_compressed if compressed else np.savez)(path, **flat(tree))


def write_keras(path, tree):
    content = io.BytesIO()
    write_h5(content, tree)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", content.getvalue())


WRITERS = {
    ".npz": write_npz,
    ".safetensors": lambda path, tree: save_file(flat(tree), path),
    ".h5": write_h5,
    ".keras": write_keras,
}


@pytest.mark.parametrize("ending", WRITERS)
@pytest.mark.parametrize("layout", ["torch", "keras", "flax", "onnx"])
def test_weights_from_files_are_those_that_were_written(tmp_path, ending, layout):
    path, weights = tmp_path / f"weights{ending}", LAYER.to_weights(layout)
    WRITERS[ending](path, weights)
    assert {key: a.tobytes() for key, a in read_arrays(path).items()} == {
        key: a.tobytes() for key, a in flat(weights).items()
    }
    again = gw.GRU.from_weights(path, layout, reset="after").to_weights(layout)
    assert all(np.array_equal(a, flat(weights)[key]) for key, a in flat(again).items())
    assert gw.convert(str(path), layout, "torch", reset="after").keys() == LAYER.params.keys()


def test_variables_of_keras_have_their_names(tmp_path):
    kernel, recurrent, bias = LAYER.to_weights("keras").values()
    tree = {"layers": {"gru": {"cell": {"vars": {"0": kernel, "1": recurrent, "2": bias}}}}}
    write_h5(tmp_path / "a.weights.h5", tree)
    again = gw.GRU.from_weights(tmp_path / "a.weights.h5", "keras")
    assert np.array_equal(again.params["bias_hh_l0"], LAYER.params["bias_hh_l0"])


def test_compressed_archives_and_fortran_order_are_read(tmp_path):
    write_npz(
        tmp_path / "a.npz", {"a": np.zeros((300, 300)), "b": np.asfortranarray(np.arange(6.0).reshape(2, 3))}, True
    )
    arrays = read_arrays(tmp_path / "a.npz")
    assert arrays["a"].shape == (300, 300)
    assert np.array_equal(arrays["b"], [[0, 1, 2], [3, 4, 5]])


def refused(match):
    return pytest.raises(gw.GatewiseError, match=match)


def npy(shape, payload=b"", dtype="<f8"):
    """The bytes of an .npy whose header claims a shape."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + payload


@pytest.mark.parametrize(
    ("member", "match"),
    [
        (npy((10**12,)), r"claims shape \(1000000000000,\) of float64, and 0 bytes follow"),
        (npy((2, 3), bytes(40)), "and 40 bytes follow"),
        (npy((-1, -6), bytes(48)), "the header is wrong"),
        (npy((3,), bytes(24), "|O"), "Python objects .pickle., which are never read"),
        (b"\x93NUMPY\x09\x00" + bytes(100), "format version"),
        (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1) + bytes(50), "cannot read"),
        (b"spam" * 40, "cannot read"),
    ],
)
def test_headers_of_npy_that_lie(tmp_path, member, match):
    path = tmp_path / "a.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", member)
    with refused(match):
        read_arrays(path)


def test_a_pickle_is_never_read(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.array([{}], dtype=object))
    with refused("Python objects"):
        read_arrays(tmp_path / "a.npz")


def test_archives_that_claim_what_they_cannot_hold(tmp_path):
    path = tmp_path / "a.npz"
    write_npz(path, {"a": np.zeros(4)})
    content = bytearray(path.read_bytes())
    start = content.rindex(b"PK\x01\x02")
    content[start + 24 : start + 28] = struct.pack("<I", 2**31)  # uncompressed size in the directory
    path.write_bytes(content)
    with refused("claims 2147483648 bytes, which the archive cannot hold"):
        read_arrays(path)
    content[start + 8] |= 1
    path.write_bytes(content)
    with refused("is encrypted"):
        read_arrays(path)


def test_datasets_that_claim_what_the_file_has_not(tmp_path):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("kernel", shape=(10**7, 10**5), dtype="f8")
    with refused(r"kernel claims shape \(10000000, 100000\), for which the file has 0 bytes"):
        read_arrays(path)
    with h5py.File(path, "w") as file:
        file.create_dataset("kernel", shape=(10**7, 10**5), dtype="f8", chunks=(64, 64), compression="gzip")
    with refused("for which the file has 0 bytes"):
        read_arrays(path)


def test_files_do_not_read_other_files(tmp_path):
    write_h5(tmp_path / "b.h5", {"kernel": np.ones(3)})
    for link in (h5py.ExternalLink("b.h5", "/kernel"), h5py.SoftLink("/kernel")):
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["a"] = link
        with refused("is a link or not there"):
            read_arrays(tmp_path / "a.h5")
    (tmp_path / "raw").write_bytes(bytes(24))
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("a", (3,), "f8", external=[(str(tmp_path / "raw"), 0, 24)])
    with refused("elsewhere or no numbers"):
        read_arrays(tmp_path / "a.h5")


def test_a_keras_file_that_unpacks_to_much_more_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", bytes(2 * 10**7))
    with refused("model.weights.h5 asks for 20,000,000 bytes .* the limit is 16,777,216, or 200 times what it holds"):
        read_arrays(tmp_path / "a.keras")


def test_groups_in_a_circle_end(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_group("a")["b"] = file["/"]
    with refused("nested more than 32 deep"):
        read_arrays(tmp_path / "a.h5")


def test_other_files(tmp_path):
    with refused("ends in '.txt'; need one of .npz, .safetensors"):
        read_arrays(tmp_path / "a.txt")
    with refused("it is no file"):
        read_arrays(tmp_path / "a.npz")
    save_file({"a": np.ones(3, np.float16)}, tmp_path / "a.safetensors")
    with refused("a has dtype F16; need F32 or F64"):
        read_arrays(tmp_path / "a.safetensors")
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with refused("it has no model.weights.h5"):
        read_arrays(tmp_path / "a.keras")


def test_a_member_that_cannot_be_unpacked_is_refused(tmp_path):
    path = tmp_path / "a.npz"
    write_npz(path, {"a": np.arange(400.0)}, compressed=True)
    content = bytearray(path.read_bytes())
    content[60:90] = bytes(range(200, 230))
    path.write_bytes(content)
    with refused("cannot read .*a.npz: "):
        read_arrays(path)


@pytest.mark.parametrize("ending", WRITERS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_damaged_files_are_read_or_refused(tmp_path_factory, ending, data):
    folder = tmp_path_factory.mktemp("damaged")
    path = folder / f"whole{ending}"
    WRITERS[ending](path, {"a": np.ones((3, 4)), "b": np.zeros(5)})
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        arrays = read_arrays(path)
    except gw.GatewiseError as error:
        message = str(error)
        assert str(path) in message
    else:
        assert sum(array.nbytes for array in arrays.values()) < 2**20
