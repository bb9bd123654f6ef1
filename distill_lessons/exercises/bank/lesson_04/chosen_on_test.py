"""Read a result: the best of 25."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Read a result: the best of 25",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Two statements are made: one about two cells that lie far apart in the table, one about "
        "the best cell. Judge them one by one.",
        "If all cells above T = 2 were equally good, would one of them still come out on top?",
        "Which images chose the cell, and which images say how good it is?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# The gain of five points is many times what cells and seeds differ by, so it does not hang on the
# choice of the cell. But among cells that are about equally good some cell must come first, by
# luck, and on the images that chose it its luck is part of its number. On other images expect a
# little less, and perhaps another winner. The test images are for one measurement after the choice.
chosen_on_test = "b1"

_NOTHING = "Five points against a tenth: the two statements do not stand on the same footing."

_BEST = (
    "Would the same cell come first on other images? Its neighbours are a tenth of a point away."
)

judging = Judging(
    mistakes=(
        *(Mistake(f"best, {n}", f"a{n}", _BEST) for n in "123"),
        Mistake(
            "five seeds",
            "b2",
            "The conclusion is right. But with a thousand seeds the same 359 images would still "
            "choose and judge.",
        ),
        Mistake(
            "finer grid",
            "b3",
            "The conclusion is right. But a finer grid has still more cells of which one can be "
            "lucky.",
        ),
        *(Mistake(f"nothing, {n}", f"c{n}", _NOTHING) for n in "123"),
    )
)
