"""An optimizer in a file: settings, schedule and state, so that it continues with the same bits."""

from functools import partial

import numpy as np
import pytest

import gatewise as gw
from gatewise.optimizers import stored
from gatewise.optimizers.stored import from_parts, to_parts
from gatewise.schedules import Constant, Cosine, OneCycle, Step, WarmUp

optimizers = gw.optimizers
OPTIMIZERS = {
    "sgd": optimizers.SGD(0.1),
    "momentum": optimizers.SGD(Step(0.1, 2), momentum=0.9, nesterov=True, weight_decay=0.1),
    "rmsprop": optimizers.RMSprop(Cosine(0.1, 9), momentum=0.5, centered=True),
    "adagrad": optimizers.Adagrad(Constant(0.1)),
    "adam": optimizers.Adam(WarmUp(OneCycle(0.1, 5), 3), betas=(0.8, 0.9)),
    "adamw": optimizers.AdamW(WarmUp(0.1, 3), weight_decay=0.3),
}


def gradients(k):
    rng = np.random.default_rng(k)
    return {"w": rng.normal(size=(2, 3)), "b": rng.normal(size=3)}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_it_continues_with_the_same_bits(optimizer, tmp_path):
    params = {"w": np.ones((2, 3)), "b": np.zeros(3)}
    for k in range(4):
        optimizer.step(params, gradients(k))
    gw.save(optimizer, tmp_path / "optimizer")
    again = gw.load(tmp_path / "optimizer")
    assert type(again) is type(optimizer)
    assert repr(again) == repr(optimizer)
    others = {name: value.copy() for name, value in params.items()}
    for k in range(4, 8):
        optimizer.step(params, gradients(k))
        again.step(others, gradients(k))
    for name, value in params.items():
        np.testing.assert_array_equal(others[name], value)


class Own(optimizers.SGD):
    pass


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (Own(0.1), "cannot save a Own; need one of SGD, RMSprop, Adagrad, Adam, AdamW"),
        (optimizers.SGD(abs), "lr is builtins.abs; need a number or a schedule of gatewise.schedules"),
    ],
)
def test_what_no_file_can_hold_is_refused(optimizer, message, tmp_path):
    with pytest.raises(gw.GatewiseError, match=message):
        gw.save(optimizer, tmp_path / "optimizer")
    assert not list(tmp_path.iterdir())


def test_a_description_that_does_not_fit_is_refused():
    adam = optimizers.Adam(0.1)
    adam.step({"w": np.ones(2)}, {"w": np.ones(2)})
    description, arrays = to_parts(adam)
    settings, state = description["settings"], description["state"]
    wrong = [
        ({**description, "settings": {**settings, "lr": -1.0}}, arrays),
        ({**description, "settings": {**settings, "lr": {"type": "Nothing"}}}, arrays),
        ({**description, "settings": {**settings, "lr": {"type": "Step", "lr": 0.1}}}, arrays),
        ({**description, "settings": {**settings, "type": "SGD"}}, arrays),
        ({**description, "settings": {**settings, "own": 1}}, arrays),
        ({**description, "state": {**state, "steps": 0.5}}, arrays),
        ({**description, "state": {"steps": 1}}, arrays),
        ({**description, "more": 1}, arrays),
        (description, {**arrays, "w/exp_avg": np.ones(3)}),
        (description, {**arrays, "w/exp_avg": np.array([1.0, np.nan])}),
    ]
    for parts in wrong:
        with pytest.raises(gw.GatewiseError):
            from_parts(*parts)
    assert repr(from_parts(description, arrays)) == repr(adam)
    assert set(stored.KINDS) == {type(one).__name__ for one in OPTIMIZERS.values()}


def test_a_rate_of_ones_own_is_that_of_the_optimizer_that_goes_on():
    rate = partial(pow, 0.5)
    optimizer = optimizers.SGD(rate, momentum=0.5)
    values = stored.values_of({**stored.settings(optimizer), "momentum": 0.75}, optimizer)
    assert values == {"lr": rate, "momentum": 0.75, "nesterov": False, "weight_decay": 0.0}
