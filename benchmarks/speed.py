"""Tables of docs/performance.md: time beside PyTorch, JAX and ONNX Runtime, and shares of NumPy's product.

    python benchmarks/speed.py                    # 30 to 40 minutes, in which nothing else should run
    python benchmarks/speed.py --vectors 32 --cell lstm --seconds 0.2

Needs what `gatewise bench` compares with. Each row is one `gatewise bench --json`; docs/performance.md says how that
measures. At 64 bytes NumPy is told to use AVX-512 as well (OPENBLAS_CORETYPE), because on some processors OpenBLAS does
not by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from typing import Any

from gatewise.bench.machine import vector_bytes

SHAPES = (
    "1,32,1,50",
    "8,100,32,32",
    "32,100,64,64",
    "32,100,128,128",
    "32,100,256,256",
    "8,100,512,512",
    "64,100,512,512",
    "20,70,100,200",
    "48,80,20,96",
)
PEERS = {"train": ("torch", "jax"), "infer": ("torch", "jax", "onnxruntime")}
NAMES = {"torch": "PyTorch", "jax": "JAX", "onnxruntime": "ONNX Runtime"}


def main() -> None:
    """Measure and print one table for each cell and width."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, action="append", choices=(64, 32, 16))
    parser.add_argument("--cell", action="append", choices=("gru", "lstm", "rnn"))
    parser.add_argument("--shape", action="append")
    parser.add_argument("--peers", default="torch,jax,onnxruntime")
    parser.add_argument("--seconds", type=float, default=0.5)
    given = parser.parse_args()
    for cell in given.cell or ("gru", "lstm"):
        for vectors in given.vectors or [width for width in (64, 32) if width <= vector_bytes()]:
            show(cell, vectors, given.shape or SHAPES, given.peers, given.seconds)


def show(cell: str, vectors: int, shapes: list[str], peers: str, seconds: float) -> None:
    """Print one table, a row as soon as it is measured."""
    columns = [(kind, peer) for kind, found in PEERS.items() for peer in found if peer in peers.split(",")]
    titles = [f"{kind}: {NAMES[peer]}" for kind, peer in columns]
    first = True
    for shape in shapes:
        result = measured(cell, vectors, shape, peers, seconds)
        if first:
            print(f"\n{cell}, {vectors} bytes; {said(result)}\n")
            print("| B, T, D, H | " + " | ".join([*titles, "train, of sgemm", "infer, of sgemm"]) + " |")
            print("|---" * (len(columns) + 3) + "|")
            first = False
        races = {race["kind"]: race for race in result["races"]}
        ratios = [races[kind]["ratios"].get(peer) for kind, peer in columns]
        cells = ["–" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
        shares = [f"{100 * share(races[kind]):.0f} %" for kind in ("train", "infer")]
        print("| " + " | ".join([shape.replace(",", ", "), *cells, *shares]) + " |", flush=True)
        for text in [*result["notes"], *result["failures"]]:
            print(text, file=sys.stderr)


def measured(cell: str, vectors: int, shape: str, peers: str, seconds: float) -> dict[str, Any]:
    """Run the bench on one shape."""
    command = [sys.executable, "-m", "gatewise", "bench", "--json", "--quiet", "--timings-only"]
    options = ["--cell", cell, "--vectors", str(vectors), "--shape", shape, "--peers", peers, "--seconds", str(seconds)]
    environment = os.environ | ({"OPENBLAS_CORETYPE": "SkylakeX"} if vectors == 64 else {})
    done = subprocess.run([*command, *options], stdout=subprocess.PIPE, text=True, env=environment, check=False)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def share(race: dict[str, Any]) -> float:
    """Our operations a second over those of NumPy's product on as many threads as it is quickest with."""
    ours = min(s["seconds"] for s in race["series"] if s["system"] == "gatewise")
    return float(race["flops"] / ours / max(race["sgemm"].values()))


def said(result: dict[str, Any]) -> str:
    """The machine and the versions."""
    machine, versions = result["machine"], result["versions"]
    caches = ", ".join(f"L{level} {size // 1024} KiB" for level, size in machine["caches"].items())
    return f"{machine['cpu']}, {machine['cores']} cores, {caches}; {', '.join(f'{k} {v}' for k, v in versions.items())}"


if __name__ == "__main__":
    main()
