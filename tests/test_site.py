"""The built documentation, opened as files: complete, nothing from other servers, formulas drawn, search at work."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from browser import Browser, find_chromium

pytest.importorskip("mkdocs", reason="the site is built with the extra docs")
drawn = pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed (apt-get install chromium)")

ROOT = Path(__file__).parents[1]
PHONE = 390
UNDRAWN = "[...document.querySelectorAll('math')].filter(m => m.getBoundingClientRect().height < 5).length"
CUT_OFF = """[...document.querySelectorAll('.formula')].filter(
    box => box.clientWidth && box.scrollWidth > box.clientWidth + 1 && getComputedStyle(box).overflowX !== 'auto'
).length"""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, check=True)
    return folder


@pytest.fixture(scope="module")
def hooks():
    spec = importlib.util.spec_from_file_location("site_hooks", ROOT / "docs" / "_hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pages(site):
    return sorted(path for path in site.rglob("*.html") if path.name != "404.html")


def test_every_page_is_built_and_asks_no_other_server(site, hooks):
    written = [path for kind in ("*.md", "*.ipynb") for path in (ROOT / "docs").rglob(kind)]
    sources = [path.relative_to(ROOT / "docs").with_suffix(".html") for path in written]
    assert {path.relative_to(site) for path in pages(site)} == set(sources)
    assert not list(site.rglob("*.py"))
    for path in [*pages(site), *site.rglob("*.css")]:
        assert not hooks.external_requests(path.read_text(encoding="utf-8")), path


@pytest.mark.parametrize(
    "text",
    [
        '<script src="https://cdn.example/a.js"></script>',
        "<script defer src=//cdn.example/a.js></script>",
        '<link rel="stylesheet" href="https://fonts.example/css?family=Roboto">',
        '<link href="https://fonts.example" rel="preconnect">',
        '<img alt="a" src="http://example/a.png">',
        "@font-face { src: url(https://fonts.example/a.woff2) }",
        '@import "https://example/a.css";',
    ],
)
def test_requests_to_other_servers_are_seen(text, hooks, tmp_path):
    assert hooks.external_requests(text)
    (tmp_path / "index.html").write_text(text, encoding="utf-8")
    with pytest.raises(hooks.PluginError, match=r"index\.html"):
        hooks.on_post_build(SimpleNamespace(site_dir=str(tmp_path)))


def test_links_and_own_files_are_no_requests(hooks):
    own = '<a href="https://arxiv.org/abs/1406.1078">GRU</a><script src="a.js"></script>'
    own += '<link rel="stylesheet" href="a.css"><link rel="canonical" href="https://example/">'
    assert not hooks.external_requests(own + "<img src='data:image/png;base64,AAAA'> a { background: url(a.svg) }")


def test_formulas_become_mathml_or_stop_the_build(hooks):
    page = SimpleNamespace(file=SimpleNamespace(src_uri="page.md"))
    content = r'<p><span class="arithmatex">\(a &lt; b_t\)</span></p><div class="arithmatex">\[\sigma(a)\]</div>'
    found = hooks.on_page_content(content, page)
    assert found.count("<math") == 2 == found.count("</math>")
    assert '<div class="formula"><math display="block">' in found
    assert "arithmatex" not in found
    with pytest.raises(hooks.PluginError, match=r"page\.md"):
        hooks.on_page_content(r'<span class="arithmatex">\(\nonsense{a}\)</span>', page)


def test_a_notebook_becomes_a_page_and_stays_beside_it(site, hooks):
    page = (site / "tutorial.html").read_text(encoding="utf-8")
    assert "From a table to a forecast, and inside" in page
    assert 'href="tutorial.ipynb"' in page
    assert (site / "tutorial.ipynb").exists()
    assert 'href="tutorial.ipynb"' not in (site / "notebooks.html").read_text(encoding="utf-8")
    assert 'The <a href="tutorial.html">tutorial</a>' in (site / "notebooks.html").read_text(encoding="utf-8")


def test_the_outputs_a_notebook_was_saved_with_are_shown(hooks):
    outputs = [
        {"output_type": "stream", "text": ["one\n", "two\n"]},
        {"output_type": "display_data", "data": {"text/html": ["<b>\n\nbar</b>"], "text/plain": "bar"}},
        {"output_type": "execute_result", "data": {"text/plain": ["3"]}},
        {"output_type": "execute_result", "data": {"text/plain": " "}},
    ]
    cells = [
        {"cell_type": "markdown", "source": ["# Title\n", "Words"]},
        {"cell_type": "code", "source": ["1 + 2"], "outputs": outputs},
    ]
    assert hooks.notebook_page(json.dumps({"cells": cells}), "a.ipynb") == (
        "# Title\nWords\n\n[Download this page as a notebook](a.ipynb)\n\n```python\n1 + 2\n```\n\n"
        "```text\none\ntwo\n```\n\n<div><b>\nbar</b></div>\n\n```text\n3\n```\n"
    )


@drawn
def test_every_page_is_silent_and_fits_a_phone(site, tmp_path):
    wrong = []
    with Browser(tmp_path) as browser:
        for page in pages(site):
            tab = browser.open(page, width=PHONE)
            tab.settle()
            width = tab.evaluate("document.documentElement.scrollWidth")
            strangers = [url for url in tab.requests() if not url.startswith(site.as_uri())]
            found = [*tab.complaints(), *tab.failures(), *strangers, *([f"{width} px wide"] if width > PHONE else [])]
            wrong += [f"{page.relative_to(site)}: {problem}" for problem in found]
            tab.close()
    assert not wrong, "\n".join(wrong)


@drawn
def test_formulas_are_drawn_and_scroll_in_their_boxes(site, tmp_path):
    with_formulas = [path for path in pages(site) if "<math" in path.read_text(encoding="utf-8")]
    assert len(with_formulas) >= 4
    with Browser(tmp_path) as browser:
        for path in with_formulas:
            tab = browser.open(path, width=PHONE, height=844)
            assert tab.evaluate(UNDRAWN) == 0, path
            assert tab.evaluate(CUT_OFF) == 0, path
            tab.close()


@drawn
def test_formulas_can_be_read_in_the_dark(site, tmp_path):
    with Browser(tmp_path) as fresh:  # a page remembers the scheme it was first seen in
        tab = fresh.open(site / "derivations" / "gru.html", dark=True)
        color = "getComputedStyle(document.querySelector('{}')).{}.match(/[0-9.]+/g).slice(0, 3).map(Number)"
        ink = tab.evaluate(color.format("div.formula math", "color"))
        ground = tab.evaluate(color.format("body", "backgroundColor"))
    assert max(ground) < 64
    assert min(ink) > max(ground) + 96


@drawn
def test_search_finds_without_a_server(site, tmp_path):
    with Browser(tmp_path) as browser:
        tab = browser.open(site / "index.html")
        tab.evaluate("document.querySelector('.md-search__input').focus()")
        tab.call("Input.insertText", text="central difference")
        tab.call("Input.dispatchKeyEvent", type="keyUp", key="e")  # what the search listens to
        tab.wait_for("document.querySelectorAll('.md-search-result__item').length > 0")
        links = tab.evaluate("[...document.querySelectorAll('.md-search-result__link')].map(a => a.href)")
        assert any("derivations/elman.html" in link for link in links)
        assert tab.complaints() == tab.failures() == []
