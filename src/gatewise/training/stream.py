"""Training on a stream: truncated backpropagation through time over blocks that go on from one another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from gatewise.errors import GatewiseTypeError, GatewiseValueError, check_number
from gatewise.layers import Layer
from gatewise.layers.layer import Rng
from gatewise.losses import Loss
from gatewise.optimizers import Optimizer
from gatewise.progress import progress_bar
from gatewise.training.epochs import Callback
from gatewise.training.history import History
from gatewise.training.stream_loop import StreamLoop


def train_stream(
    model: Layer,
    batches: Iterable[Any],
    *,
    loss: str | Loss,
    optimizer: str | Optimizer,
    k1: int,
    k2: int | None = None,
    clip: float | None = None,
    max_updates: int | None = None,
    rng: Rng = None,
    callbacks: Sequence[Callback] = (),
    progress: bool = False,
) -> History:
    """Train a model in place on rows that go on from block to block: an update every k1 steps, looking back k2.

    Parameters
    ----------
    model : Layer
        A layer or `Sequential` that gives an output at every step and reads in one direction; its `params` change.
    batches : iterable of (x, y), (x, y, resets) or (x, y, resets, weights)
        Blocks of contiguous rows, x (batch, time, D) or integers (batch, time), y (batch, time, …): row i of a block
        goes on where row i of the block before ended. `time` may differ from block to block and need not be a multiple
        of k1; an iterator may be endless. resets (batch, time) is True where a row begins anew: its state is 0 before
        that step, and no gradient passes it. weights (batch, time) are those of the steps in the loss; 0 leaves a step
        out. See `contiguous_rows`.
    loss : str or callable
        As in `train`; the mean over the newest k1 steps of all rows.
    optimizer : str or Optimizer
        As in `train`.
    k1 : int
        Steps between two updates.
    k2 : int, optional
        Steps through which the gradient of the newest k1 goes back, at least k1; k1 if None. With k2 > k1 the windows
        overlap, and each begins from the state that the one before it, with the weights of then, had at that step.
    clip : float, optional
        Limit of the global gradient norm.
    max_updates : int, optional
        Stop after so many updates; without it, at the end of `batches`.
    rng : int or numpy.random.Generator, optional
        Source of dropout masks; fresh entropy if None.
    callbacks : sequence of callable
        Each is called as `callback(record, model)` after every update; training stops if one returns True.
    progress : bool
        Whether to draw a progress bar on standard error, if that is a terminal.

    Returns
    -------
    History
        A list of dicts with `update`, `updates`, `step`, `loss`, `gradient_norm`, `seconds`: one an update until there
        are 1,000; then neighbors are joined, so that memory stays constant however long the stream is.

    Raises
    ------
    GatewiseError
        If an argument or a block does not fit, or the model cannot run step by step.
    NonFiniteError
        If the loss or a gradient is not finite; nothing of that update has been applied.

    Notes
    -----
    The last steps of a stream, fewer than k1, make an update of their own. Source: Williams and Peng (1990), *An
    efficient gradient-based algorithm for on-line training of recurrent network trajectories*, BPTT(h; h').

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> signal = np.sin(np.arange(1001) / 5).astype(np.float32)
    >>> rows = gw.contiguous_rows(signal[:-1], signal[1:], batch=4, block=50)
    >>> model = gw.Sequential(gw.GRU(1, 8, rng=0), gw.Dense(8, 1, rng=1))
    >>> adam = gw.optimizers.Adam(0.02)
    >>> history = gw.train_stream(model, rows, loss="mse", optimizer=adam, k1=5, k2=10, clip=1.0)
    >>> len(history), history["loss"][-1] < 0.1 * history["loss"][0]
    (50, True)
    """
    if max_updates is not None:
        check_number("max_updates", max_updates, 1, integer=True)
    if callable(callbacks) or not all(map(callable, callbacks)):
        raise GatewiseTypeError(f"callbacks is {callbacks!r}; need a sequence of functions: pass [callback].")
    if not isinstance(batches, Iterable) or isinstance(batches, np.ndarray | str | dict):
        raise GatewiseTypeError(f"batches is a {type(batches).__name__}; need an iterable of blocks (x, y[, resets]).")
    loop = StreamLoop(model, loss, optimizer, k1=k1, k2=k2, clip=clip, rng=rng)
    with progress_bar(max_updates, progress) as advance:
        _run(loop, batches, max_updates or np.inf, callbacks, advance)
    return loop.records()


def _run(
    loop: StreamLoop,
    batches: Iterable[Any],
    limit: float,
    callbacks: Sequence[Callback],
    advance: Callable[[str], None],
) -> None:
    """Go on until the blocks or the updates are over, or a callback returns True."""

    def update() -> bool:
        record = loop.step()
        advance(f"step {record['step']:,}, loss {record['loss']:.4g}")
        stops = [callback(record, loop.model) for callback in callbacks]
        return any(isinstance(stop, bool | np.bool_) and stop for stop in stops) or loop.updates >= limit

    for block in batches:
        loop.add(*_parts(block))
        while loop.ready:
            if update():
                return
    if loop.waiting:
        update()


def _parts(block: Any) -> tuple[Any, ...]:
    """The two to four parts of a block."""
    if not isinstance(block, tuple | list) or not 2 <= len(block) <= 4:
        count = f"{len(block)} parts" if isinstance(block, tuple | list) else f"a {type(block).__name__}"
        raise GatewiseValueError(f"a block has {count}; need (x, y), (x, y, resets) or (x, y, resets, weights).")
    return tuple(block)
