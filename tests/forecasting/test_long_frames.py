"""Long frames: read from any library and layout, forecasts back in the same form, mistakes named."""

import datetime
import pickle
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import gatewise as gw

SMALL = {"max_updates": 4, "n_networks": 1, "hidden_size": 4, "random_state": 0}
LENGTHS = {"north": 40, "south": 31}
MONTHS = {name: pd.date_range("2021-01-01", periods=count, freq="MS") for name, count in LENGTHS.items()}


def wave(count, phase=0.0):
    return 10 + phase + np.sin(np.arange(count) * 2 * np.pi / 12 + phase)


SERIES = [pd.Series(wave(count, k), MONTHS[name], name=name) for k, (name, count) in enumerate(LENGTHS.items())]
LONG = pd.concat([pd.DataFrame({"unique_id": y.name, "ds": y.index, "y": y.to_numpy()}) for y in SERIES])
LONG = LONG.reset_index(drop=True)
NAMED = LONG.set_axis(["shop", "month", "sales"], axis=1)
COLUMNS = {"id": "shop", "time": "month", "target": "sales"}


def forecaster(**options):
    return gw.RecurrentForecaster(3, **{**SMALL, **options})


@pytest.fixture(scope="module")
def listed():
    return forecaster().fit(SERIES)


def of_list(fitted):
    return np.concatenate([part.to_numpy() for part in fitted.predict()])


def test_forecasts_come_back_in_the_form_of_the_frame(listed):
    fitted = forecaster().fit(LONG)
    found, levels = fitted.predict(), fitted.predict_quantiles()
    assert found.columns.tolist() == ["unique_id", "ds", "y"]
    assert levels.columns.tolist() == ["unique_id", "ds", 0.1, 0.5, 0.9]
    assert found["unique_id"].tolist() == ["north"] * 3 + ["south"] * 3
    assert found["ds"].tolist() == [
        *pd.date_range("2024-05-01", periods=3, freq="MS"),
        *MONTHS["south"][-3:] + 3 * MONTHS["south"].freq,
    ]
    pd.testing.assert_series_equal(found.dtypes, LONG.dtypes)
    np.testing.assert_array_equal(found["y"], of_list(listed))
    np.testing.assert_array_equal(levels[0.9], np.concatenate([q[0.9] for q in listed.predict_quantiles()]))


def test_other_horizons_levels_and_paths_come_back_like_it_too(listed):
    fitted = forecaster().fit(NAMED, **COLUMNS)
    further, few = fitted.predict(horizon=5), fitted.predict_quantiles(levels=(0.05, 0.95), horizon=2)
    assert further["month"].tolist()[3:6] == [
        *pd.date_range("2024-08-01", periods=2, freq="MS"),
        pd.Timestamp("2023-08-01"),
    ]
    np.testing.assert_array_equal(further["sales"], np.concatenate(listed.predict(horizon=5)))
    assert few.columns.tolist() == ["shop", "month", 0.05, 0.95]
    assert len(few) == 4
    paths = fitted.sample(7, rng=0)
    assert paths.columns.tolist() == ["shop", "month", *range(7)]
    np.testing.assert_array_equal(paths[range(7)], np.concatenate(listed.sample(7, rng=0)))


@pytest.mark.parametrize(
    ("times", "kind"),
    [
        (lambda t: t.strftime("%Y-%m"), str),
        (lambda t: t.strftime("%Y-%m-%dT%H:%M:%S"), str),
        (lambda t: t.strftime("%Y-%m-%dT%H:%M:%SZ"), str),
        (lambda t: [day.date() for day in t], datetime.date),
        (lambda t: t.tz_localize("Europe/Berlin"), pd.Timestamp),
        (lambda t: t.to_period("M"), pd.Period),
        (lambda t: t.year * 12 + t.month, int),
    ],
)
def test_times_come_back_as_they_were_written(listed, times, kind, tmp_path):
    frame = NAMED.assign(month=times(pd.DatetimeIndex(NAMED["month"])))
    fitted = forecaster(season=12).fit(frame, **COLUMNS)
    found = fitted.predict()
    assert isinstance(found["month"].tolist()[0], kind)
    expected = times(pd.date_range("2024-05-01", periods=3, freq="MS"))
    assert found["month"].tolist()[:3] == list(expected)
    gw.save(fitted, tmp_path / "long.safetensors")
    pd.testing.assert_frame_equal(gw.load(tmp_path / "long.safetensors").predict(), found)


def test_other_processes_get_it_whole():
    fitted = forecaster(past_covariates=["sky"]).fit(NAMED.assign(sky=["sun", *["rain"] * 70]), **COLUMNS)
    pd.testing.assert_frame_equal(pickle.loads(pickle.dumps(fitted)).predict(), fitted.predict())


def test_ids_keep_their_dtype():
    numbered = LONG.assign(unique_id=LONG["unique_id"].map({"north": 7, "south": 3}).astype("int16"))
    found = forecaster().fit(numbered).predict()
    assert found["unique_id"].dtype == "int16"
    assert found["unique_id"].tolist() == [7, 7, 7, 3, 3, 3]
    found = forecaster().fit(LONG.assign(unique_id=LONG["unique_id"].astype("category"))).predict()
    assert found["unique_id"].dtype == "category"


def test_rows_come_in_any_order(listed):
    fitted = forecaster().fit(LONG.sample(frac=1, random_state=1))
    found = fitted.predict().sort_values(["unique_id", "ds"])
    np.testing.assert_allclose(found["y"], of_list(listed), rtol=1e-6)


def test_an_index_of_ids_and_times_is_one_too(listed):
    indexed = LONG.set_index(["unique_id", "ds"])
    found = forecaster().fit(indexed).predict()
    assert found.index.names == ["unique_id", "ds"]
    series = forecaster().fit(indexed["y"].rename("sales"))
    assert series.predict().name == "sales"
    assert series.predict().index.equals(found.index)
    assert series.predict_quantiles().columns.tolist() == [0.1, 0.5, 0.9]
    np.testing.assert_array_equal(series.predict(), of_list(listed))
    dated = forecaster().fit(NAMED.set_index("month"), id="shop", target="sales").predict()
    assert dated.index.name == "month"
    assert dated.columns.tolist() == ["shop", "sales"]


def test_levels_of_an_index_need_no_names():
    numbered = NAMED.assign(month=NAMED["month"].dt.strftime("%Y-%m")).set_index(["shop", "month"])
    assert forecaster().fit(numbered).predict().index.names == ["shop", "month"]
    swapped = forecaster().fit(NAMED.set_index(["month", "shop"])["sales"])
    assert swapped._state.container.names == ("north", "south")
    assert swapped.predict().index.names == ["month", "shop"]
    stacked = pd.DataFrame({"a": np.arange(30.0), "b": 1.0}, pd.RangeIndex(30)).stack().swaplevel()
    assert forecaster().fit(stacked).predict().loc["b"].tolist() == [1.0, 1.0, 1.0]


def test_one_series_needs_no_id(listed):
    one = LONG[LONG["unique_id"] == "north"].drop(columns="unique_id")
    found = forecaster().fit(one).predict()
    assert found.columns.tolist() == ["ds", "y"]
    other = forecaster().fit(one.set_axis(["when", "load"], axis=1), time="when")
    assert other.predict().columns.tolist() == ["when", "load"]
    np.testing.assert_array_equal(found["y"], other.predict()["load"])


def test_other_libraries_come_back(listed, tmp_path):
    table = pa.Table.from_pandas(NAMED.assign(month=NAMED["month"].dt.date), preserve_index=False)
    fitted = forecaster().fit(table, **COLUMNS)
    found = fitted.predict()
    assert isinstance(found, pa.Table)
    assert found.schema.field("month").type == pa.date32()
    assert fitted.predict_quantiles().column_names == ["shop", "month", "0.1", "0.5", "0.9"]
    np.testing.assert_array_equal(found["sales"].to_numpy(), of_list(listed))
    gw.save(fitted, tmp_path / "arrow.safetensors")
    assert gw.load(tmp_path / "arrow.safetensors").predict().equals(found)


def test_polars_comes_back(listed):
    polars = pytest.importorskip("polars")
    frame = polars.from_pandas(NAMED).with_columns(polars.col("month").cast(polars.Date))
    fitted = forecaster().fit(frame, **COLUMNS)
    assert fitted.predict().schema == frame.schema
    assert fitted.cross_validation(frame, windows=1)["cutoff"].dtype == polars.Date
    np.testing.assert_array_equal(fitted.predict()["sales"].to_numpy(), of_list(listed))
    with pytest.raises(gw.GatewiseError, match=r"polars LazyFrame; need .*collect"):
        forecaster().fit(frame.lazy(), **COLUMNS)


def test_short_series_and_gaps_have_the_step_of_the_others():
    """Every second month only, two months, one month: steps of a month like the rest."""
    rows = [
        LONG[LONG["unique_id"] == "north"].iloc[:count:step].assign(unique_id=name)
        for name, count, step in (("gaps", 40, 2), ("two", 2, 1), ("one", 1, 1))
    ]
    found = forecaster().fit(pd.concat([LONG, *rows])).predict().set_index("unique_id")["ds"]
    assert found["gaps"].iloc[0] == pd.Timestamp("2024-04-01")
    assert found["two"].tolist() == list(pd.date_range("2021-03-01", periods=3, freq="MS"))
    assert found["one"].tolist() == list(pd.date_range("2021-02-01", periods=3, freq="MS"))
    numbers = pd.DataFrame({"unique_id": ["a"] * 30 + ["b"] * 9, "ds": [*range(30), *range(0, 27, 3)], "y": wave(39)})
    assert forecaster().fit(numbers).predict()["ds"].tolist() == [30, 31, 32, 25, 26, 27]


def beside(frame=LONG, **options):
    """The frame with a price known ahead, and another frame of what is ahead of both series."""
    frame = frame.assign(price=np.cos(np.arange(len(frame))), **options)
    ahead = [(name, t) for name, index in MONTHS.items() for t in pd.date_range(index[-1], periods=4, freq="MS")[1:]]
    future = pd.DataFrame(ahead, columns=["unique_id", "ds"]).assign(price=np.arange(6.0))
    return frame, future


def test_further_columns_are_covariates():
    frame, future = beside()
    X = [part.set_index("ds")[["price"]] for _, part in frame.groupby("unique_id")]
    expected = (
        forecaster()
        .fit(SERIES, X)
        .predict([part.set_index("ds")[["price"]] for _, part in future.groupby("unique_id")])
    )
    fitted = forecaster().fit(frame)
    assert fitted.feature_names_in_.tolist() == ["price"]
    found = fitted.predict(future.sample(frac=1, random_state=0))
    np.testing.assert_array_equal(found["y"], np.concatenate(expected))
    apart = forecaster().fit(LONG, frame.drop(columns="y"))
    np.testing.assert_array_equal(apart.predict(future)["y"], found["y"])
    shared = pd.DataFrame(
        {"holiday": (np.arange(60) % 12 == 0).astype(float)}, pd.date_range("2021-01-01", periods=60, freq="MS")
    )
    both = forecaster().fit(frame, shared)
    assert both.feature_names_in_.tolist() == ["price", "holiday"]
    assert forecaster().fit(LONG, shared.rename_axis("ds").reset_index()).predict(shared).shape == (6, 3)


def test_update_takes_long_frames():
    frame, future = beside()
    fitted = forecaster().fit(frame).update(future.assign(y=11.0)[future["unique_id"] == "north"])
    more = future.assign(ds=future["ds"] + pd.DateOffset(months=3))
    late = pd.concat([more[more["unique_id"] == "north"], future[future["unique_id"] == "south"]])
    assert fitted.predict(late)["ds"].tolist() == late["ds"].tolist()
    with pytest.raises(gw.GatewiseError, match="y_new holds 'east'; need series of the fit: 'north', 'south'"):
        fitted.update(future.assign(unique_id="east", y=1.0))


def test_static_is_matched_by_id():
    table = pd.DataFrame({"unique_id": ["south", "north"], "area": [1.0, 2.0], "kind": ["shop", "stall"]})
    found = forecaster().fit(LONG, static=table)
    assert found._state.panel.static.shape == (2, 3)
    assert found._state.panel.static[0].tolist() == [1.0, -1.0, 1.0]
    again = forecaster().fit(LONG, static=table.set_index("unique_id"))
    named = forecaster().fit(LONG.merge(table), static=["area", "kind"])
    assert forecaster().fit(LONG.merge(table[["unique_id", "kind"]]), static="kind").n_features_in_ == 0
    for one in (again, named):
        np.testing.assert_array_equal(one._state.panel.static, found._state.panel.static)
    assert named.n_features_in_ == 0


def test_cross_validation_is_a_long_frame():
    fitted = forecaster().fit(NAMED, **COLUMNS)
    table = fitted.cross_validation(NAMED, windows=2)
    assert table.columns.tolist() == ["shop", "month", "cutoff", "sales", "model", 0.1, 0.5, 0.9]
    assert len(table) == 2 * 2 * 3
    merged = table.merge(NAMED, on=["shop", "month"], suffixes=("", "_seen"))
    np.testing.assert_array_equal(merged["sales"], merged["sales_seen"])
    assert (table["cutoff"] < table["month"]).all()
    assert table.groupby(["shop", "cutoff"]).size().tolist() == [3] * 4
    last = table[table["cutoff"] == table["cutoff"].max()]
    before = NAMED[(NAMED["shop"] != "north") | (NAMED["month"] <= last["cutoff"].iloc[0])]
    assert before["month"].max() == last["cutoff"].iloc[0]
    _, forecasts = fitted.backtest(NAMED, windows=2, return_forecasts=True)
    np.testing.assert_array_equal(np.sort(forecasts["model"]), np.sort(table["model"]))
    wide = forecaster().cross_validation(SERIES[0], windows=1, stride=1)
    assert wide["unique_id"].tolist() == ["north"] * 3
    assert wide.columns.tolist()[:5] == ["unique_id", "ds", "cutoff", "y", "model"]
    assert wide["cutoff"].tolist() == [MONTHS["north"][-4]] * 3


def test_a_page_reads_what_a_long_frame_holds():
    pytest.importorskip("bokeh")
    from gatewise.pages.outlook import read_outlook

    frame, _ = beside(sky=np.where(np.arange(len(LONG)) % 3, "clear", "cloudy"))
    fitted = forecaster(past_covariates=["sky", "price"]).fit(frame)
    outlook = read_outlook(fitted, frame, None, None, None)
    assert outlook.names == ["north", "south"]
    assert [len(one) for one in outlook.observed] == [40, 31]
    assert outlook.backtest is not None


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (LONG, {"id": "shop"}, "y lacks the column 'shop'; it has 'unique_id', 'ds', 'y'"),
        (
            NAMED.assign(price=1.0),
            {"id": "shop"},
            "and none of them is 'y'; need to know which one is the target: pass target=",
        ),
        (NAMED.assign(due=NAMED["month"]), {"id": "shop", "target": "sales"}, "which one is the time: pass time="),
        (NAMED, {**COLUMNS, "target": "month"}, "name one column of y twice"),
        (pd.concat([LONG, LONG[3:4]]), {}, "two rows for 'north' at 2021-04-01 00:00:00; need one: drop or sum"),
        (NAMED.drop(columns="shop"), {"time": "month"}, "two rows for 2021-01-01 00:00:00; need one: if they are of"),
        (LONG.assign(unique_id=[None, *LONG["unique_id"][1:]]), {}, "column 'unique_id' is empty in row 0"),
        (LONG.assign(ds=[pd.NaT, *LONG["ds"][1:]]), {}, "column 'ds' has no time in row 0"),
        (LONG.assign(ds=LONG["ds"].dt.strftime("%d/%m/%Y")), {}, "'ds' holds the text '01/01/2021'; need dates"),
        (LONG.assign(ds="2021-02-30"), {}, "'ds' holds text that is no date"),
        (
            LONG.assign(
                ds=[t.tz_localize(zone) for t, zone in zip(LONG["ds"], ["UTC", "Asia/Tokyo"] * 99, strict=False)]
            ),
            {},
            "not dates of one time zone",
        ),
        (LONG.assign(y="much"), {}, "has dtype"),
        (LONG[:0], {}, "y has no rows"),
        (np.arange(30.0), {"id": "shop"}, "y is a ndarray; need a frame whose columns id=, time= and target= name"),
        (LONG.set_index(["unique_id", "ds", "y"]).assign(z=1.0), {}, "y has an index of 3 levels"),
        (pa.table({"a": [1.0]}), {}, "need to know which one is the time"),
        (pd.DataFrame({"date": ["2024-01-01"], "x": [1.0]}), {}, "or a long frame: then name its columns"),
        (LONG, {"static": pd.DataFrame({"unique_id": ["north"], "area": [1.0]})}, "static lacks 'south'"),
        (LONG, {"static": ["price"]}, "y lacks the column 'price'"),
        (beside()[0], {"static": ["price"]}, "'price', named in static, changes within 'north'"),
        (beside()[0], {"X": beside()[0].drop(columns="y")}, "X has the column 'price', and so has the long frame"),
        (LONG, {"X": pd.DataFrame({"unique_id": ["north"], "z": [1.0]})}, "X lacks the column 'ds'"),
    ],
)
def test_mistakes_are_named(frame, options, message):
    with pytest.raises(gw.GatewiseError, match=re.escape(message)):
        forecaster().fit(frame, **options)


def test_mistakes_in_what_is_ahead_are_named():
    frame, future = beside()
    fitted = forecaster().fit(frame)
    for wrong, message in (
        (None, "X_future is None; need the next 3 steps of price: pass them, or fit again with past_covariates="),
        (future[future["unique_id"] == "north"], "X_future of y 'south' lacks 2023-08-01"),
        (future.drop(columns="price"), "lacks price"),
        (future.rename(columns={"ds": "when"}), "X_future lacks the column 'ds'"),
    ):
        with pytest.raises(gw.GatewiseError, match=re.escape(message)):
            fitted.predict(wrong)
