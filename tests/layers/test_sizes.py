"""Sizes and rates of every layer: the least and the largest that are taken, and what is refused by its name."""

import numpy as np
import pytest

import gatewise as gw

# A layer with a size in place of one of its arguments, and the name of that argument.
SIZES = {
    "dense inputs": (lambda n: gw.Dense(n, 2, rng=0), "input_size"),
    "dense outputs": (lambda n: gw.Dense(2, n, rng=0), "output_size"),
    "words": (lambda n: gw.Embedding(n, 2, rng=0), "count"),
    "size of words": (lambda n: gw.Embedding(2, n, rng=0), "size"),
    "recurrent inputs": (lambda n: gw.GRU(n, 2, rng=0), "input_size"),
    "units": (lambda n: gw.LSTM(2, n, rng=0), "hidden_size"),
    "layers": (lambda n: gw.RNN(2, 2, num_layers=n, rng=0), "num_layers"),
    "pooled inputs": (lambda n: gw.Pool(n), "input_size"),
    "parts": (lambda n: gw.Pool(2, parts=n), "parts"),
    "rows of a stepper": (lambda n: gw.GRU(2, 2, rng=0).stepper(n), "batch"),
}
# Likewise a rate, with the least and the largest that are taken.
RATES = {
    "dropout": (lambda p: gw.Dropout(p), "p", 0, 1),
    "dropout between layers": (lambda p: gw.GRU(2, 2, num_layers=2, dropout=p, rng=0), "dropout", 0, 1),
    "noise": (lambda p: gw.Noise(p), "std", 0, None),
    "forget bias": (lambda p: gw.LSTM(2, 2, forget_bias=p, rng=0), "forget_bias", -1000, 1000),
}


@pytest.mark.parametrize("case", SIZES)
def test_a_size_is_a_whole_number_from_1(case):
    make, name = SIZES[case]
    for wrong in (0, -1, 1.5, 2.0, "2", True):
        with pytest.raises(gw.GatewiseError, match=rf"^{name} is {wrong!r}"):
            make(wrong)
    for right in (1, np.int64(3)):
        make(right)


@pytest.mark.parametrize("case", RATES)
def test_a_rate_is_within_its_bounds(case):
    make, name, least, largest = RATES[case]
    for wrong in (least - 1e-6, *([] if largest is None else [largest + 1e-6]), float("nan"), "0"):
        with pytest.raises(gw.GatewiseError, match=rf"^{name} is "):
            make(wrong)
    for right in (least, *([] if largest is None else [largest]), np.float32(0.5)):
        make(right)


@pytest.mark.parametrize("chrono", [2, 1, "3", float("nan"), 1e13])
@pytest.mark.parametrize("layer", [gw.GRU, gw.LSTM])
def test_time_scales_are_more_than_two_steps(layer, chrono):
    with pytest.raises(gw.GatewiseError, match=r"^chrono is "):
        layer(2, 2, chrono=chrono, rng=0)
    layer(2, 2, chrono=2.5, rng=0)
    layer(2, 2, chrono=1e12, rng=0)
