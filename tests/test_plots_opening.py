"""Pictures with which a lesson opens, and pairs of runs: what they say follows from the numbers."""

import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from distill_lessons import plots
from distill_lessons.plots import wording


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.mark.parametrize(("second", "rise"), [([2.0, 3.0], 2), ([2.0, 0.0], 1), ([0.0, 0.0], 0)])
def test_pairs_count_the_lines_that_rise(second, rise) -> None:
    ax = plots.pairs(("a", [1.0, 1.0], "baseline"), ("b", second, "student"), "Two", ylabel="y")
    assert wording.noted(ax.figure) == f"{rise} of 2 lines rise."


def test_an_opening_picture_leaves_the_question_open() -> None:
    history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [3.0, 2.0, 1.0]})
    known, unknown = plots.loss_and_question(
        history["epoch"], history["loss"], "seen", "never seen"
    )
    assert len(known.lines) == 1
    assert not unknown.lines
    assert [text.get_text() for text in unknown.texts] == ["?"]
    assert known.get_ylim() == unknown.get_ylim()
    assert "3 at 1, 1 at 3, falling all the way" in wording.noted(known.figure)


def test_two_answers_to_one_image_stand_beside_it() -> None:
    answers = {"Its label": ([0.0, 1.0], "baseline"), "A teacher": ([0.2, 0.8], "teacher")}
    axes = plots.two_answers(np.zeros((1, 4, 4)), answers, ["a", "b"])
    heights = [[bar.get_height() for bar in ax.patches] for ax in axes[1:]]
    assert heights == [[0.0, 1.0], [0.2, 0.8]]
    assert wording.noted(axes[0].figure) == (
        "Its label: 1 of 2 classes with 1 % or more. A teacher: 2 of 2 classes with 1 % or more."
    )
