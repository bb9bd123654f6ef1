"""Read a result: the same teacher at T = 1."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Read a result: the same teacher at T = 1",
    kind="read",
    difficulty="easy",
    importance="medium",
    minutes=4,
    hints=(
        "The conclusion first: is each of the two gains above zero? Has any temperature above 4 "
        "been tried here?",
        "How much probability is left for the wrong classes? Look at "
        "`1 - losses.soft_targets(z, T).max(1).values.mean()` for T = 1 and for T = 4.",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# Both gains are above zero; at T = 4 it is about twice as large. On the training images the teacher
# is so sure that at T = 1 a fiftieth of the probability, on average, is left for the wrong
# classes, against more than a third at T = 4: such targets are nearly labels. (Adam makes up for
# a factor on the whole loss, lesson 03; and the teacher's guess is the same at every T.)
at_one = "a3"

_HIGHER = (
    "Two temperatures were tried. In this lesson's heatmap T = 8 and 16 are about as good as T = 4."
)

_USELESS = "Look at the first interval again: does it reach zero?"

judging = Judging(
    mistakes=(
        Mistake(
            "small loss",
            "a1",
            "The conclusion is right. But T² stands in the loss, and lesson 03 showed what Adam "
            "does to a factor on the whole of it.",
        ),
        Mistake(
            "worse teacher",
            "a2",
            "The conclusion is right. But does dividing all logits by T change which of them is "
            "the largest?",
        ),
        *(Mistake(f"useless, {n}", f"b{n}", _USELESS) for n in "123"),
        *(Mistake(f"the higher the better, {n}", f"c{n}", _HIGHER) for n in "123"),
    )
)
