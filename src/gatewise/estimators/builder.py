"""The networks behind the classifier and the regressor, and their outputs for whole sets of sequences."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from gatewise import kernels
from gatewise.errors import Array, GatewiseValueError
from gatewise.estimators.fitting import WORK, plan
from gatewise.estimators.parameters import POOLING
from gatewise.layers import Dense, Dropout, Layer, Noise, Parallel, Pool, Sequential
from gatewise.layers.registry import recurrent_class

Network = Sequential | Parallel
# Where fewer than FEW sequences are, all of the noise is added; beyond, it fades with the root of their number.
FEW, MANY = 300, 5000
NETWORKS = 3
INPUT_DROPOUT, NOISE = 0.3, 0.2
ROWS_AT_ONCE = 512


def build(
    estimator: Any,
    channels: int,
    inputs: int,
    outputs: int,
    lengths: Any,
    rng: np.random.Generator,
    *,
    count: int | None = None,
) -> Network:
    """Return the networks of an estimator for sequences of these lengths, side by side if there are several.

    There are `count` of them, or if that is None as many as the estimator is to have.
    """
    noise = input_noise(estimator, channels, len(lengths))
    if count is None:
        count = network_count(estimator, len(lengths), int(lengths.sum()))
    networks = [_network(estimator, inputs, outputs, noise, rng) for _ in range(count)]
    return Parallel(*networks) if count > 1 else networks[0]


def _network(estimator: Any, inputs: int, outputs: int, noise: list[Layer], rng: np.random.Generator) -> Sequential:
    """One network: noise on the input; a recurrent stack and summaries of its steps; a dense layer.

    Beside the summaries the dense layer reads means of the input over parts of the sequence. With `output="all"` it
    reads the steps themselves.
    """
    p, both = float(estimator.dropout), bool(estimator.bidirectional)
    kind: Any = recurrent_class(estimator.cell)
    stack = kind(
        inputs,
        estimator.hidden_size,
        num_layers=estimator.num_layers,
        bidirectional=both,
        dropout=p if estimator.num_layers > 1 else 0.0,
        rng=rng,
    )
    dropout = [Dropout(p)] if p else []
    deep: Sequential | Parallel = Sequential(stack, *dropout)
    if estimator.output == "last":
        pool = Pool(stack.output_size, POOLING[estimator.pooling], bidirectional=both)
        deep = Sequential(stack, pool, *dropout)
        if estimator.segments:
            deep = Parallel(deep, Pool(inputs, "mean", parts=estimator.segments))
    width: Any = deep.output_size
    return Sequential(*noise, deep, Dense(width, outputs, rng=rng))


def network_count(estimator: Any, rows: int, steps: int) -> int:
    """Return how many networks are trained side by side on a number of sequences with so many steps together."""
    if estimator.n_networks != "auto":
        return int(estimator.n_networks)
    affordable = NETWORKS * steps * plan(estimator, rows, 0).epochs <= WORK
    return NETWORKS if rows <= MANY and affordable else 1


def input_noise(estimator: Any, channels: int, rows: int) -> list[Layer]:
    """Return the layers that add noise to the input in training: less the more sequences there are.

    Where several channels carry the same information, some may be missing; a single one only gets noise.
    """
    fade = math.sqrt(min(1.0, FEW / rows))
    several = estimator.automatic_noise and channels > 1
    automatic = {
        "input_dropout": INPUT_DROPOUT * min(1.0, (channels - 1) / 5) * fade if several else 0.0,
        "noise": NOISE * fade if estimator.automatic_noise and channels == 1 else 0.0,
    }
    p, std = (automatic[n] if getattr(estimator, n) == "auto" else getattr(estimator, n) for n in automatic)
    layers: list[Layer] = [Dropout(p), Noise(std)]
    return [layer for layer, size in zip(layers, (p, std), strict=True) if size > 0]


def networks_of(model: Network) -> tuple[Sequential, ...]:
    """Return the networks that stand side by side in `model`."""
    several: Any = model.layers if isinstance(model, Parallel) else (model,)
    return tuple(several)


def checked(model: Layer, inputs: int, outputs: int, per_step: bool) -> Network:
    """Return a network that was read from a file; raise unless it gives `outputs` numbers for `inputs`."""
    for member in model.layers if isinstance(model, Parallel) else [model]:
        sizes = [getattr(member, name, None) for name in ("input_size", "output_size", "keeps_time", "dtype")]
        needed = [inputs, outputs, per_step, np.float32]
        if sizes != needed or not isinstance(member, Sequential) or not isinstance(member.layers[-1], Dense):
            raise GatewiseValueError(f"its network does not fit {inputs} inputs and {outputs} outputs: {model!r}.")
    assert isinstance(model, Sequential | Parallel)
    return model


def outputs(model: Network, x: Array, lengths: Array | None) -> Array:
    """Return all networks' outputs for x (n, time, inputs): (networks, n, outputs) or (networks, n, time, outputs).

    What comes out for one sequence is the same, bit for bit, whatever sequences are beside it. With the kernels off it
    is the same to float64's precision.
    """
    if not kernels.enabled():
        model = model.astype(np.float64)
    return np.stack([_outputs(network, x.astype(model.dtype), lengths) for network in networks_of(model)])


def _outputs(network: Sequential, x: Array, lengths: Array | None) -> Array:
    *below, head = network.layers
    hidden, _ = Sequential(*below)(x, lengths=lengths)
    # BLAS would sum in another order for another number of rows.
    y = np.einsum("...i,oi->...o", hidden, head.params["weight"]) + head.params["bias"]
    return np.asarray(y, dtype=np.float64)
