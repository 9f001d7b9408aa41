"""The first things to do with Gatewise: forward and backward, the gradient certificate, training, a file.

Expect shapes of one GRU's output and gradients; a certificate with every error below 1e-7; a one-step-ahead forecast
of a noisy sine that comes close to the noise, and a model that predicts the same numbers after a trip through a file.
"""

import tempfile
from pathlib import Path

import numpy as np

import gatewise as gw

NOISE = 0.1


def forward_and_backward(gru):
    """Show what the three calls take and give: nothing is kept between them, the tape is yours."""
    x = np.random.default_rng(0).normal(size=(8, 20, 3)).astype(np.float32)
    y, state = gru(x)  # inference
    y, state, tape = gru.forward(x)  # the same, and what the backward pass needs
    dx, _, grads = gru.backward(tape, y)  # the loss here is ½ Σ y², so that its gradient is y
    print(f"x {x.shape} -> y {y.shape}, state {state.shape}; dx {dx.shape}")
    print("grads:", ", ".join(f"{name} {grad.shape}" for name, grad in grads.items()))
    print(f"the update gate is on the tape: tape.update {tape.update.shape}, mean {tape.update.mean():.3f}")


def certify(gru):
    """Hold every gradient against central differences, in float64."""
    report = gw.gradcheck(gru)
    print(report)
    if not report.ok:
        raise SystemExit("the gradients do not agree with central differences.")


def noisy_sine(n=1200, context=30):
    """Return windows x (n, context, 1) of a noisy sine and the value after each, y (n, 1)."""
    rng = np.random.default_rng(1)
    series = np.sin(0.3 * np.arange(n + context)) + NOISE * rng.normal(size=n + context)
    windows = np.lib.stride_tricks.sliding_window_view(series.astype(np.float32), context + 1)
    return windows[:, :-1, None], windows[:, -1:]


def train_on_sine():
    """Train on the first 1000 windows; return the model and the last 200."""
    x, y = noisy_sine()
    model = gw.Sequential(gw.GRU(1, 16, rng=0), gw.Last(), gw.Dense(16, 1, rng=1))
    optimizer = gw.optimizers.Adam(0.01)
    history = gw.train(model, x[:1000], y[:1000], loss="mse", optimizer=optimizer, epochs=15, clip=1.0, rng=0)
    print(f"training loss {history['loss'][0]:.4f} -> {history['loss'][-1]:.4f} in {len(history)} epochs")
    return model, x[1000:], y[1000:]


def measure(model, x, y):
    """Print the error on values not trained on, beside what no forecast can beat and what an idle one has."""
    error = gw.losses.mse(model(x)[0], y)[0]
    idle = gw.losses.mse(x[:, -1], y)[0]
    print(f"test MSE {error:.4f}; the noise alone {NOISE**2:.4f}, repeating the last value {idle:.4f}")
    if error > 2 * NOISE**2:
        raise SystemExit(f"test MSE {error:.4f}; expected at most twice the noise, {2 * NOISE**2:.4f}.")


def save_and_load(model, x):
    """Write the model to a safetensors file and read it back."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sine.safetensors"
        gw.save(model, path)
        twin = gw.load(path)
        print(f"{path.name}: {path.stat().st_size} bytes")
    if not np.array_equal(model(x)[0], twin(x)[0]):
        raise SystemExit("the model read from the file predicts other numbers.")
    print("the model read from it predicts the same numbers")


def main():
    gru = gw.GRU(3, 16, rng=0)
    forward_and_backward(gru)
    certify(gru)
    model, x, y = train_on_sine()
    measure(model, x, y)
    save_and_load(model, x)


if __name__ == "__main__":
    main()
