"""What doubt tells."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="What doubt tells",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Take the images of one row of the table: which share of them is misclassified?",
        "The share of mistakes that lie in the first row is another question than the share of the "
        "first row that are mistakes.",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# Of the 64 images in the first row 8 are misclassified, one in eight; seven in eight are right.
# In the second row it is 1 of 295, so mistakes are 37 times as frequent above 1.5 nats.
# That 8 of 9 mistakes lie in the first row says what a filter would catch, not how likely an image
# in it is misclassified; and a difference of means says neither.
doubt = "b2"

judging = Judging(
    mistakes=(
        Mistake(
            "base rate",
            "a1",
            "Misclassified images lie above. Is what lies above misclassified, too?",
        ),
        Mistake(
            "half",
            "a2",
            "The reason is good. What share of the images does it say is misclassified?",
        ),
        Mistake(
            "means", "a3", "Means of two groups do not say how likely a single image is wrong."
        ),
        Mistake("share of mistakes", "b1", "Right, but that share is about mistakes, not images."),
        Mistake("no count", "b3", "Right, but a difference of means does not show how many."),
        Mistake("nothing, 1", "c1", "If it said nothing, would most mistakes lie above the line?"),
        Mistake("nothing, 2", "c2", "Compare the two shares in the reason you have chosen."),
        Mistake("nothing, 3", "c3", "The reason speaks against the conclusion."),
    )
)
