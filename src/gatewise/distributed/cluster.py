"""Where the work is done: a cluster of the user's, or one on this machine that lasts as long as the call."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import TemporaryDirectory
from typing import Any

from gatewise.distributed import package
from gatewise.errors import GatewiseError, GatewiseTypeError, check_number
from gatewise.threads import cores

LOOPBACK = "127.0.0.1"
FAILURES = 5
"""So many workers may die over one task before a local cluster gives it up; Dask's own 3 is soon reached by chance."""

PATIENT = {"distributed.deploy.lost-worker-timeout": "1h"}
"""A worker that takes long to start anew is not given up for that: `_mended` sees when it is."""
MENDED = 1.0
"""Seconds between two looks for workers that are gone for good."""


@contextmanager
def connected(client: Any = None) -> Iterator[Any]:
    """Yield a Dask client for as long as the block lasts.

    Parameters
    ----------
    client : distributed.Client, a Dask cluster, str, int or None
        A client or a cluster of the user's, which stays open. The address of a scheduler, such as
        `"tcp://10.0.0.1:8786"`. Or how many workers a cluster on this machine is to have, with one thread each; None
        for one a core. It listens on loopback only, and is closed at the end.

    Yields
    ------
    distributed.Client

    Raises
    ------
    GatewiseError
        If `client` is none of these or cannot be reached, or Dask is not installed.
    """
    distributed = package.distributed()
    if isinstance(client, distributed.Client):
        if client.asynchronous:
            raise GatewiseTypeError("client is asynchronous; need one that waits: Client(..., asynchronous=False).")
        yield client
        return
    if client is None or (isinstance(client, int) and not isinstance(client, bool)):
        with local_client(client) as local:
            yield local
        return
    if not isinstance(client, str) and not hasattr(client, "scheduler_address"):
        raise GatewiseTypeError(
            f"client is a {type(client).__name__}; need a distributed.Client, the address of a scheduler, "
            f"a number of local workers, or None."
        )
    try:
        other = distributed.Client(client, set_as_default=False)
    except (OSError, ValueError) as error:
        raise GatewiseError(f"cannot reach the Dask scheduler {client} ({error}).") from error
    with other:
        yield other


@contextmanager
def local_client(workers: int | None = None) -> Iterator[Any]:
    """Yield the client of a cluster of processes on this machine, one thread each, that listens on loopback only.

    What its workers write goes to a temporary folder, which is removed at the end, like the cluster.

    Parameters
    ----------
    workers : int, optional
        One a core if None.
    """
    dask, distributed = package.dask(), package.distributed()
    workers = cores() if workers is None else workers
    check_number("client", workers, 1, integer=True)
    with (
        TemporaryDirectory(prefix="gatewise-dask-", ignore_cleanup_errors=True) as folder,
        _environment_kept(),
        dask.config.set({"distributed.scheduler.allowed-failures": FAILURES, **PATIENT}),
        _closed(
            distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host=LOOPBACK,
                dashboard_address=f"{LOOPBACK}:0",
                worker_dashboard_address=f"{LOOPBACK}:0",
                local_directory=folder,
                silence_logs=logging.CRITICAL,
            )
        ) as cluster,
        _mended(cluster, workers),
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def _closed(cluster: Any) -> Iterator[Any]:
    """Close a cluster at the end, and end the processes of workers that do not answer in time."""
    try:
        yield cluster
    finally:
        pids = [nanny.pid for nanny in cluster.workers.values() if nanny.pid]
        try:
            cluster.close()
        except TimeoutError:
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)


@contextmanager
def _environment_kept() -> Iterator[None]:
    """Put back what Dask sets in the environment of this process for the processes that it starts."""
    set_by_dask = {*package.dask().config.get("distributed.nanny.pre-spawn-environ"), "PYTHONHASHSEED"}
    before = {name: os.environ.get(name) for name in set_by_dask}
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _mended(cluster: Any, workers: int) -> Iterator[None]:
    """Start workers anew that Dask gave up: it restarts those that die, but not those that die while they start."""
    over = threading.Event()

    def mend() -> None:
        for name, nanny in list(cluster.workers.items()):
            if nanny.status.name in ("closed", "failed"):
                del cluster.workers[name]
        cluster.scale(workers)

    def watch() -> None:
        while not over.wait(MENDED):
            cluster.loop.add_callback(mend)

    watcher = threading.Thread(target=watch, name="gatewise-dask", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def current_client() -> Any:
    """Return the Dask client that the user has opened last; None if there is none."""
    try:
        return package.distributed().default_client()
    except ValueError:
        return None
