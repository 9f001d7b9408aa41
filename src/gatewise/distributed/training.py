"""Data-parallel training: the loop of `gatewise.train` over partitions of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from gatewise.distributed.cluster import connected
from gatewise.distributed.loop import DistributedLoop
from gatewise.distributed.partitions import Partitions
from gatewise.distributed.reading import Data, placed
from gatewise.errors import GatewiseTypeError, GatewiseValueError, check_number
from gatewise.layers import Layer
from gatewise.layers.layer import Rng
from gatewise.losses import Loss
from gatewise.optimizers import Optimizer
from gatewise.training import History
from gatewise.training.epochs import Callback, run
from gatewise.training.keeping import CheckpointLike, Keeper, stage_of

Validation = float | tuple[Any, ...] | None


def train(
    model: Layer,
    data: tuple[Any, Any],
    *,
    loss: str | Loss,
    optimizer: str | Optimizer,
    epochs: int,
    batch_size: int = 32,
    lengths: Any = None,
    weights: Any = None,
    validation: Validation = None,
    patience: int | None = None,
    tol: float = 0.0,
    clip: float | None = None,
    shuffle: bool = True,
    rng: Rng = None,
    client: Any = None,
    partitions: int | Sequence[int] | None = None,
    sync_every: int = 1,
    checkpoint: CheckpointLike | None = None,
    every: int | str = 1,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    progress: bool = False,
) -> History:
    """Train a model in place on rows that lie in partitions, on the workers of a Dask cluster or in this process.

    In each update every partition gives its share of the batch: the next of its rows, in an order of its own. The
    gradients are computed where the rows lie and added pairwise in the order of the partitions; the driver makes one
    step of the optimizer and sends the weights out. What comes out depends on the partitions and on `rng`, bit for bit,
    and not on how many workers there are, whether some join, leave or die on the way, or whether there are any.

    Parameters
    ----------
    model : Layer
        Any layer or `Sequential`; its `params` change.
    data : (x, y)
        Dask arrays x (n, time, features) and y (n, ...), cut along the first axis; or Dask frames or series, whose
        columns are the time steps of one feature in x; or bags of sequences (time_i,) or (time_i, features) in x and of
        targets in y. The partitions of x and y hold the same rows. Or NumPy arrays, cut into `partitions`. Floats of
        frames and bags get the dtype of the model.
    loss : str or callable
        As in `gatewise.train`; it is sent to the workers.
    optimizer : str or Optimizer
        One of `gatewise.optimizers`, or its name in lower case for its defaults.
    epochs : int
        Passes over all rows.
    batch_size : int
        Rows an update, of all partitions together, up to rounding in each.
    lengths, weights : Dask array, series or bag, or array, (n,), optional
        As in `gatewise.train`, partitioned as x. Sequences of a bag have lengths by themselves.
    validation : (x, y), (x, y, lengths), (x, y, lengths, weights) or float, optional
        Held-out rows, of any of the kinds of `data`, or the share of each partition, taken from its end, that is held
        out. Their loss is computed where they lie.
    patience, tol, clip, shuffle
        As in `gatewise.train`.
    rng : int or numpy.random.Generator, optional
        Source of the one seed from which the order of rows and the dropout masks of every partition follow; fresh
        entropy if None.
    client : distributed.Client, Dask cluster, str or int, optional
        Where to compute: a client or cluster, the address of a scheduler, or how many workers a cluster on this machine
        is to have. If None, NumPy arrays stay in this process, and Dask collections get such a cluster with one worker
        a core, which listens on loopback only and is closed at the end.
    partitions : int or sequence of int, optional
        For NumPy arrays: how many parts, or the rows of each; 8 if None.
    sync_every : int
        Local SGD: each partition makes so many steps by itself, with its share of each batch, from the common weights
        and the common state of the optimizer, before the weights and the arrays of that state are averaged, each
        partition counted by the weight of its rows. 1 makes every step a common one.
    checkpoint, every, resume
        As in `gatewise.train`: the driver writes its state to a file, and when it has been killed the same call with
        `resume=True` continues it with the same bits, on other workers too.
    callbacks : sequence of callable
        Each is called as `callback(record, model)` after every epoch; training stops if one returns True.
    progress : bool
        Whether to draw a progress bar on standard error, if that is a terminal.

    Returns
    -------
    History
        As of `gatewise.train`.

    Raises
    ------
    GatewiseError
        If an argument does not fit, a partition cannot be read, Dask is not installed, or a partition costs one worker
        after the other its life.
    NonFiniteError
        If the loss or a gradient is not finite; its `sample` is a row of the partition that the message names.
    TrainingInterrupted
        With `checkpoint`, when SIGINT or SIGTERM came; see `gatewise.train`.

    References
    ----------
    Local SGD: S. U. Stich, "Local SGD Converges Fast and Communicates Little", ICLR 2019.

    Examples
    --------
    In this process, with the same bits as on any cluster:

    >>> import numpy as np, gatewise as gw
    >>> x = np.random.default_rng(0).normal(size=(64, 10, 1)).astype(np.float32)
    >>> model = gw.Sequential(gw.GRU(1, 8, rng=0), gw.Last(), gw.Dense(8, 1, rng=1))
    >>> history = gw.distributed.train(
    ...     model, (x, x.sum(axis=1)), loss="mse", optimizer="adam", epochs=2, batch_size=16, partitions=4, rng=0
    ... )
    >>> len(history), history["loss"][1] < history["loss"][0]
    (2, True)
    """
    check_number("epochs", epochs, 1, integer=True)
    if callable(callbacks) or not all(map(callable, callbacks)):
        raise GatewiseTypeError(f"callbacks is {callbacks!r}; need a sequence of functions: pass [callback].")
    whole = _data("data", data, lengths, weights)
    whole.check_partitions(partitions)
    needed = whole.is_distributed or client is not None
    with stage_of(checkpoint, every, resume, "gatewise.distributed.train") as stage, ExitStack() as stack:
        connection = stack.enter_context(connected(client)) if needed else None
        loop = DistributedLoop(
            model,
            placed(whole, model.dtype, connection, partitions),
            loss,
            optimizer,
            held_out=_held_out(validation, model, connection),
            sync_every=sync_every,
            batch_size=batch_size,
            clip=clip,
            shuffle=shuffle,
            patience=patience,
            tol=tol,
            rng=rng,
        )
        keeper = Keeper(loop, stage)
        keeper.resume(rng, loop.facts)
        run(loop, keeper, epochs, callbacks, progress)
    return loop.history


def _data(name: str, data: Any, *more: Any) -> Data:
    """Return (x, y, ...) as `Data`."""
    if not isinstance(data, tuple | list) or not 2 <= len(data) + len(more) <= 4:
        raise GatewiseValueError(f"{name} is {_kind(data)}; need a tuple (x, y).")
    return Data(*data, *more)


def _kind(data: Any) -> str:
    return f"a {type(data).__name__} of {len(data)}" if isinstance(data, tuple | list) else f"a {type(data).__name__}"


def _held_out(validation: Validation, model: Layer, client: Any) -> float | Partitions | None:
    """A share as it is, and rows as partitions."""
    if validation is None or isinstance(validation, int | float | np.number):
        return None if validation is None else float(validation)
    data = _data("validation", validation)
    if data.is_distributed and client is None:
        raise GatewiseTypeError("validation is a Dask collection and data is not; need both of one kind, or a client=.")
    return placed(data, model.dtype, client)
