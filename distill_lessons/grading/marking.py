"""From submissions to points. Compares here what `sit` found there; runs no learner's code."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from distill_lessons import settings
from distill_lessons.course.running import first_line
from distill_lessons.exercises import catalogue
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.verdict import Verdict
from distill_lessons.grading import box, student
from distill_lessons.grading.box import Limits, Sitting
from distill_lessons.grading.submissions import Submission

MOST_SITTINGS = 6  # processes for one submission: each skips what ended those before it
MOST_SEED = 2**31 - 2


@dataclass(frozen=True)
class Marked:
    """A submission with its verdicts.

    Attributes:
        submission: what was marked.
        verdicts: by exercise, in the lesson's order; empty if the lesson is not known.
        notes: one line each: what is amiss with the file, and what went wrong while it ran.
    """

    submission: Submission
    verdicts: dict[str, Verdict]
    notes: tuple[str, ...]

    def points(self, name: str) -> int:
        """Return the points for an exercise: all or none."""
        assert self.submission.lesson is not None
        made = catalogue.of_lesson(self.submission.lesson)[name]
        return made.points if self.verdicts[name].state == "correct" else 0


def hidden_seeds(first: int | None, lessons: Iterable[str]) -> tuple[int, int]:
    """Return the two seeds that draw the hidden questions.

    Args:
        first: the first of the two; None to draw one by chance.
        lessons: on whose exercises the solutions are tried with them.

    Raises:
        ValueError: if this is a student build, or a solution fails on the seed asked for.
    """
    if first is not None and not 0 <= first <= MOST_SEED:
        raise ValueError(f"--seed {first} must be a whole number from 0 to {MOST_SEED}.")
    made = [one for lesson in sorted(set(lessons)) for one in catalogue.of_lesson(lesson).values()]
    for one in made:
        if one.solved_by is None:
            raise ValueError(
                f"The solution of {one.key} is not here: this is a student build. Grade with the "
                "instructor's installation."
            )
    for _ in range(10):
        seed = secrets.randbelow(MOST_SEED) if first is None else first
        failed = [
            one.key
            for one in made
            for s in (seed, seed + 1)
            if one.solved_by and one.judge(one.solved_by.answer, s).state != "correct"
        ]
        if not failed:
            return seed, seed + 1
        if first is not None:
            break
    raise ValueError(
        f"With --seed {seed} the course's own solution of {failed[0]} is not accepted. Take "
        "another seed, and please report this."
    )


def mark_all(
    found: Sequence[Submission],
    seeds: Sequence[int],
    limits: Limits,
    *,
    fence: Sequence[str] | None,
    jobs: int = 1,
    on_done: Callable[[Marked], None] = lambda marked: None,
) -> list[Marked]:
    """Mark submissions, each in processes of its own; return them in the order given.

    Args:
        found: from `submissions.collect`.
        seeds: from `hidden_seeds`.
        limits: for each submission.
        fence: from `fence.find`.
        jobs: how many run side by side.
        on_done: called with each as soon as it is marked, in that order.
    """
    package = student.package(sitting=True)
    # A learner's data set comes from the instructor's folder; nothing else is told to the box.
    stop = threading.Event()
    env = {"DISTILL_DATA": str(settings.load().data_dir.absolute())}

    def run(one: Submission) -> tuple[Sitting, list[str]]:
        if stop.is_set():
            return Sitting(), []
        return _run(one, seeds, limits, package, fence, env, stop)

    marked = []
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for one, (sitting, notes) in zip(found, pool.map(run, found), strict=True):
                marked.append(_mark(one, sitting, notes, seeds))
                on_done(marked[-1])
        except BaseException:
            stop.set()  # Ctrl-C reaches this thread alone
            raise
    return marked


def _run(
    one: Submission,
    seeds: Sequence[int],
    limits: Limits,
    package: dict[str, bytes],
    fence: Sequence[str] | None,
    env: dict[str, str],
    stop: threading.Event,
) -> tuple[Sitting, list[str]]:
    """Run a submission, again without what ended its process, until it comes to its end."""
    everything = Sitting()
    notes: list[str] = []
    skip: list[int | str] = []
    if one.lesson is None:
        return everything, notes
    begun = time.monotonic()
    for _ in range(MOST_SITTINGS):
        left = limits.seconds - (time.monotonic() - begun)
        if left <= 0:
            break
        job = {"lesson": one.lesson, "cells": one.cells, "seeds": list(seeds), "skip": skip}
        less = Limits(left, limits.cell_seconds, limits.memory)
        try:
            sitting = box.sit(job, less, package, fence, env, stop)
        except OSError as error:
            notes.append(f"could not be run here ({error})")
            break
        for name, answer in sitting.answers.items():
            if "blank" not in answer or name not in everything.answers:
                everything.answers[name] = answer
        everything.errors |= sitting.errors
        if not sitting.stopped:
            break
        notes.append(f"{_where(one, sitting.doing)} {sitting.stopped}")
        if isinstance(sitting.doing, str):
            everything.answers[sitting.doing] = {"says": f"Your code {sitting.stopped}."}
        if sitting.doing is None or sitting.doing in skip:
            break  # it did not even begin, or only says that it did
        skip.append(sitting.doing)
    return everything, notes


def _mark(one: Submission, sitting: Sitting, notes: list[str], seeds: Sequence[int]) -> Marked:
    if one.lesson is None:
        return Marked(one, {}, one.notes)
    made = catalogue.of_lesson(one.lesson)
    verdicts = {
        name: _verdict(exercise, sitting.answers.get(name), seeds)
        for name, exercise in made.items()
    }
    failed = []
    if sitting.errors:
        number, error = min(sitting.errors.items())
        more = f"{len(sitting.errors)} cells failed, the first: " if len(sitting.errors) > 1 else ""
        failed = [f"{more}{_where(one, number)}: {' '.join(error.split())[:300]}"]
    return Marked(one, verdicts, (*one.notes, *notes, *failed))


def _verdict(exercise: Exercise, answer: dict[str, Any] | None, seeds: Sequence[int]) -> Verdict:
    """Judge what a submission's process said of an answer; it may be anything."""
    match answer:
        case None:
            return Verdict("not attempted", "It was not reached.")
        case {"says": str(says)}:
            return Verdict("not yet", says[:500])
        case {"outputs": [*outputs]} if len(outputs) == len(seeds):
            verdict = Verdict("not attempted", "")
            for one, seed in zip(outputs, seeds, strict=True):
                try:
                    verdict = exercise.compare(one, seed)
                except Exception:
                    return Verdict("not yet", "What was returned cannot be compared.")
                if verdict.state != "correct":
                    return verdict
            return verdict
        case {"blank": True}:
            return Verdict("not attempted", "")
    return Verdict("not yet", "What was returned cannot be compared.")


def _where(one: Submission, doing: int | str | None) -> str:
    if isinstance(doing, str):
        return f"the answer {doing[:80]}"
    if doing is None or not 0 <= doing < len(one.cells):
        return "the notebook"
    return f"cell {doing + 1} `{first_line(one.cells[doing]['source'])}`"
