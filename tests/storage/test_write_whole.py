"""Files are the old ones or the whole new ones: links, kinds of files, permissions, strays, errors, several at once."""

import errno
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time

import pytest

from gatewise import GatewiseError
from gatewise.storage import temporaries, write_together, write_whole

posix = pytest.mark.skipif(os.name != "posix", reason="links, devices and permissions are those of POSIX")
OLD, NEW = b"old" * 1000, b"new" * 2000


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@posix
def test_a_link_stays_and_its_target_is_written(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "real").write_bytes(OLD)
    (tmp_path / "folder" / "second").symlink_to("real")
    (tmp_path / "first").symlink_to("folder/second")
    write_whole(tmp_path / "first", NEW)
    assert (tmp_path / "folder" / "real").read_bytes() == NEW
    assert os.readlink(tmp_path / "first") == "folder/second"
    assert os.readlink(tmp_path / "folder" / "second") == "real"
    assert names(tmp_path) == ["first", "folder"]
    assert names(tmp_path / "folder") == ["real", "second"]


@posix
def test_a_dangling_link_makes_its_target_and_a_loop_is_refused(tmp_path):
    (tmp_path / "link").symlink_to("none yet")
    write_whole(tmp_path / "link", NEW)
    assert (tmp_path / "none yet").read_bytes() == NEW
    assert (tmp_path / "link").is_symlink()
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(GatewiseError, match=r"cannot write .*a: Too many levels of symbolic links"):
        write_whole(tmp_path / "a", NEW)
    (tmp_path / "away").symlink_to("no folder/file")
    with pytest.raises(GatewiseError, match=r"cannot write .*away: No such file"):
        write_whole(tmp_path / "away", NEW)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives links away")
def test_a_link_of_somebody_else_in_a_folder_for_all_is_not_followed(tmp_path):
    (tmp_path / "real").write_bytes(OLD)
    shared = tmp_path / "shared"
    shared.mkdir()
    (shared / "link").symlink_to(tmp_path / "real")
    os.lchown(shared / "link", 1234, 1234)
    shared.chmod(0o1777)
    with pytest.raises(GatewiseError, match=r"cannot write .*link: it is a link that another user put into a folder"):
        write_whole(shared / "link", NEW)
    assert (tmp_path / "real").read_bytes() == OLD
    shared.chmod(0o755)
    write_whole(shared / "link", NEW)
    assert (tmp_path / "real").read_bytes() == NEW


@posix
def test_a_hard_link_keeps_the_old_file(tmp_path):
    (tmp_path / "a").write_bytes(OLD)
    os.link(tmp_path / "a", tmp_path / "b")
    write_whole(tmp_path / "a", NEW)
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (NEW, OLD)


@posix
def test_a_fifo_is_written_through_once_somebody_reads(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    started = time.perf_counter()
    with pytest.raises(GatewiseError, match="nobody reads this FIFO"):
        write_whole(fifo, NEW)
    assert time.perf_counter() - started < 1
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    write_whole(fifo, NEW)
    assert os.read(reader, 2 * len(NEW)) == NEW
    os.close(reader)
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert names(tmp_path) == ["fifo"]


@posix
def test_a_fifo_takes_more_than_it_holds(tmp_path):
    fifo, content, parts = tmp_path / "fifo", os.urandom(300_000), []
    os.mkfifo(fifo)
    reader = open(os.open(fifo, os.O_RDONLY | os.O_NONBLOCK), "rb")  # noqa: SIM115
    os.set_blocking(reader.fileno(), True)
    thread = threading.Thread(target=lambda: parts.append(reader.read()))
    writer = os.open(fifo, os.O_WRONLY)  # holds the end open until all is written, so that the reader waits
    thread.start()
    write_whole(fifo, content)
    os.close(writer)
    thread.join(10)
    reader.close()
    assert parts == [content]


@posix
def test_devices_stay_what_they_are(tmp_path):
    write_whole(os.devnull, NEW)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    if os.path.exists("/dev/full"):
        with pytest.raises(GatewiseError, match="cannot write /dev/full: No space left on device"):
            write_whole("/dev/full", NEW)
    null = tmp_path / "null"
    try:
        os.mknod(null, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        write_whole(null, NEW)
    except (PermissionError, GatewiseError):
        pytest.skip("no device can be made or opened in this folder")
    assert stat.S_ISCHR(null.stat().st_mode)


@posix
def test_a_socket_a_folder_and_a_block_device_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as one:
        one.bind("s")
        with pytest.raises(GatewiseError, match="cannot write s: it is a socket; need a file"):
            write_whole("s", NEW)
        assert stat.S_ISSOCK(os.stat("s").st_mode)
    with pytest.raises(GatewiseError, match="Is a directory"):
        write_whole(tmp_path, NEW)
    block = os.stat_result((stat.S_IFBLK | 0o600, *os.stat("s")[1:]))
    monkeypatch.setattr(os, "stat", lambda path, **options: block)
    with pytest.raises(GatewiseError, match="it is a block device"):
        write_whole("disk", NEW)


@posix
@pytest.mark.parametrize("place", ["/dev/stdout", "/dev/fd/1"])
@pytest.mark.parametrize("to_file", [True, False])
def test_standard_output_is_written_to(tmp_path, place, to_file):
    script = f"import os; os.write(1, b'1'); from gatewise.storage import write_whole; write_whole({place!r}, b'2')"
    with open(tmp_path / "out", "wb") as out:
        done = subprocess.run([sys.executable, "-c", script], stdout=out if to_file else subprocess.PIPE, check=True)
    assert ((tmp_path / "out").read_bytes() if to_file else done.stdout) == b"12"
    assert names(tmp_path) == ["out"]


@pytest.mark.parametrize("path", [None, 3, b"a\0b", "a\0b", ["a"]])
def test_what_is_no_name_is_refused(path):
    with pytest.raises(GatewiseError, match="path is "):
        write_together({tuple(path) if isinstance(path, list) else path: NEW})


def test_names_as_bytes_and_long_names(tmp_path):
    for name in (b"short", b"n" * 255, "ü".encode() * 127):
        write_whole(os.path.join(os.fsencode(tmp_path), name), NEW)
        assert (tmp_path / os.fsdecode(name)).read_bytes() == NEW
    assert len(names(tmp_path)) == 3
    with pytest.raises(GatewiseError, match="File name too long"):
        write_whole(tmp_path / ("n" * 256), NEW)


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444, 0o755, 0o4750])
def test_the_mode_is_kept(tmp_path, mode):
    path = tmp_path / "a"
    path.write_bytes(OLD)
    path.chmod(mode)
    write_whole(path, NEW)
    assert (stat.S_IMODE(path.stat().st_mode), path.read_bytes()) == (mode, NEW)


@posix
def test_nobody_else_reads_a_private_file_while_it_is_written(tmp_path, monkeypatch):
    path, seen = tmp_path / "a", []
    path.write_bytes(OLD)
    path.chmod(0o600)
    write = os.write

    def watched(handle, content):
        seen.append(stat.S_IMODE(os.fstat(handle).st_mode))
        return write(handle, content)

    monkeypatch.setattr(os, "write", watched)
    write_whole(path, NEW)
    assert seen == [0o600]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives files away")
def test_owner_and_group_are_kept(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(OLD)
    os.chown(path, 1234, 2345)
    path.chmod(0o4640)
    write_whole(path, NEW)
    found = path.stat()
    assert (found.st_uid, found.st_gid, stat.S_IMODE(found.st_mode)) == (1234, 2345, 0o4640)


@posix
def test_a_group_that_cannot_be_kept_gets_what_all_others_get(tmp_path, monkeypatch):
    path, given = tmp_path / "a", path_of_another_group(tmp_path / "a")

    def refuse(handle, user, group):
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "fchown", refuse)
    monkeypatch.setattr(os, "stat", given)
    write_whole(path, NEW)
    monkeypatch.undo()
    assert stat.S_IMODE(path.stat().st_mode) == 0o604 | 0o040


def path_of_another_group(path):
    """A file of mode 0664, and `os.stat` that gives it to another group."""
    path.write_bytes(OLD)
    path.chmod(0o664)
    real = os.stat

    def given(place, **options):
        found = list(real(place, **options))
        found[5] += 1
        return os.stat_result(found)

    return given


@posix
def test_the_umask_of_other_threads_is_never_touched(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("the umask is of the whole process"))
    write_whole(tmp_path / "a", NEW)
    assert (tmp_path / "a").read_bytes() == NEW


def fork_and_kill(path, after):
    """Write a file in a process that is killed after so many bytes; return once it is dead."""
    child = os.fork()
    if not child:
        written, write = [0], os.write

        def cut(handle, content):
            if written[0] >= after:
                os.kill(os.getpid(), signal.SIGKILL)
            written[0] += write(handle, content[:1000])
            return min(len(content), 1000)

        os.write = cut
        write_whole(path, NEW)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@posix
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_killed_writer_leaves_the_old_file_and_the_next_save_removes_its_stray(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(OLD)
    for after in range(0, len(NEW), 1000):
        assert fork_and_kill(path, after) == -signal.SIGKILL
        assert path.read_bytes() == OLD
        assert len(names(tmp_path)) == 2  # each writer removes the stray of the one before
    write_whole(tmp_path / "b", NEW)
    assert len(names(tmp_path)) == 3  # a stray of another file is no business of this one
    write_whole(path, NEW)
    assert names(tmp_path) == ["a", "b"]


@posix
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_temporary_of_a_living_process_is_left_alone(tmp_path):
    path = tmp_path / "a"
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if not child:
        fsync = os.fsync

        def wait(handle):
            os.fsync = fsync
            os.write(ready[1], b".")
            os.read(go[0], 1)
            fsync(handle)

        os.fsync = wait
        write_whole(path, OLD)
        os._exit(0)
    os.read(ready[0], 1)
    for _ in range(3):
        write_whole(path, NEW)
    assert len(names(tmp_path)) == 2
    os.write(go[1], b".")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (names(tmp_path), path.read_bytes()) == (["a"], OLD)
    for handle in (*ready, *go):
        os.close(handle)


def test_files_that_only_look_like_strays_stay(tmp_path):
    others = [".a.writing", ".a.0123456789ab", ".a.0123456789abc.writing", ".a.b.0123456789ab.writing", "a.writing"]
    for name in others:
        (tmp_path / name).write_bytes(OLD)
    (tmp_path / ".a.0123456789ab.writing").mkdir()
    (tmp_path / ".a.ba9876543210.writing").write_bytes(OLD)
    write_whole(tmp_path / "a", NEW)
    kept = [*others, ".a.0123456789ab.writing", "a"]
    assert names(tmp_path) == sorted([*kept, ".a.ba9876543210.writing"] if os.name == "nt" else kept)


def test_many_threads_write_one_file(tmp_path):
    path, errors = tmp_path / "a", []
    contents = [bytes([k]) * 5000 for k in range(4)]

    def run(content):
        try:
            for _ in range(15):
                write_whole(path, content)
                assert path.read_bytes() in contents
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=[content]) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert names(tmp_path) == ["a"]


def test_a_file_system_without_locks_is_written_and_its_strays_stay(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl")

    def refuse(handle, kind):
        raise OSError(errno.EOPNOTSUPP, "no locks")

    monkeypatch.setattr(fcntl, "flock", refuse)
    (tmp_path / ".a.ba9876543210.writing").write_bytes(OLD)
    write_whole(tmp_path / "a", NEW)
    assert names(tmp_path) == [".a.ba9876543210.writing", "a"]


def test_whoever_removes_strays_may_be_quicker_than_the_lock(tmp_path, monkeypatch):
    steps = []

    def lock(handle, shared=False):
        steps.append(len(steps))
        if len(steps) < 3:
            next(tmp_path.glob(".a.*")).unlink()
        return len(steps) > 1  # the first is locked by somebody else, the second is without a name, the third is ours

    monkeypatch.setattr(temporaries, "_lock", lock)
    write_whole(tmp_path / "a", NEW)
    assert len(steps) == 3
    assert ((tmp_path / "a").read_bytes(), names(tmp_path)) == (NEW, ["a"])
