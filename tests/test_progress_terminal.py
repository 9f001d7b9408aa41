"""Bars on a terminal: they say what they are part of, fit 80 columns, and leave nothing behind."""

import io
import re
import sys

import pytest

from gatewise.progress import progress_bar, stage


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def drawn(monkeypatch):
    """Draw a bar of two steps in a stage; return what a terminal of some columns, or a pipe, was sent."""

    def draw(columns=80, terminal=True, name="measuring 1/2"):
        stderr = Terminal() if terminal else io.StringIO()
        monkeypatch.setattr(sys, "stderr", stderr)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm")
        with stage(name), progress_bar(2, enabled=True) as advance:
            advance("epoch 1, loss 0.1234")
            advance("epoch 2, loss 0.1234")
        return stderr.getvalue()

    return draw


@pytest.mark.parametrize("name", ["measuring 1/2", "final fit 2/2"])
def test_a_bar_says_what_it_is_part_of(drawn, name):
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn(name=name)))
    full = [line for line in lines if "2/2 epoch 2" in line]
    assert full
    assert all(line.startswith(name) and "loss 0.1234" in line and len(line) <= 80 for line in full)


def test_no_bar_in_a_pipe(drawn):
    assert not drawn(terminal=False).strip()


def test_no_color_where_none_is_wanted(drawn, monkeypatch):
    assert re.search(r"\x1b\[3[0-9]|\x1b\[38", drawn())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not re.search(r"\x1b\[3[0-9]|\x1b\[38", drawn())
