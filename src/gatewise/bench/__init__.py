"""Gatewise beside the installed PyTorch, JAX and ONNX Runtime: the same network, weights and data, in turn.

    cases.py      what is computed: shapes, data, floating-point operations
    systems/      how each system computes it, one file each, the same verbs
    machine.py    what the figures depend on
    worker.py     one process for one system and number of threads; does what it is asked over a pipe
    pool.py       the processes, as the parent sees them
    run.py        who is asked what, and when
    results.py    what comes out: medians, ratios, shares
    table.py      the same as text

No system but Gatewise itself is ever needed.
"""

from gatewise.bench.cases import SHAPES, Case, Shape
from gatewise.bench.results import Outcome
from gatewise.bench.run import PEERS, Settings, run
from gatewise.bench.table import as_json, as_text

__all__ = ["PEERS", "SHAPES", "Case", "Outcome", "Settings", "Shape", "as_json", "as_text", "run"]
