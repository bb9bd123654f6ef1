"""Gloves."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise

exercise = Exercise(
    title="Gloves",
    kind="read",
    difficulty="easy",
    importance="high",
    minutes=6,
    hints=(
        "Write down the six orders of arrival. Who brings the 1 in each of them?",
        "The pair is complete when the first right glove meets the left one. In which orders is "
        "it not Ann who completes it?",
    ),
    tolerance=0.01,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# Bo completes the pair in the order A, B, C alone, Cy in A, C, B alone; in the other four orders
# it is Ann: 4/6. Bo and Cy are symmetric and get 1/6 each.
ann_gets = 2 / 3

judging = Judging(
    mistakes=(
        Mistake(
            "a right glove",
            1 / 6,
            "That is what a right glove gets: it completes the pair in one of the six orders. In "
            "how many does the left one?",
        ),
        Mistake("alone", 0.0, "That is what Ann brings when nobody is there yet."),
        Mistake("last", 1.0, "That is what Ann brings as the last one. She may come earlier."),
        Mistake("equal shares", 1 / 3, "Are the three equal contributors? Only two of them are."),
        Mistake(
            "half a pair",
            0.5,
            "Half of a pair: but there are two right gloves, and one of them is of no use.",
        ),
    )
)
