"""One pixel, turned round and matched."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise

exercise = Exercise(
    title="One pixel by hand",
    kind="read",
    difficulty="easy",
    importance="high",
    minutes=3,
    hints=(
        "Over the inverted images this pixel has the mean 0.7. Its spread is what it was.",
        "How far from its mean is the pixel in this one image, before and after the inversion?",
    ),
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# The value 0.1 is 0.6 below the mean 0.7 of the inverted pixel, so it comes to lie 0.6 below the
# mean of home: 0.3 - 0.6. At home it was 0.6 above. A mean and a spread have no sign, and the
# contrast stays inverted.
after_matching = -0.3

judging = Judging(
    mistakes=(
        Mistake("undone", 0.9, "That is the value at home. No spread is ever negative, though."),
        Mistake("unmatched", 0.1, "That is the inverted pixel before it is matched."),
        Mistake("mean forgotten", -0.6, "That is how far it is from the mean. Add the mean."),
        Mistake("mean of the inverted", 0.7, "That is the mean of the inverted pixel."),
        Mistake("the mean", 0.3, "That is the mean of home. This image is not the mean one."),
        Mistake("in spreads", -3.0, "That is its distance from the mean in spreads."),
        Mistake("of the old mean", -0.5, "What mean does the pixel have over the inverted images?"),
    )
)
