"""FILE.py:NAME read: the file run as a module, the name looked up in it; for the process that examines."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from gatewise.examine.guard import NotUnderstoodError, TheirError, theirs

MODULE = "examined"


def load(target: str) -> tuple[Any, str]:
    """Return what FILE.py:NAME names, and a name for it.

    NAME is an expression in the names of the file, such as `GRU`, `GRU(3, 5)`, or `forward, backward, weights`; without
    one the file's only class with forward and backward is meant, else the file itself.
    """
    path, name = _parts(target)
    module = _module(path)
    if not name:
        classes = [
            value
            for value in vars(module).values()
            if isinstance(value, type) and value.__module__ == MODULE and callable(getattr(value, "backward", None))
        ]
        if len(classes) > 1:
            names = ", ".join(f"{path}:{cls.__name__}" for cls in classes)
            raise NotUnderstoodError(f"{path} has several classes with a backward pass; name one: {names}.")
        return (classes[0], classes[0].__name__) if classes else (module, path.stem)
    try:
        return theirs(name, eval, name, vars(module)), name
    except TheirError as error:
        if isinstance(error.cause, NameError):
            own = [key for key, value in vars(module).items() if not key.startswith("_") and callable(value)]
            raise NotUnderstoodError(f"{path} has no {name}; it has {', '.join(own) or 'nothing'}.") from error
        raise


def _parts(target: str) -> tuple[Path, str]:
    """Take FILE.py:NAME apart; a drive's colon is none."""
    file, colon, name = target.rpartition(":")
    if not colon or Path(target).is_file() or (len(file) == 1 and file.isalpha()):
        file, name = target, ""
    return Path(file), name.strip()


def _module(path: Path) -> ModuleType:
    if not path.is_file():
        raise NotUnderstoodError(f"there is no file {path}; need FILE.py:NAME.")
    spec = importlib.util.spec_from_file_location(MODULE, path)
    if spec is None or spec.loader is None:
        raise NotUnderstoodError(f"{path} is no Python file; need FILE.py:NAME.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[MODULE] = module
    sys.path.insert(0, str(path.resolve().parent))
    try:
        theirs(f"reading {path.name}", spec.loader.exec_module, module)
    except TheirError as error:
        if isinstance(error.cause, SyntaxError):
            cause = error.cause
            text = (cause.text or "").strip()
            raise NotUnderstoodError(f"{path.name} is no Python: {cause.msg} (line {cause.lineno}: {text}).") from error
        if isinstance(error.cause, ModuleNotFoundError) and str(error.cause.name).split(".")[0] == "torch":
            raise NotUnderstoodError(
                f"{path.name} imports torch, which is not installed beside Gatewise: run pip install torch, then "
                f"examine it again."
            ) from error
        raise
    return module
