"""A stateful RNN over time: a long series in blocks, the state carried from one block into the next.

The system holds Wx (D, H), Wh (H, H), b (H,); tanh. What it does with `stateful`, `set_state` and `reset_state` is
here the state that goes into `forward`: the last block's to go on, any array to set it, None to reset it. The
gradient of that state, which it keeps as `dh`, is the second result of `backward`.
"""

from __future__ import annotations

import numpy as np

import gatewise as gw

BATCH, T, D, H = 4, 16, 1, 12
EPOCHS, RATE = 60, 0.2


def series(rng: np.random.Generator) -> np.ndarray:
    """Return BATCH noisy sine waves of slow and different speeds, (BATCH, 321, 1)."""
    speed = 2 * np.pi / rng.uniform(25, 60, (BATCH, 1))
    wave = np.sin(np.arange(20 * T + 1) * speed) + rng.normal(0, 0.05, (BATCH, 20 * T + 1))
    return wave[:, :, None]


def train(rnn: gw.RNN, head: gw.Dense, wave: np.ndarray, stateful: bool) -> tuple[list[float], float]:
    """Predict each next value; return the mean loss of each epoch and the largest |dh| of a first state."""
    sgd, losses, largest = gw.optimizers.SGD(lr=RATE), [], 0.0
    for _ in range(EPOCHS):
        state, epoch = None, []  # reset_state()
        for start in range(0, wave.shape[1] - 1, T):
            x, target = wave[:, start : start + T], wave[:, start + 1 : start + T + 1]
            y, final, tape = rnn.forward(x, state)
            prediction, _, head_tape = head.forward(y)
            loss, dprediction = gw.losses.mse(prediction, target)
            dy, _, head_grads = head.backward(head_tape, dprediction)
            _, dh, grads = rnn.backward(tape, dy)
            del grads["bias_hh_l0"]  # the system has one bias: ours are two, so only one of them learns
            sgd.step(rnn.params, grads)
            sgd.step(head.params, head_grads)
            state = final if stateful else None
            epoch.append(loss)
            largest = max(largest, float(np.abs(dh).max()))
        losses.append(float(np.mean(epoch)))
    return losses, largest


def main() -> None:
    rng = np.random.default_rng(0)
    weights = {
        "Wx": rng.normal(0, 1 / np.sqrt(D), (D, H)),
        "Wh": rng.normal(0, 1 / np.sqrt(H), (H, H)),
        "b": np.zeros(H),
    }
    wave = series(rng)
    results = {}
    for stateful in (True, False):
        rnn = gw.RNN.from_weights(weights, "elman")
        head = gw.Dense(H, 1, dtype=np.float64, rng=0)
        losses, dh = train(rnn, head, wave, stateful)
        print(f"stateful={stateful!s:5}  loss {losses[0]:.4f} -> {losses[-1]:.4f}  largest |dh| {dh:.1e}")
        results[stateful] = losses
    b = rnn.to_weights("elman")["b"]
    print(f"b {b.shape} after training: {np.round(b[:4], 3)} …")
    stateful, reset = results[True], results[False]
    assert stateful[-1] < 0.3 * stateful[0], f"the loss did not fall: {stateful[0]:.4f} -> {stateful[-1]:.4f}"
    assert stateful[-1] < reset[-1], "carrying the state did not help"


if __name__ == "__main__":
    main()
