"""Compilers that are installed: they run a file that `to_c` wrote, and say how large its code is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from gatewise.errors import Array, GatewiseError, GatewiseValueError
from gatewise.interop.c import templates
from gatewise.storage import write_whole

COMPILERS = ("cc", "gcc", "clang")
SECONDS = 300


def find_compiler(compiler: str | None = None) -> str | None:
    """Return the path of a C compiler: the one asked for, that of the variable CC, or the first that is installed."""
    wanted = [compiler] if compiler else [os.environ.get("CC", ""), *COMPILERS]
    return next(filter(None, map(shutil.which, filter(None, wanted))), None)


def run(path: str | os.PathLike[str], x: Any, *, compiler: str | None = None) -> Array:
    """Compile a file that `to_c` wrote with the compiler that is installed, and run it from the start on x.

    Parameters
    ----------
    path : str or path
        The file. Its code runs on this machine as you do: run files that you know.
    x : array (time, inputs), or (time,) for one input
        Steps of one stream; integers for a model that begins with an `Embedding`.
    compiler : str, optional
        Name or path of a compiler; by default that of the variable CC, or the first of cc, gcc and clang.

    Returns
    -------
    ndarray (time, outputs), or (outputs,) for a model that gives one output for all steps
        In float32 or float64, as the file has it.

    Raises
    ------
    GatewiseError
        If there is no compiler, it fails, the file is none of ours, or x does not fit it.

    Examples
    --------
    >>> import tempfile, pathlib, numpy as np, gatewise as gw
    >>> from gatewise.interop.c import compilers, run
    >>> layer, x = gw.GRU(3, 8, rng=0), np.ones((5, 3), np.float32)
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "gru.c"
    >>> _ = gw.to_c(layer, path)
    >>> compilers.find_compiler() is None or np.allclose(run(path, x), layer(x[None])[0][0], atol=1e-5)
    True
    """
    file = _Written(path)
    x = file.checked(x)
    with tempfile.TemporaryDirectory() as folder:
        program = file.compiled(Path(folder), required(compiler))
        given = np.int32(len(x)).tobytes() + x.tobytes()
        done = subprocess.run([program], input=given, capture_output=True, timeout=SECONDS, check=False)
    if done.returncode == 3:
        raise GatewiseValueError(
            f"{path} refuses a step of x: need numbers within its table, and no more steps than the file keeps."
        )
    if done.returncode:
        raise GatewiseError(f"{path} stopped with the exit code {done.returncode}.")
    return file.answers(done.stdout)


def required(compiler: str | None = None) -> str:
    """Return the path of a compiler; raise, and say what to install, if there is none."""
    found = find_compiler(compiler)
    if found is None:
        what = f"no compiler {compiler!r}" if compiler else "no C compiler"
        raise GatewiseError(f"{what} is installed here; need cc, gcc or clang on the PATH, or its name in CC.")
    return found


def find_wasm_compiler() -> str | None:
    """Return the path of a Clang that can make WebAssembly; None if Clang or wasm-ld is not installed."""
    clang = shutil.which("clang")
    return clang if clang and any(shutil.which(linker) for linker in _linkers(clang)) else None


def _linkers(clang: str) -> list[str]:
    """Names under which wasm-ld may be installed: a versioned Clang has one of its version."""
    version = re.search(r"clang-(\d+)$", os.path.realpath(clang))
    return ["wasm-ld", *([f"wasm-ld-{version[1]}"] if version else [])]


def wasm_compiler() -> str:
    """Return the path of a Clang that can make WebAssembly; raise, and say what to install, if there is none."""
    found = find_wasm_compiler()
    if found is None:
        raise GatewiseError(
            "the page runs the model as WebAssembly, which Clang and its linker wasm-ld make, and they are not "
            "installed here; install them (packages clang and lld of most systems), or write C with gatewise.to_c."
        )
    return found


def compile_c(command: Sequence[str]) -> None:
    """Run a compiler; raise with its own words if it fails."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise GatewiseError(f"{Path(command[0]).name} failed: {done.stderr.strip()[:2000]}")


def code_bytes(path: str | os.PathLike[str], compiler: str | None = None) -> int | None:
    """Return the bytes of machine code of a file, without tables, optimized for size; None if that cannot be seen."""
    found, size = find_compiler(compiler), shutil.which("size")
    if found is None or size is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        target = str(Path(folder, "model.o"))
        compile_c([found, "-std=c99", "-Os", "-c", os.fspath(path), "-o", target])
        listed = subprocess.run([size, "-A", target], capture_output=True, text=True, check=True).stdout
    return sum(int(count) for count in re.findall(r"^\.text\S*\s+(\d+)", listed, re.MULTILINE))


class _Written:
    """A file that `to_c` wrote, and what its declarations say."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        try:
            text = self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise GatewiseValueError(f"cannot read {path} as a file of C: {error}.") from error
        declared = re.search(
            r"^int (\w+)_process\(\w+ \*s, const (\w+) \*x, int steps, (\w+) \*y\);", text, re.MULTILINE
        )
        if declared is None:
            raise GatewiseValueError(f"{path} has no NAME_process(); need a file written by gatewise.to_c.")
        self.name, self.x, self.real = declared.groups()
        self.sizes = {
            key: int(n) for key, n in re.findall(rf"^#define {self.name.upper()}_(\w+) (\d+) ", text, re.MULTILINE)
        }

    def checked(self, x: Any) -> Array:
        """Return x as the file reads it, (steps, inputs)."""
        kinds = {"int32_t": np.int32, "float": np.float32, "double": np.float64}
        values, size = np.asarray(x), self.sizes["INPUTS"]
        if values.ndim == 1 and size == 1:
            values = values[:, None]
        if values.ndim != 2 or values.shape[1] != size:
            raise GatewiseValueError(f"x has shape {values.shape}; {self.path} needs (time, {size}).")
        return np.ascontiguousarray(values.astype(kinds[self.x]))

    def compiled(self, folder: Path, compiler: str) -> str:
        """Return the path of a program that reads inputs and writes outputs."""
        main, program = folder / "main.c", str(folder / "model")
        words = {"file": self.path.resolve().as_posix(), "name": self.name, "big": self.name.upper()}
        text = Template(templates.MAIN).substitute(words, x=self.x, real=self.real)
        write_whole(main, text.encode())
        compile_c([compiler, "-std=c99", "-O2", str(main), "-o", program, "-lm"])
        return program

    def answers(self, written: bytes) -> Array:
        """Return what the program wrote, (steps, outputs) or (outputs,)."""
        y = np.frombuffer(written, np.float32 if self.real == "float" else np.float64).copy()
        return y.reshape(-1, self.sizes["OUTPUTS"]) if self.sizes["KEEPS_TIME"] else y
