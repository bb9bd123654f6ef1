"""Read a result: the alpha of a paper."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise

exercise = Exercise(
    title="Read a result: the alpha of a paper",
    kind="read",
    difficulty="medium",
    importance="medium",
    minutes=4,
    points=2,
    hints=(
        'Use the formula of the section "What a missing T² does to a mixture".',
        "alpha' = alpha / c, and c is alpha plus (1 − alpha) / T². What is T² here?",
    ),
    tolerance=5e-4,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# T² = 100 is missing, so c = 0.3 + 0.7 / 100, and alpha' = 0.3 / c = 0.977. What the paper calls a
# mixture is almost training on labels alone.
alpha_to_set = 0.3 / (0.3 + 0.7 / 10**2)

judging = Judging(
    mistakes=(
        Mistake("unchanged", 0.3, "That is what the paper wrote. Its loss had no T²."),
        Mistake(
            "per cent",
            30 / (0.3 + 0.7 / 10**2),
            "alpha is a fraction between 0 and 1, not a percentage.",
        ),
        Mistake(
            "two digits",
            0.98,
            "Rounded too far: give three digits. What is left for the soft term is 1 − alpha, and "
            "that changes by an eighth.",
        ),
        Mistake("T for T²", 0.3 / (0.3 + 0.7 / 10), "You divided by T. The missing factor is T²."),
        Mistake(
            "multiplied",
            0.3 / (0.3 + 0.7 * 100),
            "You made the soft term larger. Without T² it was too small, so the labels had more "
            "weight than alpha says.",
        ),
        Mistake(
            "the soft weight",
            0.7 / 100 / (0.3 + 0.7 / 100),
            "That is the effective weight of the soft term. alpha is that of the labels.",
        ),
    )
)
