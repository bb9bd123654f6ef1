"""All exercises of the course, lesson by lesson."""

from __future__ import annotations

import importlib

from distill_lessons.exercises.exercise import Exercise

LESSONS = ("00", "01", "02", "03", "04", "05", "06", "07")


def of_lesson(lesson: str) -> dict[str, Exercise]:
    """Return the exercises of a lesson by name, in the order in which the lesson has them.

    Args:
        lesson: two digits, one of `LESSONS`.
    """
    module = importlib.import_module(f"distill_lessons.exercises.lesson_{lesson}")
    return {made.name: made for made in vars(module).values() if isinstance(made, Exercise)}
