"""Slips for the networks of `handwritten`: another text for a line, and the line as the library should name it."""

from __future__ import annotations

import random

from handwritten import Writer
from handwritten_specs import Spec, spec


def slips(one: Spec) -> list[tuple]:
    """Every slip that may be planted: target, the text, and the line as the library should name it."""
    w = Writer(one)
    L, loc = w.L, w.local
    dh, h_prev = L["dh"], L["h_prev"]
    rows = w.backward_lines()
    result = []

    def add(target, text, *said):
        result.append((target, text, tuple(said)))

    if one.cell == "gru":
        r, z, n = L["r"], L["z"], L["n"]
        keeps = one.update == "keeps"
        add("da_n", f"dn * (1 - {n}) ** 2", "dn * (1 - n) ** 2")
        add("da_n", "dn", "dn")
        add("da_n", f"dn * {n} * (1 - {n})", "dn * (n * (1 - n))")
        add("da_n", f"dn * (1 - np.tanh({n}) ** 2)", "dn * (1 - tanh(n) ** 2)")
        add("da_z", f"dz * (1 - {z})", "dz * (1 - z)")
        add("da_z", "dz", "dz")
        add("da_z", f"dz * sigmoid({z}) * (1 - sigmoid({z}))", "dz * (sigmoid(z) * (1 - sigmoid(z)))")
        add("da_r", "dr", "dr")
        add("da_r", f"dr * {r}", "dr * r")
        add("da_r", f"dr * (1 - {r} ** 2)", "dr * (1 - r ** 2)")
        add("dn", f"{dh} * {z}" if keeps else f"{dh} * (1 - {z})", "dh * z" if keeps else "dh * (1 - z)")
        add("dn", f"{dh}", "dh")
        turned = f"{dh} * ({n} - {h_prev})" if keeps else f"{dh} * ({h_prev} - {n})"
        add("dz", turned, "dh * (n - h_prev)" if keeps else "dh * (h_prev - n)")
        add("dz", f"{dh} * {n}", "dh * n")
        if one.reset == "before":
            add("ds", w.wrong_back("da_n", loc("U", "n")), "da_n @ U_n.T")
            add("dU_n", w.outer("da_n", h_prev), "da_n.T @ h_prev")
            add("dr", "ds", "ds")
            add("dr", f"da_n * ({w.times(h_prev, loc('U', 'n'))})", "da_n * (h_prev @ U_n.T)")
            add("dh_prev", rows["dh_prev"].replace(f" + ds * {r}", " + ds"), "ds")
            add("dh_prev", rows["dh_prev"].replace(f" + ds * {r}", ""), "without ds")
        else:
            add("dq_n", "da_n", "da_n")
            add("dr", f"({w.back('da_n', loc('U', 'n'))}) * {h_prev}", "da_n @ U_n * h_prev")
            add("dr", f"da_n * {h_prev}", "da_n * h_prev")
        first = rows["dh_prev"].split(" + ")[0]
        add("dh_prev", rows["dh_prev"].replace(f"{first} + ", "", 1), "without direct")
        right = w.back("da_z", loc("U", "z"))
        add("dh_prev", rows["dh_prev"].replace(right, w.wrong_back("da_z", loc("U", "z"))), "da_z @ U_z.T")
        add("dh_prev", rows["dh_prev"].replace(right, w.back("da_z", loc("U", "r"))), "da_z @ U_r")
        add("dx", rows["dx"].replace(f" + {w.back('da_n', loc('W', 'n'))}", ""), "without da_n")
        if one.biases:
            add("db_z", w.total("dz"), "total(dz)")
    elif one.cell == "lstm":
        o, f, g, i = (L[k] for k in "ofgi")
        add("da_g", f"dg * (1 - {g}) ** 2", "dg * (1 - g) ** 2")
        add("da_g", f"dg * {g} * (1 - {g})", "dg * (g * (1 - g))")
        add("da_f", f"df * {f}", "df * f")
        add("da_o", "do", "do")
        add("da_i", f"di * sigmoid({i}) * (1 - sigmoid({i}))", "di * (sigmoid(i) * (1 - sigmoid(i)))")
        add("dc", f"{dh} * {o} * (1 - tanh_c ** 2)", "dh * o * dtanh(tanh_c)")
        add("dc", f"dc_next + {dh} * (1 - tanh_c ** 2)", "dc_next + dh * dtanh(tanh_c)")
        add("dc", f"dc_next + {dh} * {o}", "dc_next + dh * o")
        add("df", f"dc * {g}", "dc * g")
        add("di", f"dc * {i}", "dc * i")
        add("do", f"{dh} * np.arctanh(tanh_c)", "dh * c")
        add("dc_prev", "dc", "dc")
        add("dc_prev", f"dc * {i}", "dc * i")
        add("dh_prev", rows["dh_prev"].replace(f" + {w.back('da_o', loc('U', 'o'))}", ""), "without da_o")
        right = w.back("da_f", loc("U", "f"))
        add("dh_prev", rows["dh_prev"].replace(right, w.wrong_back("da_f", loc("U", "f"))), "da_f @ U_f.T")
        add("dx", rows["dx"].replace(w.back("da_i", loc("W", "i")), w.back("da_f", loc("W", "i"))), "da_f @ W_i")
    else:
        if one.nonlinearity == "tanh":
            add("da_n", f"{dh} * (1 - h) ** 2", "dh * (1 - h) ** 2")
            add("da_n", "(1 - h ** 2)", "dtanh(h)")
            add("da_n", f"{dh} * (1 - np.tanh(h) ** 2)", "dh * (1 - tanh(h) ** 2)")
        add("da_n", dh, "dh")
        add("dh_prev", w.wrong_back("da_n", loc("U", "n")), "da_n @ U_n.T")
        add("dU_n", w.outer("da_n", "h"), "da_n.T @ h")
    if one.sequence:
        add("loop next", "", "dy")
        add("loop mean", "", "scaled")
        add("loop overwritten", "", "overwritten")
    return result


HIDDEN = ({"loop next", "dh_prev"}, {"da_z", "db_z"})  # the second may have no effect beside the first


def planted(rng: random.Random, count: int, sequence: bool | None = None) -> Spec:
    """Return a spec with `count` slips on different lines."""
    while True:
        one = spec(rng, sequence)
        chosen = rng.sample(slips(one), count)
        targets = {target for target, *_ in chosen}
        ignored = "loop next" in targets and any(text == "(1 - h ** 2)" for _, text, _ in chosen)
        if len(targets) == count and targets not in HIDDEN and not ignored:
            one.slips = chosen
            return one
