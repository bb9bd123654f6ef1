"""Results as tables: points for a spreadsheet, counts by exercise and by mistake; a line each."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence

from distill_lessons.exercises import catalogue
from distill_lessons.grading.marking import Marked
from distill_lessons.grading.points import Extra

# A cell that begins so would be a formula in a spreadsheet.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
NOTE = 1000  # characters of a note in the table; the details have all of it


def as_csv(marked: Sequence[Marked], extra: Sequence[Extra] = ()) -> str:
    """Return a row for each submission: learner, id, lesson, points, total, of, note.

    Args:
        marked: in the order of the rows.
        extra: points given by hand, in a column of their own.
    """
    lessons = sorted({one.submission.lesson for one in marked if one.submission.lesson})
    made = [one for lesson in lessons for one in catalogue.of_lesson(lesson).values()]
    keys = [one.key for one in made]
    rows: list[list[object]] = [
        ["learner", "id", "lesson", *keys, "by hand", "total", "of", "note"]
    ]
    for one in marked:
        about = one.submission
        points = [
            one.points(exercise.name)
            if exercise.lesson == about.lesson and exercise.name in one.verdicts
            else ""
            for exercise in made
        ]
        given = by_hand(one, extra)
        total, of = sums(one)
        note = "; ".join([*([f"NOT GRADED: {one.failure}"] if one.failure else []), *one.notes])
        rows.append(
            [
                about.learner,
                about.id,
                about.lesson or "",
                *points,
                "" if given is None else given,
                "" if one.failure else total + (given or 0),
                of if about.lesson else "",
                note[:NOTE],
            ]
        )
    return written(rows)


def written(rows: Iterable[Iterable[object]]) -> str:
    """Return rows as CSV, with nothing in them that a spreadsheet would take for a formula."""
    file = io.StringIO(newline="")
    csv.writer(file).writerows([_no_formula(cell) for cell in row] for row in rows)
    return file.getvalue()


def statistics(marked: Sequence[Marked]) -> str:
    """Return as CSV how many solved each exercise, and how often each mistake was made.

    Args:
        marked: of one learner, the better of two notebooks of a lesson counts.
    """
    rows: list[list[object]] = [["exercise", "title", "what", "how many", "of"]]
    counted = [one for one in best(marked) if one.verdicts]
    for lesson in sorted({str(one.submission.lesson) for one in counted}):
        theirs = [one for one in counted if one.submission.lesson == lesson]
        for name, exercise in catalogue.of_lesson(lesson).items():
            verdicts = [one.verdicts[name] for one in theirs]
            states = Counter(verdict.state for verdict in verdicts)
            # The first line says which mistake; the others on which input.
            said = Counter(
                v.text.splitlines()[0] if v.mistake else "another mistake"
                for v in verdicts
                if v.state == "not yet"
            )
            counts = [(state, states[state]) for state in ("correct", "not yet", "not attempted")]
            counts += [(f"mistake: {text}", count) for text, count in said.most_common()]
            for what, count in counts:
                rows.append([exercise.key, exercise.title, what, count, len(theirs)])
    return written(rows)


def best(marked: Iterable[Marked]) -> list[Marked]:
    """Return for each learner and lesson the result that counts: that with the most points."""
    found: dict[tuple[str, str, str], Marked] = {}
    for one in marked:
        about = one.submission
        who = about.learner, about.id, about.lesson or ""
        if who not in found or _rank(one) > _rank(found[who]):
            found[who] = one
    return list(found.values())


def line(one: Marked) -> str:
    """Return a submission's result in a line for the terminal."""
    total, of = sums(one)
    about = one.submission
    if one.failure:
        said = f"{about.learner}: NOT GRADED, {one.failure}"
    elif about.lesson:
        said = f"{about.learner}, lesson {about.lesson}: {total} of {of}"
    else:
        said = f"{about.learner}: no points"
    return "; ".join([said, *one.notes])


def sums(one: Marked) -> tuple[int, int]:
    """Return a submission's points, without those given by hand, and how many it could have."""
    lesson = one.submission.lesson
    of = sum(made.points for made in catalogue.of_lesson(lesson).values()) if lesson else 0
    return sum(one.points(name) for name in one.verdicts), of


def by_hand(one: Marked, extra: Iterable[Extra]) -> float | None:
    """Return the points that a submission was given by hand; None if it was given none."""
    about = one.submission
    given = [e.points for e in extra if e.belongs_to((about.learner, about.id), about.lesson)]
    total = sum(given)
    return (int(total) if total == int(total) else total) if given else None


def _rank(one: Marked) -> tuple[bool, int]:
    return not one.failure, sums(one)[0]


def _no_formula(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
