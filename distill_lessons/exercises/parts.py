"""What an exercise is made of: its cases, what judges it, its solution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

# Choices of a conclusion and a reason, "a1" to "c3".
NINE = tuple(letter + number for letter in "abc" for number in "123")


@dataclass(frozen=True)
class Case:
    """Arguments for a learner's function, and in words what they are."""

    words: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that is often given, by name, with what to say to whoever gives it.

    Attributes:
        name: for tests and tables.
        answer: the wrong answer itself: a function, or a value.
        says: what is wrong, without the right answer.
        given: True for the code that a find-the-bug exercise starts from.
    """

    name: str
    answer: Any
    says: str
    given: bool = False

    def said(self, *, changed: bool) -> str:
        """Return what to say to an answer that does this.

        Args:
            changed: whether it is other code than a find-the-bug exercise gave.
        """
        still = "still does what the code does as it was given."
        theirs = f"You changed the code, and it {still}" if changed else f"This {still}"
        return theirs if self.given else self.says


@dataclass(frozen=True)
class Judging:
    """What an answer is compared with.

    Attributes:
        reference: for functions: gives the right outputs, by another way than the solution.
        mistakes: the classic ones.
        properties: where more than one output is right: called with what `Exercise.ask` returned,
            made plain, and the case's arguments, it returns named properties to be compared. They
            are found here, and not where the answer runs, since there they could be forged.
        summary: says of all cases together what is wrong, where a word on the first one that is
            will not do: called with cases, outputs and what is expected.
        nothing: what to say where an answer returns nothing, whatever it is asked.
    """

    reference: Callable[..., Any] | None = None
    mistakes: tuple[Mistake, ...] = ()
    properties: Callable[..., Any] | None = None
    summary: Callable[..., str] | None = None
    nothing: str = "The function returns nothing. If you wrote code there, it lacks a return."


@dataclass(frozen=True)
class Solution:
    """What stays with the instructor.

    Attributes:
        answer: the solution as an object: a function, or a value.
        code: the same as a learner would write it in the notebook; the comment above says why.
        other_ways: for functions: right answers in other styles.
        borrowed: for functions: answers that return the right thing because they call one of
            `Exercise.not_by`.
    """

    answer: Any
    code: str = ""
    other_ways: tuple[Callable[..., Any], ...] = ()
    borrowed: tuple[Callable[..., Any], ...] = ()


@dataclass(frozen=True)
class Place:
    """Where an exercise stands in the course.

    Attributes:
        lesson: returns all exercises of its lesson, in order.
        after: the lesson behind its own, such as ``"02, soft targets"``; "" if it is the last.
    """

    lesson: Callable[[], Sequence[Any]]
    after: str


def call(answer: Any, *arguments: Any) -> Any:
    """Ask a function the usual way: call it."""
    return answer(*arguments)
