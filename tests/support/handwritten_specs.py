"""How a network may be written by hand: cell, convention, names, interface."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

LETTERS = [
    {"r": "r", "z": "z", "n": "h_hat", "x": "x", "h_prev": "h_prev", "dh": "dh", "i": "i", "f": "f", "g": "g",
     "o": "o"},
    {"r": "rt", "z": "zt", "n": "h_tilde", "x": "xt", "h_prev": "h_tm1", "dh": "dht", "i": "it", "f": "ft", "g": "gt",
     "o": "ot"},
    {"r": "reset", "z": "update", "n": "cand", "x": "x_t", "h_prev": "prev_h", "dh": "dh_next", "i": "inp",
     "f": "forget", "g": "c_bar", "o": "out"},
]  # fmt: skip
SEPARATE = [("W_{}", "U_{}", "b_{}", "c_{}"), ("Wx{}", "Wh{}", "b{}", "bh{}"), ("W{}", "U{}", "b{}", "c{}"),
            ("W_x{}", "W_h{}", "b_{}", "b_h{}")]  # fmt: skip
PACKED = [("Wx", "Wh", "b", "bh"), ("W", "U", "b", "c"), ("W_ih", "W_hh", "b_ih", "b_hh")]
JOINED = [("W_{}", "b_{}"), ("W{}", "b{}")]
GATES = {"gru": ["rzh", "ruc", "rzn"], "lstm": ["ifgo", "ifco"], "rnn": ["h"]}


@dataclass
class Spec:
    """What is written, and how."""

    cell: str
    reset: str = ""
    update: str = ""
    nonlinearity: str = "tanh"
    vectors: str = "rows"
    stored: bool = True
    """Whether matrices are stored (inputs, units)."""
    storage: str = "separate"
    biases: str = "b"
    interface: str = "attributes"
    sequence: str = ""
    letters: int = 0
    names: int = 0
    gates: int = 0
    order: tuple = ()
    joined: str = "xh"
    slips: list = field(default_factory=list)


def spec(rng: random.Random, sequence: bool | None = None) -> Spec:
    cell = rng.choice(["gru"] * 4 + ["lstm"] * 2 + ["rnn"])
    one = Spec(cell)
    if cell == "gru":
        one.reset, one.update = rng.choice(["before", "before", "after"]), rng.choice(["keeps", "writes"])
    if cell == "rnn":
        one.nonlinearity = rng.choice(["tanh", "tanh", "relu"])
    one.vectors = rng.choice(["rows", "rows", "columns", "flat"])
    one.stored = one.vectors == "rows" and rng.random() < 0.7
    storages = ["separate", "packed"] + ["joined"] * (one.reset != "after" and cell != "rnn")
    one.storage = rng.choice(storages)
    one.biases = rng.choice(["", "b", "b", "bc" if one.storage != "joined" else "b"])
    one.interface = rng.choice(["attributes", "cache", "grads dict", "grads list", "functions", "update"])
    if sequence if sequence is not None else rng.random() < 0.35:
        one.sequence = rng.choice({"rows": ["time", "batch"], "columns": ["time"], "flat": ["single"]}[one.vectors])
        one.interface = rng.choice(["attributes", "grads dict", "returned"])
    one.letters, one.names = rng.randrange(len(LETTERS)), rng.randrange(12)
    one.gates = rng.randrange(len(GATES[cell]))
    letters = "rzn" if cell == "gru" else "ifgo" if cell == "lstm" else "n"
    one.order = tuple(rng.sample(letters, len(letters)))
    one.joined = rng.choice(["xh", "hx"])
    return one
