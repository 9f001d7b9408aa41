"""One step of a GRU kept in two packed arrays, forward and backward, then descent along its gradients.

The system holds Wx (D, 3H) and Wh (H, 3H) with columns z, r, candidate, and no bias; z writes the new state. Its
backward step keeps dWx and dWh and returns dx and dh_prev.
"""

from __future__ import annotations

import numpy as np

import gatewise as gw

BATCH, D, H = 8, 3, 5
STEPS, RATE = 200, 5.0


def one_step(
    weights: dict[str, np.ndarray], x: np.ndarray, h_prev: np.ndarray, target: np.ndarray
) -> tuple[float, dict[str, np.ndarray]]:
    """Return the loss of h_next against `target` and all gradients, in the system's letters and layout."""
    gru = gw.GRU.from_weights(weights, "packed")
    h_next, _, tape = gru.forward(x[:, None], h_prev[None])
    loss, dh_next = gw.losses.mse(h_next, target[:, None])
    dx, dh_prev, grads = gru.backward(tape, dh_next)
    # Conversion is linear (order, transpose, sign of z), so it is right for gradients as it is for weights.
    packed = gw.convert(grads, "torch", "packed", reset="before", gradients=True)
    return loss, {"dWx": packed["Wx"], "dWh": packed["Wh"], "dx": dx[:, 0], "dh_prev": dh_prev[0]}


def measured(name: str, arrays: dict[str, np.ndarray], target: np.ndarray) -> float:
    """Return the slope of the loss along a vector of ones in one array, by central difference."""
    losses = []
    for step in (1e-5, -1e-5):
        moved = arrays | {name: arrays[name] + step}
        weights = {key: moved[key] for key in ("Wx", "Wh")}
        losses.append(one_step(weights, moved["x"], moved["h_prev"], target)[0])
    return (losses[0] - losses[1]) / 2e-5


def main() -> None:
    rng = np.random.default_rng(0)
    weights = {"Wx": rng.normal(0, 0.5, (D, 3 * H)), "Wh": rng.normal(0, 0.5, (H, 3 * H))}
    x, h_prev = rng.normal(size=(BATCH, D)), np.tanh(rng.normal(size=(BATCH, H)))
    target = np.tanh(rng.normal(size=(BATCH, H)))

    first, gradients = one_step(weights, x, h_prev, target)
    arrays = weights | {"x": x, "h_prev": h_prev}
    for name, gradient in gradients.items():
        claimed, true = gradient.sum(), measured(name.removeprefix("d"), arrays, target)
        print(f"{name:8} {gradient.shape!s:8} sum {claimed:+.8f}  measured {true:+.8f}")
        assert abs(claimed - true) < 1e-8, f"{name} is not the gradient of the loss"

    optimizer = gw.optimizers.SGD(lr=RATE)
    for _ in range(STEPS):
        loss, gradients = one_step(weights, x, h_prev, target)
        optimizer.step(weights, {"Wx": gradients["dWx"], "Wh": gradients["dWh"]})
    print(f"squared error {first:.4f} -> {loss:.4f} in {STEPS} steps of descent on Wx and Wh")
    assert loss < 0.5 * first, f"the loss did not fall: {first:.4f} -> {loss:.4f}"


if __name__ == "__main__":
    main()
