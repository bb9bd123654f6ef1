"""What the catalogue holds of a lesson."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Lesson:
    """What more than one place has to know of a lesson.

    Attributes:
        notebook: the stem of its file; the first two digits are the lesson's number.
        title: a few words.
        question: what it opens with and answers; the notebook's first heading.
        goal: what a learner can do after it, to follow "after this lesson a learner can".
        names: the names of its exercises in the notebook's order, with blanks between them; each
            is a file of that name in ``bank/lesson_NN``.
        core: False for an elective, which nothing else builds on.
        seconds: measured processor time of all its cells, and of the slowest one; None before it
            was measured.
    """

    notebook: str
    title: str
    question: str
    goal: str
    names: str
    core: bool = True
    seconds: tuple[int, int] | None = None

    @property
    def number(self) -> str:
        """Two digits, such as ``"03"``."""
        return self.notebook[:2]

    @property
    def exercises(self) -> tuple[str, ...]:
        """The names of its exercises."""
        return tuple(self.names.split())
