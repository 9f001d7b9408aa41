"""What a page says first of each kind of model: a layer, a classifier, a regressor, a forecaster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gatewise.comparison import Comparison
from gatewise.errors import Array, GatewiseTypeError, GatewiseValueError, check_lengths
from gatewise.layers import Layer
from gatewise.layers.padding import valid_steps
from gatewise.layers.parts import example_input
from gatewise.pages import classes, examples, values
from gatewise.pages.classes import Classified
from gatewise.pages.content import Results, Section
from gatewise.pages.inside import Inside, recurrent_layers
from gatewise.pages.values import Predicted
from gatewise.pages.words import count, percent

HARDEST, TYPICAL = 4, 4
CARDS = 8


@dataclass(frozen=True)
class Outcome:
    """What is known of a model before anyone looks inside."""

    title: str
    headline: str
    lede: str = ""
    warning: str = ""
    results: Results | None = None
    sections: Sequence[Section] = ()
    history: Sequence[Mapping[str, Any]] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    inside: Inside | None = None


def of_layer(
    model: Layer, x: Any, y: Any, *, lengths: Any = None, loss: Any = None, dy: Any = None, compare: Any = None
) -> Outcome:
    """Return what is known of a layer or `Sequential` on rows x, with targets y if there are some."""
    if x is None and (y is not None or lengths is not None or dy is not None):
        raise GatewiseValueError("x is None; need the rows that y, lengths or dy belong to.")
    if loss is not None and y is None:
        raise GatewiseValueError("loss is given without y; need the targets: pass y.")
    x = _random_rows(model) if x is None else np.asarray(x)
    steps = None if lengths is None else check_lengths(lengths, len(x), x.shape[1])
    outputs, _ = model(x, lengths=steps)
    title = " · ".join(type(layer).__name__ for layer in getattr(model, "layers", (model,)))
    if y is None:
        first = slice(CARDS)
        inside = Inside(model, x[first], _some(steps, first), dy=_some(dy, first), compare=compare)
        return Outcome(title, _layer_headline(model), _layer_lede(x, steps), inside=inside)
    result = _compared(outputs, np.asarray(y), steps)
    rows = examples.worth_a_look(_row_errors(result, steps, len(x)), HARDEST, TYPICAL)
    target = {"loss": loss, "target": np.asarray(y)[rows]} if loss is not None else {"dy": _some(dy, rows)}
    inside = Inside(model, x[rows], _some(steps, rows), _names(result, rows), compare=compare, **target)
    return Outcome(title, **_reached(result, _drawable(x, steps), inside.steps(), rows), inside=inside)


def _random_rows(model: Layer) -> Array:
    """Return four rows of 50 steps: what a layer is looked at with when nothing else is given."""
    rng = np.random.default_rng(0)
    x = example_input(model, rng, (4, 50))
    return x if np.issubdtype(x.dtype, np.integer) else x.astype(model.dtype)


def _layer_headline(model: Layer) -> str:
    weights = sum(value.size for value in model.params.values())
    layers = recurrent_layers(model)
    sizes = " and ".join(f"{type(layer).__name__} {layer.input_size} → {layer.hidden_size}" for _, layer in layers[:3])
    return f"{sizes or type(model).__name__}: {count(weights, 'parameter')}"


def _layer_lede(x: Array, steps: Array | None) -> str:
    return f"Shown on {count(len(x), 'sequence')} of {_range(x.shape[1] if steps is None else steps)} steps."


def _range(steps: Any) -> str:
    """Return "8" or "3 to 60"."""
    shortest, longest = int(np.min(steps)), int(np.max(steps))
    return f"{longest:,}" if shortest == longest else f"{shortest:,} to {longest:,}"


def _compared(outputs: Array, y: Array, steps: Array | None) -> Classified | Predicted:
    """Return outputs beside targets: classes if y is of integers and the outputs have one axis more, else values."""
    if np.issubdtype(y.dtype, np.integer) and outputs.ndim == y.ndim + 1 and outputs.shape[:-1] == y.shape:
        labels = [str(k) for k in range(outputs.shape[-1])]
        if y.size and not 0 <= y.min() <= y.max() < len(labels):
            raise GatewiseValueError(f"y holds classes {y.min()} to {y.max()}; need 0 to {len(labels) - 1}.")
        return _classified(y, _softmax(outputs.astype(float)), labels, steps)
    if outputs.shape != y.shape:
        raise GatewiseValueError(
            f"y has shape {y.shape}; need that of the output, {outputs.shape}, or integer classes."
        )
    return _predicted(y.astype(float), outputs.astype(float), steps)


def _classified(y: Array, probabilities: Array, labels: Sequence[str], steps: Array | None) -> Classified:
    if y.ndim == 1:
        return Classified(y, probabilities, labels, "sequence")
    inside = _inside(y, steps)
    return Classified(y[inside], probabilities[inside], labels, "step")


def _predicted(y: Array, model: Array, steps: Array | None) -> Predicted:
    names = [f"output {k + 1}" for k in range(y.shape[-1])] if y.shape[-1] > 1 else ["the target"]
    if y.ndim == 2:
        return Predicted(y, model, names, "sequence")
    inside = _inside(y, steps)
    return Predicted(y[inside], model[inside], names, "step")


def _inside(y: Array, steps: Array | None) -> Array:
    """Return (n, time), True up to each length."""
    return np.ones(y.shape[:2], bool) if steps is None else valid_steps(steps, y.shape[1])


def _softmax(logits: Array) -> Array:
    from scipy.special import softmax

    return np.asarray(softmax(logits, axis=-1))


def _row_errors(result: Classified | Predicted, steps: Array | None, rows: int) -> Array:
    """Return how wrong the model is on each row, (rows,): the mean over its steps where there are several."""
    errors = result.surprise if isinstance(result, Classified) else result.errors()
    if result.thing == "sequence":
        return errors
    sizes = np.full(rows, len(errors) // rows) if steps is None else steps
    return np.asarray([part.mean() for part in np.split(errors, np.cumsum(sizes)[:-1])])


def _reached(
    result: Classified | Predicted,
    drawable: Array,
    steps: Array,
    rows: Array,
    comparison: Comparison | None = None,
    channels: Sequence[str] = (),
) -> dict[str, Any]:
    """Return headline, lede, results and sections of what the model reached."""
    channels = channels[: drawable.shape[2]]
    seen = f"On {count(len(drawable), 'sequence')}"
    seen += f", {len(result.truth):,} steps in all." if result.thing == "step" else f" of {_range(steps)} steps."
    if isinstance(result, Classified):
        cards = classes.cards(result, drawable, rows, HARDEST) if result.thing == "sequence" else ()
        return {
            "headline": classes.class_headline(result, comparison),
            "lede": seen,
            "results": classes.class_results(result, comparison),
            "sections": classes.class_sections(result, cards, channels),
        }
    cards = values.cards(result, drawable, rows, HARDEST) if result.thing == "sequence" else ()
    return {
        "headline": values.value_headline(result, comparison),
        "lede": f"{seen} {values.value_lede(result, comparison)}",
        "results": values.value_results(result, comparison),
        "sections": values.value_sections(result, cards, channels),
    }


def _drawable(x: Array, steps: Array | None) -> Array:
    """Return x as float (n, time, channels), NaN past each length."""
    drawn = x.reshape(*x.shape[:2], -1).astype(float)
    if steps is not None:
        drawn[~valid_steps(steps, x.shape[1])] = np.nan
    return drawn


def _some(a: Any, rows: Any) -> Any:
    return None if a is None else np.asarray(a)[rows]


def of_estimator(
    model: Any,
    x: Any,
    y: Any,
    *,
    compare: Any = None,
    ahead: Any = None,
    measured: Any = None,
    channels: Sequence[str] | None = None,
) -> Outcome:
    """Return what is known of a fitted estimator on the data given; `measured` is what a flow over a table returned."""
    from sklearn.utils.validation import check_is_fitted

    from gatewise.estimators.classifier import RecurrentClassifier
    from gatewise.estimators.forecaster import RecurrentForecaster
    from gatewise.estimators.regressor import RecurrentRegressor

    if isinstance(model, RecurrentClassifier | RecurrentRegressor | RecurrentForecaster):
        check_is_fitted(model)
    if ahead is not None and not isinstance(model, RecurrentForecaster):
        raise GatewiseTypeError(f"ahead is for forecasters; a {type(model).__name__} needs none: leave it out.")
    if isinstance(model, RecurrentClassifier | RecurrentRegressor):
        return _of_sequences(model, x, y, compare, measured, channels)
    if isinstance(model, RecurrentForecaster):
        return _of_series(model, x, y, compare, ahead, measured)
    kinds = "a layer, a Sequential, or a fitted RecurrentClassifier, RecurrentRegressor or RecurrentForecaster"
    raise GatewiseTypeError(f"model is a {type(model).__name__}; need {kinds}.")


def _of_series(model: Any, y: Any, X: Any, compare: Any, ahead: Any, measured: Any = None) -> Outcome:
    """Return what is known of a forecaster: what comes next, and the backtest on the last part of y."""
    from gatewise.pages import series
    from gatewise.pages.alarms import alarm_sections
    from gatewise.pages.backtests import backtest_sections
    from gatewise.pages.outlook import read_outlook
    from gatewise.pages.upcoming import upcoming_sections

    outlook = read_outlook(model, y, X, ahead, measured)
    return Outcome(
        title=type(model).__name__,
        headline=series.headline(outlook),
        lede=series.lede(outlook),
        warning=series.warning(outlook),
        sections=[*upcoming_sections(outlook), *backtest_sections(outlook), *alarm_sections(outlook, y, X)],
        history=model.history_,
        facts=series.facts(model) | _settings(model),
        inside=series.looked_into(model, compare),
    )


def _of_sequences(model: Any, x: Any, y: Any, compare: Any, measured: Any, channels: Sequence[str] | None) -> Outcome:
    """Return what is known of a classifier or regressor, and of the first of its networks."""
    if x is None:
        raise GatewiseValueError(f"x is None; a {type(model).__name__} needs sequences to look at: pass X and y.")
    seen = model.inspect(x, y)
    number_of, network, steps = len(seen.networks), seen.networks[0], seen.lengths
    features = examples.feature_names(seen.features, _channels(measured) if channels is None else channels)
    facts = {"Networks": f"{number_of}, averaged; the first is shown here"} if number_of > 1 else {}
    if model.ridge_share_:
        facts["Beside them"] = f"a ridge on random convolutions, with {percent(model.ridge_share_)} of the answer"
    history = [{"epoch": k + 1, "loss": loss} for k, loss in enumerate(model.loss_curve_)]
    known: dict[str, Any] = {"title": type(model).__name__, "history": history, "facts": _settings(model) | facts}
    if y is None:
        first = slice(CARDS)
        inside = Inside(network, seen.x[first], seen.steps[first], features=features, compare=compare)
        return Outcome(headline=_layer_headline(model.model_), lede=_layer_lede(seen.x, steps), inside=inside, **known)
    result = _estimated(model, seen)
    rows = examples.worth_a_look(_row_errors(result, steps, len(steps)), HARDEST, TYPICAL)
    target = {"loss": seen.loss, "target": seen.target[rows], "compare": compare}
    inside = Inside(network, seen.x[rows], seen.steps[rows], _names(result, rows), features, **target)
    comparison = None if measured is None else measured.comparison
    return Outcome(**_reached(result, seen.values, steps, rows, comparison, features), inside=inside, **known)


def _channels(measured: Any) -> list[str]:
    """Return the names of the channels of a table's sequences, with their units."""
    return [] if measured is None else [name for column in measured.task.sequences.columns for name in column.titles]


def _estimated(model: Any, seen: Any) -> Classified | Predicted:
    if hasattr(model, "classes_"):
        labels = [str(label) for label in model.classes_]
        return _classified(seen.truth, seen.prediction, labels, seen.lengths)
    return _predicted(seen.truth, seen.prediction, seen.lengths)


def _names(result: Classified | Predicted, rows: Array) -> list[str]:
    """Return names of rows, with their class where there is one."""
    if isinstance(result, Predicted) or result.thing == "step":
        return [f"No. {row + 1}" for row in rows]
    return [f"No. {row + 1} · {result.labels[result.truth[row]]}" for row in rows]


def _settings(model: Any) -> dict[str, str]:
    """Return the parameters of the constructor that are not the defaults, and how long training took."""
    import inspect

    defaults = {name: p.default for name, p in inspect.signature(type(model)).parameters.items()}
    chosen: dict[str, Any] = model.get_params(deep=False)
    shown = {name: getattr(value, "__name__", repr(value)) for name, value in chosen.items() if name != "verbose"}
    changed = ", ".join(f"{name}={text}" for name, text in shown.items() if text != repr(defaults[name]))
    epochs = f"{count(model.n_iter_, 'epoch')}, " if hasattr(model, "n_iter_") else ""
    seed = chosen.get("random_state")
    return {"Training": f"{epochs}{changed or 'default settings'}; seed {'not set' if seed is None else seed}"}
