"""Read a result: a clinic's tree."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Read a result: a clinic's tree",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "On how many of the 1,000 patients can the answers of net and tree agree without the tree "
        "knowing anything of the net? The second row of the table tells.",
        "What is asked is *why the net errs*. Which rows of the test set speak about that?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# A tree that never met the net agrees with it as often: both are mostly right, and where both are
# right they agree. Of the net's 40 errors the distilled tree repeats no more than the other one
# does. So it says little of how the net errs. The tree itself is as readable as before, and may be
# used in place of the net: then its own accuracy counts.
clinics_tree = "c2"

_YES = (
    "94 % is much, but a tree that has never met the net agrees with it as often. So what does the "
    "number measure?"
)

_NO_READING = (
    "The tree can be read, question by question: it is a white box, with respect to itself. What "
    "it says about the *net* is the question."
)

judging = Judging(
    mistakes=(
        *(Mistake(f"it shows how, {n}", f"a{n}", _YES) for n in "123"),
        *(Mistake(f"no tree is readable, {n}", f"b{n}", _NO_READING) for n in "123"),
        Mistake(
            "too few patients",
            "c1",
            "The conclusion is right. But ten times as many patients would show the same two "
            "equal shares, only more exactly.",
        ),
        Mistake(
            "deeper tree",
            "c3",
            "The conclusion is right. A deeper tree may agree more often, but without its control "
            "that number would mean as little.",
        ),
    )
)
