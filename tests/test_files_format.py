"""Formats and checksums: what a version reads, what it refuses, and the same bytes for the same model."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import gatewise as gw
from gatewise import files
from gatewise.storage import read_tensors, tensor_bytes


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.safetensors"


def with_texts(path, **texts):
    """Write the file again with other texts and a right checksum."""
    arrays, metadata, _ = read_tensors(path)
    path.write_bytes(tensor_bytes(arrays, metadata | texts))


@pytest.mark.parametrize("number", [2, 3, 12, 999_999_999])
def test_a_newer_format_asks_for_an_update(path, number):
    gw.save(gw.Dense(2, 1, rng=0), path)
    with_texts(path, format=f"gatewise-{number}")
    for read in (gw.load, files.read_info, files.read_extra):
        with pytest.raises(gw.GatewiseError, match=f"has format 'gatewise-{number}', and this version .*: update it"):
            read(path)


@pytest.mark.parametrize(
    "written", ["gatewise-0", "gatewise--1", "gatewise-1.5", "gatewise-stream-2", "Gatewise-2", ""]
)
def test_a_format_that_never_was_is_no_newer_one(path, written):
    gw.save(gw.Dense(2, 1, rng=0), path)
    with_texts(path, format=written)
    with pytest.raises(gw.GatewiseError, match=f"has format '{written}'; need 'gatewise-1', a file written by"):
        gw.load(path)


def test_the_format_is_asked_before_the_arrays_are_read(path):
    save_file({"a": np.zeros(10**6)}, path, metadata={"format": "pt"})
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size - 8)
    with pytest.raises(gw.GatewiseError, match="has format 'pt'"):
        gw.load(path)


def test_every_flipped_bit_is_refused(path):
    gw.save(gw.Dense(2, 1, rng=1), path, info={"of": "May"}, extra={"scale": np.ones(2)})
    content = path.read_bytes()
    refused = 0
    for place in range(len(content)):
        spoiled = bytearray(content)
        spoiled[place] ^= 1 << place % 8
        path.write_bytes(spoiled)
        with pytest.raises(gw.GatewiseError, match=str(path)):
            gw.load(path)
        refused += 1
    assert refused == len(content) > 400
    numbers = bytearray(content)
    numbers[-1] ^= 64
    path.write_bytes(numbers)
    for read in (gw.load, files.read_info, files.read_extra):
        with pytest.raises(gw.GatewiseError, match="is damaged: its content does not give the checksum"):
            read(path)


def test_a_file_without_a_checksum_loads_and_with_another_entry_does_not(path):
    model = gw.Dense(2, 1, rng=0)
    gw.save(model, path, info={"a": 1})
    arrays, metadata, is_verified = read_tensors(path)
    assert is_verified
    save_file(arrays, path, metadata)
    assert not read_tensors(path).is_verified
    np.testing.assert_array_equal(gw.load(path).params["weight"], model.params["weight"])
    assert files.read_info(path) == {"a": 1}
    save_file(arrays, path, metadata | {"gatewise-sha257": "0" * 64})
    with pytest.raises(gw.GatewiseError, match="has the unknown entry 'gatewise-sha257' and no checksum"):
        gw.load(path)


def test_other_readers_of_safetensors_read_the_arrays(path):
    model = gw.GRU(2, 3, rng=0)
    gw.save(model, path)
    theirs = load_file(path)
    assert sorted(theirs) == sorted(model.params)
    for name, array in model.params.items():
        np.testing.assert_array_equal(theirs[name], array, strict=True)


WRITE = """
import hashlib, numpy as np, gatewise as gw
from gatewise import files
model = gw.Sequential(gw.Embedding(5, 3, rng=0), gw.LSTM(3, 4, bidirectional=True, rng=1), gw.Dense(8, 2, rng=2))
X = np.random.default_rng(0).normal(size=(12, 5, 2))
options = dict(hidden_size=2, max_iter=1, n_networks=1, random_state=0, ridge_share=0.0)
classifier = gw.RecurrentClassifier(**options, class_weight={"b": 1.0, "a": 2.0}).fit(X, np.array(["a", "b"] * 6))
series = 5 + np.sin(np.arange(40))
forecaster = gw.RecurrentForecaster(2, hidden_size=2, n_networks=1, max_updates=2, random_state=0).fit([series])
for one in (model, classifier, forecaster):
    content = files.to_bytes(one, info={"b": 1, "a": {"d": 2, "c": 3}}, extra={"z": X, "y": X})
    print(hashlib.sha256(content).hexdigest())
"""


def test_two_saves_give_the_same_bytes(path):
    rng = np.random.default_rng(0)
    model = gw.Sequential(gw.GRU(3, 4, num_layers=2, rng=0), gw.Last(), gw.Dense(4, 1, rng=1))
    extra = {f"e{k}": rng.normal(size=3) for k in range(5)}
    gw.save(model, path, info={"a": 1}, extra=extra)
    first = path.read_bytes()
    gw.save(model, path, info={"a": 1}, extra=dict(reversed(extra.items())))
    assert path.read_bytes() == first
    gw.save(gw.load(path), path, info=files.read_info(path), extra=files.read_extra(path))
    assert path.read_bytes() == first


def test_processes_and_their_hashes_do_not_show_in_the_bytes():
    runs = []
    for seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": seed, "GATEWISE_KERNELS": "0"}
        runs.append(subprocess.Popen([sys.executable, "-c", WRITE], env=environment, stdout=subprocess.PIPE, text=True))
    found = {run.communicate()[0] for run in runs}
    assert [run.returncode for run in runs] == [0, 0]
    assert len(found) == 1
    digests = found.pop().split()
    assert len(set(digests)) == 3
    assert {len(one) for one in digests} == {hashlib.sha256().digest_size * 2}
