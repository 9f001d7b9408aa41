"""Networks written by hand for PyTorch tensors are examined as those for arrays are."""

import sys

import numpy as np
import pytest

import gatewise as gw
from gatewise.examine.loading import load
from gatewise.examine.result import from_json

SLIPS = {"da_n": "(1 − n)² stands for (1 − n²)", "dUn": "r is left out"}

GRU = '''
import torch
from torch import nn


class {name}({base}):
    def __init__(self, input_size, hidden_size):
        super().__init__()
        for gate in "rzn":
            setattr(self, "W" + gate, {wrap}(torch.randn(input_size, hidden_size)))
            setattr(self, "U" + gate, {wrap}(torch.randn(hidden_size, hidden_size)))
            setattr(self, "b" + gate, {wrap}(torch.zeros(hidden_size)))

    def forward(self, x, h_prev):
        r = torch.sigmoid(x @ self.Wr + h_prev @ self.Ur + self.br)
        z = torch.sigmoid(x @ self.Wz + h_prev @ self.Uz + self.bz)
        n = torch.tanh(x @ self.Wn + (r * h_prev) @ self.Un + self.bn)
        self.cache = x, h_prev, r, z, n
        return z * h_prev + (1 - z) * n

    def backward(self, dh):
        x, h_prev, r, z, n = self.cache
        dn = dh * (1 - z)
        dz = dh * (h_prev - n)
        da_n = dn * {slope}
        da_z = dz * z * (1 - z)
        ds = da_n @ self.Un.T
        da_r = ds * h_prev * r * (1 - r)
        grads = dict(Wr=x.T @ da_r, Ur=h_prev.T @ da_r, br=da_r.sum(0),
                     Wz=x.T @ da_z, Uz=h_prev.T @ da_z, bz=da_z.sum(dim=0),
                     Wn=x.T @ da_n, Un={s}.T @ da_n, bn=da_n.sum(0))
        dx = da_r @ self.Wr.T + da_z @ self.Wz.T + da_n @ self.Wn.T
        dh_prev = dh * z + ds * r + da_r @ self.Ur.T + da_z @ self.Uz.T
        {end}
'''  # fmt: skip
ENDS = {
    "returned": "return dx, dh_prev, grads",
    "attribute": "self.grads = grads\n        return dx, dh_prev",
    "grad": "for k, g in grads.items():\n            getattr(self, k).grad = g\n        return dx, dh_prev",
}


def written(base="object", wrap="", end="returned", wrong=True):
    text = GRU.format(
        name="Own", base=base, wrap=wrap, end=ENDS[end], slope="(1 - n) ** 2" if wrong else "(1 - n ** 2)",
        s="h_prev" if wrong else "(r * h_prev)",
    )  # fmt: skip
    names = {"__name__": "tensors"}
    exec(text, names)
    return names["Own"]


WAYS = [("object", "", "returned"), ("object", "nn.Parameter", "grad"), ("nn.Module", "nn.Parameter", "attribute"),
        ("nn.Module", "nn.Parameter", "grad")]  # fmt: skip


@pytest.mark.peers
@pytest.mark.parametrize(("base", "wrap", "end"), WAYS)
def test_a_class_on_tensors_is_examined(base, wrap, end):
    torch = pytest.importorskip("torch")
    right = gw.examine(written(base, wrap, end, wrong=False))
    assert right.ok, str(right)
    assert "on PyTorch tensors" in right.taken_as
    assert right.convention["reset"] == "before"
    assert max(row.error for row in right.gradients) < 1e-8
    own = written(base, wrap, end)(3, 5)
    before = {name: (value.clone(), value.requires_grad) for name, value in vars(own).items() if torch.is_tensor(value)}
    random = torch.get_rng_state()
    wrong = gw.examine(own)
    assert {slip.array: slip.what for slip in wrong.slips} == SLIPS, str(wrong)
    assert all(slip.difference < 1e-12 for slip in wrong.slips)
    assert all(torch.equal(getattr(own, name), value) for name, (value, _) in before.items())
    assert all(getattr(own, name).requires_grad == asks for name, (_, asks) in before.items())
    assert all(getattr(own, name).grad is None for name in before)
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.get_default_dtype() == torch.float32
    assert from_json(wrong.to_json()).slips == wrong.slips


@pytest.mark.peers
def test_a_sequence_that_starts_from_torch_zeros_and_changes_its_weights():
    torch = pytest.importorskip("torch")

    class Elman:
        def __init__(self, input_size, hidden_size, lr=0.1):
            self.W = torch.nn.Parameter(torch.randn(input_size, hidden_size))
            self.U = torch.nn.Parameter(torch.randn(hidden_size, hidden_size))
            self.lr = lr

        def forward(self, xs):
            h = torch.zeros(xs.shape[1], self.U.shape[0])
            self.steps = []
            for x in xs:
                h_prev, h = h, torch.tanh(x @ self.W + h @ self.U)
                self.steps.append((x, h_prev, h))
            return torch.stack([h for _, _, h in self.steps])

        def backward(self, dhs):
            dxs, dh = [], 0.0
            dW, dU = torch.zeros_like(self.W), torch.zeros_like(self.U)
            for (x, h_prev, h), dy in zip(self.steps[::-1], reversed(dhs), strict=True):
                da = (dy + dh) * (1 - h**2)
                dW += x.T @ da
                dU += h_prev.T @ da
                dxs.insert(0, da @ self.W.T)
                dh = da @ self.U
            with torch.no_grad():
                self.W -= self.lr * dW
                self.U -= self.lr * dU
            return torch.stack(dxs)

    examination = gw.examine(Elman)
    assert [slip.what for slip in examination.slips if slip.target != "updated inside"] == [
        "the transpose of U is missing"
    ]


@pytest.mark.peers
def test_a_module_of_linear_modules_that_keeps_its_state():
    torch = pytest.importorskip("torch")

    class Elman(torch.nn.Module):
        def __init__(self, input_size, hidden_size):
            super().__init__()
            self.ih = torch.nn.Linear(input_size, hidden_size)
            self.hh = torch.nn.Linear(hidden_size, hidden_size)
            self.h = torch.zeros(1, hidden_size)

        def forward(self, x):
            self.x, self.h_prev = x, self.h
            self.h = torch.tanh(self.ih(x) + self.hh(self.h))
            return self.h

        def backward(self, dh):
            da = dh * (1 - self.h) ** 2
            self.ih.weight.grad, self.hh.weight.grad = da.T @ self.x, da.T @ self.h_prev
            self.ih.bias.grad = self.hh.bias.grad = da.sum(0)
            return da @ self.ih.weight, da @ self.hh.weight

    examination = gw.examine(Elman)
    assert [slip.what for slip in examination.slips] == ["(1 − h)² stands for (1 − h²)"]
    assert [row.array for row in examination.gradients][:2] == ["ih.weight.grad", "ih.bias.grad"]
    assert "the state kept in h on PyTorch tensors" in examination.taken_as


@pytest.mark.peers
def test_functions_on_tensors_with_weights_among_their_parameters():
    torch = pytest.importorskip("torch")

    def forward(x, h_prev, W, U, b):
        h = torch.tanh(x @ W + h_prev @ U + b)
        return h, (x, h_prev, h, W, U)

    def backward(dh, cache):
        x, h_prev, h, W, U = cache
        da = dh * (1 - h**2)
        return da @ W.T, da @ U.T, x.T @ da, h_prev.T @ da, da.sum(0)

    names = ("dx", "dh_prev", "dW", "dU", "db")
    weights = {"W": torch.randn(3, 5), "U": torch.randn(5, 5), "b": torch.zeros(5)}
    in_a_dict = (
        lambda weights, x, h_prev: forward(x, h_prev, **weights),
        lambda dh, cache: dict(zip(names, backward(dh, cache), strict=True)),
        weights,
    )
    for own in (gw.examine((forward, backward)), gw.examine(in_a_dict)):
        assert own.ok, str(own)
        assert "on PyTorch tensors" in own.taken_as


def test_a_file_for_an_absent_torch_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "mine.py").write_text("import torch\n")
    with pytest.raises(gw.GatewiseError, match="pip install torch"):
        load(str(tmp_path / "mine.py"))


def test_torch_is_not_imported_for_arrays():
    class Elman:
        def __init__(self, input_size, hidden_size):
            self.W, self.U = np.zeros((input_size, hidden_size)), np.zeros((hidden_size, hidden_size))

        def forward(self, x, h_prev):
            self.cache = x, h_prev, np.tanh(x @ self.W + h_prev @ self.U)
            return self.cache[2]

        def backward(self, dh):
            x, h_prev, h = self.cache
            da = dh * (1 - h**2)
            return da @ self.W.T, da @ self.U.T, {"W": x.T @ da, "U": h_prev.T @ da}

    before = "torch" in sys.modules
    assert "PyTorch" not in gw.examine(Elman).taken_as
    assert ("torch" in sys.modules) == before
