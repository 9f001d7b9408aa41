"""From a table of sequences with a number each, or one at each step, to a regressor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gatewise.comparison import Comparison
from gatewise.errors import Array
from gatewise.tables.learning import Outcome, SequenceResult, read_sequence_task
from gatewise.tables.sequences import SequenceRoles, Sequences, drop_unanswered, read_sequences, with_targets

if TYPE_CHECKING:
    from pandas import DataFrame

    from gatewise.estimators import RecurrentRegressor
    from gatewise.limits import Limits
    from gatewise.tables.table import Source, Table
    from gatewise.training.runs import Keeping


def regress(
    table: Source,
    *,
    target: str,
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
    r"""Learn to predict numbers from the sequences of a table, as `gatewise regress` does.

    Parameters
    ----------
    table : path, DataFrame or Table
        One row per time step, CSV or Parquet.
    target : str
        Name of the column of numbers to predict. One that is constant within every sequence is learned as one number
        per sequence, else as one per step.
    sequence : str
        Name of the column that tells sequences apart.
    time : str, optional
        Name of the column that orders the steps of a sequence; by default their order in the table.
    features : str or sequence of str
        Names of the columns to learn from; all others by default.
    test : path, DataFrame or Table, optional
        What the error is measured on; by default a fifth of the sequences, held out.
    time_format : str, optional
        Of the times, in the letters of `strftime`.
    refit : bool
        Whether to fit once more, to everything, after the error was measured.
    seed : int
        Of the split, starting weights and order.
    progress : bool
        Whether to draw a progress bar on stderr.
    limits : Limits, optional
        How large a table may be; the usual ones if None.

    Returns
    -------
    SequenceResult
        Its metrics: mae, rmse, r2, and baselines with the same three, of always giving the training mean or median;
        all in the unit of the target but r2, which has none; and the verdict.

    Raises
    ------
    GatewiseError
        If the table or a column cannot be used: with the file, line and column.

    Examples
    --------
    >>> import pathlib, tempfile, gatewise.tables as tables
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> rows = [f"{k},{t},{k * t},{k}" for k in range(20) for t in range(5)]
    >>> _ = (folder / "moves.csv").write_text("\n".join(["id,t,x,slope", *rows]))
    >>> result = tables.regress(folder / "moves.csv", target="slope", sequence="id", time="t")
    >>> result.metrics["mae"] < result.metrics["baseline"]["mae"]
    True
    >>> result.predictions.columns.tolist()
    ['sequence', 'target', 'predicted']
    """
    roles = SequenceRoles.of(sequence, time, target, features, time_format)
    return read_sequence_task(REGRESSION, table, roles, test, seed, limits).fit(refit=refit, progress=progress)


def _read(table: Table, roles: SequenceRoles, training: Sequences | None) -> Sequences:
    if training is None:
        sequences = with_targets(table, roles, read_sequences(table, roles))
    else:
        sequences = read_sequences(table, roles, training.columns)
        sequences = with_targets(table, roles, sequences, training.per_step, training.unit)
    sequences = drop_unanswered(table, sequences)
    if not len(sequences.names):
        table.refuse(roles.outcome, "no sequence has a number here; need some to learn from.")
    return sequences


def _described(sequences: Sequences, roles: SequenceRoles) -> str:
    kind = "changes within sequences: one number per step" if sequences.per_step else "one number per sequence"
    return f"{roles.outcome} {kind}"


def _fit(sequences: Sequences, seed: int, progress: bool, keeping: Keeping) -> RecurrentRegressor:
    from gatewise.estimators import RecurrentRegressor

    output = "all" if sequences.per_step else "last"
    regressor = RecurrentRegressor(output=output, random_state=seed, verbose=progress)
    return regressor.fit(sequences.X, sequences.outcomes, **keeping._asdict())


def _predicted(model: RecurrentRegressor, sequences: Sequences) -> DataFrame:
    """Return one row per sequence or, of a model that predicts each step, one per step numbered from 1."""
    import pandas as pd

    predicted, targets = model.predict(sequences.X), sequences.targets
    if model.output == "last":
        truth = {} if targets is None else {"target": targets}
        return pd.DataFrame({"sequence": sequences.names, **truth, "predicted": predicted})
    lengths = [len(x) for x in sequences.X]
    steps = np.concatenate([np.arange(1, length + 1) for length in lengths])
    truth = {} if targets is None else {"target": np.concatenate(targets)}
    columns = {"sequence": np.repeat(sequences.names, lengths), "step": steps, **truth}
    return pd.DataFrame({**columns, "predicted": np.concatenate(predicted)})


def _measured(training: Sequences, held_out: Sequences, predictions: DataFrame) -> dict[str, Any]:
    observed = predictions["target"].notna()
    truth, predicted = (predictions.loc[observed, name].to_numpy() for name in ("target", "predicted"))
    known = np.concatenate(training.targets) if training.per_step else training.targets
    answers = {"mean": float(np.nanmean(known)), "median": float(np.nanmedian(known))}
    baselines = {name: _errors(truth, np.full(len(truth), answer)) for name, answer in answers.items()}
    return {
        "sequences": {"train": len(training.names), "held_out": len(held_out.names)},
        "per_step": training.per_step,
        **_errors(truth, predicted),
        "baseline": baselines["mean"],
        "baselines": baselines,
    }


def _compared(metrics: dict[str, Any], unit: str) -> Comparison:
    model = {name: metrics[name] for name in metrics["baseline"]}
    names = {name: f"always the {name}" for name in metrics["baselines"]}
    return Comparison({"model": model, **metrics["baselines"]}, names, unit=unit)


def _errors(truth: Array, predicted: Array) -> dict[str, float | None]:
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    r2 = float(r2_score(truth, predicted)) if len(truth) > 1 else None
    mae, rmse = float(mean_absolute_error(truth, predicted)), float(root_mean_squared_error(truth, predicted))
    return {"mae": mae, "rmse": rmse, "r2": r2}


REGRESSION = Outcome("regress", _read, _described, _fit, _predicted, _measured, _compared)
