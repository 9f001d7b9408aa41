"""Fitted estimators in files, and files that lie about them."""

import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from ragged import answers, assert_same_rows, both, fitted, ragged
from safetensors.numpy import load_file
from safetensors.numpy import save as to_bytes

import gatewise as gw
from gatewise import files


@both
@pytest.mark.parametrize("gaps", [False, True])
def test_a_saved_model_answers_alike(kind, gaps, tmp_path):
    X, slope = ragged()
    for x in X[:5] if gaps else []:
        x[0, 1] = np.nan
    frames = [pd.DataFrame(x, columns=["ä", "b", "c"]) for x in X]
    model = fitted(kind, frames, slope, cell="lstm", bidirectional=True, num_layers=2)
    path = tmp_path / "m"
    gw.save(model, path, info={"of": "May"})
    loaded = gw.load(path)
    assert type(loaded) is kind
    assert_same_rows(answers(loaded, X), answers(model, X))
    assert loaded.get_params() == model.get_params()
    assert files.read_info(path) == {"of": "May"}
    for name in ("n_channels_in_", "n_features_in_", "loss_curve_", "n_iter_", "validation_scores_"):
        assert getattr(loaded, name) == getattr(model, name)
    np.testing.assert_array_equal(loaded.feature_names_in_, ["ä", "b", "c"])
    with pytest.raises(gw.GatewiseError, match=r"X\[0\] has the columns"):
        loaded.predict([frames[0][["b", "ä", "c"]]])
    assert loaded.set_params(warm_start=True, max_iter=1).fit(frames, slope > 0 if len(slope) else slope) is loaded


@both
def test_what_cannot_be_saved(kind, tmp_path):
    with pytest.raises(gw.GatewiseError, match="is not fitted"):
        gw.save(kind(), tmp_path / "m")
    mine = type("Mine", (kind,), {})
    with pytest.raises(gw.GatewiseError, match="cannot save a Mine"):
        gw.save(mine(), tmp_path / "m")
    posing = type(kind.__name__, (kind,), {})
    with pytest.raises(gw.GatewiseError, match=f"cannot save a {kind.__name__}"):
        gw.save(posing(), tmp_path / "m")
    assert not list(tmp_path.iterdir())


def forge(path, change):
    """Save a classifier, change its description and arrays, and write them to the same file."""
    X, slope = ragged()
    model = fitted(gw.RecurrentClassifier, X, slope)
    description, arrays = model._to_parts()
    description = json.loads(json.dumps(description)) | {"type": "RecurrentClassifier"}
    change(description, arrays)
    header = {"format": files.FORMAT, "model": json.dumps(description), "info": "{}"}
    path.write_bytes(to_bytes({name: np.ascontiguousarray(a) for name, a in arrays.items()}, metadata=header))


def setting(*keys, value):
    def change(description, arrays):
        place = description
        for key in keys[:-1]:
            place = place[key]
        place[keys[-1]] = value

    return change


def array(name, value):
    def change(description, arrays):
        if value is None:
            del arrays[name]
        else:
            arrays[name] = value

    return change


MEMBER = ("network", "layers", 0, "layers")
DEEP = (*MEMBER, 1, "layers", 0, "layers")
LIES = {
    "unknown parameter": setting("params", "command", value="true"),
    "parameter out of range": setting("params", "cell", value="os.system"),
    "parameters of a wrong kind": setting("params", value=[]),
    "no parameters": lambda description, arrays: description.pop("params"),
    "huge network": setting(*DEEP, 0, "hidden_size", value=10**9),
    "many parts": setting(*MEMBER, 1, "layers", 1, "parts", value=10**9),
    "network that does not fit": setting("network", value={"type": "Last"}),
    "networks that do not fit": setting("network", value={"type": "Parallel", "layers": [{"type": "Last"}]}),
    "network without a head": lambda description, arrays: description["network"]["layers"][0]["layers"].pop(),
    "network without a summary": lambda description, arrays: description["network"]["layers"][0]["layers"].pop(1),
    "channels of text": setting("seen", "n_channels_in_", value="3"),
    "other channels": setting("seen", "n_channels_in_", value=4),
    "classes of a wrong kind": setting("targets", "classes", value={"dtype": "O", "values": [[], {}]}),
    "classes of a huge dtype": setting("targets", "classes", value={"dtype": "<U1000000000", "values": ["a", "b"]}),
    "too few classes": setting("targets", "classes", value={"dtype": "U", "values": ["a"]}),
    "no targets": setting("targets", value=None),
    "names of a wrong kind": setting("names", value=5),
    "no history": setting("training", value={}),
    "means of another shape": array("inputs.mean", np.zeros(4)),
    "means of another dtype": array("inputs.mean", np.zeros(3, np.int8)),
    "no gaps": array("inputs.gaps", None),
    "more gaps": array("inputs.gaps", np.ones(3, bool)),
    "another array": array("inputs.more", np.zeros(3)),
    "no weights": array("network.0.1.0.0.weight_ih_l0", None),
}


@pytest.mark.parametrize("name", LIES)
def test_files_that_lie_are_refused(tmp_path, name):
    path = tmp_path / "m"
    forge(path, LIES[name])
    tracemalloc.start()
    try:
        with pytest.raises(gw.GatewiseError) as caught:
            gw.load(path)
        assert tracemalloc.get_traced_memory()[1] < 50e6
    finally:
        tracemalloc.stop()
    assert str(caught.value).startswith(f"{path}: ")


def test_a_file_that_does_not_lie(tmp_path):
    forge(tmp_path / "m", lambda description, arrays: None)
    assert isinstance(gw.load(tmp_path / "m"), gw.RecurrentClassifier)
    assert {name.split(".")[0] for name in load_file(tmp_path / "m")} == {"inputs", "network", "ridge"}
