"""From a table of labeled sequences to a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewise.comparison import Comparison
from gatewise.errors import Array, GatewiseValueError
from gatewise.printing import listed, shown
from gatewise.tables.learning import Outcome, SequenceResult, read_sequence_task
from gatewise.tables.sequences import SequenceRoles, Sequences, drop_unanswered, read_sequences, with_labels

if TYPE_CHECKING:
    from pandas import DataFrame

    from gatewise.estimators import RecurrentClassifier
    from gatewise.limits import Limits
    from gatewise.tables.table import Source, Table
    from gatewise.training.runs import Keeping


def classify(
    table: Source,
    *,
    label: str,
    sequence: str,
    time: str | None = None,
    features: str | Sequence[str] = (),
    test: Source | None = None,
    time_format: str | None = None,
    refit: bool = True,
    seed: int = 0,
    progress: bool = False,
    limits: Limits | None = None,
) -> SequenceResult:
    r"""Learn to classify the sequences of a table, as `gatewise classify` does.

    Parameters
    ----------
    table : path, DataFrame or Table
        One row per time step, CSV or Parquet.
    label : str
        Name of the column of labels, one for each sequence.
    sequence : str
        Name of the column that tells sequences apart.
    time : str, optional
        Name of the column that orders the steps of a sequence; by default their order in the table.
    features : str or sequence of str
        Names of the columns to learn from; all others by default.
    test : path, DataFrame or Table, optional
        What the score is measured on; by default a fifth of the sequences, held out.
    time_format : str, optional
        Of the times, in the letters of `strftime`.
    refit : bool
        Whether to fit once more, to everything, after the score was measured.
    seed : int
        Of the split, starting weights and order.
    progress : bool
        Whether to draw a progress bar on stderr.
    limits : Limits, optional
        How large a table may be; the usual ones if None.

    Returns
    -------
    SequenceResult
        Its metrics: accuracy, balanced_accuracy, macro_f1, baseline with the same three (of the label most frequent in
        training), verdict, classes, and confusion, a row for each true label.

    Raises
    ------
    GatewiseError
        If the table or a column cannot be used: with the file, line and column.

    Examples
    --------
    >>> import pathlib, tempfile, gatewise.tables as tables
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> rows = [f"{k},{t},{t if k % 2 else -t},{'up' if k % 2 else 'down'}" for k in range(20) for t in range(5)]
    >>> _ = (folder / "moves.csv").write_text("\n".join(["id,t,x,kind", *rows]))
    >>> result = tables.classify(folder / "moves.csv", label="kind", sequence="id", time="t")
    >>> result.metrics["accuracy"], result.metrics["classes"]
    (1.0, ['down', 'up'])
    >>> result.predictions.columns.tolist()
    ['sequence', 'label', 'predicted', 'p(down)', 'p(up)']
    """
    roles = SequenceRoles.of(sequence, time, label, features, time_format)
    return read_sequence_task(CLASSIFICATION, table, roles, test, seed, limits).fit(refit=refit, progress=progress)


def _read(table: Table, roles: SequenceRoles, training: Sequences | None) -> Sequences:
    columns = None if training is None else training.columns
    sequences = drop_unanswered(table, with_labels(table, roles, read_sequences(table, roles, columns)))
    if not len(sequences.names):
        table.refuse(roles.outcome, "no sequence has a label; need at least two labels.")
    if training is None:
        labels = _classes(sequences)
        if len(labels) < 2:
            table.refuse(roles.outcome, f"every sequence is {shown(labels[0])}; need at least two labels.")
        return sequences
    unseen = sorted({*_classes(sequences)} - {*_classes(training)})
    if unseen:
        table.notes.append(f"labels that training never saw, and so never right: {listed(unseen)}")
    return sequences


def _described(sequences: Sequences, roles: SequenceRoles) -> str:
    return f"{len(_classes(sequences))} labels"


def _fit(sequences: Sequences, seed: int, progress: bool, keeping: Keeping) -> RecurrentClassifier:
    from gatewise.estimators import RecurrentClassifier

    if len(_classes(sequences)) < 2:
        raise GatewiseValueError("only one label is left to learn from; need sequences of two labels at least.")
    return RecurrentClassifier(random_state=seed, verbose=progress).fit(
        sequences.X, sequences.outcomes, **keeping._asdict()
    )


def _predicted(model: RecurrentClassifier, sequences: Sequences) -> DataFrame:
    """Return one row per sequence: its name, its label if known, the predicted one, and a probability for each."""
    import pandas as pd

    probabilities = model.predict_proba(sequences.X)
    columns: dict[str, Any] = {"sequence": sequences.names}
    if sequences.labels is not None:
        columns["label"] = sequences.labels
    columns["predicted"] = np.asarray(model.classes_)[np.argmax(probabilities, axis=1)]
    columns |= {f"p({name})": probabilities[:, k] for k, name in enumerate(model.classes_)}
    return pd.DataFrame(columns)


def _measured(training: Sequences, held_out: Sequences, predictions: DataFrame) -> dict[str, Any]:
    from sklearn.metrics import confusion_matrix

    truth: Array = held_out.outcomes
    predicted = predictions["predicted"].to_numpy()
    names, counts = np.unique(training.outcomes, return_counts=True)
    most_frequent = str(names[np.argmax(counts)])
    classes = sorted({*map(str, names), *map(str, truth)})
    baseline = _shares(truth, np.full(len(truth), most_frequent, dtype=object))
    return {
        "sequences": {"train": len(training.names), "held_out": len(truth)},
        **_shares(truth, predicted),
        "baseline_accuracy": baseline["accuracy"],
        "baseline": baseline,
        "most_frequent": most_frequent,
        "classes": classes,
        "confusion": confusion_matrix(truth, predicted, labels=classes).tolist(),
    }


def _shares(truth: Array, predicted: Array) -> dict[str, float]:
    """Return the share of right answers, its mean over the labels, and the mean F1."""
    from sklearn.metrics import f1_score

    recalls = [np.mean(predicted[truth == name] == name) for name in np.unique(truth)]
    return {
        "accuracy": float(np.mean(predicted == truth)),
        "balanced_accuracy": float(np.mean(recalls)),
        "macro_f1": float(f1_score(truth.astype(str), predicted.astype(str), average="macro", zero_division=0)),
    }


def _compared(metrics: dict[str, Any], unit: str) -> Comparison:
    model = {name: metrics[name] for name in metrics["baseline"]}
    names = {"most_frequent": f"always {metrics['most_frequent']!r}"}
    return Comparison({"model": model, "most_frequent": metrics["baseline"]}, names, by="accuracy")


def _classes(sequences: Sequences) -> list[str]:
    return [str(label) for label in np.unique(sequences.outcomes)]


CLASSIFICATION = Outcome("classify", _read, _described, _fit, _predicted, _measured, _compared)
