"""Read a result: which run lacks T²?"""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise

exercise = Exercise(
    title="Read a result: which run lacks T²?",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Without T², the mixture is the right loss with another weight. Which way does that weight "
        "go as T grows?",
        "Compare each row with the students that had labels only. Which row falls back towards "
        "them?",
        "Of the reasons, one is about the whole loss, which Adam rescales, and one about both runs "
        "alike. Neither can tell A from B.",
    ),
    options=tuple(letter + digit for letter in "abc" for digit in "123"),
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# Without T² the labels' effective weight is 0.5 at T = 1 and 0.998 at T = 20: nearly students of
# the labels alone, 83.7 %, towards which run B falls. At T = 1 the factor is 1, and both runs are
# the same run. That Adam learns more slowly from a smaller loss is not so: it divides by the size
# of the gradient. And that probabilities become even at a high T holds for both runs.
which_run = "b3"

_TAKE_OVER = (
    "Your reason is right: without T² the labels take over. So as T rises, such a run falls back "
    "towards labels alone."
)

_EVEN = (
    "B is the run. But the probabilities become even in run A too, which has the same temperatures."
)

_SLOWER = (
    "B is the run. But the reason is another: Adam divides the gradient by its own size, so that a "
    "smaller loss does not learn more slowly. What else does the missing factor change?"
)

_READS_C = (
    "Temperature cannot be the reason by itself: both runs have the same one, column by column."
)

_READS_A = "Run A does best where T is highest. A missing T² does not matter less as T grows."

judging = Judging(
    mistakes=(
        *(Mistake(f"run A, {n}", f"a{n}", _READS_A) for n in "12"),
        Mistake("run A, labels take over", "a3", f"{_TAKE_OVER} Which of the two is that?"),
        Mistake("slower", "b1", _SLOWER),
        Mistake("even", "b2", _EVEN),
        *(Mistake(f"temperature, {n}", f"c{n}", _READS_C) for n in "12"),
        Mistake("temperature, labels take over", "c3", f"{_TAKE_OVER} Does neither row do so?"),
    )
)
