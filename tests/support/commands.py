"""`gatewise` run for real, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import gatewise as gw

SOURCE = Path(gw.__file__).parents[1]


def gatewise(*arguments, stdout=subprocess.PIPE, **environment):
    """Run `python -m gatewise`, with these environment variables beside the own ones."""
    return subprocess.run(
        [sys.executable, "-m", "gatewise", *arguments],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "COLUMNS": "100"} | environment,
        timeout=240,
        check=False,
    )
