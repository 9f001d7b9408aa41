"""Two cells of one's own: a minimal gated unit, and an LSTM with coupled gates; checked, broken on purpose, saved.

The minimal gated unit (Zhou et al., arXiv 1603.09420) has one gate f in place of the GRU's two:

    f = σ(p_f + q_f)    n = tanh(p_n + f ⊙ q_n)    h_t = (1 − f) ⊙ h_{t-1} + f ⊙ n

with the gate on the recurrent product, as in the GRU with reset="after". The LSTM with coupled gates (Greff et al.,
arXiv 1503.04069) forgets as much as it takes in, f = 1 − i:

    i = σ(p_i + q_i)    g = tanh(p_g + q_g)    o = σ(p_o + q_o)
    c_t = (1 − i) ⊙ c_{t-1} + i ⊙ g            h_t = o ⊙ tanh(c_t)
"""

import tempfile
from pathlib import Path

import numpy as np

import gatewise as gw
from gatewise.activations import sigmoid, sigmoid_slope, tanh, tanh_slope

# A minimal gated unit.


def minimal_forward(p, q, state_prev):
    (h_prev,) = state_prev
    f = sigmoid(p[0] + q[0])
    n = tanh(p[1] + f * q[1])
    h = h_prev + f * (n - h_prev)
    return (h,), (f, n, q[1])


def minimal_backward(dstate, state, state_prev, record):
    (dh,) = dstate
    (h_prev,) = state_prev
    f, n, q_n = record
    da_n = dh * f * tanh_slope(n)
    da_f = (dh * (n - h_prev) + da_n * q_n) * sigmoid_slope(f)
    return (da_f, da_n), (da_f, da_n * f), (dh * (1 - f),)


MinimalGatedUnit = gw.define_cell(
    "MinimalGatedUnit", gates=("forget", "candidate"), forward=minimal_forward, backward=minimal_backward
)


# An LSTM with coupled gates.


def coupled_forward(p, q, state_prev):
    _, c_prev = state_prev
    i, g, o = sigmoid(p[0] + q[0]), tanh(p[1] + q[1]), sigmoid(p[2] + q[2])
    c = c_prev + i * (g - c_prev)
    return (o * tanh(c), c), (i, g, o)


def coupled_backward(dstate, state, state_prev, record):
    dh, dc_next = dstate
    _, c = state
    _, c_prev = state_prev
    i, g, o = record
    tanh_c = tanh(c)
    dc = dc_next + dh * o * tanh_slope(tanh_c)
    da_i = dc * (g - c_prev) * sigmoid_slope(i)
    da_g = dc * i * tanh_slope(g)
    da_o = dh * tanh_c * sigmoid_slope(o)
    da = (da_i, da_g, da_o)
    return da, da, (0 * dh, dc * (1 - i))  # h_{t-1} acts through q alone


CoupledLSTM = gw.define_cell(
    "CoupledLSTM",
    gates=("input", "candidate", "output"),
    states=("hidden", "cell"),
    forward=coupled_forward,
    backward=coupled_backward,
)


def wrong_backward(dstate, state, state_prev, record):
    """A slip: f as if it had no way through f ⊙ q_n."""
    (da_f, da_n), (_, dq_n), dh_prev = minimal_backward(dstate, state, state_prev, record)
    f, _, q_n = record
    da_f = da_f - da_n * q_n * sigmoid_slope(f)
    return (da_f, da_n), (da_f, dq_n), dh_prev


def error_at_the_end(layer, x, y):
    """Train a model around `layer` to give the sum of each sequence; return its error."""
    model = gw.Sequential(layer, gw.Last(), gw.Dense(layer.hidden_size, 1, rng=1))
    gw.train(model, x, y, loss="mse", optimizer=gw.optimizers.Adam(0.02), epochs=20, rng=0)
    return gw.losses.mse(model(x)[0], y)[0]


def main():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 10, 1)).astype(np.float32)
    y = x.sum(axis=1) / np.float32(np.sqrt(10))
    for kind in (MinimalGatedUnit, CoupledLSTM):
        report = gw.gradcheck(kind(3, 4, num_layers=2, bidirectional=True, rng=0), lengths=[5, 3, 1])
        assert report.ok, str(report)
        print(f"{kind.__name__}: relative error of its gradients {report.worst:.0e}")
        print(f"{kind.__name__}: mean squared error {error_at_the_end(kind(1, 16, rng=0), x, y):.3f}, untrained 1")

    wrong = gw.define_cell("Wrong", gates=("forget", "candidate"), forward=minimal_forward, backward=wrong_backward)
    report = gw.gradcheck(wrong(3, 4, rng=0))
    print(f"a wrong backward:\n{report.table()}")
    assert {check.part for check in report.checks if check.name.startswith("weight")} == {"gate forget"}

    with tempfile.TemporaryDirectory() as folder:
        layer, path = CoupledLSTM(1, 16, rng=0), Path(folder) / "coupled.safetensors"
        gw.save(layer, path)
        assert (gw.load(path)(x)[0] == layer(x)[0]).all()
    print("the layer read from a file gives the same numbers")


if __name__ == "__main__":
    main()
