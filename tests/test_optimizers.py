from __future__ import annotations

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest

from gatewise.errors import GatewiseError, GatewiseTypeError, GatewiseValueError
from gatewise.optimizers import OPTIMIZERS, SGD, Adagrad, Adam, AdamW, RMSprop, clip_by_global_norm, named_optimizer
from gatewise.optimizers.optimizer import Optimizer
from gatewise.schedules import OneCycle

GOLDEN = np.load(Path(__file__).parent / "golden" / "optimizers.npz")
NAMES = ("w", "b", "rare")
GRADS = {name: GOLDEN[f"grads/{name}"] for name in NAMES}
STEPS, CHECKPOINTS = 300, (1, 2, 10, 100, 300)
CASES = {
    "sgd": lambda: SGD(lr=0.05),
    "sgd_momentum": lambda: SGD(0.05, 0.9),
    "sgd_nesterov_decay": lambda: SGD(0.05, 0.8, True, 0.1),
    "rmsprop": RMSprop,
    "rmsprop_all": lambda: RMSprop(0.02, 0.9, 1e-3, 0.1, 0.7, True),
    "rmsprop_centered": lambda: RMSprop(centered=True),
    "adagrad": Adagrad,
    "adagrad_all": lambda: Adagrad(0.1, 1e-3, 0.1),
    "adam": Adam,
    "adam_all": lambda: Adam(0.02, (0.8, 0.95), 1e-3, 0.1),
    "adamw": AdamW,
    "adamw_all": lambda: AdamW(0.02, (0.8, 0.95), 1e-3, 0.3),
    "adam_one_cycle": lambda: Adam(OneCycle(0.1, STEPS)),
}


def start(dtype=np.float64):
    return {name: GOLDEN[f"start/{name}"].astype(dtype) for name in NAMES}


def grads_of(step, dtype=np.float64):
    """The gradients of a step, from 0; `rare` has one at every third only."""
    present = NAMES if step % 3 == 0 else NAMES[:2]
    return {name: GRADS[name][step].astype(dtype) for name in present}


def advance(optimizer, params, steps, dtype=np.float64):
    for step in steps:
        optimizer.step(params, grads_of(step, dtype))


@pytest.mark.parametrize("case", CASES)
def test_300_steps_are_those_of_pytorch(case):
    params, optimizer, done = start(), CASES[case](), 0
    for row, steps in enumerate(CHECKPOINTS):
        advance(optimizer, params, range(done, steps))
        done = steps
        for name in NAMES:
            np.testing.assert_allclose(params[name], GOLDEN[f"{case}/{name}"][row], rtol=1e-12, atol=1e-12)
    assert optimizer.steps == STEPS


@pytest.mark.parametrize("case", CASES)
def test_float32_stays_float32_in_the_same_arrays(case):
    params, optimizer = start(np.float32), CASES[case]()
    arrays = dict(params)
    advance(optimizer, params, range(30), np.float32)
    assert all(params[name] is arrays[name] for name in NAMES)
    assert {value.dtype for value in params.values()} == {np.dtype(np.float32)}
    state = optimizer.state_dict()
    assert {value.dtype for value in state.values() if not isinstance(value, int)} <= {np.dtype(np.float32)}
    wide = start()
    advance(CASES[case](), wide, range(30))
    for name in NAMES:
        np.testing.assert_allclose(params[name], wide[name], rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("case", CASES)
def test_gradients_stay_as_they_are(case):
    params, optimizer, grads = start(), CASES[case](), grads_of(0)
    before = copy.deepcopy(grads)
    optimizer.step(params, grads)
    optimizer.step(params, grads)
    for name in NAMES:
        np.testing.assert_array_equal(grads[name], before[name])


@pytest.mark.parametrize("case", CASES)
def test_a_loaded_state_continues_bit_for_bit(case, tmp_path):
    params, optimizer = start(), CASES[case]()
    advance(optimizer, params, range(20))
    np.savez(tmp_path / "state.npz", **optimizer.state_dict())
    loaded = CASES[case]()
    with np.load(tmp_path / "state.npz") as state:
        loaded.load_state_dict(dict(state))
    pickled = pickle.loads(pickle.dumps(optimizer))
    runs = [(optimizer, params), (loaded, copy.deepcopy(params)), (pickled, copy.deepcopy(params))]
    for each, own in runs:
        advance(each, own, range(20, 40))
    for name in NAMES:
        np.testing.assert_array_equal(runs[0][1][name], runs[1][1][name])
        np.testing.assert_array_equal(runs[0][1][name], runs[2][1][name])
    assert loaded.steps == 40


def test_state_is_copied_out_and_in():
    params, optimizer = start(), Adam()
    advance(optimizer, params, range(3))
    state = optimizer.state_dict()
    before = copy.deepcopy(state)
    advance(optimizer, params, range(3, 6))
    other = Adam()
    other.load_state_dict(state)
    advance(other, params, range(3, 6))
    assert list(state) == list(before)
    for key, value in state.items():
        np.testing.assert_array_equal(value, before[key])
    assert before["steps"] == before["w/steps"] == 3
    assert before["rare/steps"] == 1
    assert before["w/exp_avg_sq"].shape == (4, 3)


def state_of(**changes):
    state = {"steps": 1, "w/steps": 1, "w/exp_avg": np.ones(3), "w/exp_avg_sq": np.ones(3)} | changes
    return {key: value for key, value in state.items() if value is not None}


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (state_of(steps=None), "state lacks steps"),
        (state_of(steps=-1), "steps is -1; need at least 0"),
        (state_of(steps=1.5), "steps is 1.5; need an integer"),
        (state_of(extra=1), "state has unknown extra"),
        (state_of(**{"w/exp_avg": None}), "state lacks w/exp_avg"),
        (state_of(**{"w/sum": np.ones(3)}), "state has unknown w/sum"),
        (state_of(**{"w/steps": "two"}), "w/steps is 'two'; need an integer"),
        (state_of(**{"w/exp_avg": [1.0]}), r"w/exp_avg is \[1.0\]; need an array of float32 or float64"),
        (state_of(**{"w/exp_avg": np.ones(3, int)}), "w/exp_avg is .*; need an array of float32 or float64"),
        (state_of(**{"w/exp_avg_sq": np.ones(2)}), r"w/exp_avg_sq has shape \(2,\); need \(3,\)"),
        (
            state_of(**{"w/exp_avg_sq": np.ones(3, np.float32)}),
            "w/exp_avg_sq has dtype float32; need float64",
        ),
        ([1, 2], "state is a list; need what state_dict"),
    ],
)
def test_a_wrong_state_changes_nothing(state, text):
    optimizer = Adam()
    optimizer.step({"w": np.ones(3)}, {"w": np.ones(3)})
    before = optimizer.state_dict()
    with pytest.raises(GatewiseError, match=text):
        optimizer.load_state_dict(state)
    after = optimizer.state_dict()
    assert list(after) == list(before)
    for key, value in after.items():
        np.testing.assert_array_equal(value, before[key])


def test_a_state_of_another_model_is_refused_before_anything_changes():
    optimizer = Adam()
    optimizer.load_state_dict(state_of())
    params = {"a": np.ones(2), "w": np.ones(4)}
    with pytest.raises(GatewiseValueError, match=r"exp_avg of 'w' in the optimizer has shape \(3,\); need \(4,\)"):
        optimizer.step(params, {"a": np.ones(2), "w": np.ones(4)})
    np.testing.assert_array_equal(params["a"], [1.0, 1.0])


def frozen():
    array = np.ones(3)
    array.flags.writeable = False
    return array


@pytest.mark.parametrize(
    ("params", "grads", "kind", "text"),
    [
        ({}, {"z": np.ones(3)}, GatewiseValueError, "grads has unknown z; need keys of params: a, w"),
        ({}, {"w": np.ones(2)}, GatewiseValueError, r"grads\['w'\] has shape \(2,\); need \(3,\)"),
        ({}, {"w": np.ones((1, 3))}, GatewiseValueError, r"grads\['w'\] has shape \(1, 3\); need \(3,\)"),
        (
            {},
            {"w": np.ones(3, np.float32)},
            GatewiseTypeError,
            r"grads\['w'\] has dtype float32; need float64",
        ),
        ({}, {"w": [1.0, 1.0, 1.0]}, GatewiseTypeError, r"grads\['w'\] is a list; need a NumPy array"),
        (
            {"w": [1.0]},
            {"w": np.ones(1)},
            GatewiseTypeError,
            r"params\['w'\] is of type list; need an array of float32",
        ),
        (
            {"w": np.ones(3, int)},
            {"w": np.ones(3, int)},
            GatewiseTypeError,
            r"params\['w'\] is of type array of int64",
        ),
        (
            {"w": frozen()},
            {"w": np.ones(3)},
            GatewiseValueError,
            r"params\['w'\] is read-only; need an array to write",
        ),
    ],
)
def test_wrong_gradients_change_nothing(params, grads, kind, text):
    params, optimizer = {"a": np.ones(3), "w": np.ones(3)} | params, AdamW()
    with pytest.raises(kind, match=text):
        optimizer.step(params, {"a": np.ones(3)} | grads)
    np.testing.assert_array_equal(params["a"], np.ones(3))
    assert optimizer.state_dict() == {"steps": 0}


def test_a_schedule_gets_the_index_of_the_step_from_0():
    indices = []
    optimizer = SGD(lambda index: indices.append(index) or 0.5)
    indices.clear()  # the constructor tries it
    advance(optimizer, start(), range(3))
    assert indices == [0, 1, 2]


def test_a_schedule_that_fails_changes_nothing():
    params, optimizer = start(), SGD(lambda index: 0.1 if index == 0 else -1.0)
    advance(optimizer, params, range(1))
    before = copy.deepcopy(params)
    with pytest.raises(GatewiseValueError, match=r"lr is -1.0; need at least 0"):
        optimizer.step(params, grads_of(0))
    np.testing.assert_array_equal(params["w"], before["w"])
    assert optimizer.steps == 1


def test_the_rate_may_be_changed_between_steps():
    params, optimizer = {"w": np.float32([1.0])}, SGD(0.5)
    optimizer.step(params, {"w": np.float32([1.0])})
    optimizer.lr = np.float64(0.25)
    optimizer.step(params, {"w": np.float32([1.0])})
    np.testing.assert_array_equal(params["w"], np.float32([0.25]))


def test_centered_rmsprop_survives_a_constant_gradient():
    grad = np.random.default_rng(0).random(20, dtype=np.float32)
    params, optimizer = {"w": grad.copy()}, RMSprop(alpha=0.5, centered=True)
    for _ in range(100):
        optimizer.step(params, {"w": grad})
    assert np.isfinite(params["w"]).all()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: SGD(-0.1), "lr is -0.1; need at least 0"),
        (lambda: SGD("fast"), "lr is 'fast'; need a number"),
        (lambda: SGD(lambda index: "fast"), "lr is 'fast'; need a number"),
        (lambda: SGD(momentum=-0.1), "momentum is -0.1; need at least 0"),
        (lambda: SGD(nesterov=True), "nesterov is True and momentum is 0; need a momentum"),
        (lambda: SGD(weight_decay=-0.1), "weight_decay is -0.1; need at least 0"),
        (lambda: RMSprop(alpha=1.5), "alpha is 1.5; need at least 0 and at most 1"),
        (lambda: RMSprop(eps=-1e-9), "eps is -1e-09; need at least 0"),
        (lambda: Adagrad(eps="tiny"), "eps is 'tiny'; need a number"),
        (lambda: Adam(betas=(0.9, 1.0)), r"betas\[1\] is 1.0; need at least 0 and less than 1"),
        (lambda: Adam(betas=(-0.9, 0.9)), r"betas\[0\] is -0.9; need at least 0"),
        (lambda: Adam(betas=0.9), "betas is 0.9; need two numbers"),
        (lambda: AdamW(betas=(0.9,)), r"betas is \(0.9,\); need two numbers"),
        (lambda: clip_by_global_norm({}, 0.0), "limit is 0.0; need more than 0"),
        (
            lambda: clip_by_global_norm({"w": [1.0]}, 1.0),
            r"grads\['w'\] is of type list; need an array of float32",
        ),
        (lambda: clip_by_global_norm({"w": frozen()}, 1.0), r"grads\['w'\] is read-only"),
    ],
)
def test_wrong_settings(call, text):
    with pytest.raises(GatewiseError, match=text):
        call()


def test_names_and_defaults():
    assert {"sgd": SGD, "rmsprop": RMSprop, "adagrad": Adagrad, "adam": Adam, "adamw": AdamW} == OPTIMIZERS
    assert repr(AdamW()) == "AdamW(lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01)"
    assert repr(SGD(0.1)) == "SGD(lr=0.1, momentum=0.0, nesterov=False, weight_decay=0.0)"


def test_clipping_is_that_of_pytorch():
    grads = grads_of(0)
    arrays = dict(grads)
    norm = clip_by_global_norm(grads, 0.7)
    assert type(norm) is float
    np.testing.assert_allclose(norm, GOLDEN["clip/norm"], rtol=1e-14)
    for name in NAMES:
        assert grads[name] is arrays[name]
        np.testing.assert_allclose(grads[name], GOLDEN[f"clip/{name}"], rtol=1e-14)


@pytest.mark.parametrize("limit", [5.0, 5.5, np.inf])
def test_gradients_within_the_limit_stay(limit):
    grads = {"w": np.array([3.0, 0.0]), "b": np.array([[4.0]])}
    assert clip_by_global_norm(grads, limit) == 5.0
    assert grads["w"].tolist() == [3.0, 0.0]
    assert grads["b"].tolist() == [[4.0]]


@pytest.mark.parametrize(("bad", "norm"), [(np.nan, "nan"), (np.inf, "inf"), (-np.inf, "inf")])
def test_gradients_without_a_finite_norm_stay(bad, norm):
    grads = {"w": np.array([3.0, bad]), "b": np.array([4.0])}
    assert str(clip_by_global_norm(grads, 1.0)) == norm
    assert grads["b"].tolist() == [4.0]
    assert grads["w"][0] == 3.0


def test_the_norm_of_float32_is_computed_in_float64():
    grads = {"w": np.full(10, 1e30, np.float32)}
    assert clip_by_global_norm(grads, np.float64(1.0)) == pytest.approx(np.sqrt(10) * 1e30, rel=1e-7)
    assert grads["w"].dtype == np.float32
    np.testing.assert_allclose(grads["w"], np.full(10, 10**-0.5), rtol=1e-6)


def test_a_pack_follows_what_happens_to_its_parts():
    """Writing to parameters, copies, other gradients and states in between leave the numbers as they were."""
    rng = np.random.default_rng(0)
    start = {name: rng.normal(size=shape) for name, shape in (("w", (3, 2)), ("b", (2,)), ("c", (4,)))}
    gradients = [{name: rng.normal(size=one.shape) for name, one in start.items()} for _ in range(6)]

    def run(together):
        params, optimizer = copy.deepcopy(start), AdamW(0.1)
        for k, grads in enumerate(gradients):
            if k == 2:
                params["w"][0] = 7.0
                params["b"] = params["b"] * 2
            if k == 3:
                optimizer.step(params, {"c": grads["c"]})
            if k == 4:
                optimizer = copy.deepcopy(optimizer)
            if k == 5:
                state = optimizer.state_dict()
                optimizer = AdamW(0.1)
                optimizer.load_state_dict(state)
            if not together:
                optimizer._pack = None
            optimizer.step(params, grads)
        return params, optimizer.state_dict()

    for one, other in zip(run(True), run(False), strict=True):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-12)


@pytest.mark.parametrize(
    ("kind", "defaults"),
    [
        (SGD, "lr=0.001, momentum=0.0, nesterov=False, weight_decay=0.0"),
        (RMSprop, "lr=0.01, alpha=0.99, eps=1e-08, weight_decay=0.0, momentum=0.0, centered=False"),
        (Adagrad, "lr=0.01, eps=1e-10, weight_decay=0.0"),
        (Adam, "lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.0"),
        (AdamW, "lr=0.001, betas=(0.9, 0.999), eps=1e-08, weight_decay=0.01"),
    ],
)
def test_defaults_are_those_of_pytorch_and_each_optimizer_is_itself(kind, defaults):
    one, other = kind(), kind()
    assert repr(one) == f"{kind.__name__}({defaults})"
    assert one != other
    assert len({one, other}) == 2


class Nameless(Optimizer):
    """A rule that does not say what it keeps."""

    lr, weight_decay = 0.1, 0.0

    def _direction(self, grad, buffers, count):
        return grad


class Aimless(Optimizer):
    """A rule that does not say where to go."""

    lr, weight_decay = 0.1, 0.0

    def _names(self):
        return ()


@pytest.mark.parametrize(("kind", "missing"), [(Nameless, "_names"), (Aimless, "_direction")])
def test_a_rule_says_what_it_keeps_and_where_it_goes(kind, missing):
    with pytest.raises(TypeError, match=missing):
        kind()


def test_an_optimizer_is_one_of_ours_or_a_name():
    own = SGD()
    assert named_optimizer(own) is own
    assert type(named_optimizer("adamw")) is AdamW
    for wrong in (SGD, None, 0.1):
        with pytest.raises(GatewiseTypeError, match=r"need one of gatewise\.optimizers"):
            named_optimizer(wrong)
