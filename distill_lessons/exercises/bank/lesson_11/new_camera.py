"""Read a result: sorting parts by a small camera."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Read a result: sorting screws",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Which two rows differ in nothing but the teacher?",
        "Where did the large net of the third row get its knowledge? Which labels has it seen?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# With all 9,000 labels the small net without a teacher is where the student of the large one is, so
# a team that has the labels needs no teacher. And the large net of the third row saw the same 300
# labels as the small net of the first: what its student gains came from the size of the large net
# and from unlabelled pictures, and not from labels.
new_camera = "b2"

_ALL = "Compare the last two rows: both students see the same 9,000 pictures."
_BEST = "The student in question has all 9,000 labels, and needs no one to tell it the classes."

judging = Judging(
    mistakes=(
        *(Mistake(f"nine points with labels, {n}", f"a{n}", _ALL) for n in "123"),
        *(Mistake(f"thirty points with labels, {n}", f"c{n}", _BEST) for n in "123"),
        Mistake(
            "more labels",
            "b1",
            "The first answer is right. But the large net of the third row had the same 300 labels "
            "as the small net of the first, and no others.",
        ),
        Mistake(
            "nothing",
            "b3",
            "The first answer is right. But 61 % and 49 % were measured on the same 300 labels.",
        ),
    )
)
