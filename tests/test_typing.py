"""What a type checker and an editor know of `import gatewise as gw`: real types, and no name that is not public."""

import os
import re
import subprocess
import sys

import pytest

import gatewise as gw

SCRIPT = """
import gatewise as gw
import numpy as np
import pandas as pd

x = np.zeros((8, 20, 3), np.float32)
model = gw.Sequential(gw.GRU(3, 16, rng=0), gw.Last(), gw.Dense(16, 1, rng=1))
history = gw.train(model, x, np.zeros((8, 1)), loss="mse", optimizer="adam", epochs=2)
classifier = gw.RecurrentClassifier(max_iter=10).fit(x, np.arange(8))
day = pd.date_range("2024-01-01", periods=100, freq="D")
forecaster = gw.RecurrentForecaster(7).fit(pd.Series(np.arange(100.0), day))
table = pd.DataFrame({"shop": ["A"] * 100, "ds": day, "y": 1.0})


class Arrow:  # a frame of a library that this checker knows nothing else of
    columns = ["day", "y"]

    def __len__(self) -> int:
        return 1

    def join(self, *args: object, **kwargs: object) -> "Arrow":
        return self

    def drop(self, *args: object, **kwargs: object) -> "Arrow":
        return self


arrow = Arrow()

reveal_type(gw.RecurrentRegressor)
reveal_type(classifier)
reveal_type(classifier.predict(x))
reveal_type(classifier.predict_proba([x[0], x[1]]))
reveal_type(classifier.summary())
reveal_type(forecaster.predict())
reveal_type(forecaster.predict_quantiles())
reveal_type(forecaster.backtest(np.zeros(100)))
reveal_type(forecaster.backtest(np.zeros(100), return_forecasts=True))
reveal_type(forecaster.cross_validation(np.zeros(100)))
reveal_type(forecaster.score(np.zeros(100)))
reveal_type(gw.RecurrentForecaster(7).fit(np.zeros((100, 2))).predict())
reveal_type(gw.RecurrentForecaster(7).fit(table, id="shop", callbacks=[print]).predict_quantiles())
reveal_type(gw.RecurrentForecaster(7).fit(arrow, time="day").predict(horizon=9))
reveal_type(gw.RecurrentForecaster(7).cross_validation(arrow, time="day", windows=2))
reveal_type(gw.RecurrentForecaster(7).fit([np.zeros(9), np.zeros(8)]).predict())
reveal_type(gw.RecurrentForecaster(7).predict())
reveal_type(history)
reveal_type(history[0])
reveal_type(history["loss"])
reveal_type(gw.gradcheck(model))
reveal_type(gw.gradcheck(model).worst)
reveal_type(gw.trace(model, x))
reveal_type(gw.report(model, x))
reveal_type(gw.permutation_importance(classifier, x, np.arange(8)))
reveal_type(gw.gradient_flow(model.layers[0], x))
reveal_type(gw.datasets.i94())
reveal_type(gw.losses.mse(x, x))
reveal_type(gw.SequenceScaler().fit(x))
gw.Any
gw.importlib
gw.RecurentClassifier
"""
ARRAY = "numpy.ndarray[tuple[Any, ...], numpy.dtype[Any]]"
TYPES = [
    "def (",
    "gatewise.estimators.classifier.RecurrentClassifier",
    ARRAY,
    f"{ARRAY} | Any",
    "gatewise.layers.summary.Summary",
    "pandas.core.series.Series[Any]",
    "pandas.core.frame.DataFrame",
    "pandas.core.frame.DataFrame",
    "tuple[pandas.core.frame.DataFrame, pandas.core.frame.DataFrame]",
    "pandas.core.frame.DataFrame",
    "float",
    ARRAY,
    "pandas.core.frame.DataFrame",
    "script.Arrow",
    "script.Arrow",
    "list[Any]",
    "Any",
    "gatewise.training.history.History",
    "dict[str, Any]",
    "list[Any]",
    "gatewise.gradcheck.Report",
    "float",
    "xarray.core.dataset.Dataset",
    "gatewise.pages.notebook.Page",
    "gatewise.estimators.importance.PermutationImportance",
    "gatewise.sight.flow.GradientFlow",
    "pandas.core.frame.DataFrame",
    f"tuple[float, {ARRAY}]",
    "gatewise.estimators.transformers.SequenceScaler",
]


def test_a_type_checker_sees_real_types(tmp_path):
    pytest.importorskip("mypy")
    pytest.importorskip("xarray")
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull, "--no-error-summary", "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    revealed = [
        line.split('"')[1].replace("builtins.", "").replace("typing.", "") for line in lines if "Revealed" in line
    ]
    assert len(revealed) == len(TYPES), done.stdout + done.stderr
    wrong = [(name, wanted) for name, wanted in zip(revealed, TYPES, strict=True) if not name.startswith(wanted)]
    assert not wrong
    errors = re.findall(r'error: Module has no attribute "(\w+)"', done.stdout)
    assert errors == ["Any", "importlib", "RecurentClassifier"]
    assert done.stdout.count("error:") == len(errors), done.stdout


def test_an_editor_lists_what_is_public():
    listed = [name for name in dir(gw) if not name.startswith("__")]
    assert listed == sorted(gw.__all__)
    assert {"__version__", "__doc__", "__file__"} <= set(dir(gw))
    assert all(hasattr(gw, name) for name in dir(gw))
    with pytest.raises(AttributeError, match="no attribute 'importlib'"):
        _ = gw.importlib
