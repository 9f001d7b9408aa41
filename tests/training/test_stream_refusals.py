"""What a stream, its rows and its loop refuse, and that nothing has changed then."""

import numpy as np
import pytest

import gatewise as gw
from gatewise.training import StreamLoop

SERIES = [np.arange(5.0), np.arange(3.0)]


@pytest.mark.parametrize(
    ("x", "y", "batch", "message"),
    [
        (SERIES, SERIES[:1], 1, r"x has series of 5, 3 steps, y of 5; need a target for every step"),
        (
            [np.ones(2)] * 4,
            [np.ones(3)] * 4,
            1,
            r"series of 2, 2, 2, … \(4 series\) steps, y of 3, 3, 3, … \(4 series\)",
        ),
        (SERIES, SERIES, 9, r"x has 8 step\(s\) for 9 rows; need one a row: lower batch"),
        ([np.ones(3), np.ones((3, 2))], SERIES, 1, "x has series that differ in their features or dtype"),
        (SERIES, [np.ones(5), np.ones(3, int)], 1, "y has series that differ in their features or dtype"),
        ([np.ones(5), np.ones(0)], SERIES, 1, "x needs series of numbers, .* none of them empty"),
        (SERIES, [np.array(list("abcde")), np.array(list("abc"))], 1, "y needs series of numbers"),
        (SERIES, SERIES, 0, "batch"),
    ],
)
def test_series_that_make_no_rows_are_refused(x, y, batch, message):
    with pytest.raises(gw.GatewiseError, match=message):
        gw.contiguous_rows(x, y, batch=batch, block=2)


def test_integers_stay_as_they_are_and_numbers_get_an_axis():
    rows = gw.contiguous_rows(np.arange(6), np.arange(6.0), batch=2, block=3)
    ((x, y, resets),) = rows
    assert (x.tolist(), x.dtype.kind) == ([[0, 1, 2], [3, 4, 5]], "i")
    assert y.shape == (2, 3, 1)
    assert resets.tolist() == [[True, False, False], [True, False, False]]


def loop(**options):
    model = gw.Sequential(gw.GRU(1, 3, rng=0), gw.Dense(3, 1, rng=1))
    return StreamLoop(model, "mse", "sgd", **{"k1": 4, "rng": 0} | options)


def test_an_update_needs_steps():
    waiting = loop()
    with pytest.raises(gw.GatewiseError, match="no steps are waiting; need a block first"):
        waiting.step()
    x = np.ones((2, 4, 1), np.float32)
    waiting.add(x, x)
    waiting.step()
    with pytest.raises(gw.GatewiseError, match="no steps are waiting"):
        waiting.step()
    assert waiting.updates == 1


def test_a_target_that_the_loss_refuses_names_the_update_and_changes_nothing():
    refused = StreamLoop(gw.Sequential(gw.GRU(1, 3, rng=0)), "cross_entropy", "sgd", k1=2, rng=0)
    refused.add(np.ones((1, 2, 1), np.float32), np.array([[0, 7]]))
    before = {name: value.copy() for name, value in refused.model.params.items()}
    with pytest.raises(gw.GatewiseError, match=r"^update 1: target\[0, 1\] is class 7"):
        refused.step()
    assert (refused.updates, refused.steps, refused.waiting) == (0, 0, 2)
    for name, value in refused.model.params.items():
        np.testing.assert_array_equal(value, before[name])


def test_a_state_fits_a_loop_of_the_same_windows_only():
    x = np.ones((2, 6, 1), np.float32)
    one = loop()
    one.add(x, x)
    one.step()
    with pytest.raises(gw.GatewiseError, match="state has k1 4; need 5: give this loop the same"):
        loop(k1=5).load_state_dict(one.state_dict())
    with pytest.raises(gw.GatewiseError, match="state has k2 4; need 8"):
        loop(k2=8).load_state_dict(one.state_dict())


def test_only_layers_run_on_a_stream():
    with pytest.raises(gw.GatewiseError, match="model is a dict; need a gatewise layer or Sequential"):
        StreamLoop({}, "mse", "sgd", k1=1)
