"""The compiled updates of optimizers against those in NumPy."""

import copy

import numpy as np
import pytest

from gatewise import kernels
from gatewise.optimizers import Adam, AdamW

pytestmark = pytest.mark.skipif(not kernels.enabled(), reason="kernels are switched off")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("optimizer", [Adam(0.05), Adam(0.05, weight_decay=0.1), AdamW(0.05, weight_decay=0.3)])
def test_compiled_updates_are_those_in_numpy(monkeypatch, dtype, optimizer):
    rng = np.random.default_rng(0)
    params = {name: rng.normal(size=shape).astype(dtype) for name, shape in (("w", (7, 5)), ("b", (3,)))}
    plain = copy.deepcopy(params)
    optimizer, other = copy.deepcopy(optimizer), copy.deepcopy(optimizer)
    steps = [{name: rng.normal(size=one.shape).astype(dtype) for name, one in params.items()} for _ in range(4)]
    for grads in steps:
        optimizer.step(params, grads)
    monkeypatch.setattr(kernels, "updates", lambda: None)
    for grads in steps:
        other.step(plain, grads)
    tolerance = {"rtol": 2e-5, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-10, "atol": 1e-13}
    for name, one in params.items():
        np.testing.assert_allclose(one, plain[name], **tolerance)
    state = optimizer.state_dict()
    assert state.keys() == other.state_dict().keys()
    np.testing.assert_allclose(state["w/exp_avg_sq"], other.state_dict()["w/exp_avg_sq"], **tolerance)
