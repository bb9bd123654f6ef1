"""Results of gradings that never ran, for tests of what is made of results."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from distill_lessons.exercises import catalogue
from distill_lessons.exercises.verdict import Verdict
from distill_lessons.grading import (
    gradebook,
    marking,
    submissions,
    tables,
)
from distill_lessons.grading.points import Extra

RIGHT, BLANK = Verdict("correct", ""), Verdict("not attempted", "")
WRONG = Verdict("not yet", "An index takes the first axis away.\nOn x: shape", "axis lost")
NAMES = tuple(catalogue.LESSONS["00"].exercises)


def result(
    learner: str, verdicts: Sequence[Verdict] = (RIGHT, WRONG, BLANK), *notes: str, id: str = ""
) -> marking.Marked:
    file = f"{learner[:60]}{id}.ipynb"
    about = submissions.Submission(learner, id, file, "00", notes=notes, hash=learner)
    return marking.Marked(about, dict(zip(NAMES, verdicts, strict=True)), notes)


def table(marked: Sequence[marking.Marked], path: Path, extra: Sequence[Extra] = ()) -> Path:
    path.write_bytes(tables.as_csv(marked, extra).encode("utf-8-sig", "backslashreplace"))
    return path


def book_of(tmp_path: Path) -> gradebook.Gradebook:
    (tmp_path / "in").mkdir(exist_ok=True)
    book = gradebook.open_book(tmp_path / "g.csv", tmp_path / "in", None)
    if book.seed is None:
        book.seed = 7
    book.start({"fence": True})
    return book
