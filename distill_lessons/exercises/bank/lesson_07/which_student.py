"""Two students on offer."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Two students on offer",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "The maps are shown as the reasons of the *large* model. Which column of the table is "
        "about that?",
        "Where do two functions have to be alike to give equal answers on a test set, and where "
        "to give equal maps?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# Answers on the test images say nothing of how a net responds when pixels change, and that is what
# a map describes. A gives the large model's answer as often as B does, but its maps are further
# from the large model's than those of a net that saw 200 labels and no teacher.
which_student = "b1"

judging = Judging(
    mistakes=(
        *(
            Mistake(
                f"A, {n}",
                f"a{n}",
                "A is a little more accurate. But its maps are to stand for the large model's: "
                "look at the last column, and at the two controls.",
            )
            for n in "123"
        ),
        *(
            Mistake(
                f"either, {n}",
                f"c{n}",
                "The accuracies and the answers of A and B differ little. Do they give their "
                "answers for the same reasons? Look at the last column.",
            )
            for n in "123"
        ),
        Mistake(
            "because it answers alike",
            "b2",
            "The choice is right. But in the second column A and B differ by less than is known "
            "of such differences. Which column tells them apart?",
        ),
        Mistake(
            "because it reads more",
            "b3",
            "The choice is right. But by this reason it would be A, which gets more images right.",
        ),
    )
)
