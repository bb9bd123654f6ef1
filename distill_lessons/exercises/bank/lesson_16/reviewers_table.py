"""Read a result: a table under review."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Read a result: a table under review",
    kind="read",
    difficulty="easy",
    importance="high",
    minutes=4,
    points=2,
    hints=(
        "A count of errors scatters by about its root. What is the root of 29, and how far apart "
        "are 29 and 24?",
        "All three nets read the same images. What would say more of them than three counts? And "
        "what would another training change?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# A count of 29 scatters by about 5 and one of 24 too, so their difference by about 7: a gap of 5
# may be chance. That does not say that there is no difference; three counts of one run each cannot
# tell. Which images each net misreads is on the authors' disk, and images that both misread drop
# out of the difference. Seeds say how far another start would have moved it.
reviewers_table = "c2"

_TAKEN = (
    "The counts are far too small for that. A count of 29 scatters by about five, and so does one "
    "of 24."
)
_REFUSED = (
    "That two numbers may differ by chance does not show that they are the same. The table cannot "
    "tell either way."
)

judging = Judging(
    mistakes=(
        *(Mistake(f"accepted, {n}", f"a{n}", _TAKEN) for n in "123"),
        *(Mistake(f"refuted, {n}", f"b{n}", _REFUSED) for n in "123"),
        Mistake(
            "decimals",
            "c1",
            "The verdict is right. But decimals of a count of 24 say nothing that the 24 does not.",
        ),
        Mistake(
            "training images",
            "c3",
            "The verdict is right. But errors on training images say how well a net remembers, "
            "and not how well it reads.",
        ),
    )
)
