"""The process in which the command line runs somebody's code: `python -m gatewise.examine.child REQUEST ANSWER`.

REQUEST is a JSON file, ANSWER the file into which the examination goes, or why there is none. What the code prints goes
nowhere near it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from gatewise.errors import GatewiseError
from gatewise.examine.examination import examine
from gatewise.examine.guard import NotUnderstoodError
from gatewise.examine.loading import load
from gatewise.examine.result import Examination, from_json
from gatewise.storage import write_whole

GRACE = 10.0  # seconds for starting Python and importing, beside those for the code


def examined(target: str, kind: str | None, time_limit: float, seed: int) -> Examination:
    """Examine FILE.py:NAME in a process of its own, which is ended, with all it started, at the time limit."""
    with tempfile.TemporaryDirectory(prefix="gatewise-") as folder:
        request, answer = Path(folder, "request.json"), Path(folder, "answer.json")
        asked = {"target": target, "kind": kind, "time_limit": time_limit, "seed": seed}
        write_whole(request, json.dumps(asked).encode())
        command = [sys.executable, "-m", "gatewise.examine.child", str(request), str(answer)]
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        )
        try:
            code = process.wait(time_limit + GRACE)
        except subprocess.TimeoutExpired:
            raise NotUnderstoodError(
                f"the code ran for longer than the limit of {time_limit:g} s and was ended: a loop that does not end? "
                f"Give more time with --time-limit."
            ) from None
        finally:
            _end(process)
        return _answer(answer, code)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and all that it started."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _answer(answer: Path, code: int) -> Examination:
    try:
        own: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise NotUnderstoodError(
            f"the code ended the process (exit code {code}) before anything could be said."
        ) from None
    if "error" in own:
        raise NotUnderstoodError(own["error"])
    return from_json(json.dumps(own["examination"]))


def main(request: str, answer: str) -> None:
    """Examine what `request` names and write into `answer`."""
    asked = json.loads(Path(request).read_text(encoding="utf-8"))
    try:
        thing, name = load(asked["target"])
        own = examine(thing, kind=asked["kind"], time_limit=asked["time_limit"], rng=asked["seed"])
        text = json.dumps({"examination": json.loads(own.to_json()) | {"name": name}})
    except GatewiseError as error:
        text = json.dumps({"error": str(error)})
    except RecursionError:
        text = json.dumps({"error": "the code calls itself without end."})
    Path(answer).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
