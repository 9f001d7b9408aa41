import re

import numpy as np
import pytest

import gatewise as gw
from gatewise.layers import OWN
from gatewise.storage import read_tensors, tensor_bytes


def forward(p, q, state_prev):
    (h,) = state_prev
    f = 0.5 * np.tanh(0.5 * (p[0] + q[0])) + 0.5
    n = np.tanh(p[1] + q[1])
    return (f * h + (1 - f) * n,), (f, n)


def backward(dstate, state, state_prev, record):
    (dh,), (h,), (f, n) = dstate, state_prev, record
    da_f, da_n = dh * (h - n) * f * (1 - f), dh * (1 - f) * (1 - n * n)
    return (da_f, da_n), (da_f, da_n), (dh * f,)


def define(name="Forgetful", **options):
    return gw.define_cell(
        name, **{"gates": ("forget", "candidate"), "forward": forward, "backward": backward} | options
    )


def test_a_layer_of_an_own_cell_comes_back(tmp_path):
    layer = define()(3, 4, num_layers=2, bidirectional=True, rng=0)
    model = gw.Sequential(layer, gw.Last(bidirectional=True), gw.Dense(8, 2, rng=1))
    gw.save(model, tmp_path / "m")
    loaded = gw.load(tmp_path / "m")
    assert type(loaded.layers[0]) is type(layer)
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    np.testing.assert_array_equal(loaded(x)[0], model(x)[0])


def test_the_cell_may_be_defined_anew_as_long_as_it_is_the_same(tmp_path):
    gw.save(define()(3, 4, rng=0), tmp_path / "m")
    again = define()
    assert type(gw.load(tmp_path / "m")) is again


def test_where_the_cell_is_not_defined_the_error_says_what_to_define(tmp_path):
    gw.save(define(recurrent_bias=False)(3, 4, rng=0), tmp_path / "m")
    OWN.clear()
    message = (
        "it holds a layer of the cell 'Forgetful', which is not defined here; need it as it was when the file was "
        "written: call gw.define_cell('Forgetful', gates=['forget', 'candidate'], states=['hidden'], recurrent=True, "
        "recurrent_bias=False, forward=..., backward=...) before the file is loaded."
    )
    with pytest.raises(gw.GatewiseError, match=re.escape(message)):
        gw.load(tmp_path / "m")


def test_another_cell_of_that_name_is_refused(tmp_path):
    gw.save(define()(3, 4, rng=0), tmp_path / "m")
    define(gates=("update", "candidate"))
    with pytest.raises(gw.GatewiseError, match=r"with gates=\['forget'.* defined here has gates=\['update'"):
        gw.load(tmp_path / "m")


def test_a_layer_of_an_outdated_definition_is_not_saved(tmp_path):
    layer = define()(3, 4, rng=0)
    define()
    with pytest.raises(gw.GatewiseError, match=r"the latest gw\.define_cell of its name"):
        gw.save(layer, tmp_path / "m")


def test_a_file_cannot_ask_for_more_weights_than_it_holds(tmp_path):
    without = {
        "recurrent": False,
        "gates": ("candidate",),
        "forward": lambda p, q, s: ((np.tanh(p[0]),), ()),
        "backward": lambda d, s, b, r: ((d[0] * (1 - s[0] * s[0]),), (), (0 * d[0],)),
    }
    layer = define("Feedforward", **without)(1, 4, rng=0)
    gw.save(layer, tmp_path / "m")
    assert gw.load(tmp_path / "m").hidden_size == 4
    arrays, header, _ = read_tensors(tmp_path / "m")
    forged = header["model"].replace('"hidden_size": 4,', '"hidden_size": 9,')
    assert forged != header["model"]
    (tmp_path / "m").write_bytes(tensor_bytes(arrays, header | {"model": forged}))
    with pytest.raises(gw.GatewiseError, match="describes a Feedforward of at least 9 weights and holds 8"):
        gw.load(tmp_path / "m")


@pytest.mark.parametrize("kind", [gw.RecurrentClassifier, gw.RecurrentRegressor])
def test_an_estimator_takes_an_own_cell(kind, tmp_path):
    X = np.random.default_rng(0).normal(size=(20, 5, 2))
    y = (X[:, 0, 0] > 0).astype(int)
    own = define()
    model = kind(own, hidden_size=3, max_iter=2, n_networks=1, random_state=0).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), model.set_params(cell="Forgetful").fit(X, y).predict(X))
    gw.save(model, tmp_path / "m")
    loaded = gw.load(tmp_path / "m")
    assert loaded.cell == "Forgetful"
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))
    OWN.clear()
    with pytest.raises(gw.GatewiseError, match=r"call gw\.define_cell\('Forgetful', gates="):
        gw.load(tmp_path / "m")


def test_a_page_shows_an_own_cell():
    page = gw.report(define()(3, 4, rng=0))
    assert "Forget gate f" in page
    assert "Gates 0" in page
