"""A GRU on joined vectors learns a short real-valued sequence through a loss on its first unit.

The system holds W_z, W_r, W_g (H, D + H), which act on [x_t, h_{t-1}] (the candidate on [x_t, r ⊙ h_{t-1}]), and
biases b_z, b_r, b_g (H,); z keeps the old state.
"""

from __future__ import annotations

import numpy as np

import gatewise as gw

VALUES = np.array([-0.5, 0.2, 0.1, -0.5])
D, H = 50, 100
STEPS, RATE = 200, 0.1


def first_unit_loss(h: np.ndarray) -> tuple[float, np.ndarray]:
    """Return Σ (h_t[0] − value_t)² and its gradient for every unit, 0 but in the first."""
    error = h[0, :, 0] - VALUES
    dh = np.zeros_like(h)
    dh[0, :, 0] = 2 * error
    return float(np.sum(error**2)), dh


def main() -> None:
    rng = np.random.default_rng(0)
    weights = {f"W_{gate}": rng.uniform(-0.1, 0.1, (H, D + H)) for gate in "zrg"}
    weights |= {f"b_{gate}": rng.uniform(-0.1, 0.1, H) for gate in "zrg"}
    x = rng.random((1, len(VALUES), D))

    gru = gw.GRU.from_weights(weights, "joined")
    sgd = gw.optimizers.SGD(lr=RATE)
    losses = []
    for step in range(STEPS):
        h, _, tape = gru.forward(x)
        loss, dh = first_unit_loss(h)
        _, _, grads = gru.backward(tape, dh)
        del grads["bias_hh_l0"]  # the system has one bias: ours are two, so only one of them learns
        sgd.step(gru.params, grads)
        losses.append(loss)
        if step % 50 == 0:
            print(f"step {step:3}  loss {loss:.2e}  first unit {np.round(h[0, :, 0], 3)}")
    print(f"loss {losses[0]:.2e} -> {losses[-1]:.2e}, first unit {np.round(h[0, :, 0], 3)}, wanted {VALUES}")
    learnt = gru.to_weights("joined")
    print(f"W_g {learnt['W_g'].shape} has moved by {np.linalg.norm(learnt['W_g'] - weights['W_g']):.3f}")
    assert losses[-1] < 1e-4 * losses[0], f"the loss did not fall: {losses[0]:.2e} -> {losses[-1]:.2e}"


if __name__ == "__main__":
    main()
