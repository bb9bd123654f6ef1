"""Read a result: nothing gained."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Read a result: nothing gained",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Two students that were trained on different targets: how likely is it that they get the "
        "very same number of images right, three times out of three?",
        "A measurement tells two explanations apart only if they expect different results of it.",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# A teacher that helps little would move the numbers a little, up or down; these agree to the last
# digit, run by run. So the targets never reached the student. An untrained teacher decides it: a
# student that hears it gets worse, and one that hears nobody stays where it is. The untrained net
# in the table shows that the measuring does look at the net.
no_gain = "b2"

_LITTLE = (
    "A teacher that helps little moves some images one way and some the other. These columns agree "
    "to the last digit, three times."
)
_MEASURE = (
    "Look at the last line: the measuring tells an untrained net from a trained one, so it does "
    "look at the net."
)

judging = Judging(
    mistakes=(
        *(Mistake(f"it helps little, {n}", f"a{n}", _LITTLE) for n in "123"),
        *(Mistake(f"the measuring, {n}", f"c{n}", _MEASURE) for n in "123"),
        Mistake(
            "more seeds",
            "b1",
            "The conclusion is right. More seeds will agree to the last digit, too, and a program "
            "that works would not be told from one that does not.",
        ),
        Mistake(
            "more images",
            "b3",
            "The conclusion is right. But on more images the same two students agree again.",
        ),
    )
)
