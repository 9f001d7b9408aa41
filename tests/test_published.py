"""The five published systems: their examples run, and the certificate catches every slip of theirs, and others."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from slips import (
    OTHERS,
    PUBLISHED,
    D,
    H,
    SquaredError,
    after,
    before,
    before_backward,
    before_step,
    columns_weights_change_inside_the_backward_pass,
    elman,
    elman_backward_ignores_dh_next,
    long_memory,
    one_percent_off,
    rows_gradients_of_parameters_divided_by_T,
    with_backward,
    without_length_mask,
)

import gatewise as gw

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("build", [before, after, elman, long_memory])
def test_without_a_slip_the_certificate_passes(build):
    report = gw.gradcheck(build())
    assert report.ok, report.table()
    assert report.worst < 1e-8


def test_the_parts_that_mutants_are_made_of_are_right_by_themselves():
    whole = before(step=before_step(lambda r, h_prev: r * h_prev), step_backward=before_backward())
    assert gw.gradcheck(whole).ok
    assert gw.gradcheck(gw.Sequential(before(), SquaredError(slip=1))).ok
    assert gw.gradcheck(with_backward(before(), lambda right, layer, *arguments: right(*arguments))).ok
    assert gw.gradcheck(columns_weights_change_inside_the_backward_pass(rate=0.0)).ok


@pytest.mark.parametrize("mutant", PUBLISHED, ids=lambda mutant: mutant.__name__)
def test_the_certificate_catches_the_published_slip(mutant):
    report = gw.gradcheck(mutant())
    assert not report.ok, report.table()
    assert report.worst > 1e-3


@pytest.mark.parametrize("mutant", OTHERS, ids=lambda mutant: mutant.__name__)
def test_the_certificate_catches_the_mutant(mutant):
    report = gw.gradcheck(mutant())
    assert not report.ok, report.table()
    assert report.worst > 1e-3


@pytest.mark.parametrize("name", ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0", "x", "state"])
def test_the_certificate_catches_one_percent_in_one_gradient(name):
    report = gw.gradcheck(one_percent_off(after(), name))
    assert not report.ok
    assert [check.name for check in report.checks if check.worst > 1e-7] == [name]
    assert 1e-3 < report.worst < 2e-2


def test_the_certificate_catches_a_missing_length_mask():
    assert gw.gradcheck(before(), lengths=[5, 2, 3]).ok
    assert not gw.gradcheck(without_length_mask(), lengths=[5, 2, 3]).ok


def test_the_slip_of_the_rows_system_is_a_factor_H_in_the_states_and_T_in_the_parameters():
    x, dy = np.ones((1, 5, D)), np.ones((1, 5, H))
    right, slipped = before(), rows_gradients_of_parameters_divided_by_T()
    dx, _, grads = right.backward(right.forward(x)[2], dy)
    dx_slipped, _, grads_slipped = slipped.backward(slipped.forward(x)[2], dy)
    np.testing.assert_array_equal(dx_slipped, dx)
    for name in grads:
        np.testing.assert_allclose(5 * grads_slipped[name], grads[name], rtol=1e-14)


def test_the_elman_slip_gives_the_same_gradient_for_every_loss():
    layer, x = elman_backward_ignores_dh_next(), np.ones((1, 5, D))
    tape = layer.forward(x)[2]
    first = layer.backward(tape, np.ones((1, 5, H)))[2]
    second = layer.backward(tape, np.full((1, 5, H), -7.0))[2]
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_tanh_as_a_ratio_of_exponentials_turns_into_nan():
    def ratio_step(p, state_prev, U, c):
        a = p + state_prev[0] @ U.T + c
        with np.errstate(over="ignore", invalid="ignore"):
            return ((np.exp(a) - np.exp(-a)) / (np.exp(a) + np.exp(-a)),), ()

    x = np.full((1, 3, D), 1e4)
    assert np.isnan(elman(step=ratio_step)(x)[0]).any()
    with np.errstate(invalid="ignore"):
        assert not gw.gradcheck(elman(step=ratio_step), x).ok
    for layer in (elman(), before(), after(), long_memory()):
        assert np.isfinite(layer(x)[0]).all()


# The examples


@pytest.mark.parametrize("name", ["packed_step", "columns_sgd", "rows_sequence", "elman_stateful", "joined_first_unit"])
def test_the_example_runs_and_its_loss_falls(name):
    run = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / f"{name}.py"], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    first, last = map(float, re.search(r"(\S+) -> ([^\s,]+)", run.stdout).groups())
    assert last < 0.4 * first


def load_example(name):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def updates_differ_by(rate):
    """How far the author's update of the columns system is from the gradient's, relative to its length."""
    example = load_example("columns_sgd")
    example.RATE = rate
    rng = np.random.default_rng(0)
    x, dy = rng.normal(size=(1, 8, D)), rng.normal(size=(1, 8, H))
    moved = []
    for update in (example.after_the_pass, example.inside_the_pass):
        layer = gw.GRU(D, H, reset="before", bias=False, dtype=np.float64, rng=0)
        start = layer.to_weights("columns")
        y, _, tape = layer.forward(x)
        update(layer, tape, x, y, dy)
        moved.append(layer.to_weights("columns"))
    return example.distance(*moved) / example.distance(moved[0], start)


def test_updating_inside_the_backward_pass_follows_another_gradient_the_more_the_larger_the_rate():
    assert updates_differ_by(0.1) > 1e-3
    assert updates_differ_by(0.01) == pytest.approx(updates_differ_by(0.1) / 10, rel=0.1)
    assert updates_differ_by(1e-8) < 1e-7
