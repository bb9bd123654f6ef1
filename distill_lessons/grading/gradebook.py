"""The results of a grading on the disk, as they come; a grading that was ended goes on from there.

`OUT.csv` is the table, `OUT.json` holds every verdict and is read again, `OUT-feedback/` has a page
for each learner. Knows how results are kept, not how they come about.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from distill_lessons import __version__, files
from distill_lessons.course import lessons
from distill_lessons.exercises import catalogue
from distill_lessons.exercises.verdict import Verdict
from distill_lessons.grading import feedback, tables
from distill_lessons.grading.marking import Marked
from distill_lessons.grading.points import Extra
from distill_lessons.grading.submissions import Submission

MARK = "distill-lessons grades"
ALONE, BESIDE = "alone", "beside others"


@dataclass
class Gradebook:
    """All that is known about a folder of submissions.

    Attributes:
        table: where the table is.
        folder: the submissions.
        seed: the first hidden seed; None until one is drawn.
        marked: what is graded, by file.
        begun: files whose grading began and did not end, and whether they ran alone.
        conditions: limits, fence and versions, to be kept.
        extra: points given by hand, from `points.read`.
        set_aside: where a table went that somebody had changed by hand; None if nobody had.
    """

    table: Path
    folder: Path
    seed: int | None = None
    marked: dict[str, Marked] = field(default_factory=dict)
    begun: dict[str, str] = field(default_factory=dict)
    conditions: Mapping[str, Any] = field(default_factory=dict)
    extra: Sequence[Extra] = ()
    set_aside: Path | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def details(self) -> Path:
        """The file with every verdict."""
        return self.table.with_suffix(".json")

    @property
    def pages(self) -> Path:
        """The folder with a page for each learner."""
        return self.table.with_name(f"{self.table.stem}-feedback")

    def start(self, conditions: Mapping[str, Any]) -> None:
        """Write what is known already, so that a disk that is full says so now.

        Args:
            conditions: see the class.
        """
        self.conditions = conditions
        self._write()

    def begin(self, one: Submission, how: str) -> None:
        """Note that a submission's grading begins, before it does."""
        with self._lock:
            self.begun[key(one)] = how
            self._write()

    def add(self, marked: Marked) -> None:
        """Keep a result, and write all files anew that hold it."""
        with self._lock:
            self.begun.pop(key(marked.submission), None)
            self.marked[key(marked.submission)] = marked
            self._write()
            self._write_page((marked.submission.learner, marked.submission.id))

    def close(self, *, interrupted: bool) -> None:
        """Write everything once more. What was interrupted on purpose is not held against it."""
        with self._lock:
            if interrupted:
                self.begun.clear()
            self._write()
            for owner in {(m.submission.learner, m.submission.id) for m in self.marked.values()}:
                self._write_page(owner)

    def rows(self) -> list[Marked]:
        """Return all results, in the order of learners, lessons and files."""
        return sorted(self.marked.values(), key=lambda m: order(m.submission))

    def _write(self) -> None:
        rows = self.rows()
        table = tables.as_csv(rows, self.extra).encode("utf-8-sig", errors="backslashreplace")
        content = {
            "what": MARK,
            "version": __version__,
            "folder": str(self.folder),
            "table": hashlib.sha256(table).hexdigest(),
            "seed": self.seed,
            **self.conditions,
            "begun": self.begun,
            "submissions": [_as_json(one) for one in rows],
        }
        files.write_all({self.table: table, self.details: json.dumps(content, indent=1)})

    def _write_page(self, owner: tuple[str, str]) -> None:
        theirs = [m for m in self.rows() if (m.submission.learner, m.submission.id) == owner]
        page = feedback.page(theirs, self.extra)
        files.write(self.pages / feedback.file_name(*owner), page)


def open_book(out: Path, folder: Path, seed: int | None) -> Gradebook:
    """Return the book of a table: the one that is there for this folder, else a new one.

    Args:
        out: the table. If there is one of another folder, or with another seed, the new one gets
            -2, -3, ... behind its name.
        folder: the submissions.
        seed: the hidden seed asked for; None for that of the book, or any.

    Raises:
        ValueError: if `out` is no name for a table.
        OSError: if it cannot be written.
    """
    if out.suffix != ".csv":
        raise ValueError(
            f"--out {str(out)!r} names the table, which is a CSV file: let it end in .csv. The "
            "verdicts go beside it, into a file that ends in .json."
        )
    folder = folder.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    number, book = 1, Gradebook(out, folder, seed)
    while any(path.exists() for path in (book.table, book.details, book.pages)):
        found = _read(book.table, folder)
        if found and seed in (None, found.seed):
            book = found
            break
        number += 1
        book = Gradebook(out.with_name(f"{out.stem}-{number}.csv"), folder, seed)
    book.pages.mkdir(exist_ok=True)  # now, not after an hour's grading
    return book


def key(one: Submission) -> str:
    """Return what a result is known by: its file, or for learners without one their name."""
    return one.file or f"{one.learner} {one.id}"


def order(one: Submission) -> tuple[str, ...]:
    """Return by what results are sorted."""
    return one.learner, one.id, one.lesson or "", one.file


def to_do(book: Gradebook, found: Iterable[Submission]) -> list[Submission]:
    """Return the submissions that are new, changed, or could not be graded before.

    What is there already is brought up to date: its notes, and that its file is gone.
    """
    found, left = list(found), []
    for one in found:
        known = book.marked.get(key(one))
        if known is None or known.failure or known.submission.hash != one.hash:
            if known is not None and known.submission.hash != one.hash:
                total, of = tables.sums(known)
                was = f"graded again: the file has changed since it had {total} of {of}"
                one = replace(one, notes=(*one.notes, was))
            left.append(one)
    here = {key(one) for one in found}
    for name, marked in book.marked.items():
        gone = "the file is no longer there"
        if name not in here and gone not in marked.notes:
            book.marked[name] = replace(marked, notes=(*marked.notes, gone))
    return left


def _as_json(one: Marked) -> dict[str, Any]:
    about = one.submission
    total, of = tables.sums(one)
    return {
        "learner": about.learner,
        "id": about.id,
        "file": about.file,
        "hash": about.hash,
        "lesson": about.lesson,
        "total": None if one.failure else total,
        "of": of,
        "exercises": {
            name: {"points": one.points(name), **asdict(v)} for name, v in one.verdicts.items()
        },
        "notes": one.notes,
        "failure": one.failure,
    }


def _read(table: Path, folder: Path) -> Gradebook | None:
    """Return the book that was written for a table, if it is one of this folder."""
    path = table.with_suffix(".json")
    try:
        content = json.loads(path.read_bytes())
        if content["what"] != MARK or content["folder"] != str(folder):
            return None
        marked = [_from_json(row) for row in content["submissions"]]
        begun = {str(name): str(how) for name, how in content["begun"].items()}
        book = Gradebook(table, folder, int(content["seed"]), begun=begun)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    book.marked = {key(one.submission): one for one in marked if _is_of_this_course(one)}
    if table.exists() and hashlib.sha256(table.read_bytes()).hexdigest() != content["table"]:
        book.set_aside = lessons.unused(table.with_name(f"{table.stem}-by-hand.csv"))
        table.rename(book.set_aside)
    return book


def _from_json(row: dict[str, Any]) -> Marked:
    about = Submission(row["learner"], row["id"], row["file"], row["lesson"], hash=row["hash"])
    verdicts = {
        name: Verdict(**{k: v for k, v in kept.items() if k != "points"})
        for name, kept in row["exercises"].items()
    }
    return Marked(about, verdicts, tuple(row["notes"]), row["failure"])


def _is_of_this_course(one: Marked) -> bool:
    lesson = one.submission.lesson
    if lesson is None or one.failure:
        return not one.verdicts
    return lesson in catalogue.LESSONS and one.verdicts.keys() == catalogue.of_lesson(lesson).keys()
