"""From submissions to points. Compares here what `sit` found there; runs no learner's code."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from typing import Any

from distill_lessons import settings
from distill_lessons.course.running import first_line
from distill_lessons.exercises import catalogue
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.verdict import Verdict
from distill_lessons.grading import box, student
from distill_lessons.grading.box import Sitting
from distill_lessons.grading.fence import Fence
from distill_lessons.grading.limits import GIB, Limits
from distill_lessons.grading.submissions import Submission

STARTS = 3  # how often a process is started that ends before it comes to a submission's code
MOST_SITTINGS = 6  # processes for one submission: each skips what ended those before it
MOST_SEED = 2**31 - 2


@dataclass(frozen=True)
class Marked:
    """A submission with its verdicts.

    Attributes:
        submission: what was marked.
        verdicts: by exercise, in the lesson's order; empty if the lesson is not known.
        notes: one line each: what is amiss with the file, and what went wrong while it ran.
        failure: why it could not be graded on this machine; "" if it could. It has no points then,
            which is not the same as zero.
    """

    submission: Submission
    verdicts: dict[str, Verdict]
    notes: tuple[str, ...]
    failure: str = ""

    def points(self, name: str) -> int:
        """Return the points for an exercise: all or none."""
        assert self.submission.lesson is not None
        made = catalogue.of_lesson(self.submission.lesson)[name]
        return made.points if self.verdicts[name].state == "correct" else 0


def _package() -> dict[str, bytes]:
    """Return the package that submissions import, read while nobody writes to it."""
    package = student.package(sitting=True)
    while package != (again := student.package(sitting=True)):
        package = again
    return package


@dataclass(frozen=True)
class Room:
    """Where and how submissions run.

    Attributes:
        seeds: draw the hidden questions; from `hidden_seeds`.
        limits: for each submission.
        fence: from `fence.find`.
        jobs: how many run side by side.
        package: the files of the package that they import, read once: what was rehearsed is what
            everybody gets.
    """

    seeds: Sequence[int]
    limits: Limits
    fence: Fence | None = None
    jobs: int = 1
    package: Mapping[str, bytes] = field(default_factory=_package, repr=False)


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


def rehearse(room: Room, lesson: str) -> None:
    """Start a process as a submission's, without any cell, and see it come to its end.

    Raises:
        ValueError: if it does not: nobody could be graded.
        OSError: if there is no room for it here.
    """
    sitting = _sit(Submission("", lesson=lesson), room, threading.Event())
    if not sitting.started or sitting.stopped:
        memory = room.limits.memory / GIB
        raise ValueError(
            f"Nobody can be graded here: a process without any cell {sitting.why}. It has "
            f"--memory {memory:.3g} GiB"
            + (
                ", and behind the fence it sees the system's and Python's own folders only: "
                "--visible PATH shows it another."
                if room.fence
                else "."
            )
        )


def mark_all(
    found: Sequence[Submission],
    room: Room,
    *,
    on_begin: Callable[[Submission], None] = lambda one: None,
) -> Iterator[Marked]:
    """Mark submissions, each in processes of its own, and yield each as soon as it is marked.

    Without a fence, whatever went wrong with one that ran beside others may have been the others'
    doing: it is done again, alone, at the end.

    Args:
        found: from `submissions.collect`.
        room: where they run.
        on_begin: called before a submission runs.
    """
    stop = threading.Event()

    def run(one: Submission) -> tuple[Submission, Sitting, list[str], str]:
        if stop.is_set():
            return one, Sitting(), [], "was interrupted"
        on_begin(one)
        return one, *_run(one, room, stop)

    alone: list[Submission] = []
    with ThreadPoolExecutor(room.jobs) as pool:
        try:
            for done in as_completed([pool.submit(run, one) for one in found]):
                one, sitting, notes, failure = done.result()
                if (notes or failure) and room.fence is None and room.jobs > 1:
                    alone.append(one)
                else:
                    yield _mark(one, sitting, notes, failure, room.seeds)
            for one in alone:
                yield _mark(*run(one), room.seeds)
        except BaseException:
            stop.set()  # Ctrl-C reaches this thread alone
            raise


def _run(one: Submission, room: Room, stop: threading.Event) -> tuple[Sitting, list[str], str]:
    """Run a submission, again without what ended its process, until it comes to its end.

    Returns:
        What was found in all runs, a note for each that was stopped, and why it could not be run
        ("" if it could).
    """
    everything = Sitting()
    notes: list[str] = []
    skip: list[int | str] = []
    left = room.limits.seconds
    while one.lesson is not None and left > 0 and len(notes) < MOST_SITTINGS:
        less = replace(room, limits=replace(room.limits, seconds=left))
        try:
            sitting = _sit(one, less, stop, skip)
        except OSError as error:
            return everything, notes, f"could not be run here ({error})"
        if not sitting.began:
            return everything, notes, f"could not be started: the process {sitting.why}"
        if not sitting.intact:
            return everything, notes, "the course's files beside it were changed while it ran"
        left -= sitting.spent
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
            break  # it only says that it is there again
        skip.append(sitting.doing)
    return everything, notes, ""


def _sit(
    one: Submission,
    room: Room,
    stop: threading.Event,
    skip: Sequence[int | str] = (),
) -> Sitting:
    """Run a submission in a process, again if that ends before it comes to the submission's code.

    What happens before is this machine's doing, and passes perhaps.
    """
    job = {
        "lesson": one.lesson,
        "cells": one.cells,
        "seeds": list(room.seeds),
        "skip": list(skip),
    }
    # A learner's data set comes from the instructor's folder; nothing else is told to the box.
    env = {"DISTILL_DATA": str(settings.load().data_dir.absolute())}
    for _ in range(STARTS):
        sitting = box.sit(job, room.limits, room.package, room.fence, env, stop)
        came_through = sitting.started and not sitting.stopped
        if came_through or (one.cells and sitting.began) or stop.is_set():
            break
    return sitting


def _mark(
    one: Submission, sitting: Sitting, notes: list[str], failure: str, seeds: Sequence[int]
) -> Marked:
    if one.lesson is None:
        return Marked(one, {}, one.notes)
    if failure:
        return Marked(one, {}, (*one.notes, *notes), failure)
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
            changed = answer.get("changed") is True
            for one, seed in zip(outputs, seeds, strict=True):
                try:
                    verdict = exercise.compare(one, seed, changed=changed)
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
