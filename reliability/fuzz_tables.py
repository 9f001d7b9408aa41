"""Mutated tables: each is read and used in a process of its own, with its time and memory measured.

Promise: nothing but a `GatewiseError` is raised, and what is refused is refused within 2 seconds and 200 MB above the
baseline.

    python reliability/fuzz_tables.py --runs 10000 --seed 0
"""

from __future__ import annotations

import sys

import fuzz_models
import table_cases
import table_mutations  # noqa: F401  # it adds the ways in which tables change to those of models

if __name__ == "__main__":
    sys.exit(fuzz_models.main(table_cases.cases, __doc__, used_too=False))
