"""Be the tree."""

from __future__ import annotations

import itertools

from distill_lessons.exercises.exercise import Exercise

exercise = Exercise(
    title="Be the tree",
    kind="read",
    difficulty="easy",
    importance="high",
    minutes=4,
    hints=(
        "Begin at the top with each patient anew. After each answer read on beside the `yes:` or "
        "the `no:` that belongs to this question, and skip all that stands under the other one.",
        "The first question of the second patient: 105 is at most 106.",
    ),
    options=tuple("".join(letters) for letters in itertools.product("bm", repeat=3)),
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# Patient 1: perimeter 98 ≤ 106, concave points 0.16 > 0.135, texture 21 ≤ 25.7: benign.
# Patient 2: 105 ≤ 106, 0.11 ≤ 0.135: benign; its texture is never asked for.
# Patient 3: 112 > 106, concavity 0.19 ≤ 0.21, texture 26 > 20: malignant.
be_the_tree = "bbm"

judging = Judging(
    mistakes=(
        Mistake(
            "stopped too early",
            "mbm",
            "Patient 1 has many concave points, but the tree asks one thing more before it says "
            "malignant.",
        ),
        Mistake(
            "asked in vain",
            "bmm",
            "Patient 2 has a high texture. Does the tree ask for it?",
        ),
        Mistake(
            "by the look of it",
            "mmm",
            "All three have something that looks ill. A tree looks only at what it asks.",
        ),
        Mistake(
            "the last question turned",
            "bbb",
            "Patient 3: concavity is at most 0.21, so the next question is the indented one.",
        ),
    )
)
