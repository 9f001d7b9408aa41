"""Each cell's equations, as its docstring states them, as scalar loops give them, and their derivatives."""

import re

import naive
import numpy as np
import pytest
from forms import FORMS, weight_shapes

B, D, H = 4, 3, 5
CELLS = {name: form.cell for name, form in FORMS.items()}
SIGN = {"⊙": "*", "−": "-", "ᵀ": ".T", "{t-1}": "before"}
FUNCTIONS = {
    "σ": lambda a: 1 / (1 + np.exp(-a)),
    "tanh": np.tanh,
    "relu": lambda a: np.maximum(a, 0),
}


def equations_of(text):
    """[(name, expression)] of the indented lines `name = expression` of a docstring, in order."""
    return re.findall(r"^ {4}(\w+) = (.+)$", text, flags=re.MULTILINE)


def translated(expression):
    """An equation's right side as Python: `r ⊙ q_n` is a product by elements, `x_t Wᵀ` one of matrices."""
    for mark, python in SIGN.items():
        expression = expression.replace(mark, python)
    return re.sub(r"(?<=[\w)]) (?=[A-Z])", " @ ", expression)


def evaluated(equations, letters, values):
    """Carry out the equations in turn; a new vector of all gates also gives its parts: p_t gives p_r, p_z, ..."""
    values = dict(values)
    for name, expression in equations:
        result = eval(translated(expression), FUNCTIONS | values)
        values[name] = result
        if name in ("p_t", "q_t"):
            parts = np.split(result, len(letters), axis=-1)
            values |= {f"{name[0]}_{letter}": part for letter, part in zip(letters, parts, strict=True)}
    return values


def equations_for(cell):
    """The equations of a form; a docstring that states two says in which line the second differs."""
    text = FORMS[cell].equations
    if cell.startswith("gru"):
        shared, own = (equations_of(part) for part in text.split("`RESET_BEFORE`"))
        assert [name for name, _ in own] == ["n"]
        return [own[0] if name == "n" and cell == "gru_before" else (name, line) for name, line in shared]
    if cell.startswith("rnn"):
        assert "tanh is replaced by relu(a) = max(a, 0)" in text
        return [(name, line.replace("tanh", cell.removeprefix("rnn_"))) for name, line in equations_of(text)]
    return equations_of(text)


def draw(cell, seed, dtype=np.float64):
    """Random x, state, W, U, b, c."""
    rng = np.random.default_rng(seed)
    shapes = [(B, D), *[(B, H)] * len(CELLS[cell].states), *weight_shapes(cell, D, H)]
    x, *state, W, U, b, c = (rng.normal(size=shape).astype(dtype) for shape in shapes)
    return x, tuple(state), W, U, b, c


def test_the_translator_reads_products_gates_and_steps():
    assert translated("p_n + (r ⊙ h_{t-1}) U_nᵀ + c_n") == "p_n + (r * h_before) @ U_n.T + c_n"
    assert translated("x_t Wᵀ + b") == "x_t @ W.T + b"
    assert translated("n + z ⊙ (h_{t-1} − n)") == "n + z * (h_before - n)"
    assert equations_of("Text = text:\n\n    a_t = b\n    z = σ(a_t)\n\nand\n\n    c = d") == [
        ("a_t", "b"),
        ("z", "σ(a_t)"),
        ("c", "d"),
    ]


@pytest.mark.parametrize("cell", CELLS)
def test_the_docstring_says_what_step_does(cell):
    equations, letters, text = equations_for(cell), CELLS[cell].letters, FORMS[cell].equations
    assert len(equations) >= 3
    assert len(equations_of(text)) == text.count(" = ") - text.count("relu(a) = max")
    x, state, W, U, b, c = draw(cell, 1)
    values = {"x_t": x, "h_before": state[0], "W": W, "U": U, "b": b, "c": c}
    if len(state) == 2:
        values["c_before"] = state[1]
    if cell == "gru_before":
        values |= {"U_n": U[2 * H :], "c_n": c[2 * H :]}
    values = evaluated(equations, letters, values)
    got, record = CELLS[cell].step(x @ W.T + b, state, U, c)
    needed = [values[name] for name in ["h_t", "c_t"][: len(state)] + FORMS[cell].letters]
    for array, need in zip((*got, *record), needed, strict=True):
        np.testing.assert_allclose(array, need, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_step_equals_scalar_loops(cell):
    x, state, W, U, b, c = draw(cell, 2)
    got, record = CELLS[cell].step(x @ W.T + b, state, U, c)
    assert len(got) == len(CELLS[cell].states)
    assert len(record) == len(CELLS[cell].recorded)
    weights = [a.tolist() for a in (W, U, b, c)]
    for row in range(B):
        need, gates = naive.STEPS[cell](x[row].tolist(), [s[row].tolist() for s in state], *weights)
        for name, array in zip(CELLS[cell].states, got, strict=True):
            np.testing.assert_allclose(array[row], gates[name], rtol=0, atol=1e-12, err_msg=name)
        for name, array in zip(CELLS[cell].recorded, record, strict=True):
            np.testing.assert_allclose(array[row], gates[name], rtol=0, atol=1e-12, err_msg=name)
        np.testing.assert_allclose([a[row] for a in got], need, rtol=0, atol=1e-12)


def differences(function, array, step=1e-6):
    """The gradient of a scalar function with respect to `array`, element by element."""
    gradient = np.empty_like(array)
    for index in np.ndindex(array.shape):
        kept = array[index]
        array[index] = kept + step
        above = function()
        array[index] = kept - step
        gradient[index] = (above - function()) / (2 * step)
        array[index] = kept
    return gradient


@pytest.mark.parametrize("cell", CELLS)
def test_step_backward_equals_central_differences(cell):
    kind = CELLS[cell]
    x, state, W, U, b, c = draw(cell, 3)
    p = x @ W.T + b
    rng = np.random.default_rng(4)
    dstate = tuple(rng.normal(size=s.shape) for s in state)

    def loss():
        return sum(float((new * d).sum()) for new, d in zip(kind.step(p, state, U, c)[0], dstate, strict=True))

    after, record = kind.step(p, state, U, c)
    dp, dq, dbefore = kind.step_backward(dstate, after, state, record, U)
    dU = kind.recurrent_gradient(dq, state[0], record)
    pairs = {"dp": (dp, p), "dc": (dq.sum(axis=0), c), "dU": (dU, U)}
    pairs |= {f"d{name}": (d, s) for name, d, s in zip(kind.states, dbefore, state, strict=True)}
    for name, (got, array) in pairs.items():
        assert got.shape == array.shape
        np.testing.assert_allclose(got, differences(loss, array), rtol=1e-7, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dtype_stays(cell, dtype):
    kind = CELLS[cell]
    x, state, W, U, b, c = draw(cell, 5, dtype)
    after, record = kind.step(x @ W.T + b, state, U, c)
    dp, dq, dbefore = kind.step_backward(after, after, state, record, U)
    dU = kind.recurrent_gradient(dq, state[0], record)
    assert {a.dtype for a in (*after, *record, dp, dq, *dbefore, dU)} == {np.dtype(dtype)}


@pytest.mark.parametrize("cell", CELLS)
def test_a_step_does_not_change_its_arguments(cell):
    kind = CELLS[cell]
    arguments = draw(cell, 6)
    x, state, W, U, b, c = arguments
    p = x @ W.T + b
    for array in (p, *state, U, c):
        array.flags.writeable = False
    after, record = kind.step(p, state, U, c)
    for array in (*after, *record):
        array.flags.writeable = False
    first = kind.step_backward(after, after, state, record, U)
    again = kind.step_backward(after, after, state, record, U)
    np.testing.assert_equal(first, again)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("size", [-1e4, 1e4])
def test_large_pre_activations_stay_finite(cell, size):
    kind = CELLS[cell]
    _, state, W, U, _, c = draw(cell, 7)
    p = np.full((B, len(W)), size)
    after, record = kind.step(p, state, U, c)
    gradients = kind.step_backward(after, after, state, record, U)
    dp, dq, dbefore = gradients
    assert all(np.isfinite(a).all() for a in (*after, *record, dp, dq, *dbefore))
