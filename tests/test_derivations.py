"""The told derivations: every number shown, every quantity held against a difference and the library, slips found."""

import re
from pathlib import Path

import pytest
from page_blocks import examples, run_block

DERIVATIONS = Path(__file__).parents[1] / "docs" / "derivations"
LAYERS = {"elman": "gw.RNN", "gru": "gw.GRU", "gru-before": "gw.GRU", "lstm": "gw.LSTM"}
TRACED = {
    "elman": {"dp"},
    "gru": {"da_r", "da_z", "da_n", "dq_n"},
    "gru-before": {"da_r", "da_z", "da_n"},
    "lstm": {"da_i", "da_f", "da_g", "da_o", "dc_2"},
}
CHECKED = re.compile(r"^(.+?)(?: against (?:the )?(.+))?: error (\S+)$", re.MULTILINE)
# One slip in the code of each page at a time; the check of that quantity must find it.
SLIPS = [
    ("elman", "from_next = dp[t] @ U\n", "from_next = dp[t] @ U.T\n"),
    ("elman", "dh = dy[t] + from_next", "dh = dy[t]"),
    ("elman", "dp[t] = dh * (1 - h[t] ** 2)", "dp[t] = dh * (1 - h[t]) ** 2"),
    ("elman", "dU, dc = dq.T @ before", "dU, dc = dq.T @ h"),
    ("elman", "diag(1 - h[t] ** 2) @ U @ product", "diag(1 - h[t] ** 2) @ product @ U"),
    ("gru", "np.concatenate([da_r, da_z, da_n * r[t]])", "np.concatenate([da_r, da_z, da_n])"),
    ("gru", "from_next = dh * z[t] + dq[t] @ U", "from_next = dq[t] @ U"),
    ("gru", "da_r = da_n * q_n[t]", "da_r = da_n * before[t]"),
    ("gru", "dz = dh * (before[2] - n[2])", "dz = dh * (n[2] - before[2])"),
    ("gru", "+ np.diag(q_n * r * (1 - r)) @ U_r", ""),
    ("gru-before", "np.vstack([dp[:, :4].T @ before, dp[:, 4:].T @ s])", "dp.T @ before"),
    ("gru-before", "+ ds * r[t] + dp[t, :4] @ U_rz", "+ dp[t, :4] @ U_rz"),
    ("gru-before", "ds = da_n @ U_n\nshow", "ds = da_n @ U_n.T\nshow"),
    ("lstm", "dc_t = dc_next + dh * o[t]", "dc_t = dh * o[t]"),
    ("lstm", "da_g = dc_t * i[t] * (1 - g[t] ** 2)", "da_g = dc_t * i[t] * g[t] * (1 - g[t])"),
    ("lstm", "h_next, dc_next = da[t] @ U, dc_t * f[t]", "h_next, dc_next = da[t] @ U, dc_t"),
]


def page(name):
    return (DERIVATIONS / f"{name}.md").read_text(encoding="utf-8")


def run(name, text):
    """Everything the blocks of a page print, block by block, beside what it shows."""
    namespace = {"__name__": "__main__"}
    return [(run_block(code, number, name, namespace), shown) for number, code, shown in examples(text)]


def test_every_derivation_is_listed():
    assert {path.stem for path in DERIVATIONS.glob("*.md")} == set(LAYERS)


@pytest.mark.parametrize("name", LAYERS)
def test_nothing_printed_is_left_out_of_the_page(name):
    silent = [printed for printed, shown in run(name, page(name)) if printed and shown is None]
    assert not silent


@pytest.mark.parametrize("name", LAYERS)
def test_every_gradient_is_held_against_both(name):
    against = {}
    for printed, _ in run(name, page(name)):
        for quantity, other, error in CHECKED.findall(printed):
            if other:
                assert float(error) < 1e-9
                against.setdefault(other, set()).add(quantity)
    gradients = {"dW", "dU", "db", "dx", "dh_0"}
    assert against[LAYERS[name]] >= gradients | {"dc", "h"}
    assert against["central difference"] >= gradients - {"db"}
    assert len(against["central difference"]) >= 11
    assert against["gw.trace"] >= TRACED[name]


@pytest.mark.parametrize(("name", "right", "wrong"), SLIPS)
def test_a_slip_on_the_page_is_found(name, right, wrong):
    text = page(name)
    assert text.count(right) == 1
    with pytest.raises(AssertionError) as found:
        run(name, text.replace(right, wrong))
    assert found.traceback[-1].name == "check"
