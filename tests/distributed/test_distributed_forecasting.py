"""One forecaster for a table in partitions: learned from a sample, applied everywhere, and measured."""

import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

import gatewise as gw
from gatewise.distributed import forecasting
from gatewise.forecasting.long import Names

NAMES = {"id": "shop", "time": "day", "target": "sold"}
SHOPS, DAYS = 9, 40


def long_table(shops=SHOPS, days=DAYS, seed=0):
    """Weekly sales of some shops, those of each one below the other."""
    rng = np.random.default_rng(seed)
    day = pd.date_range("2024-01-01", periods=days)
    rows = [
        pd.DataFrame({"shop": f"s{k}", "day": day, "sold": 10 + k + np.arange(days) % 7 + rng.normal(size=days) / 9})
        for k in range(shops)
    ]
    return pd.concat(rows, ignore_index=True)


def parts(table, partitions=3):
    """A Dask frame with whole shops in each partition."""
    shops = table["shop"].unique()
    pieces = [table[table["shop"].isin(some)] for some in np.array_split(shops, partitions)]
    return dd.concat([dd.from_pandas(piece.reset_index(drop=True), npartitions=1) for piece in pieces])


def forecaster(**options):
    return gw.RecurrentForecaster(3, season=7, max_updates=3, n_networks=1, hidden_size=4, random_state=0, **options)


@pytest.fixture(scope="module")
def learned(two_workers):
    return gw.distributed.fit_series(forecaster(), parts(long_table()), **NAMES, sample=4, client=two_workers)


def test_what_is_learned_depends_on_the_names_alone(learned, two_workers):
    shuffled = parts(long_table().sample(frac=1, random_state=0), 2)
    with two_workers.as_current():
        other = forecaster().fit(shuffled, **NAMES)  # of all shops
    with_four = gw.distributed.fit_series(forecaster(), shuffled, **NAMES, sample=4, client=two_workers)
    pd.testing.assert_frame_equal(with_four.predict(), learned.predict())
    assert learned.predict()["shop"].nunique() == 4
    assert other.predict()["shop"].nunique() == SHOPS


def test_the_sample_is_fitted_as_by_itself(learned):
    sample = long_table()[long_table()["shop"].isin(learned.predict()["shop"])]
    order = pd.unique(learned.predict()["shop"])
    rows = pd.concat([sample[sample["shop"] == shop] for shop in order])
    pd.testing.assert_frame_equal(forecaster().fit(rows, **NAMES).predict(), learned.predict(), check_dtype=False)


def test_every_series_is_forecast_where_it_lies(learned, two_workers):
    table = long_table()
    lazy = gw.distributed.forecast(learned, parts(table), **NAMES)
    assert lazy.npartitions == 3
    found = two_workers.compute(lazy).result()
    assert found.columns.tolist() == learned.predict_quantiles().columns.tolist()
    assert found["shop"].tolist() == [shop for shop in table["shop"].unique() for _ in range(3)]
    expected = [10 + k + (np.arange(DAYS, DAYS + 3) % 7) for k in range(SHOPS)]
    assert np.abs(found[0.5].to_numpy().reshape(SHOPS, 3) - expected).mean() < 0.5
    here = gw.distributed.forecast(learned, parts(table, 2), **NAMES).compute(scheduler="synchronous")
    pd.testing.assert_frame_equal(found.reset_index(drop=True), here.reset_index(drop=True))


def test_series_that_are_not_of_the_fit_are_forecast_in_groups(learned, monkeypatch):
    new = long_table(5, seed=3).assign(shop=lambda rows: "n" + rows["shop"])
    together = forecasting._forecast(new, Names(**NAMES), learned, None)
    monkeypatch.setattr(forecasting, "AT_ONCE", 2)
    pd.testing.assert_frame_equal(forecasting._forecast(new, Names(**NAMES), learned, None), together)
    assert together["shop"].nunique() == 5


def test_a_backtest_measures_the_ends_of_all_series(two_workers):
    table = long_table()
    one = forecaster()
    found = gw.distributed.backtest(one, parts(table), **NAMES, sample=4, client=two_workers)
    assert found.index.tolist() == [1, 2, 3]
    assert found["n"].tolist() == [SHOPS] * 3
    ends = table.groupby("shop").tail(3)["sold"].to_numpy().reshape(SHOPS, 3)
    before = table.groupby("shop").nth(-4)["sold"].to_numpy()[:, None]
    np.testing.assert_allclose(found["naive_mae"], np.abs(ends - before).mean(axis=0))
    assert (found["mae"] < found["naive_mae"]).all()
    assert (found["rmse"] >= found["mae"]).all()
    assert found["coverage"].between(0, 1).all()
    assert not hasattr(one, "_state")


def test_what_cannot_be_fitted_is_refused(two_workers, learned):
    table = long_table(2, 20)
    split = dd.from_pandas(table, npartitions=3, sort=False)
    with pytest.raises(gw.GatewiseError, match=r"two partitions; need each in one: frame.shuffle\('shop'\)"):
        gw.distributed.fit_series(forecaster(), split, **NAMES, client=two_workers)
    with pytest.raises(gw.GatewiseError, match="no column 'unique_id'"):
        gw.distributed.fit_series(forecaster(), parts(table, 1), client=two_workers)
    with pytest.raises(gw.GatewiseError, match="'price' beside"):
        gw.distributed.fit_series(forecaster(), parts(table.assign(price=1.0), 1), **NAMES, client=two_workers)
    with pytest.raises(gw.GatewiseError, match="need a dask"):
        gw.distributed.fit_series(forecaster(), table, **NAMES, client=two_workers)
    with pytest.raises(gw.GatewiseError, match="X is given beside a Dask frame"):
        forecaster().fit(parts(table, 1), X=table, **NAMES)
    with pytest.raises(gw.GatewiseError, match="not fitted to a long table"):
        gw.distributed.forecast(forecaster(), parts(table, 1), **NAMES)
    hourly = table.assign(day=list(pd.date_range("2024-01-01", periods=20, freq="h")) * 2)
    with pytest.raises(gw.GatewiseError, match="not like those of the fit"):
        forecasting.for_series(learned, hourly, Names(**NAMES))
