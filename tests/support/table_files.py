"""Small tables and their refusals, for the tests of tables."""

import pyarrow as pa
import pytest

import gatewise as gw


def refused(call, *words):
    """Return the message of a refusal, on one line, that holds the words."""
    with pytest.raises(gw.GatewiseError) as caught:
        call()
    message = str(caught.value)
    for word in words:
        assert word in message, message
    assert "\n" not in message
    return message


def cells(*values):
    """Return a column of text."""
    return pa.chunked_array([list(values)], pa.string())


def days(*rows, header="day,x"):
    """Return a CSV file of rows."""
    return "\n".join([header, *rows]) + "\n"
