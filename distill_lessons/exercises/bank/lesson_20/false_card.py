"""Read a card: what no check can find."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Read a card: what no check can find",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Which of the three sentences could read just the same if there were no gain at all?",
        "One number was looked at four times before it was written down. What would it be on "
        "repeats that had no say in the choice?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# The temperature was chosen by the very difference that is then reported, so that luck of four
# tries is in it. Chosen on validation images and run on fresh repeats, the number would be about
# the temperature and not about the choice. That it is among four is said openly does not cure it.
false_card = "b1"

_TEACHER = (
    "That the teacher reads 97.1 % of the test images is a plain fact, and no claim hangs on it."
)
_MAPS = "That sentence sets its number beside a control and says what it does not show."

judging = Judging(
    mistakes=(
        *(Mistake(f"the teacher, {n}", f"a{n}", _TEACHER) for n in "123"),
        *(Mistake(f"the maps, {n}", f"c{n}", _MAPS) for n in "123"),
        Mistake(
            "more repeats",
            "b2",
            "The sentence is the right one. But more repeats of the same choice make the interval "
            "narrower round a number that is too large.",
        ),
        Mistake(
            "take it out",
            "b3",
            "The sentence is the right one. But a registered claim stays in the card, whatever "
            "became of it.",
        ),
    )
)
