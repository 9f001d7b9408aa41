"""Tables as series on a grid of regular steps."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import csv
from table_files import days, refused

from gatewise.tables import (
    SeriesRoles,
    SeriesSchema,
    read_series,
    read_table,
)


@pytest.mark.parametrize(
    ("frequency", "form", "label", "horizon"),
    [
        ("h", "%Y-%m-%d %H:%M", "1 h", 24),
        ("15min", "%Y-%m-%d %H:%M", "15 min", 96),
        ("min", "%Y-%m-%d %H:%M", "1 min", 60),
        ("D", "%Y-%m-%d", "1 day", 7),
        ("W", "%Y-%m-%d", "1 week", 12),
        ("MS", "%Y-%m-%d", "month", 12),
        ("ME", "%Y-%m-%d", "month", 12),
        ("QS", "%Y-%m-%d", "quarter", 4),
        ("YS", "%Y", "year", 4),
        ("B", "%Y-%m-%d", "workday", 5),
        ("4W", "%Y-%m-%d", "4 weeks", 10),
    ],
)
def test_the_step_is_found_and_gaps_are_filled(table, frequency, form, label, horizon):
    index = pd.date_range("2019-01-01", periods=40, freq=frequency)
    rows = [f"{stamp:{form}},{k}" for k, stamp in enumerate(index) if k not in (7, 8, 30)]
    found = table(days(*rows))
    panel = read_series(found, SeriesRoles("day", ("x",)))
    assert panel.step.label == label
    assert panel.step.horizon() == horizon
    assert panel.y[0].index.equals(index.rename("day"))
    assert panel.y[0].index.freq == index.freq or frequency == "4W"
    assert np.flatnonzero(panel.y[0].isna()).tolist() == [7, 8, 30]
    assert "3 missing steps filled with gaps" in found.notes


@pytest.mark.parametrize(("frequency", "season"), [("h", 168), ("D", 7), ("MS", 12), ("QS", 4), ("B", 5), ("YS", None)])
def test_the_season_follows_from_the_step(table, frequency, season):
    index = pd.date_range("2000-01-01", periods=24, freq=frequency)
    panel = read_series(table(days(*(f"{stamp},1" for stamp in index))), SeriesRoles("day", ("x",)))
    assert panel.step.season(1000) == season
    assert panel.step.season(4) is None
    assert frequency != "h" or panel.step.season(100) == 24


def test_unsorted_repeated_and_differing_rows(table):
    rows = [f"2024-01-{k:02d},{k}" for k in range(1, 21)]
    swapped = [rows[1], rows[0], *rows[2:]]
    found = table(days(*swapped, rows[4]))
    assert read_series(found, SeriesRoles("day", ("x",))).y[0].tolist() == list(range(1, 21))
    assert found.notes == ["times sorted", "1 repeated row dropped"]
    found = table(days(*rows, "2024-01-05,7"))
    assert read_series(found, SeriesRoles("day", ("x",))).y[0].iloc[4] == 6
    assert found.notes == ["times sorted", "1 step with differing rows averaged, as line 6 and line 22"]
    found = table(days(*rows, "2024-01-05,"))
    assert read_series(found, SeriesRoles("day", ("x",))).y[0].iloc[4] == 5


def test_contradictions_everywhere_are_refused(table):
    rows = [f"2024-01-{k:02d},{k + s}" for k in range(1, 9) for s in (0, 1)]
    refused(
        lambda: read_series(table(days(*rows)), SeriesRoles("day", ("x",))),
        "line 3, column 'day': line 2 and line 3 both tell of 2024-01-01",
        "--series",
    )


def test_the_hour_that_daylight_saving_repeats_is_averaged_and_named(table):
    index = pd.date_range("2024-10-25", periods=96, freq="h", tz="Europe/Berlin")
    found = table(days(*(f"{stamp:%Y-%m-%d %H:%M},{k}" for k, stamp in enumerate(index))))
    panel = read_series(found, SeriesRoles("day", ("x",)))
    assert panel.y[0][pd.Timestamp("2024-10-27 02:00")] == 50.5
    assert any("daylight saving" in note for note in found.notes)
    spring = pd.date_range("2024-03-30", periods=48, freq="h", tz="Europe/Berlin")
    found = table(days(*(f"{stamp:%Y-%m-%d %H:%M},{k}" for k, stamp in enumerate(spring))))
    assert np.isnan(read_series(found, SeriesRoles("day", ("x",))).y[0][pd.Timestamp("2024-03-31 02:00")])


def test_jitter_is_rounded_and_said(table):
    rng = np.random.default_rng(0)
    stamps = pd.date_range("2024-01-01", periods=50, freq="10min") + pd.to_timedelta(rng.uniform(-20, 20, 50), "s")
    found = table(days(*(f"{stamp},{k}" for k, stamp in enumerate(stamps))))
    panel = read_series(found, SeriesRoles("day", ("x",)))
    assert panel.y[0].tolist() == list(range(50))
    assert panel.step.label == "10 min"
    assert found.notes == ["50 times rounded to steps of 10 min"]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["2024-01-01,1"], ["column 'day'", "single time stamp"]),
        (["2024-01-01,1", "2024-01-01,1"], ["single time stamp"]),
        (
            [f"2024-01-{d},{k}" for k, d in enumerate(("01 00:00", "01 07:13", "03 11:00", "04 01:07", "09 23:00"))],
            ["no regular step", "--every week --mean"],
        ),
        (["2024-01-01,1", "2024-01-02,1", "2024-01-03,1", "2204-01-04,1"], ["line 5", "steps are missing"]),
        (["2024-01-01,", "2024-01-02,"], ["column 'x'", "no series with a value"]),
        (["2024-01-01,1", "2024-01-02,1e200"], ["line 3, column 'x'", "too large"]),
        (["2024-01-01,1", "2024-01-02,warm"], ["line 3, column 'x': 'warm' is no number; need numbers"]),
    ],
)
def test_series_that_cannot_be_used(table, rows, words):
    refused(lambda: read_series(table(days(*rows)), SeriesRoles("day", ("x",))), "a.csv", *words)


def test_long_tables_with_everything_beside(table):
    rows = []
    for shop, size in (("north", "big"), ("south", "small")):
        for k in range(1, 9):
            units = "" if k > 6 else str(k + (10 if shop == "south" else 0))
            rows.append(f"2024-01-{k:02d},{shop},{units},{k % 2},{k / 2},{size}")
    found = table(days(*rows, header="day,shop,units,promo,stock,size"))
    roles = SeriesRoles("day", ("units",), "shop", ("promo",), ("stock",), ("size",))
    panel = read_series(found, roles)
    assert panel.names == ["north", "south"]
    assert [y.tolist() for y in panel.y] == [[1, 2, 3, 4, 5, 6], [11, 12, 13, 14, 15, 16]]
    assert panel.ahead == 2
    assert panel.covariates[1]["promo"].tolist() == [1, 0, 1, 0, 1, 0, 1, 0]
    assert panel.covariates[0].columns.tolist() == ["promo", "stock"]
    assert panel.static.to_dict("index") == {
        "north": {"size=big": 1, "size=small": 0},
        "south": {"size=big": 0, "size=small": 1},
    }
    assert SeriesRoles.from_json({**roles._asdict(), "known": ["promo"]}) == roles


def test_wide_tables_are_one_series_a_target(table):
    found = table(days("2024-01-01,1,", "2024-01-02,2,5", "2024-01-03,,6", header="day,x,y"))
    panel = read_series(found, SeriesRoles("day", ("x", "y")))
    assert [y.tolist() for y in panel.y] == [[1, 2], [5, 6]]
    assert panel.names == ["x", "y"]
    assert panel.y[1].index[0] == pd.Timestamp("2024-01-02")


def test_short_series_share_the_step_of_the_others(table):
    rows = [f"2024-{k:02d}-01,{s},{k}" for s, last in (("a", 9), ("b", 1), ("c", 2)) for k in range(1, last + 1)]
    panel = read_series(table(days(*rows, header="day,s,x")), SeriesRoles("day", ("x",), "s"))
    assert [y.index.freqstr for y in panel.y] == ["MS", "MS", "MS"]


def test_static_columns_must_not_change(table):
    rows = [f"2024-01-{k:02d},a,{k},{k // 4}" for k in range(1, 7)]
    found = table(days(*rows, header="day,shop,units,size"))
    roles = SeriesRoles("day", ("units",), "shop", static=("size",))
    refused(lambda: read_series(found, roles), "line 5, column 'size': changes within series 'a'")
    refused(lambda: read_series(found, roles._replace(series=None)), "--static needs --series")
    refused(lambda: read_series(found, roles._replace(past=("units",))), "'units' has two roles")


def test_a_model_takes_only_what_is_new(table):
    trained = read_series(table(days(*(f"2024-01-{k:02d},{k}" for k in range(1, 11)))), SeriesRoles("day", ("x",)))
    place = int(trained.step.places(trained.y[0].index[-1:])[0][0])
    known = SeriesSchema(trained.columns, trained.step, {"x": place})
    found = table(days("2024-01-09,9", "2024-01-10,10", "2024-01-12,12", "2024-01-13,"))
    panel = read_series(found, SeriesRoles("day", ("x",)), known)
    assert panel.y[0].to_dict() == {pd.Timestamp("2024-01-12"): 12}
    assert panel.ahead == 1
    assert len(read_series(table(days("2024-01-09,9")), SeriesRoles("day", ("x",)), known).y[0]) == 0
    far = read_series(table(days("2024-01-12,9", "2024-01-20,8")), SeriesRoles("day", ("x",)), known)
    assert len(far.y[0]) == 9
    off = table(days("2024-01-12 08:00,9", "2024-01-20,8"))
    refused(
        lambda: read_series(off, SeriesRoles("day", ("x",)), known), "line 2, column 'day'", "off the steps of 1 day"
    )
    hourly = table(days(*(f"2024-01-12 {k:02d}:00,{k}" for k in range(12))))
    refused(
        lambda: read_series(hourly, SeriesRoles("day", ("x",)), known), "steps are 1 h", "trained on steps of 1 day"
    )
    refused(
        lambda: read_series(table(days("1,9", "2,8")), SeriesRoles("day", ("x",)), known), "trained on steps of 1 day"
    )


def test_a_million_rows(tmp_path):
    count = 1_000_000
    stamps = np.datetime64("2000-01-01T00:00") + np.arange(count)
    values = np.arange(count) % 1000
    data = pa.table({"time": pa.array(stamps.astype("datetime64[s]")), "x": values, "w": ["a", "b"] * (count // 2)})
    text = pa.BufferOutputStream()
    csv.write_csv(data, text)
    content = text.getvalue().to_pybytes().replace(b",999,", b",n/a,", 1)
    (tmp_path / "big.csv").write_bytes(content)
    found = read_table(tmp_path / "big.csv")
    panel = read_series(found, SeriesRoles("time", ("x",), past=("w",)))
    assert len(panel.y[0]) == count
    assert panel.y[0].isna().sum() == 1
    assert re.search(r"1 cell \(n/a\)", " ".join(found.notes))
    assert found.where(count - 1).endswith("line 1000001")
