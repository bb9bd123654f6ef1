"""Which teacher, which number?"""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Which teacher, which number?",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=4,
    points=2,
    hints=(
        "Which column may take part in a decision, and which one is looked at when all decisions "
        "are made?",
        "Choose the epoch without the last column; only then read the last column, in that row.",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# The rule was fixed beforehand and looks at validation images only: epoch 30 is the only one of the
# three with a loss of at most 0.06. The test images then judge that net, once, and say 96.4 %. The
# 97.2 % is the largest of three noisy numbers, found by looking at the test images; it is too high
# on average, whatever the training loss says. An estimate is no guarantee: report its interval too,
# about two points to either side with some 360 test images.
which_epoch = "b2"

judging = Judging(
    mistakes=(
        Mistake("test", "a1", "Who has looked at the test images in order to choose this row?"),
        Mistake("test, validation named", "a2", "Look at the validation column in that row again."),
        Mistake(
            "training",
            "a3",
            "A low training loss flatters: the net has seen these images 60 times.",
        ),
        Mistake(
            "test decides", "b1", "The row is right. But its test accuracy is not the highest."
        ),
        Mistake("training decides", "b3", "The row is right. But its training loss is not lowest."),
        Mistake(
            "number from another row",
            "c2",
            "The reason is right. But the number belongs to another net than the one you keep.",
        ),
        Mistake("best of three", "c1", "The largest of three noisy numbers is no test any more."),
        Mistake("mixed", "c3", "You would keep one net and advertise another."),
    )
)
