"""Classes whose forward pass takes x alone and keeps the state in an attribute."""

import numpy as np
import pytest

import gatewise as gw


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


class Elman:
    """Columns, h in self.h, reset by a method; the gradient of the state stays in self.dh_next."""

    slip = False

    def __init__(self, input_size, hidden_size):
        self.hidden_size = hidden_size
        self.W, self.U = np.zeros((hidden_size, input_size)), np.zeros((hidden_size, hidden_size))
        self.b = np.zeros((hidden_size, 1))
        self.reset()

    def reset(self):
        self.h, self.dh_next = np.zeros((self.hidden_size, 1)), np.zeros((self.hidden_size, 1))

    def forward(self, x):
        self.x, self.h_prev = x, self.h
        self.h = np.tanh(self.W @ x + self.U @ self.h + self.b)
        return self.h

    def backward(self, dh):
        dh = dh + self.dh_next
        da = dh * (1 - self.h) ** 2 if self.slip else dh * (1 - self.h**2)
        self.dW, self.dU, self.db = da @ self.x.T, da @ self.h_prev.T, da.sum(axis=1, keepdims=True)
        self.dh_next = self.U.T @ da
        return self.W.T @ da


class Late(Elman):
    """The state of the last call in self.h_prev, self.h only an output; nothing is returned."""

    def forward(self, x):
        self.x, self.before = x, self.h_prev
        self.h = self.h_prev = np.tanh(self.W @ x + self.U @ self.h_prev + self.b)
        return self.h

    def reset(self):
        super().reset()
        self.h_prev = np.zeros((self.hidden_size, 1))

    def backward(self, dh):
        self.h_prev = self.before
        return super().backward(dh)


class LSTM:
    slip = False

    def __init__(self, input_size, hidden_size):
        self.W = np.zeros((input_size + hidden_size, 4 * hidden_size))
        self.b = np.zeros(4 * hidden_size)
        self.h, self.c = np.zeros((1, hidden_size)), np.zeros((1, hidden_size))

    def forward(self, x):
        joined = np.concatenate([x, self.h], axis=1)
        i, f, g, o = np.split(joined @ self.W + self.b, 4, axis=1)
        i, f, g, o = sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)
        c_prev, self.c = self.c, f * self.c + i * g
        self.cache = joined, c_prev, i, f, g, o, np.tanh(self.c)
        self.h = o * np.tanh(self.c)
        return self.h

    def backward(self, dh, dc):
        joined, c_prev, i, f, g, o, t = self.cache
        dc = dc + (dh * o if self.slip else dh * o * (1 - t**2))
        da = np.concatenate(
            [dc * g * i * (1 - i), dc * c_prev * f * (1 - f), dc * i * (1 - g**2), dh * t * o * (1 - o)], axis=1
        )
        self.dW, self.db = joined.T @ da, da.sum(axis=0)
        d = da @ self.W.T
        D = d.shape[1] - dh.shape[1]
        return d[:, :D], d[:, D:], dc * f


@pytest.mark.parametrize(
    ("cls", "where"), [(Elman, "kept in h;"), (Late, "kept in h_prev;"), (LSTM, "kept in h and c;")]
)
def test_a_state_inside_is_found(cls, where):
    right = gw.examine(cls)
    assert right.ok, str(right)
    assert f"the state {where}" in right.taken_as
    assert {"dx", "dh_prev"} <= {row.array for row in right.gradients}
    wrong = gw.examine(type("Wrong", (cls,), {"slip": True}))
    (slip,) = wrong.slips
    assert slip.difference < 1e-12
    assert slip.what in ("(1 − h)² stands for (1 − h²)", "(1 − tanh_c²) is left out"), str(wrong)
