"""What `gw.report` returns: text, a file, and a frame in a notebook."""

import pytest
from outline import Outline
from report_pages import HOSTILE

import gatewise as gw
from gatewise.pages.notebook import Page


def test_a_page_is_text_and_can_be_saved(tmp_path):
    page = gw.report(gw.GRU(2, 3, rng=0), title=HOSTILE)
    assert isinstance(page, str)
    assert page.startswith("<!doctype html>")
    assert str(page) == page == f"{page}"
    assert page.save(tmp_path / "page.html").read_text(encoding="utf-8") == page
    assert len(repr(page)) < 300
    with pytest.raises(gw.GatewiseError, match="cannot write"):
        page.save(tmp_path / "absent" / "page.html")


def test_a_notebook_gets_a_frame_that_cannot_reach_it():
    page = Page(f"<!doctype html><title>{HOSTILE.split('<')[0]}&lt;x&gt;</title>\n<p title=\"a\">'&amp;'</p>")
    [(tag, attributes)] = Outline(page._repr_html_()).tags
    assert tag == "iframe"
    assert attributes["srcdoc"] == page
    assert set(attributes["sandbox"].split()) == {"allow-scripts", "allow-downloads"}
    assert "src" not in attributes


def test_a_page_without_a_title_is_shown_too():
    assert repr(Page("<p>")).startswith("<Page '', 0.0 MB")
