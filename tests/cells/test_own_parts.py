"""Names and records of cells of one's own, apart from a layer."""

import numpy as np
import pytest

from gatewise import GatewiseError
from gatewise.cells.own import OwnRecord, check_value_names, letters


def test_the_name_that_comes_twice_is_named():
    with pytest.raises(GatewiseError, match="gates hold the name 'b' twice; need each once"):
        check_value_names("gates", ("a", "b", "c", "b"))
    assert check_value_names("gates", ["a", "b"]) == ("a", "b")
    assert check_value_names("recorded", ()) == ()


@pytest.mark.parametrize("names", [(), "gate", (1,), ("a", None)])
def test_what_is_no_list_of_names_is_refused(names):
    with pytest.raises(GatewiseError, match=r"gates is .*; need one or more names"):
        check_value_names("gates", names)


@pytest.mark.parametrize("name", ["_a", "d_a", "initial_a", "x", "if", "a b", "runs"])
def test_a_name_that_a_tape_cannot_have_is_refused(name):
    with pytest.raises(GatewiseError, match=f"gates hold the name {name!r}; need a Python name"):
        check_value_names("gates", (name,))


def test_records_of_the_same_function_are_equal():
    one, other = OwnRecord(max), OwnRecord(min)
    assert one == OwnRecord(max)
    assert hash(one) == hash(OwnRecord(max))
    assert one != other
    assert one != max
    assert OwnRecord(None) != one


def test_without_a_function_the_gradients_of_a_record_are_unknown():
    dstate, record = (np.ones(2),), (np.zeros(2, np.float32), np.ones(3))
    given, gradients = OwnRecord(None)(dstate, dstate, dstate, record, np.empty((0, 2)))
    assert given is dstate
    assert [g.dtype for g in gradients] == [np.float32, np.float64]
    assert all(np.isnan(g).all() for g in gradients)


def test_letters_are_the_first_that_are_free():
    assert letters(("forget", "candidate", "fine")) == ("f", "c", "i")
    assert letters(("a", "a1", "aa")) == ("a", "1", "2")
