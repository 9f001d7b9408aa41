"""Same bits: one seed, one machine, and the bytes of what is trained and predicted, whatever the number of threads.

    python reliability/same_bits.py
    python reliability/same_bits.py --only train --seed 3

Each setting is a process of its own: threads of Gatewise, threads of BLAS, kernels compiled anew, a training that is
verbose and traced after each epoch. Exit code 1 if a digest differs from that of one thread.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

import gatewise as gw

SETTINGS: Mapping[str, Mapping[str, str]] = {
    "one thread": {"GATEWISE_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    "two threads": {"GATEWISE_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "1"},
    "three threads": {"GATEWISE_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "2"},
    "eight threads": {"GATEWISE_NUM_THREADS": "8", "OPENBLAS_NUM_THREADS": "4"},
    "kernels compiled anew": {"GATEWISE_NUM_THREADS": "2", "GATEWISE_CACHE_DIR": ""},
    "watched": {"GATEWISE_NUM_THREADS": "2", "WATCHED": "1"},
}


def digest(*arrays: Any) -> str:
    """A digest of the bytes of arrays."""
    whole = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    return hashlib.sha256(whole).hexdigest()[:16]


def trained(seed: int, watched: bool) -> str:
    """A network, its history, its predictions, and the gradients of one more batch."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(256, 30, 6)).astype(np.float32)
    model = gw.Sequential(
        gw.GRU(6, 48, bidirectional=True, num_layers=2, dropout=0.1, rng=rng),
        gw.Dense(96, 64, "relu", rng=rng),
        gw.Pool(64, parts=2),
        gw.Dense(256, 2, rng=rng),
    )
    see = [lambda record, model: gw.trace(model, x[:2]) and None] if watched else []
    options: dict[str, Any] = {"loss": "mse", "optimizer": "adam", "batch_size": 64, "clip": 1.0, "rng": seed}
    history = gw.train(model, x, x[:, 0, :2], epochs=3, progress=watched, callbacks=see, **options)
    y, _, tape = model.forward(x)
    dx, _, gradients = model.backward(tape, y)
    return digest(*model.params.values(), y, dx, *gradients.values(), [record["loss"] for record in history])


def classified(seed: int, watched: bool) -> str:
    """Probabilities of a classifier of networks and a ridge."""
    x = np.random.default_rng(seed).normal(size=(80, 60, 3))
    model = gw.RecurrentClassifier(hidden_size=24, max_iter=4, ridge_share=0.5, random_state=seed, verbose=watched)
    return digest(model.fit(x, np.arange(80) % 3).predict_proba(x))


def regressed(seed: int, watched: bool) -> str:
    """Predictions of a regressor."""
    x = np.random.default_rng(seed).normal(size=(80, 60, 3))
    model = gw.RecurrentRegressor(hidden_size=24, max_iter=4, ridge_share=0.5, random_state=seed, verbose=watched)
    return digest(model.fit(x, x[:, :, 0].sum(axis=1)).predict(x))


def forecast(seed: int, watched: bool) -> str:
    """Quantiles of a forecaster."""
    steps = np.arange(260)
    y = np.sin(steps * np.pi / 12) + 0.1 * np.random.default_rng(seed).normal(size=260)
    model = gw.RecurrentForecaster(horizon=12, season=24, max_updates=60, random_state=seed, verbose=watched)
    return digest(model.fit(y).predict_quantiles())


SUBJECTS: Mapping[str, Callable[[int, bool], str]] = {
    "train": trained,
    "classifier": classified,
    "regressor": regressed,
    "forecaster": forecast,
}


def elsewhere(subject: str, seed: int, setting: Mapping[str, str]) -> str:
    """The digest that a fresh process with other settings prints."""
    with tempfile.TemporaryDirectory() as empty:
        environment = os.environ | setting
        if setting.get("GATEWISE_CACHE_DIR") == "":
            environment["GATEWISE_CACHE_DIR"] = empty
        command = [sys.executable, __file__, "--here", subject, "--seed", str(seed)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()[-1]


def main(arguments: list[str] | None = None) -> int:
    """Print the digest of each subject in each setting; return 1 if one differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--runs", type=int, default=1, help="how many seeds, one after another")
    parser.add_argument("--only", choices=SUBJECTS, action="append", help="one of the subjects; may be repeated")
    parser.add_argument("--here", choices=SUBJECTS, help="print one digest, made in this process")
    given = parser.parse_args(arguments)
    if given.here:
        print(SUBJECTS[given.here](given.seed, "WATCHED" in os.environ))
        return 0
    different = 0
    for seed in range(given.seed, given.seed + given.runs):
        for subject in given.only or SUBJECTS:
            found = {name: elsewhere(subject, seed, setting) for name, setting in SETTINGS.items()}
            need = found["one thread"]
            for name, got in found.items():
                different += got != need
                print(f"{subject:12} seed {seed}  {name:22} {got} {'' if got == need else 'DIFFERENT'}", flush=True)
    print(f"{different} different")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
