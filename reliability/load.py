"""Load: many threads, processes and streams with one model, and memory and files that stay what they were.

    python reliability/load.py                 # 8 threads × 10,000 predictions, 10,000 steppers, ten million steps
    python reliability/load.py --runs 100      # a hundredth of it
    python reliability/load.py --only threads  # one of the checks

Every prediction is compared, byte for byte, with the one that a single thread made before. Exit code 1 if a promise is
broken.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import gatewise as gw

Array = NDArray[Any]
Predict = Callable[[int], Array]  # the prediction for input k
INPUTS = 16
THREADS = 8
WARM = 0.1  # part of a run after which memory is compared with the end of it
GROWTH = 4 << 20  # bytes of memory that allocators may take beyond what a run needs


class Load(NamedTuple):
    """How much is to be done: predictions a thread, seconds a measurement at the most, seed, and models."""

    runs: int
    seconds: float
    seed: int
    models: Sequence[str] = ()


class Outcome(NamedTuple):
    """Whether a promise was kept, and the figures."""

    kept: bool
    figures: str


def within(load: Load, count: int) -> Iterator[int]:
    """0 to count - 1, as far as the seconds last."""
    end = time.monotonic() + load.seconds
    for k in range(count):
        if time.monotonic() > end:
            return
        yield k


def resident() -> int:
    """Bytes of memory that this process occupies; 0 where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def handles() -> int:
    """How many files this process has open; 0 where the system does not say."""
    return len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0


def network(seed: int) -> gw.Sequential:
    """A model of several kinds of layers, large enough for its work to be split between threads."""
    rng = np.random.default_rng(seed)
    gru = gw.GRU(4, 48, bidirectional=True, rng=rng)
    return gw.Sequential(gru, gw.Dense(96, 40, "tanh", rng=rng), gw.Pool(40, parts=2), gw.Dense(160, 3, rng=rng))


def classifier(seed: int, ridge: float = 0.0) -> tuple[gw.RecurrentClassifier, Array]:
    """A classifier, fitted, and sequences; the share of its ridge on convolutions in what it says."""
    x = np.random.default_rng(seed).normal(size=(INPUTS * 4, 24, 2))
    fitted = gw.RecurrentClassifier(hidden_size=8, max_iter=2, ridge_share=ridge, random_state=seed)
    return fitted.fit(x, x[:, :, 0].sum(axis=1) > 0), x


def forecaster(seed: int) -> gw.RecurrentForecaster:
    """A forecaster of a short seasonal series, fitted."""
    steps = np.arange(240)
    y = np.sin(steps * np.pi / 6) + 0.2 * np.random.default_rng(seed).normal(size=240)
    return gw.RecurrentForecaster(3, season=12, n_networks=1, max_updates=20, random_state=seed).fit(y)


def of_layers(model: Any, seed: int) -> Predict:
    """Predictions of a layer or of several for inputs of 24 rows."""
    x = np.random.default_rng(seed).normal(size=(INPUTS, 24, 40, 4)).astype(np.float32)
    return lambda k: model(x[k])[0]


def of_classifier(seed: int, ridge: float) -> Predict:
    """Predictions of a classifier for four sequences at a time."""
    fitted, x = classifier(seed, ridge)
    return lambda k: fitted.predict_proba(x[4 * k : 4 * k + 4])


def of_forecaster(seed: int) -> Predict:
    """Forecasts over 1 to 6 steps."""
    fitted = forecaster(seed)
    return lambda k: fitted.predict_quantiles(horizon=1 + k % 6)


MODELS: Mapping[str, Callable[[int], Predict]] = {
    "layer": lambda seed: of_layers(gw.LSTM(4, 40, rng=seed), seed),
    "Sequential": lambda seed: of_layers(network(seed), seed),
    "classifier": lambda seed: of_classifier(seed, 0.0),
    "classifier-with-ridge": lambda seed: of_classifier(seed, 0.5),
    "forecaster": of_forecaster,
}


def wrong_of(predict: Predict, need: list[bytes], count: int, first: int, load: Load) -> tuple[int, int]:
    """How many of `count` predictions were made, and how many of them are not as needed."""
    made = wrong = 0
    for k in within(load, count):
        made += 1
        wrong += predict((first + k) % INPUTS).tobytes() != need[(first + k) % INPUTS]
    return made, wrong


def together(tasks: Sequence[Callable[[], tuple[int, int]]]) -> tuple[int, int]:
    """The sums of what the tasks return, each in a thread of its own; an exception counts as a wrong prediction."""
    found: list[tuple[int, int]] = []

    def run(task: Callable[[], tuple[int, int]]) -> None:
        try:
            found.append(task())
        except Exception as error:  # whatever it is, it must not come
            print(f"  {type(error).__name__}: {error}", file=sys.stderr)
            found.append((1, 1))

    workers = [threading.Thread(target=run, args=(task,)) for task in tasks]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(made for made, _ in found), sum(wrong for _, wrong in found)


def in_threads(load: Load) -> Iterator[Outcome]:
    """Threads predict with one model at the same time."""
    for name in load.models:
        predict = MODELS[name](load.seed)
        need = [predict(k).tobytes() for k in range(INPUTS)]
        tasks = [partial(wrong_of, predict, need, load.runs, k, load) for k in range(THREADS)]
        started = time.monotonic()
        made, wrong = together(tasks)
        seconds = time.monotonic() - started
        yield Outcome(not wrong, f"{name}: {made:,} predictions in {THREADS} threads, {wrong} wrong, {seconds:.0f} s")


def steps_of(stepper: Any, x: Array, load: Load, need: Array) -> tuple[int, int]:
    """How many steps were taken, and how many are not as needed."""
    made = wrong = 0
    for k in within(load, len(x)):
        y = stepper.step(x[k])
        made += 1
        wrong += y.tobytes() != need[k].tobytes()
    return made, wrong


def steppers_in_threads(load: Load) -> Iterator[Outcome]:
    """Threads step, each with a stepper of its own, of one layer."""
    layer = gw.GRU(4, 32, num_layers=2, rng=load.seed)
    x = np.random.default_rng(load.seed).normal(size=(THREADS, load.runs, 4)).astype(np.float32)
    need = []
    for rows in x:
        alone = layer.stepper()
        need.append(np.array([alone.step(row) for row in rows]))
    tasks = [partial(steps_of, layer.stepper(), x[k], load, need[k]) for k in range(THREADS)]
    made, wrong = together(tasks)
    yield Outcome(not wrong, f"{made:,} steps in {THREADS} threads, {wrong} wrong")


def predictions(model: gw.Sequential, x: Array, need: list[bytes], count: int, seconds: float) -> tuple[int, int]:
    """What a process of joblib does with a model of its own."""
    return wrong_of(lambda k: model(x[k])[0], need, count, 0, Load(count, seconds, 0))


def in_processes(load: Load) -> Iterator[Outcome]:
    """Processes of joblib, and forked ones, predict with copies of one model that threads have used before."""
    from joblib import Parallel, delayed

    model = network(load.seed)
    x = np.random.default_rng(load.seed).normal(size=(INPUTS, 24, 40, 4)).astype(np.float32)
    need = [model(rows)[0].tobytes() for rows in x]
    task = delayed(predictions)(model, x, need, load.runs, load.seconds / 2)
    found = Parallel(n_jobs=4, backend="loky")(task for _ in range(THREADS))
    made, wrong = sum(made for made, _ in found), sum(wrong for _, wrong in found)
    yield Outcome(not wrong, f"joblib: {made:,} predictions in 4 processes, {wrong} wrong")
    if hasattr(os, "fork"):
        children = [forked(lambda: predictions(model, x, need, load.runs // 4 + 1, load.seconds)[1]) for _ in range(4)]
        codes = [os.waitpid(child, 0)[1] for child in children]
        yield Outcome(not any(codes), f"fork: {4 * (load.runs // 4 + 1):,} predictions in 4 children, codes {codes}")


def forked(task: Callable[[], int]) -> int:
    """Start a child that ends with 0 if its task returns 0; return its number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forking beside threads
        child = os.fork()
    if child:
        return child
    code = 1
    try:
        code = 1 if task() else 0
    finally:
        os._exit(code)


def many_steppers(load: Load) -> Iterator[Outcome]:
    """Steppers by the thousand, of one model, each in the middle of a stream of its own."""
    rng = np.random.default_rng(load.seed)
    models: dict[str, Any] = {
        "GRU": gw.GRU(3, 32, rng=rng),
        "Sequential": gw.Sequential(gw.GRU(3, 32, rng=rng), gw.Dense(32, 2, rng=rng)),
    }
    for name, model in models.items():
        x = rng.normal(size=(3, load.runs, 3)).astype(np.float32)
        need, one = np.empty((3, load.runs, model.output_size), np.float32), model.stepper()
        for stream in range(load.runs):
            one.reset()
            need[:, stream] = [one.step(row) for row in x[:, stream]]
        before = resident()
        steppers = [model.stepper() for _ in range(load.runs)]
        each = (resident() - before) / load.runs
        wrong = 0
        for step in range(3):
            for stream, stepper in enumerate(steppers):
                wrong += not np.array_equal(stepper.step(x[step, stream]), need[step, stream])
        figures = f"{name}: {load.runs:,} steppers, {each / 1024:.1f} KiB each, {3 * load.runs:,} steps, {wrong} wrong"
        yield Outcome(not wrong, figures)


def beside_training(load: Load) -> Iterator[Outcome]:
    """One thread trains a model while others predict with another."""
    x = np.random.default_rng(load.seed).normal(size=(96, 40, 4)).astype(np.float32)

    def trained() -> list[bytes]:
        model = network(load.seed)
        gw.train(model, x, x[:, 0, :3], loss="mse", optimizer="adam", epochs=1, batch_size=48, rng=load.seed)
        return [value.tobytes() for value in model.params.values()]

    def train() -> tuple[int, int]:
        made = wrong = 0
        for _ in within(load, max(2, load.runs // 100)):
            made, wrong = made + 1, wrong + (trained() != alone)
        return made, wrong

    alone, model = trained(), network(load.seed + 1)
    need = [model(x[k : k + 24])[0].tobytes() for k in range(INPUTS)]

    def predict() -> tuple[int, int]:
        return wrong_of(lambda k: model(x[k : k + 24])[0], need, load.runs, 0, load)

    made, wrong = together([train, predict, predict, predict])
    yield Outcome(not wrong, f"{made:,} trainings and predictions, {wrong} wrong")


def constant(load: Load, name: str, work: Callable[[int], Any], count: int) -> Outcome:
    """Whether memory and open files are, after a run, what they were after a tenth of it."""
    made, before, started = 0, None, time.monotonic()
    for k in within(load, count):
        if before is None and (k >= WARM * count or time.monotonic() - started > WARM * load.seconds):
            before = resident(), handles()
        work(k % INPUTS)
        made += 1
    seconds = time.monotonic() - started
    grown, left = (resident() - before[0], handles() - before[1]) if before else (0, 0)
    figures = f"{name}: {made:,} in {seconds:.0f} s, {grown / 1024:+,.0f} KiB, {left:+d} files"
    return Outcome(before is not None and grown <= GROWTH and left == 0, figures)


def loaded(path: Path, k: int) -> None:
    """Load a model, once more."""
    gw.load(path)


def saved(model: Any, path: Path, k: int) -> None:
    """Save a model, once more."""
    gw.save(model, path)


FILED: Mapping[str, Callable[[int], Any]] = {"Sequential": network, "classifier": lambda seed: classifier(seed)[0]}
"""The models of `MODELS` that are saved and loaded as well."""


def memory(load: Load) -> Iterator[Outcome]:
    """Predictions, saves and loads, over and over, take no more memory and no more files."""
    for name in load.models:
        predict = MODELS[name](load.seed)
        yield constant(load, f"{name}, predictions", predict, 2 * load.runs)
    with tempfile.TemporaryDirectory() as folder:
        for name in [name for name in FILED if name in load.models]:
            model, path = FILED[name](load.seed), Path(folder) / f"{name}.safetensors"
            gw.save(model, path)
            yield constant(load, f"{name}, loads", partial(loaded, path), 2 * load.runs)
            yield constant(load, f"{name}, saves", partial(saved, model, path), 2 * load.runs)


def finite(state: Any) -> bool:
    """Whether all numbers of a state, of whatever parts, are finite."""
    if isinstance(state, tuple | list):
        return all(map(finite, state))
    return state is None or bool(np.isfinite(state).all())


def by_step(stepper: Any, blocks: Array, k: int) -> None:
    """Take the steps of block k one by one."""
    for x in blocks[k]:
        stepper.step(x)


def by_block(stepper: Any, blocks: Array, k: int) -> None:
    """Take the steps of block k in one call."""
    stepper.process(blocks[k])


def streams(load: Load) -> Iterator[Outcome]:
    """Long streams, step by step and in blocks, take constant memory, and states stay finite."""
    rng = np.random.default_rng(load.seed)
    blocks = rng.normal(0, 3, (INPUTS, 1000, 3)).astype(np.float32)
    dense = gw.Sequential(gw.GRU(3, 16, rng=rng), gw.Dense(16, 2, rng=rng))
    for name, model in {"GRU": gw.GRU(3, 16, rng=rng), "LSTM": gw.LSTM(3, 16, rng=rng), "Sequential": dense}.items():
        steps, block = model.stepper(), model.stepper()
        for how, stepper, work in ("step", steps, by_step), ("process", block, by_block):
            found = constant(load, f"{name}, {how}, thousands of steps", partial(work, stepper, blocks), load.runs)
            still = finite(stepper.state) and finite(stepper.step(blocks[0, 0]))
            yield Outcome(found.kept and still, f"{found.figures}, state {'finite' if still else 'NOT FINITE'}")


CHECKS: Mapping[str, Callable[[Load], Iterator[Outcome]]] = {
    "threads": in_threads,
    "steppers-in-threads": steppers_in_threads,
    "processes": in_processes,
    "steppers": many_steppers,
    "training": beside_training,
    "memory": memory,
    "streams": streams,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the checks, print their figures, and return 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10_000, help="predictions a thread, steppers, thousands of steps")
    parser.add_argument("--seconds", type=float, default=600, help="the longest that one measurement may take")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=CHECKS, action="append", help="one of the checks; may be repeated")
    parser.add_argument("--model", choices=MODELS, action="append", help="of threads and memory; may be repeated")
    given = parser.parse_args(arguments)
    load, broken = Load(given.runs, given.seconds, given.seed, given.model or tuple(MODELS)), 0
    for name in given.only or CHECKS:
        for outcome in CHECKS[name](load):
            broken += not outcome.kept
            print(f"{name:20} {'ok    ' if outcome.kept else 'BROKEN'} {outcome.figures}", flush=True)
    print(f"{broken} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
