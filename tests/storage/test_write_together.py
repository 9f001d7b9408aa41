"""Several files in one step, full disks, and places that are tested before the work."""

import errno
import importlib.util
import os
import re
import stat
import subprocess
import sys
import warnings

import pytest

import gatewise as gw
from gatewise import GatewiseError
from gatewise.interop.c import compilers
from gatewise.storage import check_places, write_together, write_whole

posix = pytest.mark.skipif(os.name != "posix", reason="limits, links and FIFOs are those of POSIX")
FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def folder(tmp_path):
    """Two files of an earlier run, and room for a third."""
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"old " + name.encode())
    return tmp_path


def held(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


def contents(folder):
    return {folder / name: b"new " + name.encode() for name in ("a", "b", "c")}


BEFORE = {"a": b"old a", "b": b"old b"}
AFTER = {"a": b"new a", "b": b"new b", "c": b"new c"}


def test_all_are_written(folder):
    write_together(contents(folder))
    assert held(folder) == AFTER
    write_together({})


def failing(real, number, fault):
    """A function that fails when it is called for this time."""
    calls = []

    def call(*arguments, **options):
        calls.append(arguments)
        if len(calls) == number:
            raise fault
        return real(*arguments, **options)

    return call


@pytest.mark.parametrize("fault", [FULL, KeyboardInterrupt()], ids=["full", "interrupted"])
@pytest.mark.parametrize(("name", "times"), [("write", 3), ("fsync", 3), ("replace", 3), ("open", 3), ("link", 2)])
def test_a_failure_at_any_place_changes_nothing(folder, monkeypatch, name, times, fault):
    for number in range(1, times + 1):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, failing(getattr(os, name), number, fault))
            with pytest.raises(GatewiseError if fault is FULL else KeyboardInterrupt) as caught:
                write_together(contents(folder))
        if fault is FULL:
            assert "No space left on device" in str(caught.value)
        assert held(folder) == BEFORE


def test_without_hard_links_a_failing_rename_still_leaves_no_new_file(folder, monkeypatch):
    monkeypatch.setattr(os, "link", failing(os.link, 1, OSError(errno.EPERM, "no links here")))
    monkeypatch.setattr(os, "replace", failing(os.replace, 1, FULL))
    with pytest.raises(GatewiseError, match="No space left"):
        write_together(contents(folder))
    assert held(folder) == BEFORE


@posix
def test_two_names_of_one_file_are_refused(folder):
    (folder / "link").symlink_to("a")
    with pytest.raises(GatewiseError, match="are the same file; need a name for each"):
        write_together({folder / "a": b"1", folder / "link": b"2"})
    with pytest.raises(GatewiseError, match="are the same file"):
        write_together({str(folder / "a"): b"1", folder / "a": b"2"})
    assert held(folder) == {**BEFORE, "link": b"old a"}


@posix
def test_what_is_written_through_goes_first(folder):
    os.mkfifo(folder / "fifo")
    with pytest.raises(GatewiseError, match="nobody reads this FIFO"):
        write_together(contents(folder) | {folder / "fifo": b"x"})
    assert held(folder) == BEFORE
    reader = os.open(folder / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    write_together(contents(folder) | {folder / "fifo": b"x"})
    assert (held(folder), os.read(reader, 9)) == (AFTER, b"x")
    os.close(reader)


def test_places_are_tested_by_writing(folder, monkeypatch):
    check_places([folder / "a", folder / "c"])
    assert held(folder) == BEFORE
    (folder / "d").mkdir()
    with pytest.raises(GatewiseError, match=r"cannot write .*d: Is a directory"):
        check_places([folder / "c", folder / "d"])
    with pytest.raises(GatewiseError, match=r"cannot write .*c: No such file or directory"):
        check_places([folder / "none" / "c"])
    monkeypatch.setattr(os, "write", failing(os.write, 1, FULL))
    with pytest.raises(GatewiseError, match=r"cannot write .*c: No space left on device"):
        check_places([folder / "c"])
    assert held(folder) == BEFORE


@posix
def test_places_that_are_no_files_are_left_alone(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    check_places([tmp_path / "fifo", os.devnull])
    assert stat.S_ISFIFO((tmp_path / "fifo").stat().st_mode)


LIMITED = """
import resource, sys, pathlib, numpy as np, gatewise as gw
folder, what = pathlib.Path(sys.argv[1]), sys.argv[2]
model = gw.Sequential(gw.GRU(20, 40, rng=0), gw.Dense(40, 1, rng=1))
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
verbs = {"save": gw.save, "to_c": gw.to_c, "to_html": gw.to_html, "to_onnx": gw.to_onnx}
try:
    verbs[what](model, folder / "a")
except gw.GatewiseError as error:
    print(error)
"""


@posix
@pytest.mark.parametrize("what", ["save", "to_c", "to_html", "to_onnx"])
def test_a_file_that_is_too_large_for_its_place_leaves_the_old_one(folder, what):
    if what == "to_onnx":
        pytest.importorskip("onnx")
    if what == "to_html" and compilers.find_wasm_compiler() is None:
        pytest.skip("no compiler makes WebAssembly here")
    arguments = [sys.executable, "-c", LIMITED, str(folder), what]
    environment = {**os.environ, "GATEWISE_KERNELS": "0"}
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, check=True)
    assert re.fullmatch("cannot write .*: File too large[.]\n", done.stdout)
    assert str(folder / "a") in done.stdout or what == "to_html"  # which writes C for its compiler before
    assert held(folder) == BEFORE


@posix
def test_all_that_is_written_goes_this_way(tmp_path):
    """A save follows a link, which only this room does."""
    (tmp_path / "real").write_bytes(b"")
    (tmp_path / "link").symlink_to("real")
    model = gw.Dense(2, 1, rng=0)
    with warnings.catch_warnings():  # which Bokeh changes when it is imported
        page = gw.report(model)
    writers = [gw.save, gw.to_c, lambda model, path: page.save(path)]
    writers += [gw.to_html] if compilers.find_wasm_compiler() else []
    writers += [gw.to_onnx] if importlib.util.find_spec("onnx") else []
    sizes = []
    for write in writers:
        write(model, tmp_path / "link")
        sizes.append((tmp_path / "real").stat().st_size)
        assert (tmp_path / "link").is_symlink()
    assert len(set(sizes)) == len(writers)
    write_whole(tmp_path / "link", b"")
    assert (tmp_path / "real").read_bytes() == b""
