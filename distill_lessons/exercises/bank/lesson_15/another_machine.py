"""Read a result: a colleague's replay."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Read a result: a colleague's replay",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "How many images of 359 are 0.28 points? How large is the interval that the claim itself "
        "states?",
        "The note names two versions. Which differs, and can it change how a sum is rounded?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# 0.28 points are one image of 359, far inside the interval. Code, data and seed are the same; the
# version of torch is not, and another version may add in another order. If that is the reason, the
# old version on her machine must give the old numbers to the last bit, unless the processor has a
# part in it. More seeds say how far the claim carries, which is another question; a wider limit
# says nothing and hides the next difference.
another_machine = "b1"

_OTHER = "The seed stands in the line and is the same; another would usually change more answers."
_WRONG = (
    "Both intervals lie on the same side of the bound. The last digits moved, and not the verdict."
)

judging = Judging(
    mistakes=(
        *(Mistake(f"another seed, {n}", f"a{n}", _OTHER) for n in "123"),
        *(Mistake(f"refuted, {n}", f"c{n}", _WRONG) for n in "123"),
        Mistake(
            "more seeds",
            "b2",
            "The conclusion is right. But more seeds would not tell where this difference comes "
            "from: they would differ from one another anyway.",
        ),
        Mistake(
            "a tolerance",
            "b3",
            "The conclusion is right. But a tolerance that is chosen after the difference was seen "
            "explains nothing, and hides the next one.",
        ),
    )
)
