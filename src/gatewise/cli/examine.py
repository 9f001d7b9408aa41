"""`gatewise examine`: whether a hand-written network is right, and if not, which line is wrong."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from gatewise.cli.mistakes import Number, OneOf
from gatewise.examine.child import examined
from gatewise.examine.exercise import LEVELS, exercise
from gatewise.storage import check_places, write_whole


@click.command()
@click.argument("target", required=False, metavar="FILE.py:NAME")
@click.option("--kind", type=OneOf(["step", "sequence"]), help="What one call is.  [default: found out]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "-o",
    "--out",
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page to this .html file.",
)
@click.option(
    "--time-limit",
    type=Number(0.1, whole=False, name="SECONDS"),
    default=60.0,
    show_default=True,
    help="Seconds after which the code is ended.",
)
@click.option("--seed", type=Number(0), default=0, show_default=True, help="Of weights, inputs and exercises.")
@click.option("--exercise", "as_exercise", is_flag=True, help="Print a network with a planted slip.")
@click.option("--level", type=Number(1, len(LEVELS)), default=1, show_default=True, help="Of the exercise.")
@click.option("--answer", metavar="LINES", help="Check an answer: the wrong lines, such as 31 or 31,35.")
def command(
    target: str | None,
    kind: str | None,
    as_json: bool,
    out: Path | None,
    time_limit: float,
    seed: int,
    as_exercise: bool,
    level: int,
    answer: str | None,
) -> None:
    """Examine a recurrent network that somebody wrote by hand.

    Which network is it, is every gradient right, and which line is not? NAME is a class, an object, or an expression
    such as "GRU(3, 5)" or "forward, backward, weights", in the names of FILE.py; without it the file's only class, or
    its functions and arrays. The code runs in a process of its own.

    With --exercise, prints a small network with one slip, or two at level 3; --answer checks which lines they are.

    Exit code 0: right; 1: wrong; 2: not understood.
    """
    if as_exercise or answer is not None:
        if target is not None:
            raise click.UsageError("--exercise writes its own network: leave FILE.py:NAME out.")
        sys.exit(_exercise(level, seed, answer, as_json))
    if target is None:
        raise click.UsageError("need FILE.py:NAME, or --exercise.")
    check_places([out] if out else [])
    own = examined(target, kind, time_limit, seed)
    if out is not None:
        write_whole(out, own.page().encode())
    click.echo(own.to_json() if as_json else own.table())
    sys.exit(0 if own.ok else 1)


def _exercise(level: int, seed: int, answer: str | None, as_json: bool) -> int:
    """Print an exercise, or check an answer; return the exit code."""
    own = exercise(level, seed)
    if answer is None:
        call = f"gatewise examine --exercise --level {level} --seed {seed} --answer LINES"
        plain = {"level": level, "seed": seed, "source": own.source}
        text = f"# {LEVELS[level]}. Which line is wrong? {call}\n{own.numbered()}"
        click.echo(json.dumps(plain) if as_json else text)
        return 0
    try:
        lines = [int(part) for part in answer.split(",")]
    except ValueError as error:
        raise click.UsageError(f"--answer {answer}: need line numbers, such as 31 or 31,35.") from error
    right, said = own.check(lines)
    click.echo(json.dumps({"right": right, "said": said}, ensure_ascii=False) if as_json else said)
    return 0 if right else 1
