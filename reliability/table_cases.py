"""Real tables of every shape that the readers know, and what is done with each: what `fuzz_tables.py` mutates."""

from __future__ import annotations

import bz2
import gzip
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from model_cases import SMALL, Case

import gatewise as gw
from gatewise import tables
from gatewise.cli import stream as stream_command
from gatewise.spreadsheets import to_csv

DAYS = pd.date_range("2024-01-01", periods=60)


def frames() -> dict[str, tuple[pd.DataFrame, Callable[[Any], Any]]]:
    """Tables by name, each with the task it is for."""
    rng = np.random.default_rng(0)
    month = pd.date_range("2019-01-01", periods=48, freq="MS")
    sales = pd.DataFrame({"day": DAYS, "units": rng.integers(1, 90, 60)})
    shops = pd.concat([sales.assign(shop=shop, open=sales["day"].dt.dayofweek < 6) for shop in ("A", "B & Söhne")])
    shops["units"] = shops["units"].where(shops["day"] < DAYS[-7])  # what is known ahead of the rest
    euros = [f"{value:.2f} €".replace(".", ",") for value in rng.normal(9, 1, 48)]
    odd = pd.DataFrame({"date": month.strftime("%d.%m.%Y"), "€": euros})
    wide = pd.DataFrame(rng.normal(size=(5, 12)).round(2), columns=[f"{name:%b}" for name in month[:12]])
    wide.insert(0, "Year", range(2019, 2024))
    years = pd.DataFrame(rng.normal(size=(4, 9)), columns=[str(year) for year in range(1960, 1969)])
    years.insert(0, "country", ["Peru", "Mali", "Chad", "Fiji"])
    orders = pd.DataFrame({"sold": DAYS.repeat(2) + pd.Timedelta(hours=7), "pieces": rng.integers(1, 9, 120)})
    parts = pd.DataFrame({"year": month.year, "month": month.month, "gdp": rng.normal(size=48)})
    rows = pd.DataFrame({"id": np.repeat(np.arange(10), 4), "t": list(range(4)) * 10, "v": rng.normal(size=40)})
    rows = rows.assign(c=["a", "b"] * 20, on=["yes", "no"] * 20, label=np.where(rows["id"] % 2, "up", "down"))
    steps = pd.DataFrame({"x": np.arange(1949, 1954, 1 / 12).round(4), "y": rng.normal(size=60)})
    return {
        "sales": (sales, _forecast()),
        "shops": (shops, _forecast(series="shop", known="open", time="day", target="units")),
        "odd": (odd, _forecast()),
        "named": (odd.assign(date=month.strftime("%d-%b-%Y 10:30 PM")), _forecast(time="date")),
        "months": (wide, _forecast(wide=True)),
        "years": (years, _forecast(wide=True, series="country")),
        "orders": (orders, _forecast(every="day", aggregate="sum", time="sold", target="pieces")),
        "minutes": (orders, _forecast(every="minute", aggregate="mean", time="sold", target="pieces")),
        "parts": (parts, _forecast(time=("year", "month"), target="gdp")),
        "rows": (steps[["y"]], _forecast(in_order=True)),
        "decimal": (steps, _forecast(time="x")),
        "zones": (sales.assign(day=DAYS.tz_localize("Europe/Berlin")), _forecast(time="day", target="units")),
        "classes": (rows, _sequences(tables.CLASSIFICATION, "label")),
        "targets": (rows, _sequences(tables.REGRESSION, "v")),
    }


def _forecast(**roles: Any) -> Callable[[Any], Any]:
    def use(source: Any) -> None:
        table = tables.as_table(source)
        tables.read_forecast_task(table, tables.SeriesRoles.of(**roles))

    return use


def _sequences(outcome: Any, name: str) -> Callable[[Any], Any]:
    roles = tables.SequenceRoles.of("id", "t", name)
    return lambda source: tables.read_sequence_task(outcome, source, roles)


def cases(folder: Path) -> list[Case]:
    """Write the tables in all forms to a folder, and the models that predict from them."""
    found = []
    for name, (frame, use) in frames().items():
        text = frame.to_csv(index=False).encode()
        forms = {"csv": text, "csv.gz": gzip.compress(text, mtime=0), "csv.bz2": bz2.compress(text)}
        forms["csv.zst"] = pa.compress(text, codec="zstd", asbytes=True)
        for form, content in forms.items():
            (folder / f"{name}.{form}").write_bytes(content)
            found.append(Case("csv" if form == "csv" else "packed", folder / f"{name}.{form}", use))
        frame.to_parquet(folder / f"{name}.parquet", index=False)
        found.append(Case("parquet", folder / f"{name}.parquet", use))
        found.append(Case("frames", folder / f"{name}.frame", _of_frame(use)))
        (folder / f"{name}.frame").write_bytes((folder / f"{name}.parquet").read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [*found, *_predictions(folder)]


def _of_frame(use: Callable[[Any], Any]) -> Callable[[Path], Any]:
    """Use a DataFrame, as the table of a file is one; a file that pyarrow cannot read is no case."""
    from pyarrow import parquet

    def read(path: Path) -> None:
        try:
            frame = parquet.read_table(path).to_pandas()
        except Exception as error:
            raise gw.GatewiseError("no DataFrame") from error
        use(frame)

    return read


def _predictions(folder: Path) -> list[Case]:
    """Tables and streams for models that are here already."""
    known = frames()
    sales, rows = known["sales"][0], known["classes"][0]
    forecast = tables.forecast(sales, time="day", target="units", horizon=2, backtest=False)
    classify = tables.classify(rows, sequence="id", time="t", label="label", refit=False)
    regress = tables.regress(rows, sequence="id", time="t", target="v", refit=False)
    layer = gw.Sequential(gw.GRU(2, SMALL["hidden_size"], rng=0), gw.Dense(3, 1, rng=0))
    gw.save(layer, folder / "layer.model")
    found = []
    results = (("forecast", forecast, sales), ("classify", classify, rows), ("regress", regress, rows))
    for name, result, frame in results:
        model = folder / f"{name}.model"
        result.save(model)
        later = frame.assign(day=DAYS + pd.Timedelta(days=len(DAYS))) if name == "forecast" else frame
        for suffix in ("csv", "parquet"):
            path = folder / f"predict {name}.{suffix}"
            path.write_bytes(later.to_csv(index=False).encode()) if suffix == "csv" else later.to_parquet(path)
            found.append(Case("predict", path, lambda path, result=result: to_csv(tables.predict(result, path).frame)))
        found += _streams(folder, model, later.head(12))
    return [*found, *_streams(folder, folder / "layer.model", pd.DataFrame({"a": [1.0, 2.5], "b": [3.0, -1.0]}))]


def _streams(folder: Path, model: Path, frame: pd.DataFrame) -> list[Case]:
    text = frame.assign(**{name: frame[name].astype(str) for name in frame.select_dtypes("datetime")})
    found = []
    for suffix, content in (("csv", text.to_csv(index=False)), ("jsonl", text.to_json(orient="records", lines=True))):
        path = folder / f"stream {model.stem}.{suffix}"
        path.write_text(content)
        for options in (["--json"], ["--bad-rows", "skip"]):
            found.append(Case("streams", path, lambda path, options=options: _stream(model, path, options)))
    return found


def _stream(model: Path, path: Path, options: list[str]) -> None:
    """Run `gatewise stream` in this process, with a file as its stdin; which it leaves as it was."""
    before, shown = os.dup(0), sys.stdout
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    file = os.open(path, os.O_RDONLY)
    os.dup2(file, 0)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115
    try:
        stream_command.command.main([str(model), *options, "--quiet"], standalone_mode=False)
    finally:
        sys.stdout = shown
        os.dup2(before, 0)
        os.close(file)
        os.close(before)
