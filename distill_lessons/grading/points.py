"""Points that a person gives, beside those that grading gives by itself."""

from __future__ import annotations

import csv
import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from distill_lessons.exercises import catalogue

COLUMNS = ("learner", "exercise", "points", "comment")


@dataclass(frozen=True)
class Extra:
    """Points given or taken by hand.

    Attributes:
        learner: the name, or the learning platform's number.
        exercise: such as ``02.doubt``, or a lesson such as ``02``.
        points: below zero to take some away.
        comment: shown to the learner.
    """

    learner: str
    exercise: str
    points: float
    comment: str = ""

    @property
    def lesson(self) -> str:
        """The lesson that it counts for."""
        return self.exercise[:2]

    def belongs_to(self, owner: Collection[str], lesson: str | None) -> bool:
        """Return whether it is for a learner's work on a lesson.

        Args:
            owner: name and number of the learner.
            lesson: two digits.
        """
        return self.learner in owner and self.lesson == lesson


def read(path: Path) -> list[Extra]:
    """Return the points of a CSV file with the columns `COLUMNS`; the comment may be missing.

    Raises:
        ValueError: if a column is missing, or a line names no exercise or no number; it is named.
    """
    found = []
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        missing = [name for name in COLUMNS[:3] if name not in (rows.fieldnames or ())]
        if missing:
            raise ValueError(
                f"--points {str(path)!r} has no column {', '.join(missing)}. It takes "
                f"{', '.join(COLUMNS)}."
            )
        for row in rows:
            try:
                points = float(row["points"] or "")
            except ValueError:
                points = math.nan
            exercise = (row["exercise"] or "").strip()
            lesson, _, name = exercise.partition(".")
            known = lesson in catalogue.LESSONS and (
                name in catalogue.of_lesson(lesson) or exercise == lesson
            )
            learner = (row["learner"] or "").strip()
            if not learner or not known or not math.isfinite(points):
                raise ValueError(
                    f"--points {str(path)!r}, line {rows.line_num}: {row['points']!r} points for "
                    f"{exercise!r} of {learner!r}. Give a number, an exercise such as 02.doubt or "
                    "a lesson such as 02, and a learner's name or number."
                )
            found.append(Extra(learner, exercise, points, (row.get("comment") or "").strip()))
    return found


def strangers(extra: Iterable[Extra], owners: Collection[Collection[str]]) -> list[str]:
    """Return the learners who are given points but handed in nothing.

    Args:
        extra: from `read`.
        owners: name and number of each learner.
    """
    named = dict.fromkeys(one.learner for one in extra)
    return [name for name in named if not any(name in owner for owner in owners)]
