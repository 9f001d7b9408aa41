"""One step after the other, batch 1: a stepper beside PyTorch's GRUCell and ONNX Runtime with the state passed through.

    pip install -e . torch onnx onnxruntime
    python benchmarks/streams.py                     # H = 16 to 256, D = 8, float32
    python benchmarks/streams.py --sizes 64,128 --rounds 100
    python benchmarks/streams.py --steps 10000000    # so many steps in blocks: time, memory, whether all is finite

All run on one thread, in turn within each round; what counts is the quickest round of each, since anything else on the
machine only adds to it.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import resource
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import click
import numpy as np

import gatewise as gw

D = 8
CALLS = 300  # a round
BLOCK = 1000  # steps


def torch_step(gru: gw.GRU, x: Any, stack: ExitStack) -> Callable[[], Any]:
    """PyTorch's cell with the same weights, in `inference_mode` until the stack is closed."""
    import torch

    torch.set_num_threads(1)
    cell = torch.nn.GRUCell(D, gru.hidden_size)
    cell.load_state_dict({name.removesuffix("_l0"): torch.from_numpy(v.copy()) for name, v in gru.params.items()})
    h, x = [torch.zeros(1, gru.hidden_size)], torch.from_numpy(x)[None]

    stack.enter_context(torch.inference_mode())

    def step() -> Any:
        h[0] = cell(x, h[0])
        return h[0]

    return step


def onnxruntime_step(gru: gw.GRU, x: Any, stack: ExitStack) -> Callable[[], Any]:
    """A session of one GRU operator, from x and h to the next h."""
    import onnx
    import onnxruntime
    from onnx import helper, numpy_helper

    H, number = gru.hidden_size, onnx.TensorProto.FLOAT
    order = np.concatenate([np.arange(k * H, (k + 1) * H) for k in (1, 0, 2)])  # z, r, n
    W, U, b, c = (gru.params[f"{name}_l0"][order] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    constants = {"W": W[None], "R": U[None], "B": np.concatenate([b, c])[None]}
    node = helper.make_node("GRU", ["X", "W", "R", "B", "", "h"], ["", "Y"], hidden_size=H, linear_before_reset=1)
    shapes = {"X": (1, 1, D), "h": (1, 1, H), "Y": (1, 1, H)}
    values = [helper.make_tensor_value_info(name, number, shape) for name, shape in shapes.items()]
    weights = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    graph = helper.make_graph([node], "step", values[:2], values[2:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    h, x = [np.zeros((1, 1, H), np.float32)], x[None, None]

    def step() -> Any:
        (h[0],) = session.run(None, {"X": x, "h": h[0]})
        return h[0]

    return step


PEERS = {"PyTorch": torch_step, "ONNX Runtime": onnxruntime_step}


def measured(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, float]:
    """Microseconds a call, each the best of all rounds, in which all take their turn."""
    best = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            started = time.perf_counter()
            for _ in range(CALLS):
                call()
            best[name] = min(best[name], (time.perf_counter() - started) / CALLS * 1e6)
    return best


def compare(H: int, rounds: int, stack: ExitStack) -> dict[str, float]:
    """Microseconds of a step, of a step of a block, and of the peers that are installed; they give the same numbers."""
    gru = gw.GRU(D, H, rng=0)
    rng = np.random.default_rng(0)
    x, block = rng.normal(size=D).astype(np.float32), rng.normal(size=(BLOCK, D)).astype(np.float32)
    stepper, out, whole = gru.stepper(), np.empty(H, np.float32), gru.stepper()
    calls: dict[str, Callable[[], Any]] = {"step": lambda: stepper.step(x), "step(out=)": lambda: stepper.step(x, out)}
    for name, peer in PEERS.items():
        try:
            call = peer(gru, x, stack)
        except ImportError:
            continue
        np.testing.assert_allclose(np.asarray(call()).ravel(), gru.stepper().step(x), atol=1e-6)
        calls[name] = call
    best = measured(calls, rounds)
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        whole.process(block)
        taken.append(time.perf_counter() - started)
    return best | {"process": min(taken) / BLOCK * 1e6}


def endure(H: int, steps: int) -> None:
    """Print how long `steps` steps take in blocks, and what becomes of the memory of the process."""
    stepper, rng = gw.GRU(D, H, rng=0).stepper(), np.random.default_rng(0)
    block = rng.normal(size=(100_000, D)).astype(np.float32)
    stepper.process(block)
    before, started = memory(), time.perf_counter()
    finite = True
    for _ in range(steps // len(block)):
        finite &= bool(np.isfinite(stepper.process(block)).all())
    seconds = time.perf_counter() - started
    growth = memory() - before
    print(f"{steps:,} steps at H = {H}: {seconds:.1f} s, {growth:+.1f} MB, {'all finite' if finite else 'NOT FINITE'}")


def memory() -> float:
    """Highest memory of this process so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@click.command()
@click.option("--sizes", default="16,32,64,128,256", show_default=True, help="Values of H.")
@click.option("--rounds", default=40, show_default=True)
@click.option("--steps", default=0, help="Take so many steps instead, at the first size.")
def main(sizes: str, rounds: int, steps: int) -> None:
    """Print microseconds of a step, and how many times as long the peers take."""
    gw.set_num_threads(1)
    if steps:
        endure(int(sizes.split(",")[0]), steps)
        return
    from gatewise.kernels.vectors import BYTES

    print(f"vectors of {BYTES} bytes, load {os.getloadavg()[0]:.1f} on {os.cpu_count()} CPUs; microseconds")
    for H in map(int, sizes.split(",")):
        with ExitStack() as stack:
            best = compare(H, rounds, stack)
        ratios = [f"{name} {best[name] / best['step']:.1f} x" for name in PEERS if name in best]
        print(f"H = {H}: " + ", ".join(f"{name} {value:.2f}" for name, value in best.items()), "|", ", ".join(ratios))


if __name__ == "__main__":
    main()
