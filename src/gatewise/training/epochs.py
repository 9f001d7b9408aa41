"""Training over arrays: batches in, `forward`, loss, `backward`, clip, `step`; and nothing hidden in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from gatewise.batches import ClassWeight, Samples
from gatewise.errors import GatewiseTypeError, GatewiseValueError, check_number
from gatewise.layers import Layer
from gatewise.layers.layer import Rng
from gatewise.losses import Loss
from gatewise.optimizers import Optimizer
from gatewise.progress import progress_bar
from gatewise.threads import single_threaded_blas
from gatewise.training.checkpoint import Stage
from gatewise.training.history import History
from gatewise.training.identity import digest, shape
from gatewise.training.keeping import CheckpointLike, Keeper, stage_of
from gatewise.training.loop import TrainingLoop

Callback = Callable[[dict[str, Any], Layer], Any]


def train(
    model: Layer,
    x: Any,
    y: Any,
    *,
    loss: str | Loss,
    optimizer: str | Optimizer,
    epochs: int,
    batch_size: int = 32,
    lengths: Any = None,
    weights: Any = None,
    class_weight: ClassWeight | None = None,
    validation: float | tuple[Any, ...] | None = None,
    patience: int | None = None,
    tol: float = 0.0,
    clip: float | None = None,
    shuffle: bool = True,
    rng: Rng = None,
    callbacks: Sequence[Callback] = (),
    progress: bool = False,
    checkpoint: CheckpointLike | None = None,
    every: int | str = 1,
    resume: bool = False,
) -> History:
    """Train a model in place.

    Parameters
    ----------
    model : Layer
        Any layer or `Sequential`; its `params` change.
    x : ndarray (n, time, features), or integers (n, time) for an `Embedding`
        Input, of the model's dtype.
    y : ndarray (n, ...)
        Targets as the loss takes them beside the model's output.
    loss : str or callable
        A function of `gatewise.losses`, its name, or any `(prediction, target, *, weights) -> (value, gradient)`.
    optimizer : str or Optimizer
        One of `gatewise.optimizers`, or its name in lower case for its defaults.
    epochs, batch_size : int
        Passes over all rows, and rows an update.
    lengths : array of int (n,), optional
        Valid steps of each row. If the model's output has a time axis, steps beyond them do not enter the loss.
    weights : array (n,) or (n, time), optional
        Weight of each row or step in the loss; 0 leaves it out, whatever stands there.
    class_weight : {"balanced"}, mapping or sequence, optional
        Weight of each class, for integer targets; "balanced" is n / (classes · count).
    validation : (x, y), (x, y, lengths), (x, y, lengths, weights) or float, optional
        Held-out rows, or the share of rows, taken from the end, that is held out.
    patience : int, optional
        Stop after so many epochs without a lower monitored loss, and restore the best weights.
    tol : float
        By how much a loss must be lower to count for `patience`.
    clip : float, optional
        Limit of the global gradient norm.
    shuffle : bool
        Whether rows come in random order.
    rng : int or numpy.random.Generator, optional
        Source of the order of rows and of dropout masks; fresh entropy if None.
    callbacks : sequence of callable
        Each is called as `callback(record, model)` after every epoch; training stops if one returns True.
    progress : bool
        Whether to draw a progress bar on standard error, if that is a terminal.
    checkpoint : str or path, optional
        A file that holds where the training stands: weights, optimizer, random state, place in the epoch, the best so
        far and the history; or a folder, for a file `run.checkpoint` in it. It is replaced in one step; the folder must
        exist. SIGINT and SIGTERM then let the batch be finished, write, and raise `gatewise.TrainingInterrupted`.
    every : int or str
        Epochs between two writes, or a time such as "30 s", "5 min" or "1 h", after which an epoch is not waited for.
        Never does more than about 2 % of the time go into writing.
    resume : bool
        Whether to go on from what the checkpoint holds, with the bits of a training that was never interrupted; all
        other arguments are those that it was begun with, `epochs` may be more. Without a file, the training begins. If
        False, it begins too, and its first write replaces a checkpoint that is there.

    Returns
    -------
    History
        A list of dicts, one an epoch. `loss` is the mean over the epoch's batches as they were trained.

    Raises
    ------
    GatewiseError
        If an argument does not fit, the checkpoint is not that of this training, or it cannot be read or written.
    TrainingInterrupted
        With a checkpoint, after SIGINT or SIGTERM in the main thread; a second signal does not wait for the batch.
    NonFiniteError
        If the loss or a gradient is not finite: it says where and why. Nothing of that batch has been applied, and with
        `patience` the best weights are restored.

    Notes
    -----
    Whenever the training ends, the weights are those after some whole update. Callbacks are called once an epoch over
    all resumptions; what they keep themselves is not in the checkpoint, what they add to their record is (numbers,
    text, lists and dicts). So are settings of the optimizer that they change.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(64, 10, 1)).astype(np.float32)
    >>> y = x.sum(axis=1)
    >>> model = gw.Sequential(gw.GRU(1, 8, rng=0), gw.Last(), gw.Dense(8, 1, rng=1))
    >>> history = gw.train(model, x, y, loss="mse", optimizer=gw.optimizers.Adam(0.02), epochs=30, rng=0)
    >>> history["loss"][-1] < 0.1 * history["loss"][0]
    True
    """
    check_number("epochs", epochs, 1, integer=True)
    if callable(callbacks) or not all(map(callable, callbacks)):
        raise GatewiseTypeError(f"callbacks is {callbacks!r}; need a sequence of functions: pass [callback].")
    samples, held_out = Samples.checked(x, y, lengths, weights).split(validation)
    loop = TrainingLoop(
        model,
        samples.with_class_weight(class_weight),
        loss,
        optimizer,
        held_out=held_out,
        batch_size=batch_size,
        clip=clip,
        shuffle=shuffle,
        patience=patience,
        tol=tol,
        rng=rng,
    )
    with stage_of(checkpoint, every, resume, "gatewise.train") as stage, single_threaded_blas():
        keeper = Keeper(loop, stage)
        keeper.resume(rng, partial(facts, loop, whole=not isinstance(checkpoint, Stage)))
        run(loop, keeper, epochs, callbacks, progress)
    return loop.history


def facts(loop: TrainingLoop, whole: bool) -> dict[str, Any]:
    """What tells a training over arrays from others: their shapes, and with `whole` the numbers in them too."""
    told = digest if whole else shape
    samples = dict(loop.samples._asdict())
    held_out = {} if loop.held_out is None else {f"held out {name}": a for name, a in loop.held_out._asdict().items()}
    return facts_but_data(loop) | {"data": {name: told(array) for name, array in (samples | held_out).items()}}


def facts_but_data(loop: TrainingLoop) -> dict[str, Any]:
    """What tells a training over rows from others on the same rows."""
    return {"batch_size": loop.batch_size, "shuffle": loop.shuffle, "patience": loop.patience, "tol": loop.tol}


def run(loop: TrainingLoop, keeper: Keeper, epochs: int, callbacks: Sequence[Callback], progress: bool) -> None:
    """Go on until `epochs` are over, a callback returns True, or patience is at its end; then restore the best."""
    if loop.epoch > epochs:
        raise GatewiseValueError(f"epochs is {epochs}, and the checkpoint has {loop.epoch}; need at least as many.")
    left = (epochs - loop.epoch) * loop.batches - loop.position
    with progress_bar(left, progress) as advance:
        try:
            if not keeper.done and loop.epoch < epochs:
                _run(loop, epochs, callbacks, advance, keeper)
        finally:
            loop.restore_best()


def _run(
    loop: TrainingLoop, epochs: int, callbacks: Sequence[Callback], advance: Callable[[str], None], keeper: Keeper
) -> None:
    """Go on until `epochs` are over, a callback returns True, or patience is at its end."""
    done = False
    while not done and loop.epoch < epochs:
        while not loop.epoch_is_over:
            loop.step()
            advance(f"epoch {loop.epoch + 1}, loss {loop.mean_loss:.4g}")
            keeper.pause()
        record = loop.end_epoch()
        stops = [callback(record, loop.model) for callback in callbacks]
        done = any(isinstance(stop, bool | np.bool_) and stop for stop in stops) or loop.exhausted
        if not done and loop.epoch < epochs:
            keeper.pause(loop.epoch)
    keeper.finish(done=done)
