"""A right Elman network, of one step and over sequences, that tests spoil in one way or another."""

import numpy as np

D, H = 4, 5


class Elman:
    """Right, on row vectors, with weights in attributes; the others below change it."""

    def __init__(self, input_size=D, hidden_size=H):
        rng = np.random.default_rng(0)
        self.W, self.U = rng.normal(size=(input_size, hidden_size)), rng.normal(size=(hidden_size, hidden_size))
        self.b = rng.normal(size=hidden_size)

    def forward(self, x, h_prev):
        h = np.tanh(x @ self.W + h_prev @ self.U + self.b)
        self.cache = x, h_prev, h
        return h

    def backward(self, dh):
        x, h_prev, h = self.cache
        da = dh * (1 - h**2)
        self.dW, self.dU, self.db = x.T @ da, h_prev.T @ da, da.sum(axis=0)
        return da @ self.W.T, da @ self.U.T


class Sequence(Elman):
    """Right, over (batch, time, size)."""

    def forward(self, xs, h0=None):
        h = np.zeros((len(xs), len(self.U))) if h0 is None else h0
        self.steps = []
        for t in range(xs.shape[1]):
            h_prev, h = h, np.tanh(xs[:, t] @ self.W + h @ self.U + self.b)
            self.steps.append((xs[:, t], h_prev, h))
        return np.stack([h for _, _, h in self.steps], axis=1)

    def backward(self, dhs):
        self.dW, self.dU, self.db = np.zeros_like(self.W), np.zeros_like(self.U), np.zeros_like(self.b)
        dxs, dh = np.zeros((*dhs.shape[:2], len(self.W))), 0.0
        for t in reversed(range(dhs.shape[1])):
            x, h_prev, h = self.steps[t]
            da = (dhs[:, t] + dh) * (1 - h**2)
            self.dW += x.T @ da
            self.dU += h_prev.T @ da
            self.db += da.sum(axis=0)
            dxs[:, t], dh = da @ self.W.T, da @ self.U.T
        return dxs, dh
