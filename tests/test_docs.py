"""Every example that a reader can see runs: docstrings, README, docs."""

import doctest
import importlib
import inspect
import os
import pkgutil
import re
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import gatewise as gw

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
WALK = pkgutil.walk_packages(gw.__path__, "gatewise.")
MODULES = ["gatewise", *(module.name for module in WALK if module.name != "gatewise.__main__")]
EXCUSED = ("GatewiseError", "LSTMState", "schedules.rate_at")  # shown where they are raised, returned, used
FENCE = re.compile(r"^(?P<indent> *)(?P<ticks>`{3,}|~{3,})(?P<info>[^`\n]*)$")


def blocks(text):
    """Fenced blocks of a page as (language, first line number, text)."""
    lines, found, start = text.splitlines(), [], None
    for number, line in enumerate(lines, 1):
        fence = FENCE.match(line)
        if start is None and fence:
            start, ticks, indent = number, fence["ticks"], len(fence["indent"])
            language = (fence["info"].split() or [""])[0]
        elif start is not None and line.strip() == ticks:
            found.append((language, start + 1, "\n".join(row[indent:] for row in lines[start : number - 1]) + "\n"))
            start = None
    assert start is None, f"the fence on line {start} is never closed"
    return found


def run_block(code, number, page, namespace):
    """Run a block; raises, with page and line, if it does."""
    if ">>>" in code:
        test = doctest.DocTestParser().get_doctest(code, namespace, page, page, number - 1)
        out = []
        runner = doctest.DocTestRunner(verbose=False)
        runner.run(test, out=out.append, clear_globs=False)
        assert runner.failures == 0, "".join(out)
        namespace.update(test.globs)
    else:
        exec(compile("\n" * (number - 1) + code, page, "exec"), namespace)


def line_of(error, page):
    """The last line of the page that a traceback passes."""
    lines, trace = [], error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == page:
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return lines[-1] if lines else getattr(error, "lineno", None)


def examples_in(source):
    return len(re.findall(r"^\s*>>> ", source, flags=re.MULTILINE))


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
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
    for language, number, code in blocks(page.read_text(encoding="utf-8")):
        if language != "python":
            continue
        try:
            run_block(code, number, name, namespace)
        except Exception as error:
            line = line_of(error, name) or number
            pytest.fail(f"{name}, line {line}: {type(error).__name__}: {error}", pytrace=False)


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


def test_the_readme_starts_in_two_lines():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    sections = re.split(r"^## ", text, flags=re.MULTILINE)[1:]
    (start,) = [section for section in sections if section.splitlines()[0].strip() == "Start"]
    found = [code.splitlines() for language, _, code in blocks(start) if language == "sh"]
    assert [len(lines) for lines in found] == [1, 1]
    assert all(lines[0].strip() for lines in found)
