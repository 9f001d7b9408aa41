"""Small models that know their columns, and folders of files to predict from."""

from functools import cache

import numpy as np
import pandas as pd

import gatewise as gw
from gatewise.tables import Column, SequenceRoles

ROLES = SequenceRoles("id", "t", "label", ("a", "b"))
COLUMNS = [Column("a", "number"), Column("b", "number")]


def table(names, steps=5, seed=0):
    """Rows of some sequences, all as long."""
    rng = np.random.default_rng(seed)
    rows = len(names) * steps
    times = np.tile(np.arange(steps), len(names))
    return pd.DataFrame(
        {"id": np.repeat(names, steps), "t": times, "a": rng.normal(size=rows), "b": rng.normal(size=rows)}
    )


def model(path, kind=gw.RecurrentClassifier, columns=COLUMNS, **options):
    """Write the file of a model that was hardly trained; return its path."""
    fitted = _fitted(kind, sum(len(column.channels) for column in columns), tuple(options.items()))
    command = "classify" if kind is gw.RecurrentClassifier else "regress"
    described = [column._asdict() for column in columns]
    gw.save(fitted, path, info={"command": command, "roles": ROLES._asdict(), "columns": described})
    return path


@cache
def _fitted(kind, channels, options):
    X = np.random.default_rng(0).normal(size=(12, 5, channels))
    y = [np.arange(5.0)] * 12 if ("output", "all") in options else np.arange(12) % 2
    small = {"hidden_size": 3, "max_iter": 1, "n_networks": 1, "ridge_share": 0, "random_state": 0, "solver": "sgd"}
    return kind(**small | dict(options)).fit(list(X), y)


def folder(path, files):
    """Write tables, by name, as what their names end in; return the folder."""
    for name, frame in files.items():
        place = path / name
        place.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(place, index=False) if ".csv" in name else frame.to_parquet(place, index=False)
    return path
