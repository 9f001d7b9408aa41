"""Fuzzing led by coverage, for the readers that are Python through and through: atheris mutates what they read.

Promise: nothing but a `GatewiseError` is raised.

    python reliability/fuzz_atheris.py layers --seconds 120

Targets: `tensors` (the reader of safetensors), `layers` (descriptions of layers), `forecaster` (those of a forecaster),
`heaps` (lists of texts of HDF5).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("GATEWISE_KERNELS", "0")

import atheris

with atheris.instrument_imports(include=["gatewise.storage", "gatewise.descriptions", "gatewise.plain"]):
    import gatewise as gw
    from gatewise.layouts import hdf_heaps
    from gatewise.storage import read_tensors, tensor_bytes

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
MODEL = gw.Sequential(gw.GRU(3, 4, rng=0), gw.Last(), gw.Dense(4, 2, rng=1))


def main() -> None:
    """Run one target; atheris ends the process with another code than 0 where something else is raised."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        one, seeds = TARGETS[options.target](Path(folder))
        corpus = Path(folder) / "corpus"
        corpus.mkdir()
        for number, seed in enumerate(seeds):
            (corpus / str(number)).write_bytes(seed)

        def guarded(data: bytes) -> None:
            with contextlib.suppress(gw.GatewiseError):
                one(data)

        limits = [f"-max_total_time={options.seconds}", f"-seed={options.seed}", "-timeout=60", "-rss_limit_mb=2000"]
        atheris.Setup([sys.argv[0], *limits, "-max_len=20000", f"-artifact_prefix={folder}/", str(corpus)], guarded)
        atheris.Fuzz()


Target = tuple[Callable[[bytes], Any], list[bytes]]


def _tensors(folder: Path) -> Target:
    path = folder / "mutated"

    def read(data: bytes) -> None:
        path.write_bytes(data)
        read_tensors(path)

    return read, [tensor_bytes(dict(MODEL.params), {"format": "mine"}), tensor_bytes(dict(MODEL.params))]


def _described(folder: Path, model: Any) -> Target:
    whole, path = folder / "whole", folder / "mutated"
    gw.save(model, whole)
    arrays, texts, _ = read_tensors(whole)

    def load(data: bytes) -> None:
        text = data.decode("utf-8", "ignore")
        path.write_bytes(tensor_bytes(arrays, {**texts, "model": text}))
        gw.load(path)

    return load, [texts["model"].encode()]


def _forecaster(folder: Path) -> Target:
    import numpy as np

    model = gw.RecurrentForecaster(2, max_updates=1, hidden_size=2, n_networks=1)
    return _described(folder, model.fit(np.arange(40.0) % 7))


def _heaps(folder: Path) -> Target:
    return hdf_heaps.check, [(GOLDEN / "keras_nested.h5").read_bytes()[:12000], json.dumps([]).encode()]


TARGETS: dict[str, Callable[[Path], Target]] = {
    "tensors": _tensors,
    "layers": lambda folder: _described(folder, MODEL),
    "forecaster": _forecaster,
    "heaps": _heaps,
}


if __name__ == "__main__":
    main()
