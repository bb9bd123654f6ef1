"""Read a plan: a claim for the clinic."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Read a plan: a claim for the clinic",
    kind="read",
    difficulty="easy",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "What would have to be measured for each of the three sentences to be false?",
        "The clinic pays for the teacher's soft answers. Which of the three has everything but "
        "them?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# The second sentence names two students, what is measured and the side of zero on which the
# interval has to lie: it can turn out false. A student taught by the teacher's top classes has the
# same images, weights and steps and knows the teacher's opinion. All it lacks is the soft part.
which_claim = "b2"

_VAGUE = "No result could make that sentence false: nobody said how much is well, and against what."
_SURE = (
    "That sentence is true before anything is run, since a trained student is no guess. What "
    "cannot fail tells nothing."
)

judging = Judging(
    mistakes=(
        *(Mistake(f"vague, {n}", f"a{n}", _VAGUE) for n in "123"),
        *(Mistake(f"cannot fail, {n}", f"c{n}", _SURE) for n in "123"),
        Mistake(
            "an untrained student",
            "b1",
            "The claim is right. But an untrained student lacks everything, so that it loses "
            "whatever the soft answers are worth.",
        ),
        Mistake(
            "the teacher",
            "b3",
            "The claim is right. But the teacher is another, larger net: what it reads better "
            "says nothing about what its soft answers did for the student.",
        ),
    )
)
