"""Archives and HDF5 files that expand without end, loop, or hold weights that are no numbers."""

import json
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

import gatewise as gw
from gatewise.layouts import hdf_heaps
from gatewise.layouts.files import read_arrays

h5py = pytest.importorskip("h5py")
GOLDEN = Path(__file__).parents[1] / "golden"


def test_an_archive_may_expand_as_far_as_the_limits_say(tmp_path):
    weights = {"weight_ih_l0": np.zeros((3, 10**6)), "weight_hh_l0": np.ones((3, 1))}
    np.savez_compressed(tmp_path / "a.npz", **weights)
    with pytest.raises(gw.GatewiseError, match=r"24,000,128 bytes.*limits=gw.Limits\(unpacked=24000128\)"):
        read_arrays(tmp_path / "a.npz")
    limits = gw.Limits(unpacked=2**25)
    assert gw.GRU.from_weights(tmp_path / "a.npz", "torch", limits=limits).input_size == 10**6
    assert gw.convert(tmp_path / "a.npz", "torch", "onnx", limits=limits)["W"].shape == (1, 3, 10**6)


def test_members_are_bounded_together(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        for k in range(40):
            archive.writestr(f"{k}.txt", bytes(10**6))
    with pytest.raises(gw.GatewiseError, match="its content asks for 40,000,000 bytes"):
        read_arrays(tmp_path / "a.npz")


def test_a_name_twice_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", b"x")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("a.npy", b"x")
    with pytest.raises(gw.GatewiseError, match="has a member twice"):
        read_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize("header", ["{'descr': (", "{'descr': '" + "(" * 3000, "[" * 5000])
def test_a_header_of_an_npy_that_is_no_python_is_refused(header, tmp_path):
    text = header.encode()
    content = b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", content)
    with pytest.raises(gw.GatewiseError, match="cannot read"):
        read_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_weights_of_a_file_that_are_not_finite_are_refused_by_name(bad, tmp_path):
    layer = gw.GRU(3, 4, rng=0)
    layer.params["bias_ih_l0"][3] = bad
    np.savez(tmp_path / "a.npz", **layer.params)
    for call in (gw.GRU.from_weights, lambda path, layout: gw.convert(path, layout, "keras")):
        with pytest.raises(gw.GatewiseError, match="bias_ih_l0 holds 1 value"):
            call(tmp_path / "a.npz", "torch")
    assert gw.GRU.from_weights(dict(layer.params), "torch").hidden_size == 4


def keras_file(path, change):
    """A golden file, changed."""
    path.write_bytes((GOLDEN / "keras_stacked.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def test_weights_of_keras_that_are_not_finite_are_refused_by_name(tmp_path):
    def change(file):
        found = []
        file.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
        file[found[-1]][...] = np.nan

    with pytest.raises(gw.GatewiseError, match=r"layer .* holds .* not finite"):
        gw.from_keras(keras_file(tmp_path / "a.h5", change))


def test_a_path_through_an_array_is_refused_at_once(tmp_path):
    def change(file):
        group = file["model_weights/dense"]
        del group["sequential"]
        group.create_dataset("sequential", (10**9,), "f4", chunks=(10**6,), compression="gzip")

    started = time.process_time()
    with pytest.raises(gw.GatewiseError, match="is a link or not there"):
        gw.from_keras(keras_file(tmp_path / "a.h5", change))
    assert time.process_time() - started < 2


def test_a_packed_array_may_expand_as_far_as_the_limits_say(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("kernel", data=np.zeros((3000, 1000)), compression="gzip")
    with pytest.raises(gw.GatewiseError, match=r"kernel asks for .* the limit is 16,777,216, or 200 times"):
        read_arrays(tmp_path / "a.h5")
    assert read_arrays(tmp_path / "a.h5", gw.Limits(unpacked=2**26))["kernel"].shape == (3000, 1000)


def test_filters_that_are_not_of_hdf5_are_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("kernel", data=np.ones((30, 10)), compression="lzf")
    with pytest.raises(gw.GatewiseError, match="has filters"):
        read_arrays(tmp_path / "a.h5")


def test_layers_of_keras_have_a_limit(tmp_path):
    def change(file):
        config = json.loads(file.attrs["model_config"])
        config["config"]["layers"] += [config["config"]["layers"][-1]] * 50
        file.attrs["model_config"] = json.dumps(config)

    path = keras_file(tmp_path / "a.h5", change)
    with pytest.raises(gw.GatewiseError, match="layers=31; the limit is layers=30"):
        gw.from_keras(path, limits=gw.Limits(layers=30))


@pytest.mark.parametrize(
    ("place", "number"),
    [(8, 2**40), (8, 0), (8, 7), (24, 2**62), (24, 2**63), (24, 9000)],
)
def test_lists_of_texts_that_do_not_end_are_refused(place, number, tmp_path):
    content = bytearray((GOLDEN / "keras_nested.h5").read_bytes())
    start = content.index(b"GCOL")
    content[start + place : start + place + 8] = struct.pack("<Q", number)
    (tmp_path / "a.h5").write_bytes(content)
    started = time.process_time()
    with pytest.raises(gw.GatewiseError, match="claims"):
        gw.from_keras(tmp_path / "a.h5")
    assert time.process_time() - started < 2


def test_a_text_without_an_end_is_refused():
    content = (GOLDEN / "keras_nested.h5").read_bytes()
    hdf_heaps.check(content)
    start = content.index(b"GCOL")
    with pytest.raises(gw.GatewiseError, match="a text claims 0 bytes"):
        hdf_heaps.check(content[: start + 16] + bytes(16) + content[start + 32 :])


@pytest.mark.parametrize("content", [b"", b"\x89HDF", b"\x89HDF\r\n\x1a\n" + b"\x09" * 90, bytes(100)])
def test_files_that_do_not_begin_as_hdf5_are_refused(content):
    with pytest.raises(gw.GatewiseError, match="does not begin as an HDF5 file"):
        hdf_heaps.check(content)
