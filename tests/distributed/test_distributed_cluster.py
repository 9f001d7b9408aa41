"""Where the work is done: on loopback only, closed at the end, and the same bytes when workers die."""

import os
import signal
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import dask
import distributed
import pytest
from partitioned import SIZES, arrays, cut, trained

import gatewise as gw
from gatewise.distributed import package, partitions
from gatewise.distributed.cluster import connected, local_client
from gatewise.losses import mse


def listeners(pid):
    """Addresses, as hexadecimal IPv4 or IPv6, on which a process listens."""
    links = []
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        try:
            links.append(str(handle.readlink()))
        except OSError:
            continue
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in links:
                found.append(fields[1].partition(":")[0])
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_everything_listens_on_loopback_only(two_workers):
    pids = [os.getpid(), *two_workers.run(os.getpid).values()]
    assert len(pids) == 3
    for pid in pids:
        assert set(listeners(pid)) == {"0100007F"}


def fail_with(pids, folder):
    """Work on a cluster of one worker until something goes wrong."""
    with local_client(1) as client:
        pids += client.run(os.getpid).values()
        assert len(list(folder.glob("gatewise-dask-*/*"))) > 0
        raise KeyError(client.status)


def test_a_local_cluster_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pids, environment = [], dict(os.environ)
    with pytest.raises(KeyError, match="running"):
        fail_with(pids, tmp_path)
    assert dict(os.environ) == environment
    assert list(tmp_path.glob("gatewise-dask-*")) == []
    ends = time.monotonic() + 5
    while any(Path(f"/proc/{pid}").exists() for pid in pids) and time.monotonic() < ends:
        time.sleep(0.01)
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_a_client_of_the_user_stays_open(two_workers):
    with connected(two_workers) as client:
        assert client is two_workers
    assert two_workers.status == "running"
    for other in (two_workers.scheduler.address, two_workers.cluster):
        with connected(other) as client:
            assert client.nthreads() == two_workers.nthreads()
        assert client.status == "closed"
        assert two_workers.status == "running"


def test_a_scheduler_that_is_not_there_is_named():
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "0.1s"}),
        pytest.raises(gw.GatewiseError, match=r"cannot reach the Dask scheduler tcp://127\.0\.0\.1:9 "),
        connected("tcp://127.0.0.1:9"),
    ):
        pass


def test_an_asynchronous_client_is_refused(two_workers, monkeypatch):
    monkeypatch.setattr(distributed.Client, "asynchronous", True)
    with pytest.raises(gw.GatewiseError, match="asynchronous"), connected(two_workers):
        pass


def test_what_is_missing_is_said(monkeypatch):
    for name in ("dask", "distributed"):
        monkeypatch.setitem(sys.modules, name, None)
    for ask in (package.dask, package.distributed):
        with pytest.raises(gw.GatewiseError, match=r"pip install 'gatewise\[dask\]'"):
            ask()


def deadly(driver, flag, prediction, target, **weights):
    """The squared error, which in a worker costs its process its life, with a flag only where that is absent."""
    if os.getpid() != driver and (flag is None or not flag.exists()):
        if flag is not None:
            flag.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return mse(prediction, target, **weights)


def test_bytes_stay_the_same_when_a_worker_is_killed(tmp_path, mortal_workers):
    x, y = arrays()
    flag = tmp_path / "killed"
    loss = partial(deadly, os.getpid(), flag)
    killed = trained((cut(x), cut(y)), client=mortal_workers, loss=loss)
    assert flag.exists()
    assert killed == trained((x, y), partitions=SIZES)


def test_bytes_stay_the_same_when_workers_leave_and_join(monkeypatch, mortal_workers):
    monkeypatch.setattr(partitions, "REFRESHED", 0.0)
    x, y = arrays()
    seen = []

    def change(record, net):
        seen.append(set(mortal_workers.nthreads()))
        if record["epoch"] == 1:
            mortal_workers.retire_workers([min(seen[0])])
        if record["epoch"] == 3:
            mortal_workers.wait_for_workers(2, timeout=60)

    changed = trained((cut(x), cut(y)), client=mortal_workers, callbacks=[change], epochs=5)
    assert seen[0] - seen[4], "none left"
    assert seen[4] - seen[0], "none joined"
    assert changed == trained((x, y), partitions=SIZES, epochs=5)


def test_partitions_that_kill_worker_after_worker_are_given_up(mortal_workers):
    x, y = arrays()
    scheduler = mortal_workers.cluster.scheduler
    before, scheduler.allowed_failures = scheduler.allowed_failures, 0
    try:
        with pytest.raises(gw.GatewiseError, match="again and again"):
            trained((cut(x), cut(y)), client=mortal_workers, loss=partial(deadly, os.getpid(), None))
    finally:
        scheduler.allowed_failures = before
