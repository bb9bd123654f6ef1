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
        "Compare the two rows that come from the same 160 labelled cards and 5,000 cards without a "
        "label. What differs between them?",
        "Which of the models has the archive to pay for in labels, and which of them was right "
        "more often?",
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
_BAD = "This row is the worst of those that use the cards without a label."

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
            "The choice is right. But the student of the transformer saw the same 5,000 cards and "
            "gained next to nothing.",
        ),
    )
)
