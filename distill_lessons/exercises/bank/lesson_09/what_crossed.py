"""Read a result: a paper under review."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Read a result: a paper under review",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "What in the table would be different if the teacher's layer held nothing of worth?",
        "Two things were new in the treated student: a second loss, and where its numbers came "
        "from. Which row would tell them apart?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# The gain is there: five runs, an interval clear of zero. But the loss adds two things at once: a
# pull on the hidden layer, and numbers from the teacher. Relations of the pixels, or of a net that
# was never trained, pull as well and hold nothing that was learned. In this lesson they won much
# the same.
what_crossed = "c1"

_CARRIED = (
    "The student gained. That *knowledge of the teacher* helped, the table cannot say: no row has "
    "the same loss and another source."
)
_NOTHING = "The interval is clear of zero. Doubt the reason of the gain, not the gain."

judging = Judging(
    mistakes=(
        *(Mistake(f"knowledge crossed, {n}", f"a{n}", _CARRIED) for n in "123"),
        *(Mistake(f"no gain, {n}", f"b{n}", _NOTHING) for n in "123"),
        Mistake(
            "more runs",
            "c2",
            "The conclusion is right. But twenty runs would narrow the interval of the same "
            "comparison, and leave the cause as open.",
        ),
        Mistake(
            "a larger teacher",
            "c3",
            "The conclusion is right. But a larger teacher changes what is copied and how "
            "strongly; if the gain grew, you would still not know from what.",
        ),
    )
)
