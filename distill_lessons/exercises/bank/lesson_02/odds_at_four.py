"""Odds by hand."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise

exercise = Exercise(
    title="Odds by hand",
    kind="read",
    difficulty="easy",
    importance="high",
    minutes=3,
    hints=(
        "The logarithm of the odds is the difference of the two logits. What does T do to it?",
        "Half of a logarithm belongs to the square root. And a quarter of it?",
    ),
)

# ==== Solution ====================================================================================

import math

from distill_lessons.exercises.parts import Judging, Mistake

# Temperature takes the T-th root of the odds, and the fourth root of 10,000 is 10. What was
# invisible has become one tenth.
odds_at_four = 10.0

judging = Judging(
    mistakes=(
        Mistake("divided", 2500.0, "T divides the logits. Odds are exponentials of logits."),
        Mistake("multiplied", 40000.0, "A temperature above 1 brings the classes together."),
        Mistake("unchanged", 10000.0, "Only the order stays the same at every temperature."),
        Mistake("square root", 100.0, "That is what T = 2 makes of it."),
        Mistake("logarithm", math.log(10000) / 4, "That is the difference of logits over T."),
        Mistake("upside down", 0.1, "That is how much less the 8 has. How much more has the 3?"),
    )
)
