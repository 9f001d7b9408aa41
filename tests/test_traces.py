"""What a test can leave behind for others is noticed."""

import signal
import subprocess
import sys
import threading

import numpy as np
import traces

from gatewise import threads


def test_every_setting_that_a_test_changes_is_noticed(monkeypatch, tmp_path):
    before = traces.settings()
    stop = threading.Event()
    waiting = threading.Thread(target=stop.wait)
    with monkeypatch.context() as patch, np.errstate(over="raise"):
        patch.setenv("GATEWISE_TRACES", "1")
        patch.chdir(tmp_path)
        patch.setattr(threads, "_threads", threads.get_num_threads() + 1)
        usual = signal.signal(signal.SIGTERM, signal.SIG_IGN)
        waiting.start()
        changed = traces.differences(before, traces.settings())
        signal.signal(signal.SIGTERM, usual)
        stop.set()
        waiting.join()
    assert [line.partition(":")[0] for line in changed] == list(before)
    assert traces.differences(before, traces.settings()) == []


def test_a_process_that_is_left_is_noticed():
    before = traces.children()
    script = "import sys; print('here', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        left = traces.children()
        process.stdin.close()
    assert left.keys() - before.keys() == {str(process.pid)}
    assert "sys.stdin.read()" in left[str(process.pid)]
    assert traces.children().keys() == before.keys()


def test_a_file_that_is_left_is_noticed_but_not_what_python_keeps(tmp_path):
    (tmp_path / "inner" / "__pycache__").mkdir(parents=True)
    before = traces.files(tmp_path)
    for name in ("inner/__pycache__/x.pyc", "inner/left", "left"):
        (tmp_path / name).write_text("")
    assert traces.files(tmp_path) - before == {str(tmp_path / "inner" / "left"), str(tmp_path / "left")}
