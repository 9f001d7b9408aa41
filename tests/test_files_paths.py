"""Where files are written: paths, failed writes, permissions."""

import errno
import os
import stat

import pytest

import gatewise as gw


def test_paths_that_cannot_be_used(tmp_path):
    with pytest.raises(gw.GatewiseError, match=r"cannot read .*none as a safetensors file: No such file"):
        gw.load(tmp_path / "none")
    with pytest.raises(gw.GatewiseError, match=r"is a directory; need a file written by gatewise.save"):
        gw.load(tmp_path)
    with pytest.raises(gw.GatewiseError, match=r"cannot write .*none/m: No such file or directory") as caught:
        gw.save(gw.Last(), tmp_path / "none" / "m")
    assert isinstance(caught.value, ValueError)
    (tmp_path / "folder").mkdir()
    with pytest.raises(gw.GatewiseError, match=r"cannot write .*folder: Is a directory"):
        gw.save(gw.Last(), tmp_path / "folder")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(gw.GatewiseError, match=r"cannot write .*: Not a directory"):
        gw.save(gw.Last(), tmp_path / "file" / "m")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]


def test_relative_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gw.save(gw.Dense(2, 3, rng=0), "model with spaces ü")
    assert gw.load("model with spaces ü").output_size == 3


@pytest.mark.parametrize("broken", ["replace", "fsync", "write"])
@pytest.mark.parametrize(
    "fault", [OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), OSError("odd"), KeyboardInterrupt()]
)
@pytest.mark.parametrize("exists", [True, False])
def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch, broken, fault, exists):
    path = tmp_path / "m"
    if exists:
        gw.save(gw.Dense(2, 3, rng=0), path)
    before = path.read_bytes() if exists else None

    def fail(*args, **kwargs):
        raise fault

    monkeypatch.setattr(os, broken, fail)
    if isinstance(fault, OSError):
        reason = "No space left on device" if fault.errno else "odd"
        with pytest.raises(gw.GatewiseError, match=f"cannot write {path}: {reason}"):
            gw.save(gw.GRU(3, 4, rng=0), path)
    else:
        with pytest.raises(KeyboardInterrupt):
            gw.save(gw.GRU(3, 4, rng=0), path)
    assert [p.name for p in tmp_path.iterdir()] == ["m"] * exists
    assert not exists or path.read_bytes() == before


def test_the_file_is_on_disk_before_it_takes_the_name(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    gw.save(gw.Last(), tmp_path / "m")
    assert calls[:2] == ["fsync", "replace"]
    assert [p.name for p in tmp_path.iterdir()] == ["m"]


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_permissions_follow_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        gw.save(gw.Last(), tmp_path / "m")
        assert stat.S_IMODE((tmp_path / "m").stat().st_mode) == 0o666 & ~mask
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
