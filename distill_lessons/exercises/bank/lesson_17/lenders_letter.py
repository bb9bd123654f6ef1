"""Somebody's case: the lender's letter."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Somebody's case: the lender's letter",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Which of the two models said no to her? And which one was searched?",
        "A sentence of the form 'had it been so, the answer would have been yes' can be tried out, "
        "letter by letter, before it is sent.",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# The letter speaks of the lender's decision, and that was the teacher's. A counterfactual of the
# student is a guess about the teacher which is wrong in 26 of 100 letters, and each one can be
# tried on the teacher in a moment. Those whose suggestion fails get one that was found on the
# teacher itself, or are told that the search found none. That it is true of the model does not make
# it true of the world: the letter may not promise that a year more in the job brings the money.
lenders_letter = "b1"

_SEND = (
    "26 of 100 letters would tell somebody something untrue about the decision, and nobody would "
    "know which."
)
_NEVER = (
    "That the student is another model is no reason to say nothing. Its suggestion can be tried on "
    "the model that decided."
)

judging = Judging(
    mistakes=(
        *(Mistake(f"send all, {n}", f"a{n}", _SEND) for n in "123"),
        *(Mistake(f"send none, {n}", f"c{n}", _NEVER) for n in "123"),
        Mistake(
            "a promise",
            "b2",
            "The choice is right. But the letter says what the *model* would have answered, all "
            "else unchanged. It does not say what will happen if she acts on it.",
        ),
        Mistake(
            "the reason",
            "b3",
            "The choice is right. But there are many smallest changes; one of them is not *the* "
            "reason, and others may suit her better.",
        ),
    )
)
