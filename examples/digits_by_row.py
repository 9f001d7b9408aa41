"""Digits read row by row: a bidirectional GRU names scikit-learn's 8×8 images, each a sequence of 8 rows of 8 pixels.

A quarter of the 1797 images (Alpaydin and Kaynak, UCI optical digits) is the test set. Of the others, 15 % validate:
they choose the best epoch of each training and the best of three dropout probabilities. The test images are looked at
once, by the model chosen.

Expect a test accuracy of about 0.98; below 0.97 the script fails.
"""

import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import gatewise as gw

SEED = 0
HIDDEN = 64
EPOCHS, BATCH = 40, 32
DROPOUTS = (0.0, 0.3, 0.5)
NEEDED = 0.97


def digits():
    """Return (x, y) for training, validation and test: x (n, 8 rows, 8 pixels) in 0 to 1, y (n,) in 0 to 9."""
    x, y = load_digits(return_X_y=True)
    x = (x.reshape(-1, 8, 8) / 16).astype(np.float32)
    x, x_test, y, y_test = train_test_split(x, y, test_size=0.25, stratify=y, random_state=SEED)
    x, x_val, y, y_val = train_test_split(x, y, test_size=0.15, stratify=y, random_state=SEED)
    return (x, y), (x_val, y_val), (x_test, y_test)


def build(dropout):
    return gw.Sequential(
        gw.GRU(8, HIDDEN, bidirectional=True, rng=SEED),
        gw.Last(bidirectional=True),
        gw.Dropout(dropout),
        gw.Dense(2 * HIDDEN, 10, rng=SEED + 1),
    )


def fit(model, training, validation):
    """Train, keep the epoch with the lowest validation loss, and return that loss."""
    steps = EPOCHS * -(-len(training[0]) // BATCH)
    history = gw.train(
        model,
        *training,
        loss="cross_entropy",
        optimizer=gw.optimizers.Adam(gw.schedules.Cosine(1e-2, steps)),
        epochs=EPOCHS,
        batch_size=BATCH,
        validation=validation,
        patience=EPOCHS,
        clip=1.0,
        rng=SEED,
    )
    return min(history["validation_loss"])


def accuracy(model, x, y):
    logits, _ = model(x)
    return float(np.mean(logits.argmax(axis=1) == y))


def main():
    started = time.perf_counter()
    training, validation, test = digits()
    print(f"{'dropout':>7}{'validation loss':>17}{'accuracy':>10}")
    candidates = []
    for dropout in DROPOUTS:
        model = build(dropout)
        loss = fit(model, training, validation)
        candidates.append((loss, dropout, model))
        print(f"{dropout:7}{loss:17.4f}{accuracy(model, *validation):10.4f}", flush=True)
    _, dropout, model = min(candidates, key=lambda candidate: candidate[0])
    reached = accuracy(model, *test)
    seconds = time.perf_counter() - started
    print(f"chosen: dropout {dropout}; test accuracy {reached:.4f} on {len(test[1])} images, {seconds:.1f} s in all")
    if reached < NEEDED:
        raise SystemExit(f"test accuracy {reached:.4f}; expected at least {NEEDED}.")


if __name__ == "__main__":
    main()
