"""The report page: what it says, that it is safe, and that it needs nothing but itself."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from outline import Outline, words
from report_pages import a_forecast

from gatewise import GatewiseError
from gatewise.pages import day_ahead_page, require
from gatewise.pages.measures import errors_by_day, errors_by_hour, errors_by_weekday, headline
from gatewise.pages.words import compared, count, number, percent, shortened, span


def some_metrics(**changes):
    errors = {"model": (190.4, 281.5), "same_hour_last_week": (261.8, 556.2), "same_hour_yesterday": (501.9, 961.3)}
    named = {name: {"mae": mae, "rmse": rmse} for name, (mae, rmse) in errors.items()}
    return named | {"seconds": 83.2, "seed": 7} | changes


def some_history(epochs=5, **changes):
    record = {"gradient_norm": 1.0, "seconds": 0.5}
    return [
        {"epoch": k, "loss": 1 / k, "validation_loss": 1.1 / k + 0.05 * k} | record | changes
        for k in range(1, epochs + 1)
    ]


def a_page(**changes):
    given = {
        "title": "Day-ahead traffic",
        "history": some_history(),
        "forecast": a_forecast(),
        "metrics": some_metrics(),
        "facts": {"Data": "I-94, hourly", "Attribution": "UCI no. 492, John Hogue, CC BY 4.0"},
    }
    return day_ahead_page(**(given | changes))


@pytest.fixture(scope="module")
def page():
    return a_page()


def process_environment(*folders):
    return os.environ | {"PYTHONPATH": os.pathsep.join([*folders, *filter(None, sys.path)])}


def test_page_says_every_number_and_fact(page):
    text = " ".join(" ".join(Outline(page).texts).split())
    for needed in ("190", "282", "262", "556", "502", "961", "83.2 seconds", "seed 7", "John Hogue, CC BY 4.0"):
        assert needed in text
    assert "Mean absolute error 190 vehicles/h, 27 % below same hour last week (262 vehicles/h)" in text
    assert "Tested on Jul 1 – Jul 21, 2018: 504 hours." in text
    assert "Validation loss is lowest, 0.47, after epoch 5 of 5." in text


def test_page_reads_nothing_from_a_network(page):
    outline = Outline(page)
    for tag, attributes in outline.tags:
        assert tag not in ("link", "iframe", "img", "object", "embed", "base")
        assert "src" not in attributes
        assert attributes.get("href", "#").startswith(("#", "data:text/csv;"))
    addresses = set(re.findall(r"[\"'`(]\s*((?:https?:)?//[\w.-]+)", page))
    assert addresses <= {"http://www.w3.org"}  # names of XML namespaces
    assert "@import" not in page
    assert not re.search(r"url\(\s*[\"']?(https?:)?//", page)


def test_page_forbids_the_browser_any_request(page):
    [policy] = [a["content"] for tag, a in Outline(page).tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "http" not in policy


def test_page_is_small(page):
    assert len(page.encode()) < 3_000_000
    assert len(a_page(forecast=a_forecast(90 * 24)).encode()) < 3_000_000


def test_page_is_the_same_each_time(page):
    assert a_page() == page


def test_page_is_the_same_in_another_process(page):
    code = "import sys, test_pages; sys.stdout.buffer.write(test_pages.a_page().encode())"
    environment = process_environment(str(Path(__file__).parent)) | {"PYTHONHASHSEED": "123"}
    found = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert found.stdout.decode() == page


def test_page_escapes_text():
    evil = "<script>alert(1)</script>"
    page = a_page(title=evil, facts={evil: evil}, named_days={"2018-07-04": evil})
    assert evil not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert page.count("<script") == a_page().count("<script")


def test_page_with_missing_truth():
    forecast = a_forecast()
    forecast.iloc[100:130, 0] = np.nan
    forecast.loc["2018-07-04", "truth"] = np.nan
    page = a_page(forecast=forecast)
    assert "504 hours, 54 of them without a reading" in words(page)
    assert not re.search(r"\bnan\b", "".join(Outline(page).texts), flags=re.I)


@pytest.mark.parametrize(
    "changes",
    [
        {"forecast": a_forecast().assign(truth=np.nan)},
        {"forecast": a_forecast(1)},
        {"forecast": a_forecast().tz_localize("UTC")},
        {"history": []},
        {"history": some_history(1)},
        {"history": some_history(validation_loss=None)},
        {"history": some_history(loss=np.nan, validation_loss=np.nan)},
        {"metrics": some_metrics(model={"mae": np.nan, "rmse": np.nan})},
        {"facts": {}},
    ],
    ids=["no-truth", "one-hour", "zone", "no-history", "one-epoch", "no-validation", "nan-loss", "nan-mae", "no-facts"],
)
def test_page_of_little_data(changes):
    page = a_page(**changes)
    assert ">nan<" not in page.lower()
    for item in items(page):
        assert item["root_id"] == item["doc"]["roots"][0]["id"]


def items(page):
    return json.loads(re.search(r'id="items">(.*?)</script>', page, flags=re.S)[1])


def test_figures_have_a_place_and_words(page):
    outline = Outline(page)
    places = {a["id"]: a for _, a in outline.tags if a.get("class") == "plot"}
    assert list(places) == [item["target_id"] for item in items(page)]
    for attributes in places.values():
        assert attributes["role"] == "img"
        assert len(attributes["aria-label"]) > 40
    ids = [a["id"] for _, a in outline.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert {a["aria-labelledby"] for tag, a in outline.tags if tag == "section"} <= set(ids)


def test_figures_hold_no_random_ids(page):
    found = set(re.findall(r'"id":"([^"]*)"', json.dumps(items(page), separators=(",", ":"))))
    assert all(re.fullmatch(r"(forecast|hour|weekday|day|loss)-\d+", name) for name in found)


def test_page_has_an_interval():
    forecast = a_forecast()
    forecast = forecast.assign(lower=forecast["model"] - 50, upper=forecast["model"] + 50)
    page = a_page(forecast=forecast, metrics=some_metrics(coverage=0.835))
    assert "The interval held 83.5\xa0% of the values" in page
    bands = [ref["attributes"] for ref in references(page, "forecast") if ref.get("name") == "VArea"]
    assert {(band["y1"]["field"], band["y2"]["field"]) for band in bands} == {("lower", "upper")}
    assert 'data-series="interval"' in page
    assert 'data-series="interval"' not in a_page()


def references(page, id):
    """Every object of a figure, wherever it stands in its JSON."""
    found, waiting = [], [item["doc"] for item in items(page) if item["target_id"] == f"plot-{id}"]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict) and value.get("type") == "object":
            found.append(value)
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return found


def test_page_names_days():
    forecast = a_forecast()
    forecast.loc["2018-07-04", "model"] += 1500
    page = a_page(forecast=forecast, named_days={"2018-07-04": "Independence Day"})
    assert "Wed, Jul 4, 2018 · Independence Day" in page


def test_errors_are_means_over_hours_weekdays_and_days():
    forecast = a_forecast(14 * 24, start="2018-07-02")  # a Monday
    forecast.iloc[5, 0] = np.nan
    errors = (forecast["model"] - forecast["truth"]).abs()
    hour, weekday, day = errors_by_hour(forecast), errors_by_weekday(forecast), errors_by_day(forecast)
    assert hour["model"][5] == pytest.approx(errors.iloc[5 + 24 :: 24].mean())
    assert hour["label"][17] == "17:00"
    assert weekday["model"][6] == pytest.approx(np.r_[errors.iloc[144:168], errors.iloc[312:336]].mean())
    assert day["model"].iloc[0] == pytest.approx(errors.iloc[:24].mean())
    assert day["hours"].tolist() == [23] + [24] * 13
    assert day["label"].iloc[2] == "Wed, Jul 4, 2018"


def test_words():
    assert compared(73, 100) == "27\xa0% below"
    assert compared(103, 100) == "3\xa0% above"
    assert compared(100.2, 100) == "level with"
    assert compared(1, 0) == "not comparable with"
    assert [number(v) for v in (1234.5, 83.21, 1.2345, 0.0, np.nan, None)] == ["1,234", "83.2", "1.23", "0", "–", "–"]
    assert headline(some_metrics(model={"mae": np.nan})) == "The mean error is not known"
    assert [percent(share) for share in (1, 0.9734, 0, np.nan, None)] == ["100\xa0%", "97.3\xa0%", "0\xa0%", "–", "–"]
    assert [count(1, "step"), count(1200, "step")] == ["1 step", "1,200 steps"]
    assert [shortened("short", 5), shortened("longer", 5)] == ["short", "long…"]
    assert span(pd.Timestamp("2017-12-31"), pd.Timestamp("2018-01-02")) == "Dec 31, 2017 – Jan 2, 2018"


@pytest.mark.parametrize(
    ("module", "said"), [("bokeh", "needs bokeh,"), ("jinja2", "needs jinja2,"), ("xarray", "needs xarray,")]
)
def test_absent_library_is_named_with_its_remedy(monkeypatch, module, said):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(GatewiseError, match=r"pip install 'gatewise\[report\]'") as caught:
        require()
    assert said in str(caught.value)
    with pytest.raises(GatewiseError, match=module):
        a_page()


def test_import_needs_neither_library():
    code = "import sys; import gatewise.pages; assert not {'bokeh', 'jinja2', 'xarray', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], env=process_environment(), check=True)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"forecast": a_forecast().drop(columns="model")}, "forecast lacks model"),
        ({"forecast": a_forecast().reset_index(drop=True)}, "need a DatetimeIndex"),
        ({"forecast": a_forecast(0)}, "forecast has 0 rows"),
        ({"forecast": a_forecast().assign(lower=0.0)}, "forecast lacks upper"),
        ({"metrics": {"model": {}}}, "metrics lacks same_hour_last_week"),
        ({"metrics": some_metrics(model={"mae": 1.0})}, r"metrics\['model'\] lacks rmse"),
    ],
)
def test_wrong_input_is_told(changes, said):
    with pytest.raises(GatewiseError, match=said):
        a_page(**changes)
