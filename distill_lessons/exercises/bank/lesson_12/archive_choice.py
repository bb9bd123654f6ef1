"""Read a result: an archive's catalogue cards."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Read a result: an archive's catalogue cards",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Compare the two rows in which a transformer is taught on 5,000 cards. What differs "
        "between them?",
        "Every row cost the same 160 labels. Of the models that can be read, which was right most "
        "often?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# The small transformer taught by the n-gram model is no better than its teacher: it was lifted up
# to it. The n-gram model itself is as good, smaller, and can be read. That the transformer was
# lifted at all is not owed to labels, of which both had 160: the better answers of another kind of
# model came to it on the cards that nobody had sorted.
archive_choice = "b3"

_NET = (
    "Look at the n-gram model's own row: the transformer that it taught is no better, larger, and "
    "cannot be read."
)
_BAD = "With the 160 labels alone, and no teacher, the n-gram model was right far more often."

judging = Judging(
    mistakes=(
        *(Mistake(f"the taught transformer, {n}", f"a{n}", _NET) for n in "123"),
        *(Mistake(f"the transformer's own student, {n}", f"c{n}", _BAD) for n in "123"),
        Mistake(
            "new labels",
            "b1",
            "The choice is right. But no card was labelled by anybody: all models know the same "
            "160 labels.",
        ),
        Mistake(
            "more cards alone",
            "b2",
            "The choice is right. But the transformer that a transformer taught saw the same 5,000 "
            "cards and gained next to nothing.",
        ),
    )
)
