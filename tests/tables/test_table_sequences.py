"""Tables as sequences, with labels or targets."""

import numpy as np
import pytest
from table_files import refused

from gatewise.tables import (
    SequenceRoles,
    drop_unanswered,
    read_sequences,
    with_labels,
    with_targets,
)

STEPS = "id,t,x,w,kind\nb,2,4,u,up\nb,1,3,v,up\na,1,1,u,down\na,3,,u,down\na,2,2,v,down\n"


def test_sequences_are_cut_and_sorted(table):
    found = table(STEPS)
    roles = SequenceRoles("id", "t", "kind")
    sequences = with_labels(found, roles, read_sequences(found, roles))
    assert sequences.names == ["b", "a"]
    assert sequences.channels == ["x", "w=u", "w=v"]
    np.testing.assert_array_equal(sequences.X[0], [[3, 0, 1], [4, 1, 0]])
    np.testing.assert_array_equal(sequences.X[1], [[1, 1, 0], [2, 0, 1], [np.nan, 1, 0]])
    assert sequences.labels.tolist() == ["up", "down"]
    assert found.notes == ["steps sorted by time"]
    assert SequenceRoles.from_json(roles._asdict()) == roles


def test_sequences_without_times_keep_the_order_of_the_file(table):
    found = table("id,x\na,1\nb,5\na,2\nb,4\n")
    assert [x.ravel().tolist() for x in read_sequences(found, SequenceRoles("id")).X] == [[1, 2], [5, 4]]
    assert found.notes == ["rows of each sequence brought together, in the order of the file"]


def test_two_labels_in_a_sequence_are_refused(table):
    found = table("id,x,kind\na,1,up\na,2,\na,3,down\nb,1,up\nb,2,up\n")
    roles = SequenceRoles("id", None, "kind")
    words = ["a.csv, line 4, column 'kind'", "sequence 'a' is 'down' here and 'up' before"]
    refused(lambda: with_labels(found, roles, read_sequences(found, roles)), *words)


def test_sequences_without_a_label_are_left_out_and_said(table):
    found = table("id,x,kind\na,1,1\na,2,\nb,1,\nb,2,\nc,3,x\n")
    roles = SequenceRoles("id", None, "kind")
    sequences = drop_unanswered(found, with_labels(found, roles, read_sequences(found, roles)))
    assert (sequences.names, sequences.labels.tolist()) == (["a", "c"], ["1", "x"])
    assert found.notes == ["1 sequence without an answer left out: b"]


def test_targets_of_sequences_or_of_steps(table):
    roles = SequenceRoles("id", None, "y", ("x",))
    found = table("id,x,y\na,1,5\na,2,\nb,1,7\nb,2,7\n")
    whole = with_targets(found, roles, read_sequences(found, roles))
    assert (whole.per_step, whole.targets.tolist()) == (False, [5, 7])
    found = table("id,x,y\na,1,5\na,2,6\nb,1,\nb,2,7\n")
    steps = with_targets(found, roles, read_sequences(found, roles))
    assert steps.per_step
    np.testing.assert_array_equal(np.concatenate(steps.targets), [5, 6, np.nan, 7])
    sequences = read_sequences(found, roles)
    refused(
        lambda: with_targets(found, roles, sequences, per_step=False), "line 3, column 'y': changes within sequence"
    )


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("id,x\na,1\n,2\n", ["line 3, column 'id': no name of a sequence"]),
        ("id,x\na,7\nb,7\n", ["no column is left to learn from"]),
        ("id,y\na,1\n", ["no column 'x'"]),
    ],
)
def test_sequences_that_cannot_be_used(table, content, words):
    features = ("x",) if "y" in content else ()
    refused(lambda: read_sequences(table(content), SequenceRoles("id", features=features)), "a.csv", *words)
