"""A tape belongs to the layer whose forward made it, and to no other of the same configuration."""

import copy
import pickle

import numpy as np
import pytest

import gatewise as gw

X = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
LAYERS = {
    "GRU": lambda: gw.GRU(3, 4, rng=0),
    "LSTM": lambda: gw.LSTM(3, 4, bidirectional=True, rng=0),
    "RNN": lambda: gw.RNN(3, 4, rng=0),
    "Dense": lambda: gw.Dense(3, 4, rng=0),
    "Dropout": lambda: gw.Dropout(0.5),
    "Noise": lambda: gw.Noise(0.5),
    "Last": lambda: gw.Last(),
    "Pool": lambda: gw.Pool(3),
    "Sequential": lambda: gw.Sequential(gw.GRU(3, 4, rng=0), gw.Last()),
    "Parallel": lambda: gw.Parallel(gw.Last(), gw.Pool(3)),
    "Embedding": lambda: gw.Embedding(5, 3, rng=0),
}


def run(layer):
    x = np.array([[1, 2, 4]]) if isinstance(layer, gw.Embedding) else X
    y, _, tape = layer.forward(x)
    return y, tape


@pytest.mark.parametrize("name", LAYERS)
def test_two_layers_of_one_configuration_refuse_each_others_tapes(name):
    layer, twin = LAYERS[name](), LAYERS[name]()
    y, tape = run(layer)
    layer.backward(tape, y)
    for stranger in (twin, copy.deepcopy(layer), pickle.loads(pickle.dumps(layer)), layer.astype(np.float32)):
        with pytest.raises(gw.GatewiseError, match="the tape is another layer's"):
            stranger.backward(tape, y)


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])
def test_a_layer_and_its_tape_copied_together_belong_together(name, duplicate):
    layer = LAYERS[name]()
    y, tape = run(layer)
    twin, same = duplicate((layer, tape))
    for a, b in zip(twin.backward(same, y)[2].values(), layer.backward(tape, y)[2].values(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(gw.GatewiseError, match="the tape is another layer's"):
        layer.backward(same, y)


def test_a_shallow_copy_shares_weights_and_tapes():
    layer = gw.GRU(3, 4, rng=0)
    y, tape = run(layer)
    np.testing.assert_array_equal(copy.copy(layer).backward(tape, y)[0], layer.backward(tape, y)[0])


def test_a_container_refuses_what_its_layers_made_alone():
    gru = gw.GRU(3, 4, rng=0)
    model = gw.Sequential(gru)
    y, tape = run(gru)
    with pytest.raises(gw.GatewiseError, match="backward of Sequential got a RecurrentTape as tape"):
        model.backward(tape, y)
