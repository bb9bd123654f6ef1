"""Read a result: eight hospitals."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Read a result: eight hospitals",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Which of the three needs images to leave a hospital, and which need answers only?",
        "A soft target is computed from a net that has seen the patients. What would have to be "
        "shown before one may say that nothing of them is in it?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# A pooled net would be better, but needs the images in one place, which is what the hospitals may
# not do. Of the rest the student of the eight wins against the best single hospital by far. Its
# targets come from nets that were trained on patients, though: that no image was sent is no proof
# that nothing of an image can be found out. A membership attack measures it.
eight_hospitals = "b1"

_POOL = (
    "A pooled net would be the best, and it needs all images in one place. That is what may not be "
    "done here."
)
_BEST = (
    "The best hospital needs no student. But compare its row with that of the student of the eight."
)

judging = Judging(
    mistakes=(
        *(Mistake(f"pool, {n}", f"a{n}", _POOL) for n in "123"),
        *(Mistake(f"the best hospital, {n}", f"c{n}", _BEST) for n in "123"),
        Mistake(
            "private by itself",
            "b2",
            "The choice is right. That no image was sent is one thing; that nothing can be learned "
            "about it is another: targets are made by nets that have seen it.",
        ),
        Mistake(
            "never private",
            "b3",
            "The choice is right. But that targets *may* leak does not mean that they do, nor how "
            "much. It can be measured.",
        ),
    )
)
