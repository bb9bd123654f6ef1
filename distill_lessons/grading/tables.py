"""Points as a CSV, everything else as JSON, and for each learner a page to give back."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distill_lessons.exercises import catalogue
from distill_lessons.exercises.verdict import LOOKS
from distill_lessons.grading.marking import Marked

# A cell that begins so would be a formula in a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def new_paths(out: Path) -> tuple[Path, Path, Path]:
    """Return paths for table, details and pages that all are free: with -2, -3, ... if need be."""
    number, stem = 1, out.stem
    while True:
        paths = (
            out.with_name(f"{stem}{out.suffix}"),
            out.with_name(f"{stem}.json"),
            out.with_name(f"{stem}-feedback"),
        )
        if not any(path.exists() for path in paths):
            return paths
        number += 1
        stem = f"{out.stem}-{number}"


def write_csv(marked: Sequence[Marked], path: Path) -> None:
    """Write a row for each submission: learner, lesson, points by exercise, total, of, note."""
    lessons = sorted({one.submission.lesson for one in marked if one.submission.lesson})
    made = [one for lesson in lessons for one in catalogue.of_lesson(lesson).values()]
    # With a mark at its start, by which spreadsheets know UTF-8; names that no encoding has
    # (bytes of an old file system) are written with backslashes.
    with path.open("x", encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["learner", "lesson", *(one.key for one in made), "total", "of", "note"])
        for one in marked:
            about = one.submission
            points = [
                one.points(exercise.name) if exercise.lesson == about.lesson else ""
                for exercise in made
            ]
            total, of = sums(one)
            writer.writerow(
                [
                    _no_formula(about.learner),
                    about.lesson or "",
                    *points,
                    total,
                    of if about.lesson else "",
                    _no_formula("; ".join(one.notes)[:1000]),
                ]
            )


def write_details(marked: Sequence[Marked], path: Path, **conditions: Any) -> None:
    """Write every verdict with its text, and the conditions under which it came about, as JSON."""
    rows = [
        {
            "learner": one.submission.learner,
            "file": one.submission.file,
            "lesson": one.submission.lesson,
            "total": sums(one)[0],
            "of": sums(one)[1],
            "exercises": {
                name: {"state": v.state, "points": one.points(name), "text": v.text}
                for name, v in one.verdicts.items()
            },
            "notes": one.notes,
        }
        for one in marked
    ]
    with path.open("x", encoding="utf-8") as file:
        json.dump({**conditions, "submissions": rows}, file, indent=1)


def write_pages(marked: Sequence[Marked], folder: Path) -> None:
    """Write for each learner what was right and what was not, to give back: ``LEARNER.md``."""
    folder.mkdir()
    by_learner: dict[str, list[str]] = {}
    for one in marked:
        by_learner.setdefault(one.submission.learner, []).append(page(one))
    for learner, pages in by_learner.items():
        text = "\n".join(pages)
        (folder / f"{learner}.md").write_text(text, encoding="utf-8", errors="backslashreplace")


def page(one: Marked) -> str:
    """Return the feedback on one submission as Markdown."""
    about = one.submission
    if about.lesson is None:
        return f"## {about.file or 'Nothing handed in'}\n\n" + "".join(
            f"- {n}\n" for n in one.notes
        )
    total, of = sums(one)
    lines = [f"## Lesson {about.lesson}: {total} of {of} points\n"]
    for name, exercise in catalogue.of_lesson(about.lesson).items():
        verdict = one.verdicts[name]
        lines.append(
            f"### {LOOKS[verdict.state][0]} {exercise.title}: {one.points(name)} of "
            f"{exercise.points}\n\n{verdict.state.capitalize()}.\n"
        )
        if verdict.text:
            # Indented: what a learner's code returned is shown as it is, and is no markup.
            lines.append("\n".join(f"    {line}" for line in verdict.text.splitlines()) + "\n")
    if one.notes:
        lines.append("### Notes\n\n" + "\n".join(f"    {note}" for note in one.notes) + "\n")
    return "\n".join(lines)


def line(one: Marked) -> str:
    """Return a submission's result in a line for the terminal."""
    total, of = sums(one)
    about = one.submission
    said = (
        f"{about.learner}, lesson {about.lesson}: {total} of {of}"
        if about.lesson
        else (f"{about.learner}: no points")
    )
    return f"{said}{'; '.join(['', *one.notes])}"


def sums(one: Marked) -> tuple[int, int]:
    """Return a submission's points and how many there are to be had."""
    lesson = one.submission.lesson
    of = sum(made.points for made in catalogue.of_lesson(lesson).values()) if lesson else 0
    return sum(one.points(name) for name in one.verdicts), of


def _no_formula(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text
