"""Read a result: a clinic's new cameras."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import NINE

exercise = Exercise(
    title="Read a result: a clinic's new cameras",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Which rows have the same eight bits, and which the same file? What else differs between "
        "the two rows that differ most?",
        "A grid ends somewhere. What becomes of an activation beyond its end, and which images "
        "decided where the end is?",
    ),
    options=NINE,
)

# ==== Solution ====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

# The exported file is right: in floats it agrees to the seventh digit on both kinds of image. Eight
# bits are enough: on the old cameras nothing is lost. What differs is that the new images lead
# beyond the grids' ends, which the old ones fixed, and every activation out there counts as the
# end. Calibrated again on training images of the new cameras, the same weights fit; the table of
# ends says so before anybody is examined.
clinics_camera = "c2"

_FILE = (
    "The file gives the net's own logits in floats, for both cameras. What is lost is lost after "
    "that."
)
_BITS = "On the images of the old cameras the same eight bits lose nothing."

judging = Judging(
    mistakes=(
        *(Mistake(f"the export, {n}", f"a{n}", _FILE) for n in "123"),
        *(Mistake(f"eight bits, {n}", f"b{n}", _BITS) for n in "123"),
        Mistake(
            "sixteen bits",
            "c1",
            "The conclusion is right. But sixteen bits would only divide the same range more "
            "finely; what lies beyond it is still cut off.",
        ),
        Mistake(
            "training for longer",
            "c3",
            "The conclusion is right. But in floats the net reads the new images well: its weights "
            "are not the trouble.",
        ),
    )
)
