"""One grading of a folder, from its submissions to its files. What a command needs, in lines."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from distill_lessons import files, settings
from distill_lessons.grading import (
    folders,
    gradebook,
    marking,
    points,
    roster,
    submissions,
    tables,
)
from distill_lessons.grading.fence import Fence
from distill_lessons.grading.gradebook import Gradebook
from distill_lessons.grading.limits import Limits
from distill_lessons.grading.marking import Marked, Room
from distill_lessons.grading.roster import Roster
from distill_lessons.grading.submissions import Submission

KILLER = "grading was ended twice while this ran: look at it, and grade it in an account of its own"


@dataclass(frozen=True)
class Wanted:
    """What is to be graded.

    Attributes:
        folder: the submissions.
        out: the table.
        seed: the hidden seed; None for that of an earlier grading, or one by chance.
        roster: the class, as a CSV file; None if there is none.
        points: points given by hand, as a CSV file; None if there are none.
    """

    folder: Path
    out: Path
    seed: int | None = None
    roster: Path | None = None
    points: Path | None = None


@dataclass
class Session:
    """A grading under way; made by `begin`."""

    book: Gradebook
    room: Room
    found: Sequence[Submission]
    left: Sequence[Submission]
    roster: Roster | None
    _begun: float = field(default_factory=time.monotonic)
    _done: int = 0

    def opening(self) -> Iterator[str]:
        """Yield what to say before the first submission runs."""
        fence = (
            "Each runs behind the fence: no network, nothing to read but Python and its own work."
            if self.room.fence
            else "No fence: they can reach the network and all that this account can."
        )
        number = "1 submission" if len(self.found) == 1 else f"{len(self.found)} submissions"
        yield f"{number}, hidden seed {self.book.seed}. {fence}"
        if self.book.set_aside:
            yield f"The table had been changed by hand; that is kept as {self.book.set_aside.name}."
        if known := len(self.found) - len(self.left):
            yield f"{known} were graded before and have not changed: {len(self.left)} are left."
        if self.roster:
            strangers = [
                one.learner for one in self.found if one.file and self.roster.find(one) is None
            ]
            if strangers:
                yield f"Not on the roster: {', '.join(dict.fromkeys(strangers))}."
        owners = {(one.learner, one.id) for one in self.found}
        if unknown := points.strangers(self.book.extra, owners):
            yield f"Points by hand for learners who handed in nothing: {', '.join(unknown)}."

    def run(self) -> Iterator[str]:
        """Grade what is left, and yield a line for each submission when it is done."""
        book = self.book
        # Of those that were on when grading was killed, one may have done it: one by one, last.
        suspects = [one for one in self.left if gradebook.key(one) in book.begun]
        alone = book.begun | {}
        others = [one for one in self.left if one not in suspects]
        yield from self._run(others, self.room.jobs, gradebook.BESIDE)
        again = []
        for one in suspects:
            if alone[gradebook.key(one)] == gradebook.ALONE and self.room.fence is None:
                yield self._keep(Marked(one, {}, one.notes, KILLER))
            else:
                again.append(one)
        yield from self._run(again, 1, gradebook.ALONE)

    def close(self, *, interrupted: bool) -> None:
        """Write all files."""
        book = self.book
        book.close(interrupted=interrupted)
        files.write(self.statistics, _encoded(tables.statistics(book.rows())))
        if self.roster:
            table = roster.upload(self.roster, book.rows(), book.extra)
            files.write(self.upload, _encoded(table))

    def closing(self, shown: Callable[[Path], str]) -> Iterator[str]:
        """Yield what to say at the end: where everything is, and what is missing.

        Args:
            shown: writes a path for people.
        """
        book = self.book
        yield (
            f"{shown(book.table)}: points; {shown(book.details)}: every verdict; "
            f"{shown(book.pages)}: feedback; {shown(self.statistics)}: how often which mistake."
        )
        if self.roster:
            yield f"{shown(self.upload)}: the roster with the points, to upload."
            if missing := roster.absent(self.roster, self.found):
                yield f"{len(missing)} handed in nothing: {', '.join(missing)}."
        if failed := self.failed():
            yield (
                f"NOT GRADED: {failed}. Their points are empty. The same command tries them again."
            )
        if missing_ := sum(gradebook.key(one) not in book.marked for one in self.left):
            yield f"{missing_} are left. The same command goes on with them."

    def failed(self) -> int:
        """Return how many could not be graded on this machine."""
        return sum(bool(one.failure) for one in self.book.marked.values())

    @property
    def statistics(self) -> Path:
        """The file with the counts of mistakes."""
        return self.book.table.with_name(f"{self.book.table.stem}-statistics.csv")

    @property
    def upload(self) -> Path:
        """The file for the learning platform."""
        return self.book.table.with_name(f"{self.book.table.stem}-upload.csv")

    def _run(self, chosen: Sequence[Submission], jobs: int, how: str) -> Iterator[str]:
        room = replace(self.room, jobs=jobs)
        for marked in marking.mark_all(
            chosen, room, on_begin=lambda one: self.book.begin(one, how)
        ):
            yield self._keep(marked)

    def _keep(self, marked: Marked) -> str:
        self.book.add(marked)
        self._done += 1
        left = len(self.left) - self._done
        seconds = (time.monotonic() - self._begun) / self._done * left
        time_left = f", about {_in_words(seconds)} left" if left else ""
        return f"[{self._done}/{len(self.left)}{time_left}] {tables.line(marked)}"


def begin(wanted: Wanted, limits: Limits, fence: Fence | None, jobs: int) -> Session:
    """Read everything, see that all can be written and that a submission can run; run none.

    Args:
        wanted: see there.
        limits: for each submission.
        fence: from `fence.find`.
        jobs: how many run side by side.

    Raises:
        ValueError: if something is amiss that would spoil the grading of everybody.
        OSError: the same.
    """
    folders.sweep()
    found = submissions.collect(wanted.folder)
    people = roster.read(wanted.roster) if wanted.roster else None
    extra = points.read(wanted.points) if wanted.points else []
    book = gradebook.open_book(wanted.out, wanted.folder, wanted.seed)
    lessons = sorted({one.lesson for one in found if one.lesson})
    seeds = marking.hidden_seeds(book.seed, lessons)
    book.seed, book.extra = seeds[0], extra
    left = gradebook.to_do(book, found)
    room = Room(seeds, limits, fence, jobs)
    book.start({"fence": fence is not None, "limits": vars(limits)})
    if any(one.lesson for one in left):
        marking.rehearse(room, lessons[0])
    return Session(book, room, found, left, people)


def needed(visible: Sequence[Path]) -> list[Path]:
    """Return the folders that submissions read from: the data, and those given."""
    chosen = settings.load()
    own = chosen.dataset.removeprefix("folder:")
    data = [Path(own)] if own != chosen.dataset else []
    return [path.expanduser().absolute() for path in (chosen.data_dir, *data, *visible)]


def _in_words(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _encoded(table: str) -> bytes:
    # With a mark at its start, by which spreadsheets know UTF-8.
    return table.encode("utf-8-sig", errors="backslashreplace")
