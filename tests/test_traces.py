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
    with monkeypatch.context() as patch, np.errstate(over="raise"):
        patch.setenv("GATEWISE_TRACES", "1")
        patch.chdir(tmp_path)
        patch.setattr(threads, "_threads", threads.get_num_threads() + 1)
        usual = signal.signal(signal.SIGTERM, signal.SIG_IGN)
        changed = traces.differences(before, traces.settings())
        signal.signal(signal.SIGTERM, usual)
    assert [line.partition(":")[0] for line in changed] == list(before)
    assert traces.differences(before, traces.settings()) == []


def test_a_process_that_is_left_is_noticed(monkeypatch):
    monkeypatch.setattr(traces, "PATIENCE", 0.05)
    before = traces.helpers()
    script = "import sys; print('here', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        left = traces.left_helpers(before)
        process.stdin.close()
    assert left.keys() == {process.pid}
    assert "sys.stdin.read()" in left[process.pid]
    assert traces.left_helpers(before) == {}


def test_a_thread_that_is_left_is_noticed_and_one_that_ends_is_not(monkeypatch):
    monkeypatch.setattr(traces, "PATIENCE", 0.05)
    before, stop = traces.helpers(), threading.Event()
    waiting = threading.Thread(target=stop.wait, name="forgotten")
    waiting.start()
    assert list(traces.left_helpers(before).values()) == ["forgotten"]
    monkeypatch.setattr(traces, "PATIENCE", 5.0)
    threading.Timer(0.05, stop.set).start()
    assert traces.left_helpers(before) == {}
    waiting.join()
