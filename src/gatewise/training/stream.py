"""Training on a stream: truncated backpropagation through time over blocks that go on from one another."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Self

import numpy as np

from gatewise.errors import GatewiseTypeError, GatewiseValueError, check_names, check_number
from gatewise.layers import Layer
from gatewise.layers.layer import Rng
from gatewise.losses import Loss
from gatewise.optimizers import Optimizer
from gatewise.progress import progress_bar
from gatewise.training.epochs import Callback
from gatewise.training.history import History
from gatewise.training.identity import digest
from gatewise.training.keeping import CheckpointLike, Keeper, stage_of
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
    checkpoint: CheckpointLike | None = None,
    every: int | str = 1,
    resume: bool = False,
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
    checkpoint : str or path, optional
        A file that holds where the training stands, as in `train`, the place in the stream among it.
    every : int or str
        Updates between two writes, or a time such as "30 s". Never does more than about 2 % of the time go into
        writing.
    resume : bool
        As in `train`. Give the same `batches` from the beginning: the blocks that were read before are read again and
        passed over, and it is checked that they are the same. `max_updates` may be more.

    Returns
    -------
    History
        A list of dicts with `update`, `updates`, `step`, `loss`, `gradient_norm`, `seconds`: one an update until there
        are 1,000; then neighbors are joined, so that memory stays constant however long the stream is.

    Raises
    ------
    GatewiseError
        If an argument or a block does not fit, the model cannot run step by step, or the checkpoint is that of another
        training or stream, or cannot be read or written.
    TrainingInterrupted
        With a checkpoint, after SIGINT or SIGTERM in the main thread; a second signal does not wait for the update.
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
    limit = max_updates or np.inf
    with stage_of(checkpoint, every, resume, "gatewise.train_stream") as stage:
        keeper, blocks = Keeper(loop, stage), Blocks(batches, stage is not None)
        place = keeper.resume(rng, lambda: {"k1": loop.k1, "k2": loop.k2})
        if loop.updates > limit:
            raise GatewiseValueError(
                f"max_updates is {max_updates}, and the checkpoint has {loop.updates}; need at least as many."
            )
        with progress_bar(max_updates and max_updates - loop.updates, progress) as advance:
            if keeper.done or loop.updates >= limit:
                return loop.records()
            if place:
                check_names("the place in the stream", place, blocks.place())
                blocks.pass_over(**place)
            _run(loop, blocks, limit, callbacks, advance, keeper)
    return loop.records()


def _run(
    loop: StreamLoop,
    blocks: Blocks,
    limit: float,
    callbacks: Sequence[Callback],
    advance: Callable[[str], None],
    keeper: Keeper,
) -> None:
    """Go on until the blocks or the updates are over, or a callback returns True."""
    done = False

    def update() -> None:
        nonlocal done
        record = loop.step()
        advance(f"step {record['step']:,}, loss {record['loss']:.4g}")
        stops = [callback(record, loop.model) for callback in callbacks]
        done = any(isinstance(stop, bool | np.bool_) and stop for stop in stops)
        if not done:
            keeper.pause(loop.updates, **blocks.place())

    while not done and loop.updates < limit:
        if loop.ready:
            update()
            continue
        with keeper.waiting(**blocks.place()):
            block = next(blocks, None)
        if block is not None:
            loop.add(*block)
            continue
        if loop.waiting:
            update()
        break
    keeper.finish(done=done, **blocks.place())


class Blocks:
    """The blocks of a stream one after the other, with how many there were; with `told`, with a digest of all of them.

    Examples
    --------
    >>> parts = [(np.ones((1, 2, 1)), np.ones((1, 2, 1)))] * 3
    >>> first, second = Blocks(parts, told=True), Blocks(parts, told=True)
    >>> block = next(first)
    >>> second.pass_over(**first.place())
    >>> second.place() == first.place()
    True
    """

    def __init__(self, blocks: Iterable[Any], told: bool) -> None:
        self._blocks, self._told = iter(blocks), told
        self._count, self._digest = 0, ""

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[Any, ...]:
        block = _parts(next(self._blocks))
        self._count += 1
        if self._told:
            digests = [self._digest, *map(digest, block)]
            self._digest = hashlib.blake2b("\n".join(digests).encode(), digest_size=16).hexdigest()
        return block

    def place(self) -> dict[str, Any]:
        """Return how many blocks there were, and their digest."""
        return {"blocks": self._count, "digest": self._digest}

    def pass_over(self, blocks: int, digest: str) -> None:
        """Pass over as many blocks; raise unless they are those of this digest."""
        check_number("blocks", blocks, 0, integer=True)
        for _ in range(blocks):
            if next(self, None) is None:
                raise GatewiseValueError(
                    f"batches gives {self._count} block(s), and the checkpoint has read {blocks}; need the same stream "
                    f"from its beginning: build it anew."
                )
        if self._digest != digest:
            raise GatewiseValueError(
                f"the first {blocks} block(s) of batches are others than those that the checkpoint has read; need the "
                f"same stream from its beginning."
            )


def _parts(block: Any) -> tuple[Any, ...]:
    """The two to four parts of a block."""
    if not isinstance(block, tuple | list) or not 2 <= len(block) <= 4:
        count = f"{len(block)} parts" if isinstance(block, tuple | list) else f"a {type(block).__name__}"
        raise GatewiseValueError(f"a block has {count}; need (x, y), (x, y, resets) or (x, y, resets, weights).")
    return tuple(block)
