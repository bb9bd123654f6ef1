"""Read a result: a company's four points."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Read a result: a company's four points",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "What else differs between the two students besides the softness of the targets?",
        "Count the labels that stand behind each of the two students.",
        "In this lesson a gain was split in two by a second kind of teacher. Which section was it?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# The students differ in two things: one has soft targets, and one has a million labels behind its
# targets. The missing control is the student of a teacher that saw the same ten thousand labels. In
# this lesson that control took the whole gain away. The sentence of the company is true as far as
# the four points go; that softness is their cause is a guess.
missing_control = "c2"

_NO_GAIN = "The gain was measured, on the same images. Doubt its cause, not the gain."

_SOFTNESS = (
    "The four points are there, but is softness the only thing in which the two students differ?"
)

judging = Judging(
    mistakes=(
        *(Mistake(f"softness, {n}", f"a{n}", _SOFTNESS) for n in "123"),
        *(Mistake(f"no gain, {n}", f"b{n}", _NO_GAIN) for n in "123"),
        Mistake(
            "student size",
            "c1",
            "The conclusion is right. But both students have the same net, and should have: what "
            "differs between them?",
        ),
        Mistake(
            "second test set",
            "c3",
            "The conclusion is right. But a second test set would show the same four points, and "
            "their cause no better.",
        ),
    )
)
