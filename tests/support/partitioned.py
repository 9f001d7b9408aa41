"""Small models and data in partitions, for the tests of distributed work."""

import dask.array as da
import numpy as np

import gatewise as gw

SIZES = (9, 12, 1, 8)


def model(dtype=np.float64, per_step=False):
    layers = [gw.GRU(2, 3, dtype=dtype, rng=0), gw.Dropout(0.2)]
    return gw.Sequential(*layers, *([] if per_step else [gw.Last()]), gw.Dense(3, 1, dtype=dtype, rng=1))


def without_dropout():
    gru, _, *rest = model().layers
    return gw.Sequential(gru, *rest)


def arrays(dtype=np.float64):
    x = np.random.default_rng(0).normal(size=(sum(SIZES), 5, 2)).astype(dtype)
    return x, x.sum(axis=(1, 2))[:, None]


def cut(array, sizes=SIZES):
    return da.from_array(array, chunks=(sizes, *(-1,) * (array.ndim - 1)))


def everything(net, history):
    """The bytes of what a training leaves."""
    losses = [record[key] for record in history for key in ("loss", "gradient_norm")]
    return b"".join(value.tobytes() for value in net.params.values()) + np.array(losses).tobytes()


def trained(data, dtype=np.float64, **settings):
    """The bytes of a model after training."""
    net = settings.pop("net", None) or model(dtype)
    options = {"loss": "mse", "optimizer": "adam", "epochs": 2, "batch_size": 8, "rng": 3} | settings
    return everything(net, gw.distributed.train(net, data, **options))
