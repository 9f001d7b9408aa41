"""`gatewise bench`: ours beside the installed PyTorch, JAX and ONNX Runtime."""

from __future__ import annotations

import json
import sys

import click

from gatewise import bench
from gatewise.cli.mistakes import Number, OneOf
from gatewise.layers import RECURRENT
from gatewise.progress import progress_bar
from gatewise.threads import cores


def _shapes(ctx: click.Context, param: click.Parameter, values: tuple[str, ...]) -> tuple[bench.Shape, ...]:
    """Read B,T,D,H: four positive integers each; those of the table where none is given."""
    return tuple(_shape(value) for value in dict.fromkeys(values)) or bench.SHAPES


def _shape(value: str) -> bench.Shape:
    parts = [part.strip() for part in value.split(",")]
    if len(parts) != 4 or not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise click.BadParameter(f"{value!r} is not a shape; need four positive integers, as 32,100,64,64.")
    return bench.Shape(*map(int, parts))


def _peers(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...] | None:
    """Split names at commas; None stands for whatever is installed."""
    if value is None:
        return None
    names = [name.strip() for name in value.split(",") if name.strip()]
    unknown = [name for name in names if name not in bench.PEERS]
    if unknown:
        raise click.BadParameter(f"{', '.join(unknown)}: need some of {', '.join(bench.PEERS)}.")
    return tuple(dict.fromkeys(names))


@click.command()
@click.option(
    "--shape",
    "shapes",
    multiple=True,
    metavar="B,T,D,H",
    callback=_shapes,
    help="Batch, time, inputs, units; may be repeated. Default: seven, from tiny to large.",
)
@click.option("--cell", default="gru", show_default=True, type=OneOf(list(RECURRENT)))
@click.option("--reset", default="after", show_default=True, type=OneOf(["after", "before"]), help="Of the GRU.")
@click.option("--dtype", default="float32", show_default=True, type=OneOf(["float32", "float64"]))
@click.option(
    "--threads",
    multiple=True,
    type=Number(1, 1024),
    help="May be repeated; each system counts at its quickest. Default: 1 and all cores.",
)
@click.option(
    "--vectors",
    type=OneOf(["64", "32", "16"]),
    help="Bytes of a vector, at most what is there: 32 as with AVX2, 16 as with SSE. ONNX Runtime keeps its own.",
)
@click.option("--peers", callback=_peers, help="Some of torch,jax,onnxruntime. Default: those installed.")
@click.option(
    "--seconds",
    default=2.0,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(0.001, 3600),
    help="Time for each system, number of threads, kind of work and shape.",
)
@click.option("--timings-only", is_flag=True, help="Leave out first calls and memory.")
@click.option("--seed", default=0, show_default=True, type=Number(0), help="Seed of weights and data.")
@click.option("--json", "as_json", is_flag=True, help="Everything, every round, as JSON.")
@click.option("--quiet", is_flag=True, help="No progress bar.")
def command(
    shapes: tuple[bench.Shape, ...],
    cell: str,
    reset: str,
    dtype: str,
    threads: tuple[int, ...],
    vectors: str | None,
    peers: tuple[str, ...] | None,
    seconds: float,
    timings_only: bool,
    seed: int,
    as_json: bool,
    quiet: bool,
) -> None:
    """Time training and inference beside the installed PyTorch, JAX and ONNX Runtime.

    The same weights and data everywhere; results must agree before anything is timed. One process for each system and
    number of threads; they take turns, and one that waits is stopped. Exit code 1 if a process failed or results
    differ. A peer that is not installed is left out, and only missed if --peers names it.
    """
    settings = bench.Settings(
        cases=tuple(bench.Case(cell, reset, dtype, shape, seed) for shape in shapes),
        threads=tuple(sorted({*(threads or (1, cores()))})),
        peers=bench.PEERS if peers is None else peers,
        required=peers is not None,
        seconds=seconds,
        extras=not timings_only,
        vectors=int(vectors) if vectors else None,
    )
    with progress_bar(settings.steps, not quiet, "measuring") as advance:
        outcome = bench.run(settings, advance)
    click.echo(json.dumps(bench.as_json(outcome)) if as_json else bench.as_text(outcome))
    sys.exit(1 if outcome.failures else 0)
