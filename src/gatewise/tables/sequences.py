"""A long table, one row per time step, as sequences with what is to be learned of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gatewise import plain
from gatewise.errors import Array, GatewiseValueError
from gatewise.printing import listed, shown
from gatewise.tables.columns import Column, choose_columns, encode, identities, number_column
from gatewise.tables.roles import check_time_format
from gatewise.tables.table import as_names, counted, with_tuples
from gatewise.tables.times import parse_times

if TYPE_CHECKING:
    from gatewise.tables.table import Table


class SequenceRoles(NamedTuple):
    """Which column is what; without `features` all others are.

    Attributes
    ----------
    sequence : str
        Tells sequences apart.
    time : str or None
        Orders the steps of a sequence.
    outcome : str or None
        The label or target.
    features : tuple of str
    time_format : str or None
        Of the times, in the letters of `strftime`.
    """

    sequence: str
    time: str | None = None
    outcome: str | None = None
    features: tuple[str, ...] = ()
    time_format: str | None = None

    @classmethod
    def of(
        cls,
        sequence: str,
        time: str | None = None,
        outcome: str | None = None,
        features: str | Sequence[str] = (),
        time_format: str | None = None,
    ) -> SequenceRoles:
        """Build roles where one column may be given by its bare name."""
        return cls(sequence, time, outcome, as_names(features), time_format)

    @classmethod
    def from_json(cls, described: Mapping[str, Any]) -> SequenceRoles:
        """Build what `_asdict` gave and JSON kept; raise unless it is that."""
        plain.known_keys("roles", described, cls._fields)
        roles = cls(**with_tuples(described))
        plain.text("sequence", roles.sequence), plain.texts("features", list(roles.features))
        for name in ("time", "outcome"):
            plain.optional(plain.text, name, getattr(roles, name))
        check_time_format(roles.time_format)
        return roles


@dataclass
class Sequences:
    """Sequences in the order of their first rows.

    Attributes
    ----------
    names : list of str
    X : list of float64 arrays (time_i, channels)
        NaN where a value is missing.
    rows : list of int arrays (time_i,)
        The row of the table that each step is.
    columns : list of Column
        What the features are.
    labels : object array (n,), None where there is none; only if asked for
    targets : float64 array (n,), or a list of arrays (time_i,) with `per_step`; only if asked for
    per_step : bool
        Whether the targets are those of steps.
    unit : str or None
        Of the targets, as it stands in the table.
    """

    names: list[str]
    X: list[Array]
    rows: list[Array]
    columns: list[Column]
    labels: Array | None = None
    targets: Any = None
    per_step: bool = False
    unit: str | None = None

    @property
    def channels(self) -> list[str]:
        """Names of the numbers of a step."""
        return [channel for column in self.columns for channel in column.channels]

    @property
    def outcomes(self) -> Any:
        """What is to be learned, as the estimators take it: labels as text, or the targets."""
        return self.targets if self.labels is None else self.labels.astype(str)

    def subset(self, index: Array) -> Sequences:
        """Return the sequences at `index`."""
        places = [int(k) for k in index]
        targets = [self.targets[k] for k in places] if isinstance(self.targets, list) else self.targets
        if isinstance(targets, np.ndarray):
            targets = targets[places]
        labels = None if self.labels is None else self.labels[places]
        names, X, rows = [self.names[k] for k in places], [self.X[k] for k in places], [self.rows[k] for k in places]
        return Sequences(names, X, rows, self.columns, labels, targets, self.per_step, self.unit)


def read_sequences(table: Table, roles: SequenceRoles, columns: list[Column] | None = None) -> Sequences:
    r"""Cut a table into sequences.

    Parameters
    ----------
    table : Table
        Its notes get what was done.
    roles : SequenceRoles
        Which column is what; the outcome is left to `with_labels` and `with_targets`.
    columns : list of Column, optional
        What the features have to be; detected if None.

    Raises
    ------
    GatewiseError
        If a column is missing or cannot be read, or no feature is left: by name, with the line.

    Examples
    --------
    >>> import pathlib, tempfile, gatewise.tables as tables
    >>> path = pathlib.Path(tempfile.mkdtemp()) / "a.csv"
    >>> _ = path.write_text("id,t,x,kind\na,2,5,up\na,1,4,up\nb,1,7,down\n")
    >>> roles = SequenceRoles("id", "t", "kind")
    >>> sequences = with_labels(table := tables.read_table(path), roles, read_sequences(table, roles))
    >>> sequences.names, [x.tolist() for x in sequences.X], sequences.labels.tolist()
    (['a', 'b'], [[[4.0], [5.0]], [[7.0]]], ['up', 'down'])
    """
    import pandas as pd

    named = [name for name in (roles.sequence, roles.time, roles.outcome) if name is not None]
    table.require([*named, *roles.features], of_model=columns is not None)
    counts = Counter([*named, *roles.features])
    repeated = next((name for name, count in counts.items() if count > 1), None)
    if repeated is not None:
        raise GatewiseValueError(f"column {repeated!r} has two roles; name it once.")
    empty = np.flatnonzero(table.missing(roles.sequence))
    if empty.size:
        table.refuse(roles.sequence, "no name of a sequence here; fill it in or delete the row.", int(empty[0]))
    codes, names = pd.factorize(identities(table, roles.sequence))
    order = _order(table, roles, codes)
    if columns is None:
        columns = choose_columns(table, roles.features or [name for name in table.names if name not in named])
    if not columns:
        table.refuse(None, "no column is left to learn from; need one that is neither constant nor empty.")
    values = encode(table, columns)[order]
    cuts = np.flatnonzero(np.diff(codes[order])) + 1
    X, rows = np.split(values, cuts), np.split(order, cuts)
    return Sequences([str(name) for name in names], X, rows, columns)


def with_labels(table: Table, roles: SequenceRoles, sequences: Sequences) -> Sequences:
    """Add the label of each sequence; None if it has none. Raise if it has two."""
    assert roles.outcome is not None
    cells = identities(table, roles.outcome)
    sequences.labels = np.full(len(sequences.names), None, object)
    for k, rows in enumerate(sequences.rows):
        labeled = [int(row) for row in rows if cells[row] is not None]
        other = next((row for row in labeled if cells[row] != cells[labeled[0]]), None)
        if other is not None:
            table.refuse(
                roles.outcome,
                f"sequence {shown(sequences.names[k])} is {shown(cells[other])} here and {shown(cells[labeled[0]])} "
                f"before; "
                f"need one label per sequence.",
                other,
            )
        sequences.labels[k] = cells[labeled[0]] if labeled else None
    return sequences


def with_targets(
    table: Table, roles: SequenceRoles, sequences: Sequences, per_step: bool | None = None, unit: str | None = None
) -> Sequences:
    """Add the target of each sequence or, if it changes within one, of each step; NaN where there is none.

    `per_step` and `unit` are those of the training, where it is another table that the model learned from.
    """
    assert roles.outcome is not None
    values = number_column(table, roles.outcome, unit)
    sequences.unit = table.numbers(roles.outcome).unit
    steps = [values[rows] for rows in sequences.rows]
    first = np.array([_first(one) for one in steps])
    varying = [k for k, one in enumerate(steps) if np.nanmax(np.append(one, first[k])) != first[k]]
    varying += [k for k, one in enumerate(steps) if np.nanmin(np.append(one, first[k])) != first[k]]
    varying = [k for k in varying if not np.isnan(first[k])]
    sequences.per_step = bool(varying) if per_step is None else per_step
    if varying and not sequences.per_step:
        rows = sequences.rows[min(varying)]
        row = next(int(r) for r in rows if values[r] != first[min(varying)])
        table.refuse(
            roles.outcome, f"changes within sequence {shown(sequences.names[min(varying)])}; need one value.", row
        )
    sequences.targets = steps if sequences.per_step else first
    return sequences


def drop_unanswered(table: Table, sequences: Sequences) -> Sequences:
    """Leave out the sequences without a label or target, and note it."""
    if sequences.labels is not None:
        answered = np.array([label is not None for label in sequences.labels])
    elif sequences.per_step:
        answered = np.array([bool(np.isfinite(one).any()) for one in sequences.targets])
    else:
        answered = np.isfinite(sequences.targets)
    if answered.all():
        return sequences
    unanswered = [name for name, has in zip(sequences.names, answered, strict=True) if not has]
    table.notes.append(f"{counted(len(unanswered), 'sequence')} without an answer left out: {listed(unanswered, 5)}")
    return sequences.subset(np.flatnonzero(answered))


def _first(values: Array) -> float:
    seen = values[np.isfinite(values)]
    return float(seen[0]) if seen.size else float("nan")


def _order(table: Table, roles: SequenceRoles, codes: Array) -> Array:
    """Return the rows by sequence and time, or as they stand in the file."""
    if roles.time is None:
        if (np.diff(codes) != 0).sum() > codes.max():
            table.notes.append("rows of each sequence brought together, in the order of the file")
        return np.argsort(codes, kind="stable")
    ticks = _ticks(table, roles)
    order = np.lexsort((ticks, codes))
    together = np.diff(codes) == 0
    if (together & (np.diff(ticks) < 0)).any():
        table.notes.append("steps sorted by time")
    same = (np.diff(codes[order]) == 0) & (np.diff(ticks[order]) == 0)
    if same.any():
        table.notes.append(
            f"{counted(int(same.sum()), 'step')} at the time of the one before, kept in the file's order"
        )
    return order


def _ticks(table: Table, roles: SequenceRoles) -> Array:
    """Return something to sort by: the numbers in the column of times, or the times."""
    assert roles.time is not None
    numbers = table.numbers(roles.time)
    if roles.time_format is None and numbers.problem is None:
        bad = np.flatnonzero(np.isnan(numbers.values))
        if bad.size:
            table.refuse(roles.time, "no time here; fill it in or delete the row.", int(bad[0]))
        return numbers.values
    return parse_times(table, roles.time, roles.time_format).stamps.to_numpy().astype(np.int64)
