"""What is right: recurrent networks over one sequence in scalar loops, obvious and slow.

Nothing of Gatewise or NumPy is imported. Arrays are nested lists of floats; `params` has PyTorch's names. One
sequence at a time: x is a list of T steps, each a list of D numbers.
"""

from functools import partial
from math import exp, tanh


def sigmoid(a):
    return 1 / (1 + exp(-a)) if a >= 0 else exp(a) / (1 + exp(a))


def dot(row, vector):
    total = 0.0
    for a, b in zip(row, vector, strict=True):
        total += a * b
    return total


def gru_step(x, state, W, U, b, c, reset):
    """Rows of W, U, b, c: r (0..H-1), z (H..2H-1), n (2H..3H-1)."""
    (h,) = state
    H = len(h)
    r = [sigmoid(dot(W[j], x) + b[j] + dot(U[j], h) + c[j]) for j in range(H)]
    z = [sigmoid(dot(W[H + j], x) + b[H + j] + dot(U[H + j], h) + c[H + j]) for j in range(H)]
    n, q_n = [], []
    for j in range(H):
        row = 2 * H + j
        if reset == "after":
            q_n.append(dot(U[row], h) + c[row])
            n.append(tanh(dot(W[row], x) + b[row] + r[j] * q_n[j]))
        else:
            gated = [r[k] * h[k] for k in range(H)]
            n.append(tanh(dot(W[row], x) + b[row] + dot(U[row], gated) + c[row]))
    new = [(1 - z[j]) * n[j] + z[j] * h[j] for j in range(H)]
    values = {"reset": r, "update": z, "candidate": n, "hidden": new}
    if reset == "after":
        values["recurrent_candidate"] = q_n
    return (new,), values


def lstm_step(x, state, W, U, b, c):
    """Rows of W, U, b, c: i, f, g, o."""
    h, cell = state
    H = len(h)
    a = [dot(W[k], x) + b[k] + dot(U[k], h) + c[k] for k in range(4 * H)]
    i = [sigmoid(a[j]) for j in range(H)]
    f = [sigmoid(a[H + j]) for j in range(H)]
    g = [tanh(a[2 * H + j]) for j in range(H)]
    o = [sigmoid(a[3 * H + j]) for j in range(H)]
    new_cell = [f[j] * cell[j] + i[j] * g[j] for j in range(H)]
    new = [o[j] * tanh(new_cell[j]) for j in range(H)]
    return (new, new_cell), {"input": i, "forget": f, "candidate": g, "output": o, "hidden": new, "cell": new_cell}


def rnn_step(x, state, W, U, b, c, nonlinearity):
    (h,) = state
    new = []
    for j in range(len(h)):
        a = dot(W[j], x) + b[j] + dot(U[j], h) + c[j]
        new.append(tanh(a) if nonlinearity == "tanh" else max(a, 0.0))
    return (new,), {"hidden": new}


def mingru_step(x, state, W, U, b, c):
    """Rows of W and b: z (0..H-1), n (H..2H-1); there is no U and no c."""
    (h,) = state
    H = len(h)
    z = [sigmoid(dot(W[j], x) + b[j]) for j in range(H)]
    n = [dot(W[H + j], x) + b[H + j] for j in range(H)]
    new = [(1 - z[j]) * h[j] + z[j] * n[j] for j in range(H)]
    return (new,), {"update": z, "candidate": n, "hidden": new}


STEPS = {
    "gru_after": partial(gru_step, reset="after"),
    "gru_before": partial(gru_step, reset="before"),
    "lstm": lstm_step,
    "rnn_tanh": partial(rnn_step, nonlinearity="tanh"),
    "rnn_relu": partial(rnn_step, nonlinearity="relu"),
    "mingru": mingru_step,
}
"""One step of each form: the new state (h,) or (h, c), and every gate by name."""


def one_direction(cell, x, state, W, U, b, c, backward):
    """Outputs in the order of x, the state after the last step taken, and the gates in the order of x."""
    outputs = [None] * len(x)
    values = [None] * len(x)
    order = range(len(x) - 1, -1, -1) if backward else range(len(x))
    for t in order:
        state, values[t] = STEPS[cell](x[t], state, W, U, b, c)
        outputs[t] = state[0]
    return outputs, state, values


def network(cell, params, x, states, layers=1, directions=1, length=None):
    """Run one sequence through a stack; only its first `length` steps exist.

    `states` has one (h,) or (h, c) for each layer and direction. Returns the outputs (len(x) steps, 0 past the
    length), the final states in the order of `states`, and for each layer and direction a list of `length` dicts.
    """
    length = len(x) if length is None else length
    sequence = x[:length]
    finals, gates = [], []
    for layer in range(layers):
        sides = []
        for k in range(directions):
            end = f"_l{layer}" + ("_reverse" if k else "")
            W, U = params["weight_ih" + end], params.get("weight_hh" + end)
            zeros = [0.0] * len(W)
            b, c = params.get("bias_ih" + end, zeros), params.get("bias_hh" + end, zeros)
            state = states[layer * directions + k]
            outputs, final, values = one_direction(cell, sequence, state, W, U, b, c, backward=k == 1)
            sides.append(outputs)
            finals.append(final)
            gates.append(values)
        sequence = [[value for side in sides for value in side[t]] for t in range(length)]
    width = directions * len(states[0][0])
    return sequence + [[0.0] * width] * (len(x) - length), finals, gates
