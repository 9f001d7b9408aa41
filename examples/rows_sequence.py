"""A GRU over a sequence of 32 steps with 50 units and a squared error on every hidden state, SGD on nine arrays.

The system holds Uz, Ur, Uh (D, H) on the input, Wz, Wr, Wh (H, H) on the state, bz, br, bh (1, H); z writes the new
state. Weights start at √(2/(D + H)) N(0, 1) and √(1/H) N(0, 1), biases at 0. Loss and gradient here are those of
the same mean: the original averages its loss over units but not its gradient, and divides by T only some gradients.
"""

from __future__ import annotations

import numpy as np

import gatewise as gw

T, D, H = 32, 10, 50
STEPS, RATE = 400, 20.0


def initial_weights(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Return the nine arrays."""
    weights = {f"U{gate}": np.sqrt(2 / (D + H)) * rng.standard_normal((D, H)) for gate in "zrh"}
    weights |= {f"W{gate}": np.sqrt(1 / H) * rng.standard_normal((H, H)) for gate in "zrh"}
    return weights | {f"b{gate}": np.zeros((1, H)) for gate in "zrh"}


def loss_and_gradients(
    weights: dict[str, np.ndarray], x: np.ndarray, target: np.ndarray
) -> tuple[float, dict[str, np.ndarray]]:
    """Return the mean squared error of every hidden state and its gradients for the nine arrays."""
    gru = gw.GRU.from_weights(weights, "rows")
    h, _, tape = gru.forward(x)
    loss, dh = gw.losses.mse(h, target)
    _, _, grads = gru.backward(tape, dh)
    # Our layer has two biases, the system one: with gradients=True its gradient is that of either, not their sum.
    return loss, gw.convert(grads, "torch", "rows", reset="before", gradients=True)


def main() -> None:
    rng = np.random.default_rng(0)
    weights = initial_weights(rng)
    x = rng.standard_normal((1, T, D))
    phase, speed = rng.uniform(0, 2 * np.pi, H), rng.uniform(0.1, 0.5, H)
    target = 0.8 * np.sin(np.arange(T)[None, :, None] * speed + phase)

    sgd = gw.optimizers.SGD(lr=RATE)
    losses = []
    for step in range(STEPS):
        loss, gradients = loss_and_gradients(weights, x, target)
        sgd.step(weights, gradients)
        losses.append(loss)
        if step % 100 == 0:
            print(f"step {step:3}  squared error {loss:.5f}")
    print(f"squared error of every hidden state {losses[0]:.5f} -> {losses[-1]:.5f} in {STEPS} steps")
    print(f"bias of the update gate, in its own shape {weights['bz'].shape}: mean {weights['bz'].mean():+.3f}")
    assert losses[-1] < 0.2 * losses[0], f"the loss did not fall: {losses[0]:.5f} -> {losses[-1]:.5f}"


if __name__ == "__main__":
    main()
