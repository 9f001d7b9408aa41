"""The documentation site in a headless Chromium, from files, no network: complete, silent, and fit for a phone."""

import subprocess
import sys
from pathlib import Path

import pytest
from browser import Browser, find_chromium

pytest.importorskip("mkdocs", reason="the site is built with the extra docs")
pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed (apt-get install chromium)")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--quiet", "--site-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return folder


def test_every_page_is_silent_asks_for_nothing_elsewhere_and_fits_a_phone(site, tmp_path):
    pages = sorted(path for path in site.rglob("*.html") if path.name != "404.html")  # which only a server shows
    assert len(pages) > 8
    wrong = []
    with Browser(tmp_path) as browser:
        for page in pages:
            tab = browser.open(page, width=390)
            tab.settle()
            width = tab.evaluate("document.documentElement.scrollWidth")
            strangers = [url for url in tab.requests() if not url.startswith(site.as_uri())]
            found = [*tab.complaints(), *tab.failures(), *strangers, *([f"{width} px wide"] if width > 390 else [])]
            wrong += [f"{page.relative_to(site)}: {problem}" for problem in found]
            tab.close()
    assert not wrong, "\n".join(wrong)
