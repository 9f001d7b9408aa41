"""The page in which a model runs: WebAssembly of the same file, in a headless Chromium, with the network refused."""

import json
import re

import numpy as np
import pytest
from browser import Browser, find_chromium

import gatewise as gw
from gatewise.interop.c.compilers import find_wasm_compiler

needs_wasm = pytest.mark.skipif(
    find_wasm_compiler() is None, reason="Clang and wasm-ld make it (apt-get install clang lld)"
)
needs_chromium = pytest.mark.skipif(
    find_chromium() is None, reason="no Chromium is installed (apt-get install chromium)"
)
READY = "globalThis.gatewise !== undefined"


def curve_model():
    return gw.Sequential(gw.GRU(1, 8, rng=0), gw.Dense(8, 2, rng=1))


def classifier():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(12, 9, 2)) * [1, 100] + [5, 1e4]
    y = np.where(X[:, :, 0].mean(axis=1) > 5, "<b>up</b>", "down")
    options = {"hidden_size": 4, "max_iter": 1, "random_state": 0, "ridge_share": 0}
    return gw.RecurrentClassifier(**options).fit(X, y), X


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@needs_wasm
def test_the_page_reads_nothing_from_any_network_and_escapes_texts(tmp_path):
    model, _ = classifier()
    written = gw.to_html(model, tmp_path / "page.html", title="A & <i>B</i>")
    text = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|//[a-z]+\.", text)
    assert "<title>A &amp; &lt;i&gt;B&lt;/i&gt;</title>" in text
    assert "<b>up</b>" not in text
    assert written[1:3] == (2, 2)
    assert 2000 < written.wasm_bytes < 40_000


@needs_wasm
@needs_chromium
def test_the_page_runs_the_model_on_what_is_pasted_and_drawn(browser, tmp_path):
    model = curve_model()
    gw.to_html(model, tmp_path / "curve.html")
    tab = browser.open(tmp_path / "curve.html", ready=READY)
    x = np.sin(np.arange(60) / 5).astype(np.float32)[:, None]
    y = np.array(tab.evaluate(f"gatewise.run({x.tolist()})"))
    np.testing.assert_allclose(y, model(x[None])[0][0], atol=1e-6)

    def paste(text):
        tab.evaluate(f"document.getElementById('text').value = {json.dumps(text)}")
        tab.evaluate("document.getElementById('text').dispatchEvent(new Event('input'))")

    paste("level\n1.5\n-2\n0.25")
    last = tab.evaluate(
        "[...document.querySelectorAll('#last td:nth-child(2)')].map((cell) => Number(cell.textContent))"
    )
    pasted = np.array([[[1.5], [-2], [0.25]]], np.float32)
    np.testing.assert_allclose(last, model(pasted)[0][0, -1], atol=1e-5)

    paste("1\ntwo")
    assert tab.evaluate("document.getElementById('message').textContent") == 'line 2 has "two", which is no number'

    tab.evaluate("document.getElementById('clear').click(); document.getElementById('steps').value = 20")
    box = "document.getElementById('drawing').getBoundingClientRect()"
    left, top, width, height = tab.evaluate(f"(({{left, top, width, height}}) => [left, top, width, height])({box})")
    tab.mouse("mousePressed", left + 9, top + height - 30, button="left", clickCount=1)
    tab.mouse("mouseMoved", left + width - 9, top + 30, button="left")
    tab.mouse("mouseReleased", left + width - 9, top + 30, button="left")
    drawn = [float(line) for line in tab.evaluate("document.getElementById('text').value").split("\n")]
    assert len(drawn) == 20
    assert np.all(np.diff(drawn) > 0)
    assert tab.evaluate("document.querySelectorAll('#every tbody tr').length") == 20
    assert tab.complaints() == []
    assert tab.requests() == []
    tab.close()


@needs_wasm
@needs_chromium
def test_the_page_shows_probabilities_of_a_classifier(browser, tmp_path):
    model, X = classifier()
    gw.to_html(model, tmp_path / "classes.html")
    tab = browser.open(tmp_path / "classes.html", ready=READY)
    y = np.array(tab.evaluate(f"gatewise.run({X[0].tolist()})"))
    np.testing.assert_allclose(y[-1], model.predict_proba(X[:1])[0], atol=1e-5)
    assert tab.evaluate("gatewise.parse('a;b\\n1;\\n2;3').map((row) => row.map(String).join())") == ["1,NaN", "2,3"]
    assert tab.evaluate("[...document.querySelectorAll('#last th')].map((cell) => cell.textContent)") == [
        "<b>up</b>",
        "down",
    ]
    assert tab.complaints() == []
    tab.close()


def test_without_clang_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        gw.GatewiseError, match="Clang and its linker wasm-ld make, and they are not installed here; install"
    ):
        gw.to_html(curve_model(), tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
