"""Every example that a reader can see runs: docstrings, README, docs."""

import doctest
import importlib
import inspect
import os
import pkgutil
import re
import sys
import warnings
from itertools import takewhile
from pathlib import Path

import numpy as np
import pytest
from page_blocks import blocks, difference, examples, line_of, run_block

import gatewise as gw
from gatewise.layouts import LAYOUTS

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
WALK = pkgutil.walk_packages(gw.__path__, "gatewise.")
MODULES = ["gatewise", *(module.name for module in WALK if module.name != "gatewise.__main__")]
EXCUSED = ("GatewiseError", "LSTMState", "schedules.rate_at")  # shown where they are raised, returned, used
NAV_PAGE = re.compile(r"^ +- (?:.+: )?(\S+\.md)$", re.MULTILINE)


def examples_in(source):
    return len(re.findall(r"^\s*>>> ", source, flags=re.MULTILINE))


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if name == "gatewise.estimators.sktime":
        pytest.importorskip("sktime")
    module = importlib.import_module(name)
    module = sys.modules[name]  # gatewise.gradcheck is also a function
    failures, attempted = doctest.testmod(module, optionflags=0, extraglobs={"np": np})
    assert failures == 0, f"{failures} examples of {name} fail; they are printed above"
    assert attempted == examples_in(inspect.getsource(module)), "an example stands where doctest does not see it"


def test_every_public_name_has_an_example():
    public = {name: getattr(gw, name) for name in gw.__all__}
    for part in (gw.losses, gw.optimizers, gw.schedules, gw.datasets):
        for name, value in vars(part).items():
            if not name.startswith("_") and getattr(value, "__module__", "").startswith(part.__name__):
                public[f"{part.__name__.removeprefix('gatewise.')}.{name}"] = value
    lacking = []
    for name, value in public.items():
        called = inspect.isclass(value) or inspect.isfunction(value)
        abstract = inspect.isabstract(value) or getattr(value, "_is_protocol", False)
        if called and not abstract and name not in EXCUSED and ">>>" not in (value.__doc__ or ""):
            lacking.append(name)
    assert not lacking, f"no example in the docstring of {', '.join(sorted(lacking))}"
    undocumented = [name for name, value in public.items() if callable(value) and not (value.__doc__ or "").strip()]
    assert not undocumented


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_pages_run(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name, namespace = os.fspath(page.relative_to(ROOT)), {"__name__": "__main__"}
    for number, code, shown in examples(page.read_text(encoding="utf-8")):
        try:
            printed = run_block(code, number, name, namespace)
        except Exception as error:
            line = line_of(error, name) or number
            pytest.fail(f"{name}, line {line}: {type(error).__name__}: {error}", pytrace=False)
        if shown is not None:
            wrong = difference(printed, shown)
            assert wrong is None, f"{name}, block on line {number}: {wrong}"


def test_the_page_runner_can_fail():
    page = "Text\n\n```python\na = 1\n\na / 0\n```\n\n- item\n\n  ```python\n  >>> a + 1\n  3\n  ```\n"
    (_, first, code), (_, second, session) = blocks(page)
    assert (first, second) == (4, 12)
    namespace = {}
    with pytest.raises(ZeroDivisionError) as caught:
        run_block(code, first, "page.md", namespace)
    assert line_of(caught.value, "page.md") == 6
    with pytest.raises(AssertionError, match=r'File "page.md", line 12'):
        run_block(session, second, "page.md", namespace)
    run_block(session.replace("3", "2"), second, "page.md", namespace)
    with pytest.raises(SyntaxError) as caught:
        run_block("a = = 1\n", 9, "page.md", {})
    assert line_of(caught.value, "page.md") == 9
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(AssertionError, match="never closed"):
            blocks("```python\na = 1\n")


def test_shown_output_is_compared():
    page = "```python\nprint('x =', 0.5)\n```\n\n```text\nx = 0.5\n```\n\n```python\n1\n```\n\nA.\n\n```text\nb\n```\n"
    assert [(number, shown) for number, _, shown in examples(page)] == [(2, "x = 0.5\n"), (10, None)]
    assert run_block("print('x =', 0.5)\n", 2, "page.md", {}) == "x = 0.5\n"
    for printed, shown in [
        ("x = 0.123457", "x = 0.123456"),  # a unit of the last digit
        ("error 3.1e-16", "error 8.2e-13"),  # both are rounding
        ("error 0.0e+00", "error 8.2e-13"),
        ("[ 0.5, -1.0]", "[0.5, -1.0]"),
        ("norm 5.85e-05", "norm 5.86e-05"),
    ]:
        assert difference(printed, shown) is None
    for printed, shown in [
        ("x = 0.123456", "x = 0.123458"),
        ("error 3.1e-08", "error 3.1e-16"),
        ("x = 3", "x = 4"),
        ("x = -0.5", "x = 0.5"),
        ("x = 0.5", "y = 0.5"),
        ("x = 0.5", "x = 0.5 0.5"),
        ("norm 5.85e-05", "norm 5.85e-06"),
    ]:
        assert difference(printed, shown)


def test_nav_names_every_page_and_every_page_is_there():
    nav = NAV_PAGE.findall((ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2])
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in PAGES if page.name != "README.md"]
    assert sorted(nav) == sorted(pages)


def test_rosetta_says_what_the_table_of_layouts_says():
    text = (ROOT / "docs" / "rosetta.md").read_text(encoding="utf-8")
    section = text.partition("## What `gw.convert` reads and writes")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    assert rows == [layout_row(layout) for layout in LAYOUTS]


def test_api_names_every_public_name():
    text = "".join(page.read_text(encoding="utf-8") for page in (ROOT / "docs" / "api").glob("*.md"))
    listed = re.findall(r"^::: gatewise\.(\S+)$", text, re.MULTILINE)
    assert len(listed) == len(set(listed))
    assert not set(gw.__all__) - {part for name in listed for part in name.split(".")}


def test_the_first_page_repeats_the_measured_ratios():
    first, performance = (table(ROOT / "docs" / name, "| B, T, D, H |") for name in ("index.md", "performance.md"))
    assert len(first) >= 4
    for shape, ratios in first.items():
        assert ratios.items() <= performance[shape].items()


def table(page, start):
    """The rows of the table whose head begins with `start`: first cell to a dict from head to cell."""
    lines = page.read_text(encoding="utf-8").splitlines()
    (first,) = [number for number, line in enumerate(lines) if line.startswith(start)]
    head, _, *rows = (line.strip("| ").split(" | ") for line in takewhile(bool, lines[first:]))
    return {row[0]: dict(zip(head, row, strict=True)) for row in rows}


def layout_row(layout):
    """A row of the table in docs/rosetta.md."""
    slots = layout.slots()
    on_input = [slot for slot in slots if "W" in slot.matrix]
    on_state = [slot for slot in slots if slot.matrix == "U"]
    biases = [slot for slot in slots if slot.is_bias]
    gates = " ".join("".join(slot.gates for slot in on_input)) + ", an array each" * (len(on_input) > 1)
    z, reset = "", ""
    if layout.cell == "gru":
        z = "writes" if layout.writes else "keeps"
        free = layout.free.get("reset", "")
        reset = layout.fixed.get("reset", f"{free} or {'after' if free == 'before' else 'before'}")
    cells = [
        f"`{layout.name}`",
        layout.cell,
        arrays(layout, on_input),
        arrays(layout, on_state) or "in the same",
        (arrays(layout, biases) or "none") + ", optional" * layout.bias_optional,
        gates,
        z,
        reset,
    ]
    return "| " + " | ".join(cells) + " |"


def arrays(layout, slots):
    """Keys and shape of some arrays of a layout."""
    if not slots:
        return ""
    shape = layout.letters(slots[0]).split(" or ")[-1 if layout.bias_row else 0]
    return ", ".join(f"`{slot.key}`" for slot in slots) + " " + shape


def test_the_readme_starts_in_two_lines():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    (start,) = [section for section in sections if section.splitlines()[0].strip() == "Start"]
    found = [code.splitlines() for language, _, code in blocks(start) if language == "sh"]
    assert [len(lines) for lines in found] == [1, 1]
    assert all(lines[0].strip() for lines in found)
