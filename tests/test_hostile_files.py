"""Model files whose description lies: a `GatewiseError` at once, or a model that nothing raw comes out of."""

import contextlib
import copy
import json
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import gatewise as gw
from gatewise.descriptions import describe
from gatewise.storage import read_tensors, tensor_bytes


@pytest.fixture(scope="module")
def forecaster():
    """A small forecaster of dates with covariates, of which one is text."""
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=60, tz="Europe/Berlin")
    X = pd.DataFrame({"a": rng.normal(size=60), "sky": np.where(rng.random(60) > 0.5, "x", "y")}, days)
    y = pd.Series(rng.normal(size=60) + np.arange(60) % 7, days, name="sales")
    model = gw.RecurrentForecaster(3, past_covariates=["sky"], max_updates=1, hidden_size=2, n_networks=1)
    return model.fit(y, X)


@pytest.fixture(scope="module")
def parts(forecaster, tmp_path_factory):
    """The description and the arrays in the file of that forecaster."""
    path = tmp_path_factory.mktemp("forecaster") / "m"
    gw.save(forecaster, path)
    arrays, texts, _ = read_tensors(path)
    return json.loads(texts["model"]), arrays


def write(path, description, arrays):
    text = description if isinstance(description, str) else json.dumps(description)
    path.write_bytes(tensor_bytes(arrays, {"format": "gatewise-1", "model": text, "info": "{}"}))
    return path


def use(path, forecaster):
    """Load, predict, go on and save; what the forecaster refuses, it refuses with an error of ours."""
    model = gw.load(path)
    ahead = pd.DataFrame({"a": np.zeros(3)}, forecaster._state.axes[0].future(3))
    now = ahead.index[:1]
    calls = [
        lambda: model.predict(ahead),
        lambda: model.predict_quantiles(ahead),
        lambda: model.update(pd.Series([1.0], now), pd.DataFrame({"a": [0.0], "sky": ["x"]}, now)),
        lambda: model.predict(),
    ]
    for call in calls:
        try:
            call()
        except gw.GatewiseError:
            continue
    gw.save(model, path)
    gw.load(path)


def changed(description, place, value):
    """A copy of a description with another value at a place, a sequence of keys."""
    description = copy.deepcopy(description)
    holder = description
    for key in place[:-1]:
        holder = holder[key]
    holder[place[-1]] = value
    return description


LIES = {
    "the phase of a season of 1e8 steps": (["features"], [["phase", 10**8]], "the size of phase"),
    "the phase of a season of 1e10 steps": (["features"], [["phase", 10**10]], "the size of phase"),
    "many features without columns": (["features"], [["cycle", 1]] * 10**4, "features asks for seasons=10000"),
    "seasons": (["plan", "seasons"], [1] * 10**5, "seasons=100000; the limit is seasons=64.*gw.Limits"),
    "a season of text": (["plan", "seasons"], ["7"], "season is '7'; need a whole number"),
    "a horizon that is true": (["plan", "horizon"], True, "horizon is True"),
    "a horizon of 3.0": (["plan", "horizon"], 3.0, "horizon is 3.0"),
    "a horizon beyond the limit": (["plan", "horizon"], 10**6, "steps=1000000; the limit is steps=100000"),
    "lags that the linear path has no columns for": (["plan", "lags"], 90_000, "does not fit its series"),
    "a step of nothing": (["axes", 0, 1], "0D", "frequency is '0D'"),
    "a step back": (["axes", 0, 1], "-1D", "frequency is '-1D'"),
    "a step of a day that no month has": (["axes", 0, 1], "1M-99", "frequency is '1M-99'"),
    "no step": (["axes", 0, 1], "never", "frequency is 'never'"),
    "a long step": (["axes", 0, 1], "D" * 1000, "frequency has 1,000 characters"),
    "a zone that is a path": (["axes", 0, 5], "dateutil//usr/share/zoneinfo/Asia/Tokyo", "need one of the tz database"),
    "a zone above its folder": (["axes", 0, 5], "../../etc/passwd", "need one of the tz database"),
    "a date in the year 10000": (["axes", 0, 2], "10000-01-01T00:00:00", "need a date of the years 1 to 9999"),
    "a date of today": (["axes", 0, 2], "now", "need a date of the years 1 to 9999"),
    "a length below 1": (["axes", 0, 3], -5, "length is -5"),
    "more axes than series": (["axes"], [["dates", "D", "2024-01-01T00:00:00", 60, None, None]] * 2, "damaged"),
    "covariates that are not there": (["known"], ["b"], "its covariates do not fit"),
    "a covariate twice": (["columns"], ["a", "a", "a"], "twice"),
    "a share above 1": (["shares", 0], 1.5, "share is 1.5"),
    "a share that is no number": (["shares", 1], float("nan"), "share is nan"),
    "levels out of order": (["calibrated"], [0.9, 0.5, 0.1], "in order"),
    "a reference of a million seasons": (["plan", "reference"], ["seasonal", 1, 10**6], "the limit is seasons=64"),
    "methods without end": (["methods"], [["seasonal", 1, 1]] * 5000, "methods asks for layers=5000"),
    "a history without losses": (["history"], [{"epoch": 1}], "has no loss"),
    "a history of text": (["history"], [{"loss": "low"}], "loss is 'low'"),
    "an argument nested deep": (["params", "season"], [[[[[[[[[[1]]]]]]]]]], "nested too deep"),
    "a container of other series": (["container", 0], "matrix", None),
    "names of other types": (["container", 1], {"dtype": "U99999999", "values": []}, "dtype 'U99999999'"),
}


@pytest.mark.parametrize("name", LIES)
def test_a_forecaster_that_lies_is_refused(name, parts, forecaster, tmp_path):
    place, value, message = LIES[name]
    path = write(tmp_path / "m", changed(parts[0], place, value), parts[1])
    started = time.process_time()
    if message is None:
        use(path, forecaster)
    else:
        with pytest.raises(gw.GatewiseError, match=message) as caught:
            gw.load(path)
        assert len(str(caught.value)) < 5000
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("size", [0.0], "size holds 0.0"),
        ("noise", [np.nan], "noise holds 1 value"),
        ("lowest", [np.inf], "lowest holds"),
        ("offsets", np.full((3, 25), np.nan), "offsets holds 75 value"),
        ("panel.first", np.array([2**60]), "its series do not fit"),
        ("panel.y", np.zeros(5), "panel"),
        ("linear.weight", np.zeros((1, 3, 10**5)), "does not fit its series"),
        ("weights", np.zeros((1, 0)), "weights has shape"),
        ("scale", [1.0, 0.0, 1.0], "scale holds 0.0"),
    ],
)
def test_arrays_of_a_forecaster_that_lie_are_refused(name, value, message, parts, tmp_path):
    path = write(tmp_path / "m", parts[0], parts[1] | {name: np.asarray(value)})
    with pytest.raises(gw.GatewiseError, match=message):
        gw.load(path)


def test_no_time_zone_of_a_file_is_opened(parts, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr("dateutil.tz.tzfile.__init__", lambda self, *given, **named: opened.append(given))
    path = write(tmp_path / "m", changed(parts[0], ["axes", 0, 5], "dateutil//etc/passwd"), parts[1])
    with pytest.raises(gw.GatewiseError, match="zone is"):
        gw.load(path)
    assert not opened


# Any field, any value

VALUES = [0, 1, -1, 3, 10**5, 10**9, 2**63, 10**40, 0.5, 1e300, float("nan"), float("inf"), True, None, "", "a", "1"]
VALUES += ["D", "0D", "1M-15", "2024-01-01T00:00:00", "9999-12-31T00:00:00", "0001-01-01T00:00:00", "numbers", "long"]
VALUES += ["x" * 9999, "\x00", [], {}, [[]], [1], ["a"], {"a": 1}, {"tuple": [1]}, {"dict": [[[], 1]]}, [1] * 1000]


def places(value, before=()):
    """Every place in a JSON value, as a sequence of keys."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [place for key in keys for place in [(*before, key), *places(value[key], (*before, key))]]


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_field_of_a_forecaster_lets_anything_raw_out(data, parts, forecaster, tmp_path):
    description, arrays = parts
    place = data.draw(st.sampled_from(places(description)))
    value = data.draw(st.sampled_from(VALUES))
    with contextlib.suppress(gw.GatewiseError):
        use(write(tmp_path / "m", changed(description, place, value), arrays), forecaster)


MODEL = gw.Sequential(
    gw.Parallel(gw.Sequential(gw.GRU(3, 4, num_layers=2, rng=0), gw.Last()), gw.Pool(3, "mean", parts=2)),
    gw.Dropout(0.5),
    gw.Dense(10, 2, "relu", rng=1),
)


@settings(max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_field_of_layers_lets_anything_raw_out(data, tmp_path):
    gw.save(MODEL, tmp_path / "whole")
    arrays, texts, _ = read_tensors(tmp_path / "whole")
    description = json.loads(texts["model"])
    place = data.draw(st.sampled_from(places(description)))
    value = data.draw(st.sampled_from(VALUES))
    with contextlib.suppress(gw.GatewiseError):
        model = gw.load(write(tmp_path / "m", changed(description, place, value), arrays))
        model(np.ones((2, 5, 3), np.float32), lengths=[5, 2])
        gw.save(model, tmp_path / "m")


# Layers


def nested(depth):
    return '{"type":"Sequential","layers":[' * depth + '{"type":"Last"}' + "]}" * depth


def test_layers_within_layers_have_a_limit_that_can_be_raised(tmp_path, monkeypatch):
    path = write(tmp_path / "m", nested(300), {})
    started = time.process_time()
    with pytest.raises(
        gw.GatewiseError, match=r"depth=65; the limit is depth=64.*gw.Limits\(depth=65\).*GATEWISE_LIMITS"
    ):
        gw.load(path)
    assert time.process_time() - started < 1
    path = write(tmp_path / "m", nested(70), {})
    assert isinstance(gw.load(path, limits=gw.Limits(depth=71)), gw.Sequential)
    monkeypatch.setenv("GATEWISE_LIMITS", "depth=71")
    assert isinstance(gw.load(path), gw.Sequential)


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"type": "Pool", "input_size": 3, "parts": 10**9}, "steps=1000000000; the limit is steps=100000"),
        ({"type": "Pool", "input_size": 3, "kinds": ["mean", "mean"]}, "twice"),
        ({"type": "Sequential", "layers": [{"type": "Last"}] * 1001}, "layers=1001; the limit is layers=1000"),
        ({"type": "Sequential", "layers": [{"type": "Last"}], "x": 1}, "unknown 'x'"),
        ({"type": "Dropout", "p": True}, "p of a Dropout is True"),
        ({"type": "Dropout", "p": 0.5, "variational": 1}, "variational of a Dropout is 1"),
        ({"type": "GRU", "input_size": 1, "hidden_size": 1, "num_layers": 4}, "holds too few arrays"),
        ({"type": "GRU", "input_size": 1, "hidden_size": 2.0}, "hidden_size of a GRU is 2.0"),
        ({"type": "GRU", "input_size": 1, "hidden_size": 1, "rng": 3}, "rng of a GRU"),
        ('{"type": "Last", "type": "Last"}', "twice"),
        ('{"type": "Dense", "input_size": ' + "9" * 100_000 + "}", "its description of the model"),
        ("[" + "1," * 2_000_000 + "1]", "values"),
        ({"type": "x" * 10**6}, "1,000,000 characters"),
        ({"type": ["x" * 10**6]}, "a type is|cannot be read|type of a layer"),
    ],
)
def test_layers_that_lie_are_refused(description, message, tmp_path):
    path = write(tmp_path / "m", description, {"weight": np.zeros(40, np.float32)})
    with pytest.raises(gw.GatewiseError, match=message) as caught:
        gw.load(path)
    assert len(str(caught.value)) < 5000


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused_by_name(bad, tmp_path):
    layer = gw.GRU(3, 4, rng=0)
    description = describe(layer)
    layer.params["weight_hh_l0"][2, 1] = bad
    path = write(tmp_path / "m", description, layer.params)
    with pytest.raises(gw.GatewiseError, match=r"weight_hh_l0 holds 1 value.* not finite"):
        gw.load(path)
    with pytest.raises(gw.GatewiseError, match=r"weight_hh_l0 holds 1 value.* not finite"):
        gw.save(layer, path)


def test_a_message_that_quotes_much_is_cut():
    message = str(gw.GatewiseError("begin " + "x" * 10**6 + " end"))
    assert len(message) < 4100
    assert message.startswith("begin ")
    assert message.endswith(" end")
