"""A model on its way to the workers: once to each, those that join later among them, and never with a task."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from distributed import WorkerPlugin

from gatewise.storage import write_whole
from gatewise.tables.prediction import Predictor

ATTEMPTS = 5
"""Times that the model is sent to all workers, should one of them die over it."""

_lock = threading.Lock()
_files: dict[str, list[str]] = {}
_predictors: dict[str, Predictor] = {}


class _Sender(WorkerPlugin):  # type: ignore[misc, unused-ignore]
    """What Dask runs in each worker: the model's file goes to the worker's folder."""

    def __init__(self, digest: str, content: bytes) -> None:
        self.name = f"gatewise-model-{uuid4().hex}"  # of this call: another may send the same model
        self.digest, self.content = digest, content
        self.path = ""

    def setup(self, worker: Any) -> None:
        """Write the file; it is read when the first task asks for it."""
        os.makedirs(worker.local_directory, exist_ok=True)
        self.path = os.path.join(worker.local_directory, f"{self.name}.safetensors")
        write_whole(self.path, self.content)
        with _lock:
            _files.setdefault(self.digest, []).append(self.path)

    def teardown(self, worker: Any) -> None:
        """Remove the file; forget the model, unless another worker or call in this process has it too."""
        with _lock:
            left = _files.get(self.digest, [])
            if self.path in left:
                left.remove(self.path)
                Path(self.path).unlink(missing_ok=True)
            if not left:
                _files.pop(self.digest, None)
                _predictors.pop(self.digest, None)


def digest_of(content: bytes) -> str:
    """Return what tells one model from another."""
    return hashlib.sha256(content).hexdigest()


@contextmanager
def sent(client: Any, content: bytes) -> Iterator[str]:
    """Let every worker of a cluster have a model as long as the block lasts; yield its digest."""
    sender = _Sender(digest_of(content), content)
    _send(client, sender)
    try:
        yield sender.digest
    finally:
        with suppress(OSError):  # of a worker that dies meanwhile, or of a cluster that is gone
            client.unregister_worker_plugin(sender.name)


def _send(client: Any, sender: _Sender) -> None:
    """Send to all workers; if one dies meanwhile, again, since others may not have been told."""
    for left in reversed(range(ATTEMPTS)):
        try:
            client.register_plugin(sender)
            return
        except OSError:
            if not left:
                raise


def received(digest: str) -> Predictor:
    """Return the model that was sent to this worker."""
    with _lock:
        if digest not in _predictors:
            _predictors[digest] = Predictor.of(_files[digest][0])
        return _predictors[digest]
