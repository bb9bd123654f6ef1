"""Soft targets as bars, and other teachers' as dots on them: what is drawn is what was given."""

from __future__ import annotations

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from distill_lessons import plots

CLASSES = ["a", "b", "c", "d"]
OURS = {1: [0.01, 0.96, 0.02, 0.01], 4: [0.1, 0.6, 0.2, 0.1]}
OTHERS = {1: [[0.02, 0.95, 0.03, 0.0], [0.01, 0.9, 0.05, 0.04]], 4: [[0.2, 0.5, 0.2, 0.1]] * 2}

pytestmark = pytest.mark.usefixtures("no_figure_stays_open")


def heights(ax: Any) -> list[float]:
    return [float(bar.get_height()) for bar in ax.patches]


def dots(ax: Any) -> list[list[float]]:
    return [list(line.get_ydata()) for line in ax.lines if line.get_linestyle() == "None"]


def test_an_open_question_draws_the_given_bars_and_leaves_the_last_frame_empty() -> None:
    image = np.zeros((1, 3, 3))
    axes = plots.open_question(image, OURS, CLASSES, title="a typical b")
    assert axes[0].get_title() == "a typical b"
    assert [heights(ax) for ax in axes[1:]] == [OURS[1], OURS[4], [0] * 4]
    assert [text.get_text() for text in axes[-1].texts] == ["?"]
    assert [ax.get_title() for ax in axes[1:]] == [
        "a teacher, T = 1",
        "a teacher, T = 4",
        "another teacher, T = 4",
    ]


def test_dots_stand_at_the_others_numbers_and_the_scale_is_that_of_the_wrong_classes() -> None:
    rows = {"the same": OTHERS, "shuffled": {T: np.array(p)[:, ::-1] for T, p in OTHERS.items()}}
    axes = plots.beside_others(OURS, rows, CLASSES, right=1)
    assert axes.shape == (2, 2)
    for column, T in enumerate(OURS):
        assert heights(axes[0, column]) == heights(axes[1, column]) == OURS[T]
        assert dots(axes[0, column]) == OTHERS[T]
        assert dots(axes[1, column]) == [row[::-1] for row in OTHERS[T]]
        assert axes[0, column].get_ylim() == axes[1, column].get_ylim()
    # The largest dot on a wrong class stands in the second row.
    assert axes[0, 0].get_ylim()[1] == pytest.approx(1.15 * 0.95)
    alone = plots.beside_others(OURS, {"the same": OTHERS}, CLASSES, right=1)
    assert alone[0, 0].get_ylim()[1] == pytest.approx(1.15 * 0.05)
    assert [text.get_text() for text in alone[0, 0].texts] == ["0.96"]


def test_nothing_that_is_written_depends_on_a_finding() -> None:
    def written(others: Any) -> list[str]:
        axes = plots.beside_others(OURS, {"row": others}, CLASSES, right=1)
        said = [ax.get_title() for ax in axes.flat] + [ax.get_ylabel() for ax in axes.flat]
        plt.close("all")
        return said

    upside_down = {T: 1 - np.array(p) for T, p in OTHERS.items()}
    assert written(OTHERS) == written(upside_down) == ["T = 1", "T = 4", "row", ""]


@pytest.mark.parametrize("yours", [[1, 2], [np.nan] * 4, [[0.25] * 4]])
def test_bars_of_ones_own_are_one_number_for_each_class(yours: Any) -> None:
    with pytest.raises(ValueError, match="yours=.* should be 4 numbers, one for each class"):
        plots.beside_others(OURS, {"row": OTHERS}, CLASSES, right=1, yours=yours)
    axes = plots.beside_others(OURS, {"row": OTHERS}, CLASSES, right=1, yours=[0.1, 0.2, 0.3, 0.4])
    (own,) = [line for line in axes[0, -1].lines if line.get_label() == "yours"]
    assert list(own.get_ydata()) == [0, 0.1, 0.2, 0.3, 0.4, 0]


def test_a_mark_stands_above_the_bar_of_the_right_class() -> None:
    x, p = np.zeros((2, 1, 3, 3)), {"T = 1": np.array([[0.1, 0.9, 0, 0], [0.2, 0.3, 0.5, 0]])}
    axes = plots.probability_bars(x, p, CLASSES, ["one", "two"], right=[1, 1])
    for i, ax in enumerate(axes[1]):
        ((at, height),) = ax.lines[0].get_xydata()
        assert at == 1
        assert p["T = 1"][i, 1] < height < ax.get_ylim()[1]
    assert not plots.probability_bars(x, p, CLASSES, ["one", "two"])[1, 0].lines
