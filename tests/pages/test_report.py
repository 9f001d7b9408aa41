"""`gatewise.report`: what pages of each kind of model say, and what they refuse."""

import base64
import json
import re

import numpy as np
import pytest
from outline import Outline, ids, plain, words
from report_pages import KINDS, a_fitted_classifier, a_page, some_sequences
from sklearn.metrics import accuracy_score, f1_score

import gatewise as gw
from gatewise.pages import classes, examples, flow, gates, inside, spectra, values
from gatewise.pages.words import number, percent


def section(page, id):
    [found] = re.findall(rf'<section id="{id}".*?</section>', page, flags=re.S)
    return found


def store(page, id="gates"):
    return json.loads(re.search(r'id="stores">(.*?)</script>', page, flags=re.S)[1])[id]


def unpacked(cell, shape):
    return np.frombuffer(base64.b64decode(cell["data"]), "<i2").reshape(shape) * cell["scale"]


@pytest.mark.parametrize("kind", KINDS)
def test_pages_are_safe_small_and_whole(kind):
    page = a_page(kind)
    outline = Outline(page)
    assert page.startswith("<!doctype html>")
    assert len(page.encode()) < 3_000_000
    assert "<img" not in page
    assert "</script><img" not in page
    assert page.count("<script") == page.count("</script>")
    scripts = [a for tag, a in outline.tags if tag == "script"]
    assert [a.get("id") for a in scripts] == [None, "items", "stores", None]
    for _, attributes in outline.tags:
        assert "src" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("href", "#").startswith(("#", "data:text/csv;"))
    found = [a["id"] for _, a in outline.tags if "id" in a]
    assert len(found) == len(set(found))
    assert {a["href"][1:] for tag, a in outline.tags if tag == "a" and "download" not in a} <= set(found)
    assert [a["role"] for _, a in outline.tags if a.get("class") == "plot"].count("img") >= 3
    assert not re.search(r"\bnan\b", words(page), flags=re.I)


def test_page_of_a_layer():
    page = a_page("layer")
    assert ids(page) == ["facts", "gates", "flow", "spectrum-0", "spectrum-1", "certificate"]
    text = words(page)
    assert "LSTM 2 → 6" in text
    assert "Shown on 3 sequences of 5 to 20 steps" in text
    assert "LSTM, backward" in text
    assert "Elman network of this size, starting weights" in text
    assert "All gradients are right: 11 arrays of this model" in text
    assert "weight_hh_l0_reverse" in section(page, "certificate")


def test_heat_maps_hold_the_values_of_the_trace():
    rng = np.random.default_rng(5)
    layer, x = gw.GRU(2, 7, rng=0), rng.normal(size=(3, 9, 2)).astype(np.float32)
    dy = rng.normal(size=(3, 9, 7)).astype(np.float32)
    found = store(gw.report(layer, x, lengths=[9, 4, 6], dy=dy))
    seen = gw.trace(layer, x, dy, [9, 4, 6])
    order = np.array(found["units"][0]) - 1
    assert sorted(order) == list(range(7))
    for row, steps in enumerate([9, 4, 6]):
        assert found["rows"][row]["steps"] == steps
        np.testing.assert_allclose(found["rows"][row]["input"], x[row, :steps].T, rtol=1e-3)
        for kind, prefix in enumerate(["", "d_"]):
            for name in ("reset", "update", "candidate", "hidden"):
                values = seen[prefix + name].to_numpy()[row, :steps]
                cell = found[f"{row}-0-{kind}"][name]
                np.testing.assert_allclose(unpacked(cell, (7, steps)), values[:, order].T, atol=cell["scale"])
                gate = not kind and name in ("reset", "update")
                assert cell["low"] == (0 if gate else -cell["high"])


def test_units_alike_stand_together():
    rng = np.random.default_rng(0)
    base = rng.normal(size=(1, 200, 3))
    which = np.array([0, 1, 2, 0, 1, 2, 0, 1])
    hidden = base[..., which] + 0.01 * rng.normal(size=(1, 200, 8))
    hidden[0, 150:] = np.nan
    order = gates.unit_order(hidden, 8)
    assert sorted(order) == list(range(8))
    assert np.count_nonzero(np.diff(which[order])) == 2
    quiet = np.where(np.arange(8) == 3, 0.5, hidden)
    assert 3 not in gates.unit_order(quiet, 7)
    assert sorted(gates.unit_order(quiet, 8)) == list(range(8))


@pytest.mark.parametrize(("batch", "steps", "units"), [(20, 3000, 8), (2, 30000, 4), (9, 20, 100)])
def test_what_does_not_fit_is_left_out_and_said(batch, steps, units):
    seen = inside.Inside(gw.GRU(1, units, rng=0), np.zeros((batch, steps, 1), np.float32))
    [found] = gates.gate_sections(seen)
    held = sum(len(cell["data"]) for key, row in found.store.items() if "-" in key for cell in row.values())
    assert held < 1_000_000
    rows, shown = len(found.store["rows"]), found.store["rows"][0]["steps"]
    assert 1 <= rows <= 8
    assert (f"the first {shown:,} of {steps:,} steps" in found.intro) == (shown < steps)
    assert ("the 64 units that vary most, of 100" in found.intro) == (units > 64)


def test_gradient_flow_of_an_elman_network_without_input_is_the_norm_of_powers():
    layer = gw.RNN(1, 4, rng=0, nonlinearity="relu", bias=False, dtype=np.float64)
    U = np.abs(layer.params["weight_hh_l0"])
    layer.params["weight_hh_l0"][...] = U
    layer.params["weight_ih_l0"][...] = 1.0
    x = np.ones((2, 6, 1))
    [curve] = flow._curves(layer, inside.Inside(layer, x, np.array([6, 6])))
    expected = [np.linalg.norm(np.linalg.matrix_power(U, k), 2) for k in range(6)]
    np.testing.assert_allclose(curve.middle, expected, rtol=1e-6)


def test_curves_of_ragged_rows_start_at_each_rows_end():
    layer = gw.GRU(1, 3, bidirectional=True, rng=0)
    x = np.random.default_rng(0).normal(size=(2, 8, 1)).astype(np.float32)
    for longest in (8, 5):
        for curve in flow._curves(layer, inside.Inside(layer, x, np.array([longest, 3]))):
            assert len(curve.middle) == longest
            assert curve.middle[0] == pytest.approx(1)
            assert np.isfinite(curve.middle).all()


def test_work_on_gradient_flow_is_bounded():
    layer = gw.LSTM(1, 128, rng=0)
    x, lengths = flow._affordable(layer, np.zeros((8, 500, 1)), np.full(8, 500))
    assert x.shape[0] * x.shape[1] * 256**3 <= 2 * flow.WORK
    assert (lengths == x.shape[1]).all()


def test_spectra_are_those_of_each_gate():
    layer = gw.GRU(2, 5, rng=0)
    [found] = spectra.spectrum_sections(layer)
    update = layer.params["weight_hh_l0"][5:10]
    largest = number(np.linalg.svd(update, compute_uv=False)[0])
    assert [row[:2] for row in found.tables[0].rows][1] == ["Update gate z", largest]
    elman = gw.RNN(2, 5, rng=0)
    [found] = spectra.spectrum_sections(elman)
    radius = np.abs(np.linalg.eigvals(elman.params["weight_hh_l0"])).max()
    assert f"Spectral radius {number(radius)}" in found.intro
    assert number(spectra._rank(np.ones(4))) == "4"


def test_page_of_a_classifier_says_its_scores():
    model = a_fitted_classifier()
    rows, labels = some_sequences()
    page, predicted = a_page("classifier"), model.predict(rows)
    text = words(page)
    wrong = int((predicted != labels).sum())
    assert plain(f"{percent(accuracy_score(labels, predicted))} right, {wrong} of 40 sequences wrong") in text
    assert f"{f1_score(labels, predicted, average='macro'):.3f}" in text
    assert "confusion" in ids(page)
    assert "hardest" in ids(page)
    assert {"gates", "flow", "shares", "certificate"} <= set(ids(page))
    surprise = 1 - model.predict_proba(rows)[np.arange(40), (labels[:, None] == model.classes_).argmax(axis=1)]
    order = np.argsort(-surprise)[:4]
    assert re.findall(r"<strong>No. (\d+)", section(page, "hardest")) == [str(k + 1) for k in order]
    assert section(page, "gates").count("<option") == 8 + 2  # rows, and values or gradients


def test_confusion_matrix_counts():
    truth, probabilities = np.array([0, 0, 1, 2, 2]), np.eye(3)[[0, 1, 1, 2, 0]]
    found = classes.Classified(truth, probabilities, ["a", "b", "c"], "sequence")
    assert found.accuracy == 0.6
    table = classes._cells(np.array([[1, 1, 0], [0, 1, 0], [1, 0, 1]]), found.labels)
    assert table["share"].tolist() == [0.5, 0.5, 0, 0, 1, 0, 0.5, 0, 0.5]
    assert "“a” is predicted as “b”: 1 time" in classes._worst_confusion(found)
    assert "Nothing is confused" in classes._worst_confusion(found._replace(probabilities=np.eye(3)[truth]))
    many = classes.Classified(np.arange(40), np.eye(40), [str(k) for k in range(40)], "step")
    assert "30 most frequent of 40" in classes._matrix_section(many).intro


def test_page_of_a_layer_with_targets():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(30, 6, 2)).astype(np.float32)
    model = gw.Sequential(gw.GRU(2, 4, rng=0), gw.Last(), gw.Dense(4, 3, rng=1))
    labels = rng.integers(0, 3, 30)
    history = [{"epoch": 1, "loss": 1.0}]
    page = gw.report(model, x, labels, loss="cross_entropy", history=history)
    share = (model(x)[0].argmax(axis=1) == labels).mean()
    assert plain(f"{percent(share)} right") in words(page)
    assert {"confusion", "loss", "shares"} <= set(ids(page))
    targets = rng.normal(size=(30, 3)).astype(np.float32)
    page = gw.report(model, x, targets, loss="mse")
    error = np.abs(model(x)[0] - targets).mean()
    assert f"Mean absolute error {number(float(error))}" in words(page)
    assert [id for id in ids(page) if id.startswith("predicted")] == ["predicted-0", "predicted-1", "predicted-2"]


def test_targets_of_each_step_respect_lengths():
    rng = np.random.default_rng(0)
    model = gw.Sequential(gw.GRU(2, 4, rng=0), gw.Dense(4, 2, rng=1))
    x, lengths = rng.normal(size=(5, 6, 2)).astype(np.float32), np.array([6, 1, 3, 2, 4])
    steps = np.arange(6) < lengths[:, None]
    labels = np.where(steps, model(x, lengths=lengths)[0].argmax(axis=2), 0)
    text = words(gw.report(model, x, labels, lengths=lengths))
    assert "100 % right" in text
    assert "16 steps in all" in text
    targets = np.where(steps[..., None], model(x, lengths=lengths)[0] + 2, 1e9).astype(np.float32)
    assert "Mean absolute error 2." in words(gw.report(model, x, targets, lengths=lengths))


def test_a_regressor_s_errors():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 6))
    model = gw.RecurrentRegressor(hidden_size=4, max_iter=3, ridge_share=0, random_state=0).fit(X, X.sum(axis=1))
    page = gw.report(model, X, X.sum(axis=1))
    error = np.abs(model.predict(X) - X.sum(axis=1)).mean()
    assert f"Mean absolute error {number(float(error))}" in words(page)
    assert f"R² is {number(model.score(X, X.sum(axis=1)))}" in words(page)
    assert "Shown on 40 sequences of 6 steps" in words(gw.report(model, X))


def test_error_measures():
    found = values.Predicted(np.array([[0.0], [2.0]]), np.array([[1.0], [2.0]]), ["a"], "sequence")
    assert values.explained(found) == 0.5
    assert found.errors().tolist() == [1, 0]
    assert "50 % below always the mean" in plain(values.value_headline(found))


@pytest.mark.parametrize(
    ("noise", "said"),
    [
        (0.1, "Mean absolute error"),
        (3.0, "Barely better than always giving the mean"),
        (30.0, "Worse than always giving"),
    ],
)
def test_headlines_of_regressions_say_what_r2_says(noise, said):
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(400, 1))
    predicted = truth + noise * rng.normal(size=(400, 1)) if noise != 3.0 else 0.05 * truth
    found = values.Predicted(truth, predicted, ["a"], "sequence")
    assert values.value_headline(found).startswith(said)


@pytest.mark.parametrize(
    ("right", "said"),
    [
        (95, "95 % right, 5 of 100 sequences wrong"),
        (63, "barely better than always"),
        (60, "no better than"),
        (40, "worse than"),
    ],
)
def test_headlines_of_classifiers_stand_beside_the_most_frequent_class(right, said):
    truth = np.repeat([0, 1], [60, 40])
    wrong = truth == 1 if right == 60 else np.arange(100) >= right
    found = classes.Classified(truth, np.eye(2)[np.where(wrong, 1 - truth, truth)], ["a", "b"], "sequence")
    assert said in plain(classes.class_headline(found).replace(".0", ""))


def test_channels_are_named_with_their_units():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 6, 2)), rng.normal(size=20)
    model = gw.RecurrentRegressor(hidden_size=4, max_iter=2, random_state=0).fit(X, y)
    page = gw.report(model, X, y, channels=["speed (km/h)", "heart <rate>"])
    assert store(page)["features"] == ["speed (km/h)", "heart <rate>"]
    assert "speed (km/h)" in section(page, "hardest")
    assert "heart <rate>" not in page.split("<script")[0]
    with pytest.raises(gw.GatewiseError, match="channels is for classifiers"):
        gw.report(gw.GRU(1, 2, rng=0), channels=["a"])


def test_examples_are_drawn_to_scale_without_gaps():
    line = examples.points(np.array([0.0, np.nan, 2.0]))
    assert line == "0.0,30.0 100.0,2.0"
    assert len(examples.points(np.arange(5000.0)).split()) == 120
    assert examples.points(np.full(3, 7.0)) == "0.0,16.0 50.0,16.0 100.0,16.0"
    assert examples.lines_of(np.full((3, 2), np.nan)) == []
    assert examples.worth_a_look(np.array([0.1, 0.9, 0.5, 0.2]), 1, 2).tolist() == [1, 2, 0]


@pytest.mark.parametrize("name", ["GRU", "LSTM", "RNN"])
def test_layers_need_no_data(name):
    page = gw.report(getattr(gw, name)(2, 3, rng=0))
    assert {"gates", "flow", "spectrum-0", "certificate"} <= set(ids(page))


def test_models_without_a_recurrent_layer_and_with_tokens():
    assert ids(gw.report(gw.Dense(3, 2, rng=0), np.zeros((2, 4, 3), np.float32))) == ["facts", "certificate"]
    page = gw.report(gw.Sequential(gw.Embedding(9, 3, rng=0), gw.GRU(3, 4, rng=1), gw.RNN(4, 3, rng=2)))
    assert store(page)["features"] == ["Token"]
    assert "1 GRU" in section(page, "gates")


def test_page_is_written_whole(tmp_path):
    path = tmp_path / "page.html"
    page = gw.report(gw.GRU(2, 3, rng=0), path=path)
    assert path.read_text(encoding="utf-8") == page
    with pytest.raises(gw.GatewiseError, match="cannot write"):
        gw.report(gw.GRU(2, 3, rng=0), path=tmp_path / "absent" / "page.html")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("text",), "model is a str"),
        ((gw.GRUCell(2, 3, rng=0),), "model is a GRUCell"),
        ((gw.GRU(2, 3, rng=0), np.zeros((2, 4, 5), np.float32)), "need .batch, time, 2."),
        ((gw.GRU(2, 3, rng=0), None, np.zeros(3)), "x is None"),
        ((gw.GRU(2, 3, rng=0), np.zeros((2, 4, 2), np.float32), np.zeros((2, 4, 9))), "need that of the output"),
    ],
)
def test_wrong_input_is_told(arguments, said):
    with pytest.raises(gw.GatewiseError, match=said):
        gw.report(*arguments)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"loss": "mse"}, "loss is given without y"),
        ({"compare": "gru"}, "compare is 'gru'"),
        ({"compare": 3}, "compare is a int"),
        ({"lengths": [9, 9]}, "lengths"),
    ],
)
def test_wrong_options_are_told(options, said):
    with pytest.raises(gw.GatewiseError, match=said):
        gw.report(gw.GRU(2, 3, rng=0), np.zeros((2, 4, 2), np.float32), **options)


def test_options_of_layers_are_refused_for_estimators():
    with pytest.raises(gw.GatewiseError, match="lengths is for layers"):
        gw.report(a_fitted_classifier(), *some_sequences(), lengths=[1])
    with pytest.raises(gw.GatewiseError, match="x is None"):
        gw.report(a_fitted_classifier())
