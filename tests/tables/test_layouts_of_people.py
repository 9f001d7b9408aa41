"""From tables as people have them to forecasts in the same form, and on with later tables."""

import numpy as np
import pandas as pd
import pytest
from table_files import refused

import gatewise as gw
from gatewise import tables

SEASON = 100 + 20 * np.sin(np.arange(60) * np.pi / 6)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    for name, value in {"max_updates": 3, "n_networks": 1, "hidden_size": 4}.items():
        monkeypatch.setitem(gw.RecurrentForecaster.__init__.__kwdefaults__, name, value)


def forecast(path, content, **options):
    path.write_text(content)
    return tables.forecast(path, **{"horizon": 2, "backtest": False} | options)


def again(result, path, content):
    path.write_text(content)
    return tables.predict(result, path)


def test_a_series_of_r_and_its_next_months(tmp_path):
    rows = [f"{k + 1},{round(1949 + k / 12, 4)},{SEASON[k]:.1f}\n" for k in range(60)]
    result = forecast(tmp_path / "a.csv", '"","time","x"\n' + "".join(rows[:48]))
    assert result.forecast["time"].tolist() == [1953.0, 1953.0833]
    prediction = again(result, tmp_path / "b.csv", '"","time","x"\n' + "".join(rows))
    assert prediction.frame["time"].tolist() == [1954.0, 1954.0833]


def test_year_and_quarter_stay_two_columns(tmp_path):
    rows = [f"{1990 + k // 4},{k % 4 + 1},{SEASON[k]:.1f}\n" for k in range(40)]
    result = forecast(tmp_path / "a.csv", "year,quarter,x\n" + "".join(rows), time=["year", "quarter"])
    assert result.forecast.columns.tolist() == ["year", "quarter", "lower", "median", "upper"]
    assert result.forecast[["year", "quarter"]].to_numpy().tolist() == [[2000, 1], [2000, 2]]
    later = "year,quarter,x\n2000,1,100\n2000,2,101\n2000,3,102\n"
    assert again(result, tmp_path / "b.csv", later).frame[["year", "quarter"]].iloc[0].tolist() == [2000, 4]


def test_months_side_by_side(tmp_path):
    names = "year," + ",".join(pd.date_range("2000-01", periods=12, freq="MS").strftime("%b").str.upper())
    rows = [f"{2000 + k}," + ",".join(f"{x:.1f}" for x in SEASON[12 * k : 12 * k + 12]) for k in range(5)]
    result = forecast(tmp_path / "a.csv", "\n".join([names, *rows[:4]]), wide=True)
    assert result.forecast[["year", "month"]].to_numpy().tolist() == [[2004, "JAN"], [2004, "FEB"]]
    prediction = again(result, tmp_path / "b.csv", "\n".join([names, *rows]))
    assert prediction.frame[["year", "month"]].iloc[0].tolist() == [2005, "JAN"]


def test_years_side_by_side(tmp_path):
    names = ",".join(["country", *map(str, range(1960, 1980))])
    rows = [",".join([land, *(f"{x:.1f}" for x in SEASON[:20] + k)]) for k, land in enumerate(("Peru", "Mali"))]
    result = forecast(tmp_path / "a.csv", "\n".join([names, *rows]), wide=True)
    assert result.forecast[["country", "year"]].to_numpy().tolist()[:3] == [
        ["Peru", 1980],
        ["Peru", 1981],
        ["Mali", 1980],
    ]


def test_order_lines(tmp_path):
    days = pd.date_range("2020-01-01", "2023-12-31", freq="3D")
    rows = [f"{day:%d.%m.%Y};A{k};{k % 7 + 1}\n" for k, day in enumerate(days)]
    options = {"time": "sold", "target": "pieces", "every": "month", "aggregate": "sum"}
    result = forecast(tmp_path / "a.csv", "sold;order;pieces\n" + "".join(rows), **options)
    assert result.forecast["sold"].tolist() == ["2024-01", "2024-02"]
    assert result.forecast["median"].between(10, 80).all()
    later = rows + [f"{day:%d.%m.%Y};B;4\n" for day in pd.date_range("2024-01-01", "2024-03-31", freq="3D")]
    prediction = again(result, tmp_path / "b.csv", "sold;order;pieces\n" + "".join(later))
    assert prediction.frame["sold"].iloc[0] == "2024-04"


def test_rows_in_order(tmp_path):
    rows = [f"{x:.1f}\n" for x in SEASON]
    result = forecast(tmp_path / "a.csv", "".join(rows[:48]), season=12)
    assert result.forecast["row"].tolist() == [49, 50]
    assert "steps in the order of the file" in result.notes[1]
    assert again(result, tmp_path / "b.csv", "".join(rows)).frame["row"].tolist() == [61, 62]
    refused(lambda: again(result, tmp_path / "b.csv", "".join(rows[48:])), "12 rows", "trained on 48", "new ones after")


def test_targets_are_measured_apart(tmp_path):
    rows = [f"{2000 + k // 12}-{k % 12 + 1:02d},{SEASON[k]:.2f},{1000 * SEASON[k]:.0f}\n" for k in range(60)]
    result = forecast(tmp_path / "a.csv", "month,x,y\n" + "".join(rows), target=["x", "y"], backtest=True)
    apart = result.held_out["targets"]
    assert apart.keys() == {"x", "y"}
    assert apart["y"]["naive"]["mae"] == pytest.approx(1000 * apart["x"]["naive"]["mae"], rel=1e-3)
    assert "model" not in result.held_out


def test_a_frame_without_options():
    frame = pd.DataFrame({"year": range(1980, 2020), "x": np.arange(40.0) % 4})
    result = tables.forecast(frame, horizon=2, backtest=False)
    assert result.forecast["year"].tolist() == [2020, 2021]
