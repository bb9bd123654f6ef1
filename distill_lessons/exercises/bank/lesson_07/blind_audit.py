"""A blind audit."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="A blind audit",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "SHAP shares out what changes between the image and the background. What changes in the "
        "corner?",
        "Remember the dummy axiom of lesson 06: what does a player get that changes nothing?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# The corner has the same value in image and background, so no attribution can go there, however
# strongly the net relies on it: a clean audit hides the shortcut. The scanner's own data show it.
# Try it: corner_shares(cued, dark).
blind_audit = "c2"

judging = Judging(
    mistakes=(
        *(
            Mistake(
                f"much, {n}",
                f"a{n}",
                "That was on data that carry the cue. How do image and background differ in the "
                "corner now?",
            )
            for n in "123"
        ),
        *(
            Mistake(
                f"its part of the area, {n}",
                f"b{n}",
                "Attribution is not spread evenly over the area. How do image and background "
                "differ in the corner?",
            )
            for n in "123"
        ),
        Mistake(
            "because the net does not use it",
            "c1",
            "The number is right. But put ink in the corner of other digits, and the net takes "
            "many of them for a 3: it does use it.",
        ),
        Mistake(
            "because it was small",
            "c3",
            "The number is right. But a single pixel had more than a third of the attribution "
            "before.",
        ),
    )
)
