"""Exercises of the lessons: an answer is checked, a hint given, a solution shown.

A lesson imports its own, ``from distill_lessons.exercises import lesson_03 as ex``, and then asks
``ex.mean_kl.check(mean_kl)``. Each exercise is one file in ``bank``.
"""

from __future__ import annotations

from types import SimpleNamespace


def __getattr__(name: str) -> SimpleNamespace:
    """Return the exercises of a lesson, such as ``lesson_03``, each under its name."""
    if name.startswith("lesson_"):
        from distill_lessons.exercises import catalogue

        number = name.removeprefix("lesson_")
        if number in catalogue.LESSONS:
            return SimpleNamespace(**catalogue.of_lesson(number))
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
