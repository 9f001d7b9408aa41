"""A table written in any dialect reads to the same panel, and its times are written back as they came."""

import random

import numpy as np
import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatewise.tables import SeriesRoles, arranged, read_series, read_table

DAYS = ["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%Y%m%d", "%b-%d-%Y", "%d %b %y", "%B %d, %Y"]
MONTHS = ["%Y-%m", "%b %Y", "%Y %b", "%b-%y", "%Y%m", "01.%m.%Y", "decimal 2", "decimal 4", "decimal 11"]
QUARTERS = ["%YQ%q", "Q%q %Y", "decimal 2", "%Y-%m-01"]
HOURS = ["%Y-%m-%dT%H:%M", "%d.%m.%Y %H:%M", "%m/%d/%Y %I:%M %p", "%Y/%m/%d %H:%M:%S", "%d-%b-%Y %H:%M", "%Y%m%d%H"]
FORMATS = {"h": HOURS, "D": DAYS, "MS": MONTHS, "QS": QUARTERS}
UNITS = ["", " kg", "€", " %"]


def written(times, pattern):
    """Return times in a format of `strftime`, with quarters and decimal years."""
    if pattern.startswith("decimal"):
        decimals = int(pattern.split()[1])
        return [f"{round(time.year + (time.month - 1) / 12, decimals)}".removesuffix(".0") for time in times]
    return [time.strftime(pattern.replace("%q", str(time.quarter))) for time in times]


@st.composite
def dialects(draw):
    frequency = draw(st.sampled_from(list(FORMATS)))
    return {
        "frequency": frequency,
        "pattern": draw(st.sampled_from(FORMATS[frequency])),
        "separator": draw(st.sampled_from([",", ";", "\t", "|"])),
        "decimal": draw(st.sampled_from([".", ","])),
        "unit": draw(st.sampled_from(UNITS)),
        "gap": draw(st.sampled_from(["row", "", "n/a", "NaN"])),
        "shuffled": draw(st.booleans()),
        "header": draw(st.booleans()),
        "seed": draw(st.integers(0, 1000)),
    }


def quoted(cell, separator):
    return f'"{cell}"' if separator in cell else cell


def content(times, values, dialect):
    """Return a table of one series as the text of a file, and the cells of its times."""
    cells = written(times, dialect["pattern"])
    rows = []
    for cell, value in zip(cells, values, strict=True):
        if np.isnan(value) and dialect["gap"] == "row":
            continue
        number = dialect["gap"] if np.isnan(value) else f"{value:.1f}".replace(".", dialect["decimal"])
        number += "" if np.isnan(value) else dialect["unit"]
        if dialect["pattern"].startswith("decimal"):
            cell = cell.replace(".", dialect["decimal"])
        rows.append(dialect["separator"].join(quoted(part, dialect["separator"]) for part in (cell, number)))
    if dialect["shuffled"]:
        random.Random(dialect["seed"]).shuffle(rows)
    head = [dialect["separator"].join(["when", "size"])] if dialect["header"] else []
    return "\n".join([*head, *rows]) + "\n", cells


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dialects())
def test_every_dialect_reads_to_the_same_panel(tmp_path, dialect):
    rng = np.random.default_rng(dialect["seed"])
    times = pd.date_range(
        "2019-11-13" if dialect["frequency"] == "h" else "2019-10-01",
        periods=rng.integers(30, 50),
        freq=dialect["frequency"],
    )
    values = np.round(rng.uniform(-50, 2000, len(times)), 1)
    values[rng.choice(np.arange(5, len(times) - 5), 2, replace=False)] = np.nan
    text, cells = content(times, values, dialect)
    path = tmp_path / "a.csv"
    path.write_text(text)
    noticed = not dialect["unit"] and dialect["gap"] in ("row", "")
    table = read_table(path, header=None if dialect["header"] or noticed else False)
    assert table.names == (["when", "size"] if dialect["header"] else ["column 1", "column 2"])
    table, roles, _ = arranged(table, SeriesRoles.of(*table.names))
    grid = read_series(table, roles)
    assert np.array_equal(grid.y[0], values, equal_nan=True)
    assert (grid.y[0].index == times).all()
    if grid.writers is not None:
        back = next(iter(grid.writers.values()))(grid.y[0].index)
        assert [str(cell).removesuffix(".0") for cell in back] == [cell.removesuffix(".0") for cell in cells]
