"""`gatewise.report`: any model, and data to look at it with, as one page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from gatewise.errors import Array, GatewiseTypeError
from gatewise.layers import Layer
from gatewise.layers.cell import RecurrentCell
from gatewise.losses import Loss
from gatewise.pages.notebook import Page
from gatewise.pages.page import render, require

_USES = {
    "ahead": "forecasters",
    "measured": "what gatewise.tables returned",
    "channels": "classifiers and regressors",
}


def report(
    model: Any,
    x: Any = None,
    y: Any = None,
    *,
    lengths: Any = None,
    loss: str | Loss | None = None,
    dy: Array | None = None,
    history: Sequence[Mapping[str, Any]] | None = None,
    title: str | None = None,
    facts: Mapping[str, str] | None = None,
    compare: Any = None,
    ahead: Any = None,
    measured: Any = None,
    channels: Sequence[str] | None = None,
    path: str | os.PathLike[str] | None = None,
) -> Page:
    """Return one HTML page on a model: what it reaches, how it learned, what goes on inside.

    Parameters
    ----------
    model : Layer, or a fitted RecurrentClassifier, RecurrentRegressor or RecurrentForecaster
        What to look at. It is not changed.
    x : array, DataFrame, Series or list, optional
        For a layer, rows as its `forward` takes them, random ones if None; for a classifier or regressor X; for a
        forecaster the series: its last part is forecast again from what lies before.
    y : array-like, optional
        For a layer, targets: integers (n,) are classes, floats have the shape of the output; for a classifier or
        regressor as `score` takes it; for a forecaster the covariates of x.
    lengths : array of int (n,), optional
        For a layer: valid steps of each row.
    loss : str or callable, optional
        For a layer with y: a loss as `gatewise.train` takes it; gradients of gates and states are shown too.
    dy : ndarray, optional
        For a layer, instead of a loss: the gradient of the output.
    history : sequence of mappings, optional
        What `gatewise.train` returned. Estimators bring their own.
    title : str, optional
        Name of the page.
    facts : mapping of str to str, optional
        What is worth knowing of data and model, such as source and license of the data.
    compare : {"rnn"} or Layer, optional
        Beside the model's gradient flow, that of an Elman network of the same size as it starts, or of another model.
    ahead : DataFrame, array or list, optional
        For a forecaster with covariates known ahead: `X_future` as `predict` takes it, for the forecast of what comes
        next. Without such covariates it is always shown.
    measured : ForecastResult or SequenceResult, optional
        What `tables.forecast`, `classify` or `regress` returned with this model: the page then shows its numbers
        instead of measuring again.
    channels : sequence of str, optional
        For a classifier or regressor: names of the channels of x, with their units.
    path : str or path, optional
        Where to write the page too.

    Returns
    -------
    Page
        A `str`, the page's HTML, below 3 MB; `page.save(path)` writes it, and a notebook shows it. It asks no network
        for anything; every text of yours is escaped.

    Raises
    ------
    GatewiseError
        If Bokeh, Jinja2 or xarray is absent, the model is none of these, the data do not fit it, or `path` cannot be
        written.
    NotFittedError
        Scikit-learn's, for an estimator before `fit`.

    Examples
    --------
    >>> import numpy as np, gatewise as gw
    >>> x = np.random.default_rng(0).normal(size=(4, 20, 3)).astype(np.float32)
    >>> page = gw.report(gw.GRU(3, 8, rng=0), x, title="A fresh GRU", compare="rnn")
    >>> page[:15], "Gradient flow" in page, len(page) < 3_000_000
    ('<!doctype html>', True, True)
    """
    require()
    of_estimators = {"ahead": ahead, "measured": measured, "channels": channels}
    outcome = _outcome(model, x, y, lengths=lengths, loss=loss, dy=dy, compare=compare, **of_estimators)
    page = Page(_page(outcome, history, title, facts or {}))
    if path is not None:
        page.save(path)
    return page


def _outcome(model: Any, x: Any, y: Any, **options: Any) -> Any:
    from gatewise.pages import subjects

    of_estimators = {name: options.pop(name) for name in ("ahead", "measured", "channels")}
    if isinstance(model, Layer) and not isinstance(model, RecurrentCell):
        unused = [name for name, value in of_estimators.items() if value is not None]
        if unused:
            raise GatewiseTypeError(f"{unused[0]} is for {_USES[unused[0]]}; a layer needs none: leave it out.")
        return subjects.of_layer(model, x, y, **options)
    unused = [name for name in ("lengths", "loss", "dy") if options[name] is not None]
    if unused:
        raise GatewiseTypeError(f"{unused[0]} is for layers; a {type(model).__name__} needs none: leave it out.")
    return subjects.of_estimator(model, x, y, compare=options["compare"], **of_estimators)


def _page(
    outcome: Any, history: Sequence[Mapping[str, Any]] | None, title: str | None, facts: Mapping[str, str]
) -> str:
    from gatewise.pages.inside_sections import inside_facts, inside_sections
    from gatewise.pages.learning import loss_sections

    learning = loss_sections(outcome.history if history is None else history)
    inside = [] if outcome.inside is None else inside_sections(outcome.inside)
    card = {} if outcome.inside is None else inside_facts(outcome.inside)
    return render(
        title=title or outcome.title,
        headline=outcome.headline,
        lede=outcome.lede,
        warning=outcome.warning,
        results=outcome.results,
        sections=outcome.sections,
        inside=[*learning, *inside],
        facts={str(name): str(text) for name, text in {**facts, **outcome.facts, **card}.items()},
    )
