"""What tests of C files share: the compilers that are installed, and models written and run."""

import shutil
import subprocess

import pytest

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror")
COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
needs_compiler = pytest.mark.skipif(not COMPILERS, reason="neither gcc nor clang is installed (apt-get install gcc)")
each_compiler = pytest.mark.parametrize("compiler", COMPILERS or ["none"])


def self_test(path, compiler, *flags):
    """The exit code of a file's own test, compiled without a warning."""
    program = path.with_suffix(f".{compiler}")
    compiled = compile_file(path, compiler, "-DGATEWISE_SELF_TEST", *flags, "-o", program, "-lm")
    assert compiled.returncode == 0, compiled.stderr
    return subprocess.run([program], capture_output=True).returncode


def compile_file(path, compiler, *arguments):
    """A finished run of a compiler that takes no warning."""
    return subprocess.run([compiler, *STRICT, path, *map(str, arguments)], capture_output=True, text=True)
