"""The list of a class as the learning platform exports it, and the same list with the points."""

from __future__ import annotations

import csv
import functools
import itertools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from distill_lessons.grading import tables
from distill_lessons.grading.marking import Marked
from distill_lessons.grading.points import Extra
from distill_lessons.grading.submissions import Submission

GRADE = "Grade"  # the column that Moodle's grading worksheet has for the points


@dataclass(frozen=True)
class Roster:
    """A class.

    Attributes:
        columns: their names.
        rows: a person each, as text.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @functools.cached_property
    def keys(self) -> list[set[str]]:
        """By what the person of each row may be known."""
        return [_keys(row) for row in self.rows]

    def find(self, one: Submission) -> int | None:
        """Return the row of whoever handed something in; None if it is none, or not one alone.

        Args:
            one: what was handed in. Its number decides, if some row has it; else its name, in
                either order, also as a login.
        """
        for sought in (_numbers(one.id), {_squeezed(one.learner)}):
            fits = [i for i, keys in enumerate(self.keys) if sought & keys]
            if sought and len(fits) == 1:
                return fits[0]
        return None


def read(path: Path) -> Roster:
    """Return the class in a CSV file whose first line names the columns; any columns will do.

    Raises:
        ValueError: if there is nobody in it.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        sample = file.read(4096)
        file.seek(0)
        separator = max(",;\t", key=sample.splitlines()[0].count) if sample.strip() else ","
        lines = [tuple(line) for line in csv.reader(file, delimiter=separator) if any(line)]
    if len(lines) < 2:
        raise ValueError(
            f"--roster {str(path)!r} lists nobody. It is a CSV file: a line that names the "
            "columns, then a line for each learner, with a name, a login or a number."
        )
    width = len(lines[0])
    return Roster(lines[0], tuple((*row, *[""] * width)[:width] for row in lines[1:]))


def upload(roster: Roster, marked: Iterable[Marked], extra: Sequence[Extra]) -> str:
    """Return the class with the points, as CSV: its own columns, then one for each lesson.

    A learner who handed in nothing, or could not be graded, has no points there, which is not the
    same as zero. Of two notebooks of one lesson the better one counts.

    Args:
        roster: from `read`.
        marked: all results.
        extra: points given by hand.
    """
    results = [one for one in tables.best(marked) if one.submission.lesson and not one.failure]
    lessons = sorted({str(one.submission.lesson) for one in results})
    points: dict[tuple[int, str], float] = {}
    for one in results:
        row = roster.find(one.submission)
        if row is not None:
            total = tables.sums(one)[0] + (tables.by_hand(one, extra) or 0)
            lesson = str(one.submission.lesson)
            points[row, lesson] = max(total, points.get((row, lesson), total))
    rows = [[*roster.columns, *(f"Lesson {lesson}" for lesson in lessons)]]
    for i, person in enumerate(roster.rows):
        theirs = [f"{points[i, n]:g}" if (i, n) in points else "" for n in lessons]
        own = list(person)
        if GRADE in roster.columns and len(lessons) == 1 and theirs[0]:
            own[roster.columns.index(GRADE)] = theirs[0]
        rows.append([*own, *theirs])
    return tables.written(rows)


def absent(roster: Roster, found: Iterable[Submission]) -> list[str]:
    """Return who of the class handed in nothing, by the first two cells of their rows."""
    there = {roster.find(one) for one in found if one.file}
    return [
        " ".join([cell for cell in row if cell][:2])
        for i, row in enumerate(roster.rows)
        if i not in there
    ]


def _keys(row: Sequence[str]) -> set[str]:
    """Return by what a person of this row may be known: each cell, a login, names in any order."""
    cells = [_squeezed(cell) for cell in row]
    logins = [_squeezed(cell.split("@")[0]) for cell in row if "@" in cell]
    names = [cell for cell in cells if cell and not cell.isdigit()]
    words = [re.split(r"\W+", cell) for cell in row]
    pairs = [a + b for a, b in itertools.permutations(names[:6], 2)]
    turned = [_squeezed("".join(w)) for ws in words if 1 < len(ws) < 6 for w in _orders(ws)]
    return {*filter(None, cells), *logins, *pairs, *turned}


def _orders(words: Sequence[str]) -> list[list[str]]:
    """Return the words with the last one first, and with the first one last."""
    return [[words[-1], *words[:-1]], [*words[1:], words[0]]]


def _numbers(number: str) -> set[str]:
    # Moodle's worksheet says "Participant 123" for what it calls 123 in the name of a folder.
    return {_squeezed(number), _squeezed(f"Participant {number}")} if number else set()


def _squeezed(text: str) -> str:
    """Return letters and digits alone, without accents and capitals."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in plain if sign.isalnum())
