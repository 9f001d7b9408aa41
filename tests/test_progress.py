"""The bar in a notebook: what it shows and when; the whole way to a notebook's cell is in test_notebook.py."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from gatewise import progress
from gatewise.progress import NotebookBar, progress_bar


class Handle:
    """What IPython's `display` returns, with a list of what was shown."""

    def __init__(self):
        self.texts = []

    def show(self, bar):
        self.update(bar)
        return self

    def update(self, bar):
        self.texts.append(repr(bar))


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(time=0.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.time)
    return now


def test_a_bar_moves_ten_times_a_second_and_says_what_it_took(clock):
    handle = Handle()
    bar = NotebookBar(40, "training", handle.show)
    for step in range(40):
        clock.time += 1 / 16
        bar.advance(f"loss {step}")
    bar.close()
    assert handle.texts[0] == f"training {'░' * 30} 0/40"
    assert handle.texts[10] == f"training {'█' * 15}{'░' * 15} 20/40  loss 19  0:01 left"
    assert handle.texts[-1] == f"training {'█' * 30} 40/40  loss 39  in 0:02"
    assert len(handle.texts) == 22


def test_text_is_escaped_and_long_times_have_hours(clock):
    bar = NotebookBar(0, "<b>", Handle().show)
    clock.time = 3 * 3600 + 62
    bar.advance("<script>")
    bar.close()
    assert "<b>" not in bar._repr_html_()
    assert "&lt;script&gt;" in bar._repr_html_()
    assert repr(bar).endswith("1/0  <script>  in 3:01:02")


def test_no_notebook_here():
    assert not progress.in_notebook()


def test_a_notebook_has_a_kernel(monkeypatch):
    shell = SimpleNamespace(kernel=None)
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))
    assert not progress.in_notebook()  # IPython on a terminal
    shell.kernel = object()
    assert progress.in_notebook()
    monkeypatch.setattr(progress.multiprocessing, "parent_process", object)
    assert not progress.in_notebook()  # a worker has no cell to print under


def test_the_bar_closes_where_an_error_stops_it(monkeypatch):
    handle = Handle()
    monkeypatch.setattr(progress, "in_notebook", lambda: True)
    monkeypatch.setattr(progress, "_display", handle.show)

    def two_steps():
        with progress_bar(3, True, "checking") as advance:
            advance("first")
            raise KeyError

    with pytest.raises(KeyError):
        two_steps()
    assert handle.texts[-1] == f"checking {'█' * 10}{'░' * 20} 1/3  first  in 0:00"


def test_a_bar_needs_no_ipython():
    script = "import sys, gatewise.progress as p; p.in_notebook(); print('IPython' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True).stdout == "False\n"
