"""What a notebook shows of a history."""

import re

import pytest
from outline import Outline

from gatewise.training import History


def history(epochs=30, **more):
    return History({"epoch": k + 1, "loss": 1 / (k + 1), "seconds": 0.25} | more for k in range(epochs))


def cells(page):
    return re.findall(r"<td[^>]*>(.*?)</td>", page)


def test_a_long_history_shows_its_ends_and_its_best_epoch():
    records = history()
    for record in records:
        record["validation_loss"] = abs(record["epoch"] - 12) + 0.5
    page = records._repr_html_()
    assert cells(page)[::4] == [str(k) for k in (1, 2, 3, 4, 5, 12, 26, 27, 28, 29, 30)]
    assert "30 epochs, the best 12" in page
    assert page.count("<polyline") == 2 == page.count("stroke-dasharray") + 1
    assert "loss (dashed) and validation loss between 0.0333" in page
    assert Outline(page).tags


def test_curves_fill_their_box():
    [points] = re.findall(r'points="(.*?)"', history(3)._repr_html_())
    assert points == "2.0,2.0 160.0,89.0 318.0,118.0"


@pytest.mark.parametrize("losses", [[], [1.0], [float("nan")] * 2, [2.0, 2.0], [float("inf"), 1.0, 0.5]])
def test_any_history_can_be_shown(losses):
    page = History({"epoch": k + 1, "loss": loss} for k, loss in enumerate(losses))._repr_html_()
    assert "nan," not in page
    assert ",nan" not in page
    assert ",inf" not in page


def test_text_of_callbacks_is_escaped():
    assert "<b>" not in history(2, **{"<b>": "<b>"})._repr_html_()


def test_columns_rows_and_slices():
    records = history(3)
    assert (records["epoch"], records[1]["epoch"], len(records[1:])) == ([1, 2, 3], 2, 2)
