"""Lines of a stream that no row can be: refused in words, and passed over where that is asked for."""

import json
import time

import numpy as np
import pytest
from click.testing import CliRunner
from table_files import refused

import gatewise as gw
from gatewise.cli import cli
from gatewise.limits import Limits
from gatewise.tables.columns import Column
from gatewise.tables.lines import Lines, Row, number
from gatewise.tables.streams import encoded

MANY = "{" + ",".join(f'"k{k}":{k}' for k in range(60)) + "}"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("[" * 100_000, "is no JSON"),
        ('{"a":' * 50_000, "is no JSON"),
        ("[" + "9" * 100_000 + "]", "is no JSON"),
        ('{"a": 1, "b": 2, "a": 3}', "has 'a' twice"),
        ('{"a": [{"b": 1, "b": 2}]}', "has 'b' twice"),
        (r'{"a": "\ud800"}', "surrogates not allowed"),
        (r'{"\udc00": 1}', "surrogates not allowed"),
        (MANY, "columns=60"),
        ("1," * 60, "columns=61"),
        ("x" * 1001, "field=1001"),
        ("1,2\r3,4", "is no CSV"),
        ('{"a": 1', "is no JSON"),
    ],
)
def test_lines_that_are_no_rows(line, words):
    refused(lambda: Lines(limits=Limits(columns=50, field=1000)).row(line), words)


def test_lines_that_are_rows_all_the_same():
    assert Lines().row(r'{"a": "\ud83d\ude00 \\ud800"}') == Row(["😀 \\ud800"], ("a",))
    assert Lines(header=False).row("'=1,'tis,'-5") == Row(["=1", "'tis", "'-5"])
    assert Lines(limits=Limits(field=200_000), header=False).row("x" * 150_000) == Row(["x" * 150_000])
    assert len(Lines(limits=Limits(columns=60)).row(MANY).cells) == 60


@pytest.mark.parametrize("cell", ["1" * 100_000 + "x", "1" * 100_000, 10**400, [[1]], {"a": 1}, "1e400", True, "²"])
def test_cells_that_are_no_numbers(cell):
    start = time.process_time()
    message = refused(lambda: number(cell, "a"), "a is")
    assert len(message) < 200
    assert time.process_time() - start < 1


def test_a_header_of_many_digits_is_told_at_once():
    start = time.process_time()
    assert Lines().row("1" * 100_000 + "x,b") is None
    assert time.process_time() - start < 1


def test_lists_are_neither_words_nor_levels():
    for kind in ("levels", "yes/no", "number"):
        refused(lambda kind=kind: encoded([1], Column("c", kind, levels=("a",))), "c is a list")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("stream") / "model.safetensors"
    gw.save(gw.Dense(1, 1, rng=0), path)
    return path


def stream(model, content, *options):
    return CliRunner().invoke(cli, ["stream", str(model), "--quiet", *options], input=content)


def test_a_line_without_end_is_passed_over(model, monkeypatch):
    monkeypatch.setenv("GATEWISE_LIMITS", "line=100")
    content = b"a\n1\n" + b"2" * 950 + b"\n3\n" + b"4" * 99 + b"x\n5\n" + b"6" * 500
    result = stream(model, content, "--bad-rows", "skip")
    assert [line.partition(",")[0] for line in result.stdout.splitlines()] == ["row", "1", "3", "5"]
    assert result.stderr.count("line=101; the limit is line=100") == 3
    assert "stdin, line 3: it asks for line=101" in str(stream(model, content).exception)


def test_no_row_of_a_stream_is_a_formula(tmp_path):
    X = [np.full((4, 1), float(k % 2)) for k in range(10)]
    classifier = gw.RecurrentClassifier(max_iter=1, n_networks=1, hidden_size=2, random_state=0)
    gw.save(classifier.fit(X, np.array(["=1+1", "@x"] * 5)), tmp_path / "model.safetensors")
    lines = stream(tmp_path / "model.safetensors", "a\n1\n").stdout.splitlines()
    assert lines[0] == "row,predicted,p(=1+1),p(@x)"
    assert lines[1].split(",")[1] in ("'=1+1", "'@x")
    answer = json.loads(stream(tmp_path / "model.safetensors", "a\n1\n", "--json").stdout)
    assert answer["predicted"] in ("=1+1", "@x")
