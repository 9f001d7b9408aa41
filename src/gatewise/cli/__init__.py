"""The `gatewise` command: one file a verb, each read only when it is called."""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn, TextIO

import click

from gatewise import __version__
from gatewise.cli import mistakes

VERBS = {
    "bench": "Time gatewise beside PyTorch, JAX and ONNX Runtime.",
    "check": "Check every gradient against central differences.",
    "classify": "Learn to classify the sequences of a table.",
    "convert": "Convert models and weights between frameworks.",
    "demo": "Forecast two years of road traffic, with a page.",
    "examine": "Examine a network that somebody wrote by hand.",
    "forecast": "Forecast the series of a table.",
    "predict": "Predict from a new table with a saved model.",
    "regress": "Learn to predict numbers from sequences of a table.",
    "report": "Write one HTML page on a saved model.",
    "stream": "Predict from rows on stdin as they come.",
    "trace": "Show what happens inside a network.",
    "warmup": "Compile every kernel now, so that nothing waits later.",
}


UNWRITABLE = (errno.ENOSPC, errno.EFBIG, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC))  # what a full disk says


class _Verbs(click.Group):
    """A group that imports a verb's module when the verb is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        verb: click.Command = importlib.import_module(f"gatewise.cli.{cmd_name}").command
        return verb

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Find the verb, or say which one was probably meant."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            ctx.fail(mistakes.unknown_command(args[0], list(VERBS)))
        name, verb, rest = super().resolve_command(ctx, args)
        wrong = mistakes.single_dash(rest, verb) if verb else ""
        if wrong:
            raise click.UsageError(wrong)
        return name, verb, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        """Read the arguments, which prints what `--help` and `--version` ask for."""
        with _output_may_end():
            return super().make_context(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a verb."""
        with _output_may_end():
            try:
                return super().invoke(ctx)
            except KeyboardInterrupt as error:  # click would print an empty line
                raise mistakes.Interrupted(error) from error


@contextmanager
def _output_may_end() -> Iterator[None]:
    """End where nothing more can be printed; what the interpreter still flushes at its end then goes nowhere.

    With exit code 0 where nobody reads the rest, as in `gatewise check | head -1`; click would make 1 of it. With exit
    code 2 and the reason where results go to a full disk.
    """
    try:
        yield
    except BrokenPipeError:
        _print_nowhere(sys.stdout)
        raise click.exceptions.Exit(0) from None
    except OSError as error:
        if error.errno not in UNWRITABLE or error.filename is not None:
            raise
        _print_nowhere(sys.stdout)
        raise click.ClickException(f"cannot print the result: {error.strerror}.") from None


def _print_nowhere(stream: TextIO | None) -> None:
    if stream is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="gatewise")
def cli() -> None:
    """GRU, LSTM and Elman networks for the CPU, with gradients you can check.

    Results go to stdout, progress to stderr. Exit code 0: done; 1: it ran and the answer is no; 2: wrong usage or
    bad input.
    """


def main() -> NoReturn:
    """Run the command; turn every expected error into one line on stderr and exit code 2."""
    try:
        code = cli.main(prog_name="gatewise", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        code = 2
    except mistakes.Interrupted as error:
        click.echo(error.message, err=True)
        code = error.code
    except click.ClickException as error:
        code = _refuse(mistakes.told(error))
    except (click.Abort, KeyboardInterrupt):
        click.echo("gatewise: interrupted", err=True)
        code = 130
    except Exception as error:
        from gatewise.errors import GatewiseError  # imports NumPy, which `--help` does not need

        if not isinstance(error, GatewiseError):
            raise
        code = _refuse(f"gatewise: {error}")
    sys.exit(code)


def _refuse(message: str) -> int:
    from gatewise.cli.output import paragraph

    try:
        click.echo(paragraph(" ".join(message.split()), sys.stderr), err=True)
    except OSError:  # the exit code still says it
        _print_nowhere(sys.stderr)
    return 2
