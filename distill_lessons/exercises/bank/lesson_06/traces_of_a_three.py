"""Red where nothing is."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Red where nothing is",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Which question does this map answer? Begin the question with 'compared with'.",
        "What happens to the output when the empty pixel of the 7 takes the place of the ink of "
        "the 3?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# Compared with this 3, the empty pixel is news: where the 3 has ink the 7 has none, and that speaks
# for the 7. It is a fair answer to "why a 7 and not this 3?", and no answer to "why a 7?". For that
# take a hundred images of all classes as the background.
traces_of_a_three = "c1"

judging = Judging(
    mistakes=(
        *(
            Mistake(
                f"the net sees a 3, {n}",
                f"a{n}",
                "There is no ink at these pixels, so the net has not seen the strokes of a 3 "
                "there. And red speaks *for* the 7.",
            )
            for n in "123"
        ),
        *(
            Mistake(
                f"the map is wrong, {n}",
                f"b{n}",
                "Nothing here shows an error: red at an empty pixel may be right. What would be "
                "there if it were not empty?",
            )
            for n in "123"
        ),
        Mistake(
            "because additivity was not checked",
            "c2",
            "Additivity says nothing about where the attribution goes. What was the 7 compared "
            "with?",
        ),
        Mistake(
            "because empty pixels get no attribution",
            "c3",
            "That holds against a *zero* image. What was the 7 compared with here?",
        ),
    )
)
