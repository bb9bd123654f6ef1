"""It looks like the digit."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="It looks like the digit",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Cover the sentence of the brochure, and ask of the picture alone: which net does it show, "
        "the trained one or the random one?",
        "By what is the gradient multiplied in this method, and what is that at an empty pixel?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# A net that has learned nothing draws nearly the same sizes, since the method multiplies by the
# pixel. So the picture cannot show what the net looks at, be the brochure right or wrong. What
# learning changed is the signs.
like_the_digit = "c3"

judging = Judging(
    mistakes=(
        *(
            Mistake(
                f"it has learned strokes, {n}",
                f"a{n}",
                "The random net draws the same picture, and it has learned nothing.",
            )
            for n in "123"
        ),
        *(
            Mistake(
                f"it does not look at strokes, {n}",
                f"b{n}",
                "That is not shown either. The picture would be the same if it did.",
            )
            for n in "123"
        ),
        Mistake(
            "because the signs are noise",
            "c1",
            "The signs of the two nets differ. That the trained net's signs are noise does not "
            "follow: learning may have changed them.",
        ),
        Mistake(
            "because .93 is more than .90",
            "c2",
            "Both numbers are high, and their order decides nothing. What does the .90 say by "
            "itself?",
        ),
    )
)
