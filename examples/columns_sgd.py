"""A GRU cell on column vectors, trained with plain SGD on its own six matrices.

The system holds W, W_r, W_z (H, D) and U, U_r, U_z (H, H), no bias; z keeps the old state. Its author changes the
weights at every step of the backward pass. Both ways are shown: so, and after the whole backward pass, which is the
gradient's. The helpers of the original, sigmoid and a softmax shifted by its maximum, are scipy.special's, and tanh
is NumPy's: no ratio of exponentials that turns into nan for large inputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.special import expit, softmax

import gatewise as gw

WORD = "gatewise"
LETTERS = sorted(set(WORD))
H, EPOCHS, RATE = 16, 600, 0.5


def one_hot(word: str) -> np.ndarray:
    """Return (1, len(word), letters)."""
    return np.eye(len(LETTERS))[[LETTERS.index(letter) for letter in word]][None]


def after_the_pass(gru: gw.GRU, tape: Any, x: np.ndarray, y: np.ndarray, dy: np.ndarray) -> None:
    """Change the weights once, along the gradient of the whole sequence."""
    _, _, grads = gru.backward(tape, dy)
    gw.optimizers.SGD(lr=RATE).step(gru.params, grads)


def inside_the_pass(gru: gw.GRU, tape: Any, x: np.ndarray, y: np.ndarray, dy: np.ndarray) -> None:
    """Change the weights at each step of the backward pass, as the author does: earlier steps see others."""
    sgd = gw.optimizers.SGD(lr=RATE)
    h = np.concatenate([np.zeros_like(y[:, :1]), y], axis=1)
    dh = np.zeros_like(h[:, 0])
    for t in reversed(range(x.shape[1])):
        record = tape.reset[:, t], tape.update[:, t], tape.candidate[:, t]
        U = gru.params["weight_hh_l0"]
        dp, dq, (dh,) = gru.cell.step_backward((dh + dy[:, t],), (h[:, t + 1],), (h[:, t],), record, U)
        dU = gru.cell.recurrent_gradient(dq, h[:, t], record)
        sgd.step(gru.params, {"weight_ih_l0": dp.T @ x[:, t], "weight_hh_l0": dU})


def train(
    weights: dict[str, np.ndarray], update: Callable[..., None]
) -> tuple[list[float], list[dict[str, np.ndarray]], str]:
    """Learn to continue WORD letter by letter; return losses, the weights after each epoch, and the guess."""
    gru = gw.GRU.from_weights(weights, "columns")
    head = gw.Dense(H, len(LETTERS), dtype=np.float64, rng=0)
    x, target = one_hot(WORD[:-1]), one_hot(WORD[1:])
    losses, history = [], []
    for _ in range(EPOCHS):
        y, _, tape = gru.forward(x)
        logits, _, head_tape = head.forward(y)
        loss, dlogits = gw.losses.cross_entropy(logits, target)
        dy, _, head_grads = head.backward(head_tape, dlogits)
        gw.optimizers.SGD(lr=RATE).step(head.params, head_grads)
        update(gru, tape, x, y, dy)
        losses.append(loss)
        history.append(gru.to_weights("columns"))
    guess = "".join(LETTERS[k] for k in softmax(logits[0], axis=-1).argmax(axis=-1))
    return losses, history, guess


def distance(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> float:
    """Return the root of the summed squared differences of all six matrices."""
    return float(np.sqrt(sum(np.sum((a[key] - b[key]) ** 2) for key in a)))


def main() -> None:
    rng = np.random.default_rng(0)
    shapes = {"W": (H, len(LETTERS)), "U": (H, H)}
    weights = {f"{m}{gate}": rng.normal(0, 0.5, shape) for m, shape in shapes.items() for gate in ("", "_r", "_z")}
    losses, after, guess = train(weights, after_the_pass)
    inside_losses, inside, inside_guess = train(weights, inside_the_pass)

    moved = distance(after[0], weights)
    print(f"update after the backward pass:  loss {losses[0]:.4f} -> {losses[-1]:.4f}, {WORD[0]}|{guess}")
    print(
        f"update inside the backward pass: loss {inside_losses[0]:.4f} -> {inside_losses[-1]:.4f}, "
        f"{WORD[0]}|{inside_guess}"
    )
    print(
        f"the author's first update differs by {distance(after[0], inside[0]) / moved:.2%} of its length; "
        f"after {EPOCHS} epochs the weights lie {distance(after[-1], inside[-1]):.2e} apart"
    )
    print(f"at 1000: sigmoid {expit(1000.0)}, tanh {np.tanh(1000.0)}, softmax {softmax([1000.0, 0.0])}")
    assert losses[-1] < 0.1 * losses[0], f"the loss did not fall: {losses[0]:.4f} -> {losses[-1]:.4f}"
    assert guess == WORD[1:], f"learnt {guess!r} instead of {WORD[1:]!r}"


if __name__ == "__main__":
    main()
