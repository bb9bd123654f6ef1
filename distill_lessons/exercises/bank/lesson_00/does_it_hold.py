"""Does it hold?"""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise

exercise = Exercise(
    title="Does it hold?",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=3,
    hints=("The whole interval has to respect the bound. Where does this one begin?",),
    options=("a", "b", "c"),
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# The interval reaches below zero: these ten repeats cannot tell whether the trick helps.
# It has not been shown to be useless either. More repeats would narrow the interval.
does_it_hold = "c"

judging = Judging(
    mistakes=(
        Mistake("helps", "a", "The mean is above 0, but is every number of the interval?"),
        Mistake(
            "useless", "b", "The interval contains 0. Does it not contain +1.5 points as well?"
        ),
    )
)
