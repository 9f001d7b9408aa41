"""A model beside simple methods: the order, the share by which it is better, and the words for both."""

import math

import pytest

from gatewise.comparison import Comparison


def compared(model, base, by="mae", **options):
    return Comparison({"model": {by: model}, "naive": {by: base}}, {"naive": "last value"}, by=by, **options)


@pytest.mark.parametrize(
    ("model", "base", "by", "words", "worth"),
    [
        (73.0, 100.0, "mae", "27 % below", True),
        (105.0, 100.0, "mae", "5 % above", False),
        (100.1, 100.0, "mae", "level with", False),
        (99.9, 100.0, "mae", "level with", False),
        (1.0, 0.0, "mae", "above", False),
        (0.0, 0.0, "mae", "level with", False),
        (1.0, None, "mae", "not comparable with", False),
        (math.nan, 2.0, "mae", "not comparable with", False),
        (1.0, math.inf, "mae", "not comparable with", False),
        (0.9, 0.8, "accuracy", "10 points above", True),
        (0.7, 0.805, "accuracy", "10.5 points below", False),
        (0.8, 0.8, "accuracy", "level with", False),
        (0.8, None, "accuracy", "not comparable with", False),
    ],
)
def test_a_model_stands_to_a_method_as_the_words_say(model, base, by, words, worth):
    held_out = compared(model, base, by)
    assert held_out.against("naive") == words
    assert held_out.worth_it == worth


def test_the_best_method_has_the_least_error_or_the_highest_accuracy():
    errors = {"model": 3.0, "far": 9.0, "near": 2.0, "gone": None}
    by_error = Comparison({name: {"mae": value} for name, value in errors.items()}, {})
    by_accuracy = Comparison(
        {name: {"accuracy": value and value / 10} for name, value in errors.items()}, {}, "accuracy"
    )
    assert (by_error.simple, by_error.best, by_accuracy.best) == (["far", "near"], "near", "far")
    assert by_error.ratio == pytest.approx(1.5)
    assert by_accuracy.ratio == pytest.approx(7.0)
    assert math.isnan(by_error.error("gone"))


@pytest.mark.parametrize(
    ("held_out", "verdict"),
    [
        (compared(2.0, 4.0, unit="kW"), "mean absolute error 2.00 kW, 50 % below last value (4.00 kW)"),
        (compared(4.5, 4.0), "mean absolute error 4.50, 12 % above last value (4.00): the model is not worth it here"),
        (compared(96.0, 100.0), "mean absolute error 96.0, 4 % below last value (100.0): barely better"),
        (compared(95.0, 100.0), "mean absolute error 95.0, 5 % below last value (100.0)"),
        (compared(2.0, None), "mean absolute error 2"),
        (
            compared(0.5, 1.0, "mase", series=1234),
            "mean absolute scaled error of 1,234 series (MASE) 0.500, 50 % below",
        ),
        (compared(0.75, 0.5, "accuracy", unit="kW"), "accuracy 75.0 %, 25 points above last value (50.0 %)"),
    ],
)
def test_the_verdict_is_one_sentence(held_out, verdict):
    assert held_out.verdict.startswith(verdict)
    assert held_out.as_dict()["verdict"] == held_out.verdict
    assert held_out.as_dict()["best_simple"] == held_out.best


def test_a_model_without_error_stands_above_a_method_without():
    assert compared(0.0, 0.0).ratio == 1.0
    assert compared(1.0, 0.0).ratio == math.inf
