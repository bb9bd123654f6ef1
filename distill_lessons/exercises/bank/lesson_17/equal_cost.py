"""What would a search have had for the same money?"""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise

exercise = Exercise(
    title="A search for the same money",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    hints=(
        "Count multiply-adds. The map: patches × shuffles × images × those of one answer.",
        "An answer of a candidate: one multiply-add for each connection.",
        "A training step of one image is an answer and a way back that costs about two more.",
        "In favour of the search: round up.",
    ),
    tolerance=1e-6,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# The map: 16 * 3 * 180 * 25,856 = 223.4 million multiply-adds. One candidate: 200 * 64 * 3 answers
# of 16 * 4 + 16 * 10 = 224, so 8.6 million. That is 25.97 candidates, in favour of the search 26.
equal_cost = 26

judging = Judging(
    mistakes=(
        Mistake("one", 1, "One candidate is no search. Count what the map costs."),
        Mistake(
            "rounded down", 25, "25 cost less than the map. Nobody must say that the search was "
            "short of money: round up.",
        ),
        Mistake("not rounded", 25.971, "A part of a candidate cannot be trained: round up."),
        Mistake(
            "units that see all pixels", 5, "That is for units that see all 64 pixels. Here each "
            "sees 4: an answer takes fewer multiply-adds.",
        ),
        Mistake(
            "no way back", 78, "A training step is more than an answer: the way back costs about "
            "two more.",
        ),
        Mistake("no way back, rounded down", 77, "What does the way back of a training step cost?"),
        Mistake(
            "with the unshuffled pass", 27, "You count the map's unshuffled pass, too: leave it "
            "out here.",
        ),
        Mistake(
            "one shuffle", 9, "Each patch is shuffled three times, and each time all images run.",
        ),
        Mistake(
            "as many as patches", 16, "That is the number of patches. Compare what is computed.",
        ),
    )
)  # fmt: skip
