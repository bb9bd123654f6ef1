"""Read a result: the order is another one."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Read a result: a colleague against a paper",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "An interval over five seeds covers what differs between the seeds. Does the learning rate "
        "differ between them?",
        "Which numbers of her recipe did the paper give her, and which did she have to choose? And "
        "which images may decide?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# Seeds redraw starts and orders. What all five share, rate and epochs, no interval over seeds
# covers. So her finding is sound, and it is one about her recipe. What the paper leaves open has to
# be varied, and every temperature gets the choice that suits it, on validation images: else one
# recipe is tuned, and the others are compared with it.
whose_order = "b3"

_WRONG = (
    "Her intervals cover what differs between her seeds. All five share one rate and one number of "
    "epochs, which the paper does not give."
)
_RIGHT = (
    "A measurement is not wrong because a paper says otherwise. The question is what it is a "
    "measurement *of*."
)

judging = Judging(
    mistakes=(
        *(Mistake(f"the paper is wrong, {n}", f"a{n}", _WRONG) for n in "123"),
        *(Mistake(f"the paper is right, {n}", f"c{n}", _RIGHT) for n in "123"),
        Mistake(
            "more seeds",
            "b1",
            "The verdict is right. More seeds make the same interval narrower; they do not vary "
            "what all of them share.",
        ),
        Mistake(
            "until it fits",
            "b2",
            "The verdict is right. But whoever tries recipes until the paper's order appears will "
            "find it, and has tested nothing.",
        ),
    )
)
