"""Estimators fitted to partitions: a survey tells what all sequences hold, and networks are trained where they lie."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, TypeVar

import numpy as np
from sklearn.utils import check_random_state

from gatewise.batches import Samples
from gatewise.distributed.cluster import connected
from gatewise.distributed.loop import DistributedLoop
from gatewise.distributed.partitions import Partitions
from gatewise.distributed.reading import Data, empty, raw_partitions
from gatewise.errors import GatewiseTypeError, GatewiseValueError
from gatewise.estimators import RecurrentClassifier, RecurrentRegressor, fitting
from gatewise.estimators.partitions import (
    Survey,
    built,
    encoded,
    merged_surveys,
    note,
    plan,
    reader,
    survey,
    training_loss,
)
from gatewise.training.epochs import run
from gatewise.training.keeping import CheckpointLike, Keeper, stage_of

Estimator = TypeVar("Estimator", RecurrentClassifier, RecurrentRegressor)


def fit(
    estimator: Estimator,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    *,
    client: Any = None,
    partitions: int | Sequence[int] | None = None,
    sync_every: int = 1,
    checkpoint: CheckpointLike | None = None,
    every: int | str = 1,
    resume: bool = False,
) -> Estimator:
    """Fit a classifier or regressor to sequences that lie in partitions; `estimator.fit` of Dask collections does it.

    Means, spreads and classes of all partitions are gathered pairwise in the order of the partitions; then the networks
    are trained as by `gatewise.distributed.train`. What comes out depends on the partitions and on `random_state`, bit
    for bit, and not on where they lie.

    Parameters
    ----------
    estimator : RecurrentClassifier or RecurrentRegressor
        It is changed only when the fit is complete.
    X : Dask array (n, time) or (n, time, channels), frame (n, time), or bag of arrays (time_i, channels)
        Partitioned along the first axis. Or an array, frame or list, cut into `partitions`.
    y : Dask array, series, frame or bag, or array or list
        As in `fit`, of the same partitions.
    sample_weight : Dask array or series, or array, (n,), optional
        As in `fit`.
    client, partitions, sync_every, checkpoint, every, resume
        As in `gatewise.distributed.train`.

    Returns
    -------
    Estimator
        `estimator` itself.

    Raises
    ------
    GatewiseError
        If a parameter or a partition cannot be used, or the ridge is asked for.

    Notes
    -----
    It differs from `fit` in what needs all sequences in one place. There is no ridge beside the networks;
    `ridge_share` is "auto" or 0. With `early_stopping` the last sequences of each partition are held out, without
    regard to classes, and `validation_scores_` is None. Every batch counts alike, whatever its weights. Callbacks of
    scikit-learn are not called.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> X = np.random.default_rng(0).normal(size=(80, 12))
    >>> model = gw.RecurrentRegressor(hidden_size=8, max_iter=5, random_state=0)
    >>> model = gw.distributed.fit(model, X, X.mean(axis=1), partitions=4)
    >>> model.predict(X).shape
    (80,)
    """
    _check(estimator)
    data = Data(X, y, None, sample_weight)
    data.check_partitions(partitions)
    work = copy.copy(estimator)
    with stage_of(checkpoint, every, resume, "gatewise.distributed.fit") as stage, ExitStack() as stack:
        needed = data.is_distributed or client is not None
        connection = stack.enter_context(connected(client)) if needed else None
        drawn = int(check_random_state(estimator.random_state).randint(2**31))
        rng = np.random.default_rng(drawn if stage is None else stage.checkpoint.remember("seed", lambda: drawn))
        parts, about = _prepare(work, raw_partitions(data, connection, partitions), rng)
        loop = _loop(work, parts, about, rng, sync_every)
        keeper = Keeper(loop, stage)
        keeper.resume(0, loop.facts)
        run(loop, keeper, _plan(work, about).epochs, (), bool(work.verbose))
        work._note_history(loop.history, None)
    estimator.__dict__.update(work.__dict__)
    return estimator


def _check(estimator: Any) -> None:
    if not isinstance(estimator, RecurrentClassifier | RecurrentRegressor):
        raise GatewiseTypeError(
            f"estimator is a {type(estimator).__name__}; need a RecurrentClassifier or RecurrentRegressor."
        )
    estimator._check_parameters()
    if estimator.ridge_share not in ("auto", 0):
        raise GatewiseValueError(
            f"ridge_share is {estimator.ridge_share!r}; the ridge needs all sequences in one place: set ridge_share=0."
        )


def _prepare(work: Any, raw: Partitions, rng: np.random.Generator) -> tuple[Partitions, Survey]:
    """Let an estimator know what the partitions hold, unless it goes on; return them as samples."""
    about = raw.reduce(_survey, merged_surveys, work)
    if about is None:
        raise GatewiseValueError(f"X has no sequence in any of {len(raw)} partition(s); need at least one.")
    if work.warm_start and hasattr(work, "model_"):
        work.model_ = copy.deepcopy(work.model_)
    else:
        note(work, about)
        work.model_ = built(work, about.rows, rng)
    return raw.mapped(_encoded, reader(work, about)), about


def _loop(work: Any, parts: Partitions, about: Survey, rng: np.random.Generator, sync_every: int) -> DistributedLoop:
    chosen = _plan(work, about)
    stops_early = bool(work.early_stopping)
    return DistributedLoop(
        work.model_,
        parts,
        training_loss(work),
        fitting.optimizer(work, chosen.updates),
        held_out=work.validation_fraction if stops_early else None,
        sync_every=sync_every,
        batch_size=chosen.batch_size,
        clip=1.0,
        patience=work.n_iter_no_change if stops_early else None,
        tol=work.tol,
        rng=rng,
    )


def _plan(work: Any, about: Survey) -> fitting.Plan:
    """How long to train, on what is left of the sequences where some are held out."""
    return plan(work, about.rows.share(1 - work.validation_fraction if work.early_stopping else 1.0))


def _survey(estimator: Any, number: int, part: Data) -> Survey | None:
    return survey(estimator, part.x, part.y, part.weights) if _rows(part) else None


def _encoded(light: Any, number: int, part: Data) -> Samples:
    return encoded(light, part.x, part.y, part.weights) if _rows(part) else empty(np.float32)


def _rows(part: Data) -> int:
    """Rows of a partition; 0 if none has a weight."""
    weights = part.weights
    return len(part.x) if weights is None or np.asarray(weights).any() else 0
