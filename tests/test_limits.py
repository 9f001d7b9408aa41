"""Limits of what a file may ask for."""

import pytest

from gatewise import GatewiseError
from gatewise.limits import VARIABLE, Limits


def test_usual_limits_are_the_defaults_and_what_the_environment_says(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)
    assert Limits.usual() == Limits()
    monkeypatch.setenv(VARIABLE, "columns=7, depth=3")
    assert Limits.usual() == Limits(columns=7, depth=3)


@pytest.mark.parametrize("text", ["width=3", "columns", "columns=-1", "columns=many", "columns=1e9"])
def test_a_text_that_is_no_limit_is_refused(text):
    with pytest.raises(GatewiseError, match="NAME=NUMBER"):
        Limits().changed(text)


@pytest.mark.parametrize("number", [0, -1, 1.5, True, "9"])
def test_a_limit_is_a_positive_integer(number):
    with pytest.raises(GatewiseError, match="columns"):
        Limits(columns=number)
