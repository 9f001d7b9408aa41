"""minGRU: what it promises beyond what every cell of the library is tested for."""

import naive
import numpy as np
import pytest

import gatewise as gw
from gatewise.bench import Case, Shape

B, T, D, H = 3, 6, 2, 4


def layer_and_input():
    rng = np.random.default_rng(3)
    return gw.MinGRU(D, H, dtype="float64", rng=0), rng.normal(size=(B, T, D)), rng.normal(size=(1, B, H))


def test_the_state_is_a_weighted_sum_of_all_candidates():
    """h_T = Π (1 − z_t) h_0 + Σ_t z_t n_t Π_{s>t} (1 − z_s), which the paper computes in parallel."""
    layer, x, start = layer_and_input()
    _, state, tape = layer.forward(x, start)
    keep = np.cumprod((1 - tape.update)[:, ::-1], axis=1)[:, ::-1]  # of step t and all after it
    after = np.concatenate([keep[:, 1:], np.ones((B, 1, H))], axis=1)
    needed = keep[:, 0] * start[0] + (after * tape.update * tape.candidate).sum(axis=1)
    np.testing.assert_allclose(state[0], needed, rtol=0, atol=1e-14)


def test_gates_do_not_depend_on_the_state():
    layer, x, start = layer_and_input()
    tapes = [layer.forward(x, state)[2] for state in (start, 100 * start)]
    for name in ("update", "candidate"):
        np.testing.assert_array_equal(*(getattr(tape, name) for tape in tapes))


@pytest.mark.parametrize(("bias", "needed"), [(-1e4, "start"), (1e4, "candidate")])
def test_the_update_gate_writes(bias, needed):
    layer, x, start = layer_and_input()
    layer.params["bias_ih_l0"][:H] = bias
    y, _, tape = layer.forward(x, start)
    expected = tape.candidate if needed == "candidate" else np.repeat(start[0][:, None], T, axis=1)
    np.testing.assert_array_equal(y, expected)


def test_the_step_by_hand():
    """One unit at z = ½: half of the old state, half of the candidate."""
    (h,), values = naive.STEPS["mingru"]([1.0, 2.0], ([4.0],), [[0.0, 0.0], [1.0, 0.5]], None, [0.0, 1.0], None)
    assert (h, values["candidate"]) == ([3.5], [3.0])
    layer = gw.MinGRU(2, 1, dtype="float64", rng=0)
    layer.params.update(weight_ih_l0=np.array([[0.0, 0.0], [1.0, 0.5]]), bias_ih_l0=np.array([0.0, 1.0]))
    assert layer(np.array([[[1.0, 2.0]]]), np.array([[[4.0]]]))[0].item() == 3.5


def test_there_are_no_recurrent_weights():
    assert list(gw.MinGRU(D, H, rng=0).params) == ["weight_ih_l0", "bias_ih_l0"]
    assert Case("mingru", "after", "float32", Shape(5, 7, 11, 13)).flops("infer") == 2 * 2 * 7 * 5 * 13 * 11


def test_no_other_system_has_a_layout_for_it():
    layer = gw.MinGRU(D, H, rng=0)
    for call in (lambda: gw.MinGRU.from_weights(dict(layer.params), "torch"), lambda: layer.to_weights("torch")):
        with pytest.raises(gw.GatewiseError, match="cell is 'mingru'; need one of 'gru', 'lstm', 'rnn'"):
            call()


def test_it_stands_in_files_and_estimators(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(12, 8, D)).astype(np.float32)
    model = gw.RecurrentClassifier(cell="mingru", hidden_size=4, max_iter=2, random_state=0)
    model.fit(x, x[:, -1, 0] > 0)
    gw.save(model, tmp_path / "model.safetensors")
    again = gw.load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.predict_proba(x), model.predict_proba(x))


def test_a_forecaster_is_made_of_it():
    y = np.sin(np.arange(60.0))
    model = gw.RecurrentForecaster(cell="mingru", horizon=3, season=6, hidden_size=4, max_updates=5, random_state=0)
    assert np.isfinite(model.fit(y).predict()).all()
