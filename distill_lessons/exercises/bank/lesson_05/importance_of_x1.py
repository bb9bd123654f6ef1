"""With pen and paper."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise

exercise = Exercise(
    title="With pen and paper",
    kind="read",
    difficulty="hard",
    importance="medium",
    minutes=8,
    points=3,
    hints=(
        "After the shuffle the error is the noise plus a multiple of x₁′ − x₁. Which multiple?",
        "x₁′ and x₁ are independent and have the same variance. What is the mean of (x₁′ − x₁)²?",
    ),
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# 3² · E(x₁′ − x₁)² = 9 · 2 · ¼: the squared weight, times twice the variance. So a large weight on
# an input that hardly varies has little importance (Fisher, Rudin and Dominici, 2019).
importance_of_x1 = 4.5

judging = Judging(
    mistakes=(
        Mistake("one variance", 2.25, "Both x₁′ and x₁ vary: the mean of (x₁′ − x₁)² is not ¼."),
        Mistake("weight not squared", 1.5, "The error is squared, and the weight with it."),
        Mistake("weight and one variance", 0.75, "Square the whole error, the weight with it."),
        Mistake("the weight", 3.0, "That is the weight. How much does x₁ vary?"),
        Mistake("the squared weight", 9.0, "That is the squared weight. How much does x₁ vary?"),
        Mistake(
            "twice the squared weight", 18.0, "Where is the variance? x₁ moves by less than 1."
        ),
    )
)
