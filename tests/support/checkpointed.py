"""Small trainings that a signal interrupts and that begin anew, with nothing left of the call before."""

import os
import signal

import numpy as np
import pytest

import gatewise as gw

ROWS, BATCH = 22, 4
BATCHES = 5  # of the rows that are trained on


def network(dtype=np.float64):
    layers = [gw.GRU(2, 3, num_layers=2, dropout=0.3, dtype=dtype, rng=0), gw.Dropout(0.2), gw.Last()]
    return gw.Sequential(*layers, gw.Dense(3, 1, dtype=dtype, rng=1))


def data(dtype=np.float64):
    x = np.random.default_rng(5).normal(size=(ROWS, 5, 2)).astype(dtype)
    return x, x.sum(axis=(1, 2))[:, None]


class Fit:
    """What calls `gw.train` anew, with nothing left of another call."""

    def __init__(self, optimizer=lambda: gw.optimizers.Adam(0.02), loss="mse", rng=7, **options):
        self.optimizer, self.loss, self.rng = optimizer, loss, rng
        self.options = {"epochs": 5, "batch_size": BATCH, "validation": 0.1, **options}

    def __call__(self, **changes):
        self.model = network()
        rng = np.random.default_rng(self.rng) if isinstance(self.rng, tuple) else self.rng
        options = {"loss": self.loss, "optimizer": self.optimizer(), "rng": rng, **self.options, **changes}
        self.history = gw.train(self.model, *data(), **options)
        return self

    def interrupted(self, path, after, number=signal.SIGTERM, **changes):
        """Send a signal in a batch, counted from 1 over all epochs, or after one."""
        calls = iter(range(10**6))

        def loss(prediction, target, *, weights=None):
            if next(calls) % (BATCHES + 1) != BATCHES:  # the last is that of the held-out rows
                loss.batches += 1
                if loss.batches == after:
                    os.kill(os.getpid(), number)
            return gw.losses.mse(prediction, target, weights=weights)

        loss.batches = 0
        loss.__module__, loss.__qualname__ = gw.losses.mse.__module__, gw.losses.mse.__qualname__
        with pytest.raises(gw.TrainingInterrupted) as caught:
            self(checkpoint=path, loss=loss, **changes)
        return caught.value


def plain(history):
    return [{name: value for name, value in record.items() if name != "seconds"} for record in history]
