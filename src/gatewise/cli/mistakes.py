"""Wrong usage in one line: what came, what is needed, and what was probably meant."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click

SYNONYMS = {  # what other tools call an option
    "--target": ("--value", "--values", "--y", "--column", "--variable"),
    "--time": ("--date", "--dates", "--timestamp", "--index", "--ds"),
    "--series": ("--id", "--group", "--by", "--unique-id", "--key"),
    "--sequence": ("--id", "--group", "--by", "--key"),
    "--label": ("--target", "--class", "--y"),
    "--features": ("--columns", "--x", "--inputs"),
    "--horizon": ("--steps", "--ahead", "--h", "--periods"),
    "--season": ("--period", "--frequency", "--seasonality"),
    "--out": ("--output", "--folder", "--save"),
    "--level": ("--interval", "--confidence"),
    "--every": ("--freq", "--resample"),
    "--test": ("--validation", "--held-out"),
    "--known": ("--exog", "--future", "--covariates"),
}


class Interrupted(click.ClickException):
    """A signal ended the command; with --checkpoint it can go on."""

    def __init__(self, error: KeyboardInterrupt) -> None:
        number = getattr(error, "signal", int(signal.SIGINT))  # of a TrainingInterrupted
        self.code = 128 + number
        name = signal.Signals(number).name
        where = getattr(error, "where", None)
        if where is None:
            super().__init__("gatewise: interrupted")
        else:
            ended = f"ended by {name}, {where}" if where else f"ended at once by a second {name}"
            super().__init__(f"gatewise: {ended}; the same command with --resume goes on from there.")


def closest(word: str, words: Iterable[str]) -> str:
    """Return the one of some words that was probably meant, or ""."""
    return next(iter(get_close_matches(word.lower(), [*words], 1, 0.6)), "")


def told(error: click.ClickException) -> str:
    """Return a mistake that click noticed in one line, the command first."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    verb = next((word for word in sys.argv[1:2] if word.isalpha()), "")
    where = context.command_path if context else f"gatewise {verb}".strip()
    return f"{where}: {_words(error, context)}"


def _words(error: click.ClickException, context: click.Context | None) -> str:
    if isinstance(error, click.NoSuchOption) and context:
        return _no_such_option(error, context)
    if isinstance(error, click.BadOptionUsage) and error.message.endswith("requires an argument."):
        return f"{error.option_name} needs a value."
    if isinstance(error, click.MissingParameter) and error.param is not None and context:
        return f"need {error.param.make_metavar(context)}; `{context.command_path} --help` says what it is."
    if isinstance(error, click.BadParameter) and error.param is not None:
        name = error.param.opts[-1] if error.param.param_type_name == "option" else ""
        return f"{name} {error.message}".strip()
    if context and error.message.startswith("Got unexpected extra argument"):
        takes = " ".join(p.make_metavar(context) for p in context.command.params if isinstance(p, click.Argument))
        extra = error.message.partition("(")[2].rstrip(")")
        return f"{extra} is too much; need {takes or 'options'} only, names with spaces in quotes."
    return error.format_message()


def _no_such_option(error: click.NoSuchOption, context: click.Context) -> str:
    """Name the option as it was typed, and what it probably stands for."""
    known = [name for param in context.command.params for name in param.opts + param.secondary_opts]
    typed = error.option_name
    return _unknown_option(typed, meant_option(typed, known))


def _unknown_option(typed: str, meant: str) -> str:
    return f"there is no option {typed}" + (f"; did you mean {meant}?" if meant else "; --help lists them.")


def single_dash(words: Sequence[str], command: click.Command) -> str:
    """Return what is wrong with a long option after a single dash, which click reads as short ones; or ""."""
    known = {name for param in command.params for name in param.opts + param.secondary_opts}
    for word in words:
        name = word.partition("=")[0]
        if name[:1] == "-" and name[1:2].isalpha() and len(name) > 2:
            meant = meant_option(name, sorted(known))
            if meant or name[:2] not in known:
                return _unknown_option(name, meant)
    return ""


def meant_option(typed: str, known: Sequence[str]) -> str:
    """Return the option that a mistyped one probably stands for, or ""."""
    name = f"--{typed.lstrip('-').lower().replace('_', '-')}"
    if name in known:
        return name
    for option, others in SYNONYMS.items():
        if option in known and name in others:
            return option
    starts = [option for option in known if option.startswith(name)]
    return starts[0] if len(starts) == 1 else closest(name, known)


def unknown_command(name: str, commands: Sequence[str]) -> str:
    """Return what is wrong with a command that is none."""
    if Path(name).is_file():
        verb = "predict" if name.endswith(MODEL) else "forecast"
        return f"{name} is a file; the command goes first, as in gatewise {verb} {name}"
    meant = closest(name, commands) or next((c for c in commands if c.startswith(name)), "")
    return f"there is no command {name!r}" + (f"; did you mean {meant}?" if meant else f"; need {', '.join(commands)}.")


MODEL = ".safetensors"
TABLES = (".csv", ".tsv", ".txt", ".parquet", ".pq", ".npy", ".npz", ".xlsx", ".json")


class DataPath(click.ParamType):  # type: ignore[type-arg]
    """A file to read, or "-" for standard input; what is not there is told before anything heavy is imported."""

    name = "FILE"

    def __init__(self, need: str = "a CSV or Parquet file") -> None:
        self.need = need

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the path as it came."""
        text = str(value)
        if text == "-":
            return text
        _check_exists(self, text, self.need, param, ctx)
        if text.endswith(MODEL):
            hint = ": gatewise predict takes a model and a table" if ctx and ctx.info_name != "predict" else ""
            self.fail(f"{text} is a model; need {self.need}{hint}.", param, ctx)
        return text


class ModelPath(click.ParamType):  # type: ignore[type-arg]
    """The file of a saved model; a table in its place is recognized."""

    name = "MODEL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path."""
        text = str(value)
        if text == "-" or text.endswith(TABLES):
            path = ctx.command_path if ctx else "gatewise predict"
            self.fail(f"{text} is a table; the model goes first: {path} model{MODEL} {text}", param, ctx)
        _check_exists(self, text, "a model that gatewise saved", param, ctx)
        return Path(text)


class SourcePath(click.ParamType):  # type: ignore[type-arg]
    """A file of any kind to read."""

    name = "FILE"

    def __init__(self, need: str) -> None:
        self.need = need

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path."""
        _check_exists(self, str(value), self.need, param, ctx)
        return Path(str(value))


def _check_exists(kind: Any, text: str, need: str, param: click.Parameter | None, ctx: click.Context | None) -> None:
    path = Path(text)
    if path.is_dir():
        kind.fail(f"{text} is a directory; need {need}.", param, ctx)
    if path.exists():
        return
    try:
        beside = [other.name for other in path.parent.iterdir()]
    except OSError:
        beside = []
    meant = closest(path.name, beside)
    hint = f" Did you mean {path.parent / meant}?" if meant else ""
    kind.fail(f"{text}: there is no such file; need {need}.{hint}", param, ctx)


class Number(click.ParamType):  # type: ignore[type-arg]
    """A number within limits, told in words."""

    def __init__(self, least: float, most: float | None = None, *, whole: bool = True, name: str = "N") -> None:
        self.least, self.most, self.whole, self.name = least, most, whole, name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        try:
            number = int(value) if self.whole else float(value)
        except ValueError:
            self.fail(f"is {value!r}; need {self._needed()}.", param, ctx)
        if not self.least <= number or (self.most is not None and number > self.most):
            self.fail(f"is {value}; need {self._needed()}.{self._meant(number)}", param, ctx)
        return number

    def _needed(self) -> str:
        what = "a whole number" if self.whole else "a number"
        limits = f"of at least {self.least:g}" if self.most is None else f"from {self.least:g} to {self.most:.12g}"
        return f"{what} {limits}"

    def _meant(self, number: float) -> str:
        """Return a hint where a share was given for a percentage."""
        percent = 100 * number
        fits = self.name == "PERCENT" and self.least <= percent <= (self.most or percent)
        return f" Did you mean {percent:g}?" if fits else ""


class OneOf(click.Choice):  # type: ignore[type-arg]
    """A word of a few, with a hint."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """Return what came, what is needed, and what was probably meant."""
        meant = closest(str(value), map(str, self.choices))
        hint = f" Did you mean {meant}?" if meant else ""
        return f"is {str(value)!r}; need one of {', '.join(map(str, self.choices))}.{hint}"
