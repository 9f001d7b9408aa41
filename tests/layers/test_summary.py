"""What a model says of itself: on one line, on several, and as a table."""

import numpy as np
import pytest
from forms import FORMS
from outline import Outline, words

import gatewise as gw


def network():
    deep = gw.Sequential(gw.GRU(3, 8, bidirectional=True, rng=0), gw.Last(bidirectional=True))
    beside = gw.Parallel(deep, gw.Pool(3, ("mean",), parts=4))
    return gw.Sequential(gw.Dropout(0.1), beside, gw.Dense(28, 2, rng=1))


def test_a_model_prints_on_lines():
    assert str(network()).splitlines() == [
        "Sequential(",
        "  0: Dropout(p=0.1)",
        "  1: Parallel(",
        "    0: Sequential(",
        "      0: GRU(input_size=3, hidden_size=8, bidirectional=True)",
        "      1: Last(bidirectional=True)",
        "    )",
        "    1: Pool(kinds=['mean'], input_size=3, parts=4)",
        "  )",
        "  2: Dense(input_size=28, output_size=2)",
        ")",
    ]
    assert "\n" not in repr(network())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_a_layer_prints_builds_it_again(dtype):
    layers = [form.make(2, 3, dtype=dtype) for form in FORMS.values()]
    layers += [gw.Dense(2, 3, "tanh", dtype=dtype), gw.Embedding(5, 3, dtype=dtype), gw.Last(), gw.Noise(0.5)]
    for layer in layers:
        assert eval(str(layer), vars(gw)).config() == layer.config()


def test_shapes_are_those_of_the_output():
    model, x = network(), np.zeros((5, 7, 3), np.float32)
    summary = model.summary()
    shapes = {row.place: row.output for row in summary.rows}
    assert shapes["1.0.0"] == ("batch", "time", 16)
    branch = model.layers[1].layers[0]
    for place, layer in {"1.0": branch, "1.1": model.layers[1].layers[1], "1": model.layers[1], "": model}.items():
        assert shapes[place] == ("batch", layer(x)[0].shape[1])
    assert summary.parameters == sum(row.parameters for row in summary.rows if row.layer.startswith(("GRU", "Dense")))
    assert summary.parameters == sum(array.size for array in model.params.values())
    assert summary.size == 4 * summary.parameters


def test_integers_in_and_any_size():
    reader = gw.Sequential(gw.Embedding(9, 3, rng=0), gw.LSTM(3, 4, rng=0))
    assert [row.output for row in reader.summary().rows] == [("batch", "time", n) for n in (4, 3, 4)]
    assert gw.Last().summary().rows[0].output == ("batch", "features")
    assert gw.Parallel(gw.Last(), gw.Last()).summary().rows[0].output == ("batch", "features")


@pytest.mark.parametrize("name", FORMS)
def test_every_cell_has_a_summary(name):
    [row] = FORMS[name].make(3, 4).summary().rows
    assert row.output == ("batch", "time", 4)


def test_a_notebook_shows_the_same_table():
    summary = network().summary()
    assert repr(summary) == str(summary)
    page = summary._repr_html_()
    for row in summary.rows:
        assert row.layer in words(page)
    assert page.count("<tr>") == 1 + len(summary.rows)
    assert {tag for tag, _ in Outline(page).tags} == {"table", "caption", "thead", "tbody", "tr", "th", "td"}
