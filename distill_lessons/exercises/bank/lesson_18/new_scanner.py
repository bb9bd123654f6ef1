"""Read a result: a new scanner."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Read a result: a new scanner",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "What does a net answer about patients on whom it was trained? Where does it have these "
        "answers from?",
        "After matching, every pixel has the mean and the spread that it had on the old scanner. "
        "What can then still be other than before?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# About its own training patients the old net repeats their labels, so 91 % is in part the work of
# labels that "without a label" denies. With other patients it has to read; 88 % is what pairs
# without labels achieve. And matching hardly helped: the new scanner changes something that
# neither a pixel's mean nor its spread shows, as a turn or an inversion does.
new_scanner = "b1"

_OWN = (
    "These 400 patients have labels after all: the old net learned them, and repeats them without "
    "having to read."
)
_MATCHED = "Compare this row with the one above it. How much of the loss did matching bring back?"

judging = Judging(
    mistakes=(
        *(Mistake(f"its own patients, {n}", f"a{n}", _OWN) for n in "123"),
        *(Mistake(f"matching, {n}", f"c{n}", _MATCHED) for n in "123"),
        Mistake(
            "more scans",
            "b2",
            "The student is the right one. But 800 scans give means and spreads well enough; from "
            "more scans they would hardly be other ones.",
        ),
        Mistake(
            "it knows nothing",
            "b3",
            "The student is the right one. But it has learned what it knows from the old net, so "
            "the old net does know something. What fails is how it is asked.",
        ),
    )
)
