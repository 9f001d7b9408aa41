"""Pages in a headless Chromium with the network refused: they draw, zoom, tell values, fit a phone, and are safe."""

import base64
import io

import pandas as pd
import pytest
from browser import Browser, find_chromium
from report_pages import KINDS, a_fitted_forecaster, a_page, some_series

pytestmark = pytest.mark.skipif(find_chromium() is None, reason="no Chromium is installed (apt-get install chromium)")

READY = "document.documentElement?.dataset.ready"
CANVASES = """
  const canvases = (node) => [...node.querySelectorAll("*")].flatMap((part) =>
    [...(part.tagName === "CANVAS" ? [part] : []), ...(part.shadowRoot ? canvases(part.shadowRoot) : [])]);
"""
BLANK = f"""(() => {{ {CANVASES}
  const shades = (canvas) => {{
    if (!canvas.width || !canvas.height) return 0;
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    return new Set(new Uint32Array(data.buffer)).size;
  }};
  return [...document.querySelectorAll(".plot")].filter((plot) => Math.max(0, ...canvases(plot).map(shades)) < 4)
    .map((plot) => plot.id);
}})()"""
PLACES = f"""((id, share) => {{ {CANVASES}
  const plot = document.getElementById(`plot-${{id}}`);
  plot.scrollIntoView({{ block: "center", behavior: "instant" }});
  const boxes = canvases(plot).map((canvas) => canvas.getBoundingClientRect()).filter((box) => box.height > 40);
  return boxes.map((box) => [box.left + share * box.width, box.top + 0.6 * box.height]);
}})"""
TOOLTIP = """(() => {
  const inside = (node) => [...node.querySelectorAll("*")].flatMap((part) =>
    [...(part.matches(".bk-Tooltip") ? [part] : []), ...(part.shadowRoot ? inside(part.shadowRoot) : [])]);
  const texts = (part) =>
    [...(part.shadowRoot ?? part).querySelectorAll("div")].map((div) => div.textContent).join(" ");
  return inside(document).filter((part) => part.getBoundingClientRect().height > 0).map(texts).join(" ");
})()"""
RANGE = """((id) => {
  for (const { root } of Bokeh.documents.map((document) => ({ root: document.roots()[0] })))
    for (const model of root.references())
      if (model.name === "window" && JSON.stringify(root.id).includes(id)) return [model.start, model.end];
})"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")

    def file(kind):
        path = folder / f"{kind}.html"
        if not path.exists():
            path.write_text(a_page(kind), encoding="utf-8")
        return path

    return file


def unfolded(tab):
    """The tab once everything that is folded is open and drawn."""
    tab.evaluate("document.querySelectorAll('main details').forEach((part) => { part.open = true; })")
    tab.wait_for("document.getElementById('inside').dataset.ready === 'yes'")
    tab.settle()
    return tab


@pytest.fixture(scope="module", params=KINDS)
def tab(request, browser, files):
    opened = unfolded(browser.open(files(request.param), ready=READY))
    opened.kind = request.param
    yield opened
    opened.close()


@pytest.fixture
def gates(browser, files):
    """The page of a layer, which has ragged rows, two directions and nothing above its gates."""
    opened = browser.open(files("layer"), ready=READY)
    yield opened
    opened.close()


def hover(tab, id, which, share=0.5):
    places = tab.evaluate(f"{PLACES}({id!r}, {share})")
    x, y = places[which]
    tab.mouse("mouseMoved", x - 3, y)
    tab.mouse("mouseMoved", x, y)
    tab.wait_for(f"{TOOLTIP} !== ''", latest=20)
    return tab.evaluate(TOOLTIP)


def test_page_opens_without_a_complaint_or_a_request(tab):
    assert tab.seconds < 20  # on a busy machine; by itself it takes about one
    assert tab.complaints() == []
    assert tab.requests() == []
    assert tab.failures() == []
    assert tab.evaluate("document.documentElement.outerHTML.length") > 0
    assert len(a_page(tab.kind).encode()) < 3_000_000


def test_every_figure_is_drawn(tab):
    assert tab.evaluate("document.querySelectorAll('.plot').length") >= 3
    tab.wait_for(f"{BLANK}.length === 0", latest=20)


def test_text_of_users_is_text(tab):
    assert tab.evaluate("window.hacked") is None
    assert tab.evaluate("document.querySelectorAll('img').length") == 0
    assert "</script><img src=x onerror" in tab.evaluate("document.body.textContent")


def test_page_fits_a_phone(tab):
    tab.resize(390, 800)
    try:
        tab.settle()
        assert tab.evaluate("document.documentElement.scrollWidth") <= 390
        assert tab.complaints() == []
    finally:
        tab.resize(1280, 900)
        tab.settle()


def test_dark_and_light_differ(tab):
    page, line = "getComputedStyle(document.body).backgroundColor", "Bokeh.documents[0].roots()[0]"
    axis = f"[...{line}.references()].find((model) => model.type.endsWith('Axis')).major_label_text_color"
    light = tab.evaluate(page), tab.evaluate(axis)
    tab.evaluate("document.getElementById('theme').click()")
    dark = tab.evaluate(page), tab.evaluate(axis)
    tab.evaluate("document.getElementById('theme').click()")
    assert light[0] != dark[0]
    assert light[1] != dark[1]
    assert (tab.evaluate(page), tab.evaluate(axis)) == light
    tab.media(dark=True)
    tab.settle()
    assert tab.evaluate(page) == light[0], "the button outweighs the system"
    tab.media()


def test_hovering_tells_values(tab):
    id, said = {
        "layer": ("gates", "Forget gate f"),
        "classifier": ("confusion", "predicted"),
        "forecaster": ("backtest", "80 % interval from"),
        "demo": ("forecast", "Measured"),
    }[tab.kind]
    text = hover(tab, id, -1 if tab.kind == "layer" else 0)
    assert said in text
    assert any(letter.isdigit() for letter in text)
    assert tab.evaluate("window.hacked") is None
    assert tab.complaints() == []


@pytest.mark.parametrize("kind", ["classifier", "demo"])  # lines, and a heat map
def test_names_of_features_are_told_as_they_are(browser, files, kind):
    tab = unfolded(browser.open(files(kind), ready=READY))
    features = tab.evaluate("JSON.parse(document.getElementById('stores').textContent).gates.features")
    text = hover(tab, "gates", 0)
    assert "Step" in text
    shown = [name[:29] for name in features if name[:29] in text]
    assert len(shown) == (len(features) if kind == "classifier" else 1)
    assert tab.evaluate("window.hacked") is None
    assert tab.complaints() == []
    assert tab.requests() == []
    tab.close()


def steps(tab):
    return tab.evaluate("document.querySelector('#gates .shown').textContent")


def test_zoom_changes_the_steps_of_all_heat_maps(gates):
    assert steps(gates) == "Steps 1–20"
    gates.evaluate("document.querySelector('#gates [data-zoom=\"0.5\"]').click()")
    assert steps(gates) == "Steps 6–15"
    gates.evaluate("document.querySelector('#gates [data-step=\"1\"]').click()")
    assert steps(gates) == "Steps 11–20"
    gates.evaluate("document.querySelector('#gates [data-length=\"0\"]').click()")
    assert steps(gates) == "Steps 1–20"


def test_dragging_across_zooms_and_a_double_click_undoes_it(gates):
    (x, y) = gates.evaluate(f"{PLACES}('gates', 0.3)")[2]
    (end, _) = gates.evaluate(f"{PLACES}('gates', 0.6)")[2]
    gates.mouse("mouseMoved", x, y)
    gates.mouse("mousePressed", x, y, button="left", buttons=1, clickCount=1)
    for share in (0.2, 0.6, 1.0):
        gates.mouse("mouseMoved", x + share * (end - x), y, button="left", buttons=1)
    gates.mouse("mouseReleased", end, y, button="left", clickCount=1)
    gates.wait_for("document.querySelector('#gates .shown').textContent !== 'Steps 1–20'", latest=20)
    first, last = (int(k) for k in steps(gates).removeprefix("Steps ").split("–"))
    assert 3 <= first < last <= 15


def test_turning_the_wheel_zooms_with_control_held(gates):
    x, y = gates.evaluate(f"{PLACES}('gates', 0.5)")[1]
    gates.mouse("mouseMoved", x, y)
    gates.mouse("mouseWheel", x, y, deltaX=0, deltaY=-300, modifiers=2)
    gates.wait_for("document.querySelector('#gates .shown').textContent !== 'Steps 1–20'", latest=20)


def test_picking_a_sequence_and_a_direction_fills_the_heat_maps(gates):
    values = (
        """[...Bokeh.documents[0].roots()[0].references()].find((model) => model.name === "gates").data.forget[0]"""
    )
    before = gates.evaluate(f"[...{values}].slice(0, 50)")
    pick = "(() => {{ const s = document.querySelector('#gates [data-level=\"{}\"]'); s.value = '{}';"
    pick += " s.dispatchEvent(new Event('change')) }})()"
    gates.evaluate(pick.format(1, 1))
    after = gates.evaluate(f"[...{values}].slice(0, 50)")
    assert before != after
    assert all(0 <= value <= 1 for value in before + after)
    gates.evaluate(pick.format(0, 2))
    assert steps(gates) == "Steps 1–5"
    assert gates.evaluate(f"{values}.length") == 5 * 6
    assert gates.complaints() == []


def test_the_buttons_of_a_forecast_move_its_window(browser, files):
    tab = browser.open(files("demo"), ready=READY)
    shown = "document.querySelector('#forecast .shown').textContent"
    two_weeks = tab.evaluate(shown)
    tab.evaluate("document.querySelector('#forecast [data-step=\"-1\"]').click()")
    assert tab.evaluate(shown) != two_weeks
    tab.evaluate("[...document.querySelectorAll('#forecast [data-length]')].at(-1).click()")
    assert tab.evaluate(shown).replace("\u2009", " ") == "Jul 1 – 28, 2018"
    before = tab.evaluate("document.querySelector('#forecast [data-series=interval]').getAttribute('aria-pressed')")
    tab.evaluate("document.querySelector('#forecast [data-series=interval]').click()")
    assert before == "true"
    tab.close()


def test_an_example_leads_to_its_gates(browser, files):
    tab = browser.open(files("classifier"), ready=READY)
    tab.evaluate("document.querySelectorAll('a[data-pick]')[2].click()")
    tab.wait_for("document.querySelector('#gates [data-level=\"0\"]').value === '2'", latest=20)
    assert tab.evaluate("document.getElementById('inside').open") is True
    tab.close()


@pytest.fixture
def forecast(browser, files):
    """The page of a forecaster of two series, as it opens."""
    opened = browser.open(files("forecaster"), ready=READY)
    yield opened
    opened.close()


def test_the_network_is_folded_until_it_is_asked_for(forecast):
    assert forecast.evaluate("document.getElementById('inside').open") is False
    assert forecast.evaluate("document.getElementById('plot-gates').children.length") == 0
    assert forecast.evaluate("[...document.querySelectorAll('#inside section')].map((part) => part.id)")[:2] == [
        "loss",
        "gates",
    ]
    forecast.evaluate("document.querySelector('nav a[href=\"#inside\"]').click()")
    forecast.wait_for("document.getElementById('inside').dataset.ready === 'yes'")
    forecast.wait_for("document.getElementById('plot-gates').getBoundingClientRect().height > 300")
    assert forecast.complaints() == []


def test_a_table_is_copied_for_spreadsheets(forecast):
    forecast.evaluate("document.querySelector('#next button.copy').click()")
    forecast.wait_for("document.querySelector('#next button.copy').dataset.copied")
    copied = forecast.evaluate("document.querySelector('#next button.copy').dataset.copied")
    lines = [line.split("\t") for line in copied.split("\n")]
    assert lines[0][-3:] == ["Forecast", "80 % interval: from", "to"]
    assert [line[1] for line in lines[1:]] == ["2024-10-27", "2024-10-28"]
    model = a_fitted_forecaster()
    name = lines[1][0]
    expected = model.predict()[next(column for column in some_series() if str(column)[:5] == name[:5])]
    assert [float(line[2]) for line in lines[1:]] == pytest.approx(expected.to_numpy(), rel=0.01)


def test_the_forecast_can_be_downloaded_offline(forecast):
    link = "document.querySelector('#next a.download')"
    assert forecast.evaluate(f"{link}.download") == "forecast.csv"
    text = forecast.evaluate(f"fetch({link}.href).then((answer) => answer.text(), () => '')") or base64.b64decode(
        forecast.evaluate(f"{link}.href").partition("base64,")[2]
    ).decode("utf-8")
    frame = pd.read_csv(io.StringIO(text))
    assert frame.columns.tolist()[-3:] == ["lower", "median", "upper"]
    medians = a_fitted_forecaster().predict().to_numpy().T.ravel()
    assert frame["median"].to_numpy() == pytest.approx(medians, rel=1e-6)
    assert forecast.requests() == []


def test_picking_a_series_shows_it_everywhere(forecast):
    bodies = "[...document.querySelectorAll('#next tbody')].filter((part) => !part.hidden)"
    rows = f"{bodies}.map((part) => part.rows[0].cells[0].textContent)"
    names = forecast.evaluate("[...document.querySelectorAll('#next select option')].map((part) => part.textContent)")
    values = (
        "[...Bokeh.documents[{}].roots()[0].references()].find((model) => model.name === 'main').data.truth.slice()"
    )
    before = [forecast.evaluate(values.format(k)) for k in (0, 1)]
    assert len(forecast.evaluate(rows)) == 1
    forecast.evaluate("document.querySelectorAll('#series a[data-pick]')[1].click()")
    forecast.wait_for("document.querySelector('#backtest select').value === '1'")
    assert forecast.evaluate("document.querySelector('#next select').value") == "1"
    assert forecast.evaluate(rows)[0][:20] == names[1][:20]
    after = [forecast.evaluate(values.format(k)) for k in (0, 1)]
    assert all(one != other for one, other in zip(before, after, strict=True))
    assert forecast.complaints() == []


def test_what_is_hidden_is_hollow_in_the_legend(forecast):
    entry = "document.querySelector('#backtest button[data-series=second]')"
    swatch = f"getComputedStyle({entry}.querySelector('.swatch'))"
    style = f"[{swatch}.height, {swatch}.borderLeftWidth, getComputedStyle({entry}).textDecorationLine]"
    assert forecast.evaluate(f"{entry}.getAttribute('aria-pressed')") == "false"
    height, border, line = forecast.evaluate(style)
    assert float(height.removesuffix("px")) > 6
    assert float(border.removesuffix("px")) >= 1
    assert line == "none"
    forecast.evaluate(f"{entry}.click()")
    assert forecast.evaluate(style)[1] == "0px"


def test_a_tab_hears_what_goes_wrong(browser, tmp_path):
    page = tmp_path / "bad.html"
    script = "<script>console.error('no'); throw Error('never')</script>"
    page.write_text(f"<!doctype html><img src='http://192.0.2.1/x.png'>{script}")
    tab = browser.open(page)
    tab.wait_for("document.images[0].complete")
    assert any("never" in str(complaint) for complaint in tab.complaints())
    assert ["no"] in tab.complaints()
    assert tab.requests() == ["http://192.0.2.1/x.png"]
    assert tab.failures()
    tab.close()
