from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from gatewise.errors import GatewiseError
from gatewise.schedules import Constant, Cosine, OneCycle, Step, WarmUp, rate_at

GOLDEN = np.load(Path(__file__).parent / "golden" / "schedules.npz")
CASES = {
    "step": Step(0.5, 7, gamma=0.3),
    "cosine": Cosine(0.5, 30, floor=0.01),
    "one_cycle": OneCycle(0.5, 40),
    "one_cycle_all": OneCycle(0.5, 23, pct_start=0.41, div_factor=7.0, final_div_factor=90.0),
    "one_cycle_rise": OneCycle(0.5, 9, pct_start=1.0),
    "warm_up": WarmUp(0.5, 5),
    "warm_up_cosine": WarmUp(Cosine(0.5, 30, floor=0.01), 7, start_factor=0.2),
}


@pytest.mark.parametrize("case", CASES)
def test_rates_are_those_of_pytorch(case):
    found = [CASES[case](index) for index in range(len(GOLDEN[case]))]
    assert all(type(rate) is float for rate in found)
    np.testing.assert_allclose(found, GOLDEN[case], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize(
    ("schedule", "last"),
    [
        (Cosine(0.5, 30, floor=0.01), 0.01),
        (OneCycle(0.5, 40), 0.5 / 25 / 1e4),
        (WarmUp(0.5, 5), 0.5),
        (Constant(2), 2.0),
    ],
)
def test_rates_stay_where_they_end(schedule, last):
    assert [schedule(index) for index in (40, 41, 1000)] == pytest.approx([last] * 3, rel=1e-12)


@pytest.mark.parametrize("pct_start", [0.0, 0.01, 0.1])
def test_a_rise_shorter_than_a_step_starts_on_the_way_down(pct_start):
    schedule = OneCycle(1.0, 10, pct_start=pct_start)
    rates = [schedule(index) for index in range(10)]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 0.9
    assert rates[-1] == pytest.approx(1 / 25 / 1e4, rel=1e-12)


@pytest.mark.parametrize("schedule", [*CASES.values(), Constant(0.1)])
def test_schedules_are_values(schedule):
    again = pickle.loads(pickle.dumps(schedule))
    assert again == schedule
    assert again(3) == schedule(3)
    with pytest.raises(AttributeError):
        schedule.steps = 3


def test_numpy_numbers_give_plain_floats():
    assert type(Step(np.float64(0.1), np.int64(2))(3)) is float
    assert type(WarmUp(np.float32(0.5), 2)(1)) is float
    assert type(rate_at(np.float64(0.1), 0)) is float


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: Constant(-1.0), "lr is -1.0; need at least 0"),
        (lambda: Constant("fast"), "lr is 'fast'; need a number"),
        (lambda: Step(0.1, 0), "step_size is 0; need at least 1"),
        (lambda: Step(0.1, 2.5), "step_size is 2.5; need an integer"),
        (lambda: Step(0.1, 2, gamma=-0.1), "gamma is -0.1; need at least 0"),
        (lambda: Step(-0.1, 2), "lr is -0.1; need at least 0"),
        (lambda: Cosine(-0.1, 2), "lr is -0.1; need at least 0"),
        (lambda: Cosine(0.1, 0), "steps is 0; need at least 1"),
        (lambda: Cosine(0.1, 3, floor=-1.0), "floor is -1.0; need at least 0"),
        (lambda: OneCycle(-0.1, 9), "max_lr is -0.1; need at least 0"),
        (lambda: OneCycle(0.1, 1), "steps is 1; need at least 2"),
        (lambda: OneCycle(0.1, 9, pct_start=1.5), "pct_start is 1.5; need at least 0 and at most 1"),
        (lambda: OneCycle(0.1, 9, div_factor=0), "div_factor is 0; need more than 0"),
        (lambda: OneCycle(0.1, 9, final_div_factor=0), "final_div_factor is 0; need more than 0"),
        (lambda: WarmUp("x", 2), "then is 'x'; need a number"),
        (lambda: WarmUp(0.1, 0), "steps is 0; need at least 1"),
        (lambda: WarmUp(0.1, 2, start_factor=2.0), "start_factor is 2.0; need at least 0 and at most 1"),
        (lambda: rate_at(lambda index: -0.5, 3), "lr is -0.5; need at least 0"),
        (lambda: rate_at(float("nan"), 0), "lr is nan; need at least 0"),
    ],
)
def test_wrong_settings(call, text):
    with pytest.raises(GatewiseError, match=text):
        call()
