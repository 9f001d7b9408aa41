"""Layers whose backward pass has a slip: those of the five published systems, and others.

A slip is a *mutant*: a layer whose forward pass is one function and whose backward pass is the gradient of another.
Each function below builds one. Run this file to see the error that the certificate reports for each.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

import gatewise as gw
from gatewise.cells import gru, lstm
from gatewise.layers import Layer
from gatewise.layers.layer import Params

D, H = 3, 4
BEFORE, AFTER, LSTM = gru.RESET_BEFORE, gru.RESET_AFTER, lstm.LSTM


def before(**functions):
    """A GRU with reset="before", some functions of its cell replaced."""
    return mutated(gw.GRU(D, H, reset="before", dtype=np.float64, rng=0), functions)


def after(**functions):
    return mutated(gw.GRU(D, H, dtype=np.float64, rng=0), functions)


def elman(**functions):
    return mutated(gw.RNN(D, H, dtype=np.float64, rng=0), functions)


def long_memory(**functions):
    return mutated(gw.LSTM(D, H, dtype=np.float64, rng=0), functions)


def mutated(layer, functions):
    layer.cell = layer.cell._replace(**functions)
    return layer


def with_backward(layer, backward):
    """A layer whose backward pass is `backward(right, layer, tape, dy, dstate)`; `right` is the true one."""

    class Mutant(type(layer)):
        def backward(self, tape, dy, dstate=None):
            return backward(super().backward, self, tape, dy, dstate)

    layer.__class__ = Mutant
    return layer


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def before_step(reset_of):
    """The forward step of a reset-before GRU whose candidate reads `reset_of(r, h_prev)`."""

    def step(p, state_prev, U, c):
        (h_prev,) = state_prev
        q = h_prev @ U.T + c
        r, z = sigmoid(p[:, :H] + q[:, :H]), sigmoid(p[:, H : 2 * H] + q[:, H : 2 * H])
        n = np.tanh(p[:, 2 * H :] + reset_of(r, h_prev) @ U[2 * H :].T + c[2 * H :])
        return (n + z * (h_prev - n),), (r, z, n)

    return step


def before_backward(
    tanh_slope=lambda n: 1 - n * n,
    reset_gradient=lambda da_n, ds, h_prev, U: ds * h_prev,
    candidate_matrix=lambda U_n: U_n,
    gate_matrix=lambda U_g: U_g,
):
    """The backward step of a reset-before GRU in four exchangeable parts."""

    def step_backward(dstate, state, state_prev, record, U):
        (dh,), (h_prev,), (r, z, n) = dstate, state_prev, record
        U_r, U_z, U_n = np.split(U, 3)
        da_n = dh * (1 - z) * tanh_slope(n)
        da_z = dh * (h_prev - n) * z * (1 - z)
        ds = da_n @ candidate_matrix(U_n)
        da_r = reset_gradient(da_n, ds, h_prev, U) * r * (1 - r)
        dp = np.concatenate([da_r, da_z, da_n], axis=1)
        return dp, dp, (dh * z + ds * r + da_r @ gate_matrix(U_r) + da_z @ gate_matrix(U_z),)

    return step_backward


# packed


def packed_forward_leaves_the_reset_gate_out():
    return before(step=before_step(lambda r, h_prev: h_prev))


def packed_names_of_the_candidates_weights_swapped():
    def backward(right, layer, tape, dy, dstate):
        (run,) = tape.runs
        W, U, b, c = run.weights
        W, U = swapped(W, U)
        misled = replace(tape, kept=(run._replace(weights=type(run.weights)(W, U, b, c)),))
        dx, dh, grads = right(misled, dy, dstate)
        dW, dU = swapped(grads["weight_ih_l0"], grads["weight_hh_l0"])
        return dx, dh, grads | {"weight_ih_l0": dW, "weight_hh_l0": dU}

    def swapped(A, B):
        return np.concatenate([A[: 2 * H], B[2 * H :]]), np.concatenate([B[: 2 * H], A[2 * H :]])

    return with_backward(gw.GRU(H, H, reset="before", dtype=np.float64, rng=0), backward)


def packed_backward_does_not_take_dh_next():
    return with_backward(before(), lambda right, layer, tape, dy, dstate: right(tape, dy, None))


# columns


def columns_forward_r_matmul_h():
    return before(step=before_step(lambda r, h_prev: np.ones_like(h_prev) * (r * h_prev).sum(axis=1, keepdims=True)))


def columns_backward_ds_matmul_h():
    return before(
        step_backward=before_backward(
            reset_gradient=lambda da_n, ds, h_prev, U: (ds * h_prev).sum(axis=1, keepdims=True)
        )
    )


def columns_weights_change_inside_the_backward_pass(rate=0.1):
    def step_backward(dstate, state, state_prev, record, U):
        result = BEFORE.step_backward(dstate, state, state_prev, record, U)
        U -= rate * BEFORE.recurrent_gradient(result[1], state_prev[0], record)
        return result

    return before(step_backward=step_backward)


# rows


class SquaredError(Layer):
    """Mean over units of the squared state, as an output of size 1; `slip` is a factor on its gradient."""

    def __init__(self, slip):
        self.slip, self.params, self.dtype = slip, Params(), np.dtype(np.float64)

    def forward(self, x, state=None, *, lengths=None, training=False, rng=None):
        return np.mean(x**2, axis=-1, keepdims=True), None, x

    def backward(self, tape, dy, dstate=None):
        return self.slip * dy * 2 * tape / tape.shape[-1], None, {}

    def config(self):
        return {"slip": self.slip}


def rows_loss_averages_over_units_its_gradient_does_not():
    return gw.Sequential(before(), SquaredError(slip=H))


def rows_gradients_of_parameters_divided_by_T():
    def backward(right, layer, tape, dy, dstate):
        dx, dh, grads = right(tape, dy, dstate)
        return dx, dh, {name: grad / dy.shape[1] for name, grad in grads.items()}

    return with_backward(before(), backward)


# elman


def elman_backward_ignores_dh_next():
    def step_backward(dstate, state, state_prev, record, U):
        da = 1 - state[0] ** 2
        return da, da, (da @ U,)

    return elman(step_backward=step_backward)


# joined


def joined_tanh_slope_is_one_minus_g_squared():
    return before(step_backward=before_backward(tanh_slope=lambda n: (1 - n) ** 2))


def joined_reset_gradient_as_in_the_other_form():
    layer = before()
    b_g = (layer.params["bias_ih_l0"] + layer.params["bias_hh_l0"])[2 * H :]
    wrong = before_backward(reset_gradient=lambda da_n, ds, h_prev, U: da_n * (h_prev @ U[2 * H :].T + b_g))
    return mutated(layer, {"step_backward": wrong})


def joined_transpose_missing_for_the_candidate():
    return before(step_backward=before_backward(candidate_matrix=np.transpose))


def joined_transpose_missing_for_the_gates():
    return before(step_backward=before_backward(gate_matrix=np.transpose))


PUBLISHED = [
    packed_forward_leaves_the_reset_gate_out,
    packed_names_of_the_candidates_weights_swapped,
    packed_backward_does_not_take_dh_next,
    columns_forward_r_matmul_h,
    columns_backward_ds_matmul_h,
    columns_weights_change_inside_the_backward_pass,
    rows_loss_averages_over_units_its_gradient_does_not,
    rows_gradients_of_parameters_divided_by_T,
    elman_backward_ignores_dh_next,
    joined_tanh_slope_is_one_minus_g_squared,
    joined_reset_gradient_as_in_the_other_form,
    joined_transpose_missing_for_the_candidate,
    joined_transpose_missing_for_the_gates,
]


# Others


def wrong_result(cell, change):
    """The right backward step of `cell`, its result changed: dp, dq, dstate_prev and all it was given."""

    def step_backward(dstate, state, state_prev, record, U):
        dp, dq, dstate_prev = cell.step_backward(dstate, state, state_prev, record, U)
        return change(dp, dq, dstate_prev, dstate, record, U)

    return step_backward


def dropped_direct_path():
    """dh_{t-1} without g ⊙ z."""
    return after(
        step_backward=wrong_result(
            AFTER, lambda dp, dq, prev, dstate, record, U: (dp, dq, (prev[0] - dstate[0] * record[1],))
        )
    )


def dropped_recurrent_path():
    """dh_{t-1} without dq U."""
    return after(
        step_backward=wrong_result(AFTER, lambda dp, dq, prev, dstate, record, U: (dp, dq, (dstate[0] * record[1],)))
    )


def dropped_reset_gate_in_dq():
    """dq_n without r."""
    return after(step_backward=wrong_result(AFTER, lambda dp, dq, prev, dstate, record, U: (dp, dp.copy(), prev)))


def dropped_reset_gate_in_dU():
    """dU_n from h_{t-1} instead of r ⊙ h_{t-1}."""
    return before(recurrent_gradient=lambda dq, h_prev, record: dq.T @ h_prev)


def dropped_way_to_earlier_steps():
    return long_memory(
        step_backward=wrong_result(
            LSTM,
            lambda dp, dq, prev, dstate, record, U: (dp, dq, tuple(np.zeros_like(a) for a in prev)),
        )
    )


def dropped_cell_path():
    """dc_{t-1} without f."""
    return long_memory(
        step_backward=wrong_result(
            LSTM, lambda dp, dq, prev, dstate, record, U: (dp, dq, (prev[0], np.zeros_like(prev[1])))
        )
    )


def transposed_recurrent_matrix():
    def transposed(dp, dq, prev, dstate, record, U):
        blocks = zip(np.split(dq, 3, axis=1), np.split(U, 3), strict=True)
        return dp, dq, (dstate[0] * record[1] + sum(d @ U_g.T for d, U_g in blocks),)

    return after(step_backward=wrong_result(AFTER, transposed))


def swapped_gates():
    """da_r where da_z belongs."""

    def swap(a):
        r, z, n = np.split(a, 3, axis=1)
        return np.concatenate([z, r, n], axis=1)

    return after(step_backward=wrong_result(AFTER, lambda dp, dq, prev, dstate, record, U: (swap(dp), swap(dq), prev)))


def swapped_input_and_forget_gates():
    def swap(a):
        i, f, g, o = np.split(a, 4, axis=1)
        return np.concatenate([f, i, g, o], axis=1)

    return long_memory(
        step_backward=wrong_result(LSTM, lambda dp, dq, prev, dstate, record, U: (swap(dp), swap(dq), prev))
    )


def update_gate_that_writes():
    """Forward h = (1 − z) h + z n, backward as if z kept."""

    def step(p, state_prev, U, c):
        _, record = AFTER.step(p, state_prev, U, c)
        (h_prev,), (_, z, n, _) = state_prev, record
        return (h_prev + z * (n - h_prev),), record

    return after(step=step)


def shifted_states():
    """dU from h_t instead of h_{t-1}."""

    def backward(right, layer, tape, dy, dstate):
        (run,) = tape.runs
        dx, dh, grads = right(tape, dy, dstate)
        misled = run._replace(initial=run.states[:, :, 0], states=np.roll(run.states, -1, axis=2))  # (S, B, T, H)
        _, _, shifted = right(replace(tape, kept=(misled,)), dy, dstate)
        return dx, dh, grads | {"weight_hh_l0": shifted["weight_hh_l0"]}

    return with_backward(elman(), backward)


OTHERS = [
    dropped_direct_path,
    dropped_recurrent_path,
    dropped_reset_gate_in_dq,
    dropped_reset_gate_in_dU,
    dropped_way_to_earlier_steps,
    dropped_cell_path,
    transposed_recurrent_matrix,
    swapped_gates,
    swapped_input_and_forget_gates,
    update_gate_that_writes,
    shifted_states,
]


def one_percent_off(layer, name):
    def backward(right, layer, tape, dy, dstate):
        dx, dh, grads = right(tape, dy, dstate)
        found = {"x": dx, "state": dh, **grads}
        found[name] = found[name] * 1.01
        return found.pop("x"), found.pop("state"), found

    return with_backward(layer, backward)


def without_length_mask():
    """Backward over all steps, also those past a sequence's length."""

    def backward(right, layer, tape, dy, dstate):
        runs = tuple(run._replace(lengths=None) for run in tape.runs)
        return right(replace(tape, kept=runs), dy, dstate)

    return with_backward(before(), backward)


def main() -> None:
    """Print what the certificate reports for each mutant."""
    for build in (before, after, elman, long_memory):
        print(f"{gw.gradcheck(build()).worst:8.1e}  {build.__name__}, no slip")
    for mutant in PUBLISHED + OTHERS:
        print(f"{gw.gradcheck(mutant()).worst:8.1e}  {mutant.__name__.replace('_', ' ')}")
    print(f"{gw.gradcheck(without_length_mask(), lengths=[5, 2, 3]).worst:8.1e}  without length mask")
    print(f"{gw.gradcheck(one_percent_off(after(), 'bias_hh_l0')).worst:8.1e}  one percent off in bias_hh")


if __name__ == "__main__":
    main()
