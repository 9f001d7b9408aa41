import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.utils._param_validation import InvalidParameterError

import gatewise as gw
from gatewise.storage import read_tensors, tensor_bytes

both = pytest.mark.parametrize("kind", [gw.RecurrentClassifier, gw.RecurrentRegressor])
SMALL = {"hidden_size": 3, "max_iter": 1, "n_networks": 1, "random_state": 0}


def rows():
    X = np.random.default_rng(0).normal(size=(20, 5, 2))
    return X, (X[:, 0, 0] > 0).astype(int)


@both
def test_an_old_name_is_refused_with_the_new_one(kind):
    message = f"{kind.__name__} has no parameter 'members' any more; need 'n_networks': rename it."
    with pytest.raises(gw.GatewiseError, match=re.escape(message)):
        kind(members=3)
    model = kind()
    with pytest.raises(gw.GatewiseError, match="need 'n_networks'"):
        model.set_params(members=3)
    assert model.n_networks == "auto"
    assert model.set_params(n_networks=2).n_networks == 2
    with pytest.raises(TypeError, match="unexpected keyword argument 'others'"):
        kind(others=3)


@both
def test_a_file_with_the_old_name_still_loads(kind, tmp_path):
    X, y = rows()
    model = kind(**SMALL).fit(X, y)
    gw.save(model, tmp_path / "new")
    arrays, header, _ = read_tensors(tmp_path / "new")
    old = header | {"model": header["model"].replace('"n_networks"', '"members"')}
    assert old != header
    (tmp_path / "old").write_bytes(tensor_bytes(arrays, old))
    loaded = gw.load(tmp_path / "old")
    assert loaded.get_params() == model.get_params()
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


@both
def test_what_is_refused_is_an_error_of_ours_and_of_scikit_learn(kind):
    with pytest.raises(gw.GatewiseError) as caught:
        kind(hidden_size=0).fit(*rows())
    assert isinstance(caught.value, InvalidParameterError)
    assert isinstance(caught.value, ValueError)


@both
def test_the_table_of_constraints_names_every_parameter(kind):
    assert set(kind._parameter_constraints) == set(kind().get_params())


@both
def test_a_layer_class_is_a_cell(kind, tmp_path):
    X, y = rows()
    model = kind(gw.LSTM, **SMALL).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), kind("lstm", **SMALL).fit(X, y).predict(X))
    assert clone(model).cell is gw.LSTM
    gw.save(model, tmp_path / "m")
    assert gw.load(tmp_path / "m").cell == "lstm"
    np.testing.assert_array_equal(gw.load(tmp_path / "m").predict(X), model.predict(X))


def documented(kind):
    """The text of every parameter in the docstring of a class."""
    section = kind.__doc__.split("Parameters\n    ----------\n")[1].split("\n\n    Attributes")[0]
    entries = re.split(r"\n    (?=\S)", "\n" + section)[1:]
    return {tuple(re.split(r" :|\n", entry)[0].split(", ")): entry for entry in entries}


def test_what_both_take_is_documented_alike():
    classifier, regressor = documented(gw.RecurrentClassifier), documented(gw.RecurrentRegressor)
    names = [name for entry in classifier for name in entry]
    assert set(names) == set(gw.RecurrentClassifier().get_params())
    differing = {("input_dropout", "noise"), ("output",)}  # defaults and targets differ
    assert set(classifier) - set(regressor) == {("class_weight",)}
    for entry in set(regressor) - differing:
        assert regressor[entry] == classifier[entry]


def test_the_shared_parameters_have_the_same_defaults_and_order():
    classifier, regressor = gw.RecurrentClassifier(), gw.RecurrentRegressor()
    assert classifier.get_params() == regressor.get_params() | {"class_weight": None}
    ours = [name for name in vars(classifier) if name != "class_weight"]
    assert ours == list(vars(regressor))
    assert gw.RecurrentClassifier(*map(str, range(24))).get_params()["class_weight"] == "22"
    assert gw.RecurrentClassifier(*map(str, range(24))).get_params()["output"] == "23"
