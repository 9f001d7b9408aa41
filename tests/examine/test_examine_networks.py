"""Two hundred networks as people write them: slips are named, right ones are called right."""

import random

import handwritten
import handwritten_slips as planted
import handwritten_specs as specs
import pytest

import gatewise as gw

LOOPS = {"loop next": "dh", "loop mean": "scaled", "loop overwritten": "overwritten"}
RIGHT, ONE, TWO = 50, 90, 60
CHUNK = 10


def named(examination):
    """The lines that the examination names, but for the update of weights, which is a trait of the interface."""
    return sorted(slip.target for slip in examination.slips if slip.target != "updated inside")


def expected(one):
    return sorted(LOOPS.get(target, target) for target, *_ in one.slips)


@pytest.mark.parametrize("first", range(0, RIGHT, CHUNK))
def test_no_right_network_is_called_wrong(first):
    for seed in range(first, first + CHUNK):
        one = specs.spec(random.Random(seed))
        examination = gw.examine(handwritten.build(one))
        assert named(examination) == [], f"{one}\n{examination}"
        assert all(row.ok for row in examination.gradients)
        assert examination.ok == (one.interface != "update")
        assert examination.convention["cell"] == one.cell
        if one.cell == "gru":
            assert (examination.convention["reset"], examination.convention["update"]) == (one.reset, one.update)


def missed(seeds, count):
    """The networks whose slips are not exactly those that were planted."""
    wrong = []
    for seed in seeds:
        one = planted.planted(random.Random(seed), count)
        examination = gw.examine(handwritten.build(one))
        assert not examination.ok
        if named(examination) != expected(one):
            wrong.append((one, examination))
    return wrong


@pytest.mark.parametrize("first", range(1000, 1000 + ONE, CHUNK))
def test_one_slip_is_named(first):
    assert len(missed(range(first, first + CHUNK), 1)) == 0


@pytest.mark.parametrize("first", range(2000, 2000 + TWO, CHUNK))
def test_two_slips_are_named(first):
    assert len(missed(range(first, first + CHUNK), 2)) == 0


def test_what_matches_nothing_is_said_to():
    one = specs.Spec("gru", "before", "keeps", order=("r", "z", "n"))
    one.slips = [("da_r", "dr * np.cos(r) * 0.37 + 0.1 * dz ** 3", ())]
    examination = gw.examine(handwritten.build(one))
    assert not examination.ok
    assert {slip.kind for slip in examination.slips} == {"unknown"}
    assert {"dW_r", "dU_r", "db_r", "dh_prev"} <= {slip.array for slip in examination.slips}
    assert not any(slip.array == "dW_z" for slip in examination.slips)
    assert "matches no slip" in str(examination)


def test_the_step_where_an_unknown_error_starts_is_said():
    one = specs.Spec("rnn", sequence="time", interface="returned", order=("n",))
    one.slips = [("dx", "da_n @ Wx_h.T * (1 + 0.3 * (t < 2))", ())]
    (slip,) = gw.examine(handwritten.build(one)).slips
    assert slip.array == "dx"
    assert "from step 1 of 3" in slip.what


def test_the_line_and_the_letters_are_the_readers():
    one = specs.Spec("gru", "before", "writes", order=("r", "z", "n"), letters=1)
    one.slips = [("da_n", "dn * (1 - h_tilde) ** 2", ())]
    (slip,) = gw.examine(handwritten.build(one)).slips
    assert slip.source == "da_n = dn * (1 - h_tilde) ** 2"
    assert slip.what == "(1 − h_tilde)² stands for (1 − h_tilde²)"
    assert slip.difference < 1e-12
