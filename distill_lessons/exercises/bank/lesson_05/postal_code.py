"""Where people live."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Where people live",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "What does the model still know about the district while the postal code alone is "
        "shuffled?",
        "Think of the copied pixels: what did each of them seem to be worth, and what all four?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# Each of the two covers for the other, as the copies of a pixel did, so neither number says what
# the model would miss without both. Nor does it show that residence counts: that is for the group
# of both to say. More shuffles would only make a misleading number more precise.
postal_code = "c2"

judging = Judging(
    mistakes=(
        *(
            Mistake(
                f"it is not used, {n}",
                f"a{n}",
                "Suppose that the model rests on the district alone, and reads it from either "
                "column, whichever is in place. Would the table look different?",
            )
            for n in "123"
        ),
        *(
            Mistake(
                f"it is used, {n}",
                f"b{n}",
                "Suppose that the model ignores both columns. Would the table look different? "
                "Then it does not show that they count.",
            )
            for n in "123"
        ),
        Mistake(
            "the intervals hold zero",
            "c1",
            "More shuffles would narrow the intervals. Would the numbers then answer the question?",
        ),
        Mistake(
            "training data",
            "c3",
            "On training applications each of the two columns would hide the other just as well.",
        ),
    )
)
