"""What `gw.define_cell` refuses, and that a definition replaces the one before."""

import numpy as np
import pytest

import gatewise as gw
from gatewise.layers import OWN

D, H = 3, 4


def minimal(p, q, state_prev):
    (h,) = state_prev
    f, n = 0.5 * np.tanh(0.5 * (p[0] + q[0])) + 0.5, np.tanh(p[1] + q[1])
    return (h + f * (n - h),), (f, n, q[1])


def minimal_backward(dstate, state, state_prev, record):
    (dh,), (h,), (f, n, _) = dstate, state_prev, record
    da = (dh * (n - h) * f * (1 - f), dh * f * (1 - n * n))
    return da, da, (dh * (1 - f),)


def good(**changes):
    return {"gates": ("forget", "candidate"), "forward": minimal, "backward": minimal_backward} | changes


REFUSED = {
    "no Python name": (("two words", good()), "name is 'two words'; need a Python name"),
    "a keyword": (("class", good()), "need a Python name"),
    "a layer of the library": (("GRU", good()), "name is 'GRU', which the library has"),
    "a cell of the library": (("lstm", good()), "name is 'lstm', which the library has"),
    "a gate twice": (("A", good(gates=("f", "f"))), "gates hold the name 'f' twice"),
    "a gate's name": (("A", good(gates=("f", "a b"))), "gates hold the name 'a b'; need a Python name"),
    "a name the tape has": (("A", good(gates=("f", "lengths"))), "gates hold the name 'lengths'"),
    "a name in place of names": (("A", good(gates="fn")), "gates is 'fn'; need one or more names"),
    "no gates": (("A", good(gates=())), "gates is (); need one or more names"),
    "gate and state alike": (
        ("A", good(states=("forget",), recorded=("forget", "n", "q"))),
        "states and recorded values hold the name 'forget' twice",
    ),
    "too few recorded": (("A", good(recorded=("f",))), "recorded names 1 values, and forward records 3"),
    "no function": (("A", good(forward=3)), "forward is a int; need a function"),
    "too many gates": (
        ("A", good(gates=("f", "n", "o"))),
        "backward returned as dp 2 values; need a tuple of 3 arrays",
    ),
    "too few gates": (("A", good(gates=("f",))), "forward failed on arrays (3, 5), with 1 arrays in p"),
    "too many states": (("A", good(states=("hidden", "cell"))), "forward failed on arrays (3, 5), with 2 arrays in p"),
    "no record": (("A", good(forward=lambda p, q, s: s)), "forward returned 1 values; need (state, record)"),
    "an array as state": (
        ("A", good(forward=lambda p, q, s: (p[0], (p[0],)))),
        "forward returned as state a ndarray; need a tuple of 1 arrays",
    ),
    "another shape": (
        ("A", good(forward=lambda p, q, s: ((p[0][:, :2],), ()))),
        "forward returned state[0] as shape (3, 2) from arrays (3, 5)",
    ),
    "another dtype": (
        (
            "A",
            good(
                forward=lambda p, q, s: ((p[0] * np.float64(2.5),), ()), backward=lambda d, s, b, r: (d * 2, d * 2, d)
            ),
        ),
        "forward returned state[0] with dtype float64 from float32",
    ),
    "not pointwise over units": (
        ("A", good(forward=lambda p, q, s: ((p[0] / p[0].sum(axis=-1, keepdims=True),), ()))),
        "forward is not pointwise",
    ),
    "not pointwise over rows": (
        ("A", good(forward=lambda p, q, s: ((p[0] - p[0].mean(axis=0),), ()))),
        "forward is not pointwise",
    ),
    "a backward that is not pointwise": (
        ("A", good(backward=lambda d, s, b, r: ((d[0], d[0].cumsum(axis=1)), (d[0], d[0]), d))),
        "backward is not pointwise",
    ),
    "a number as gradient": (
        ("A", good(backward=lambda d, s, b, r: ((d[0], d[0]), (d[0], d[0]), (0,)))),
        "backward returned dstate_prev[0] as a int from arrays (3, 5); need an array of the same shape",
    ),
    "changed in place": (
        ("A", good(forward=lambda p, q, s: (s, (np.multiply(p[0], 2, out=p[0]),)))),
        "forward changes its arguments",
    ),
    "q where there is none": (
        ("A", good(recurrent=False)),
        "forward failed on arrays (3, 5), with 2 arrays in p, 0 in q",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_work_is_refused(case):
    (name, options), message = REFUSED[case]
    with pytest.raises(gw.GatewiseError) as refusal:
        gw.define_cell(name, **options)
    assert message in str(refusal.value)
    assert name not in OWN


def test_a_definition_replaces_the_one_before(monkeypatch):
    monkeypatch.setattr("gatewise.kernels.find", lambda cell: None)
    first = gw.define_cell("Replaced", **good())
    layer = first(D, H, rng=0)
    second = gw.define_cell("Replaced", **good(recurrent_bias=False))
    assert OWN["Replaced"] is second
    assert "bias_hh_l0" in layer.params
    assert "bias_hh_l0" not in second(D, H).params
    assert gw.gradcheck(layer).ok
