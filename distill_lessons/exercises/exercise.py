"""One exercise: what it asks, how an answer is judged, its hints and its solution.

An answer is a value (a number, a letter) or a function. A function is judged by what it returns for
arguments drawn from a seed; nothing is compared but plain numbers and words, so a grader can ask in
the learner's process and judge in its own. What judges and what solves may be missing: a student
build has no solutions, and the kernel in which a submission is graded has neither. Knows nothing of
notebooks.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import EllipsisType
from typing import Any, Literal

from distill_lessons import page, settings
from distill_lessons.exercises import showing, values
from distill_lessons.exercises.compare import CLOSE, difference, nearness, plain
from distill_lessons.exercises.defaults import usual
from distill_lessons.exercises.parts import Case, Judging, Mistake, Place, Solution, call
from distill_lessons.exercises.verdict import State, Verdict
from distill_lessons.exercises.watching import NotCounted, raised, same_code, watched

BANK = "distill_lessons.exercises.bank."
LATER = Verdict("noted", "Your answer is compared when the lab is graded.")


class NotSolved(AssertionError):
    """An exercise is not solved while ``DISTILL_CHECKS=raise``."""


@dataclass(frozen=True)
class Exercise:
    """An exercise of a lesson. The learner's variable or function bears its name.

    Attributes:
        title: a few words.
        kind: write ``"code"``, ``"read"`` a result, or find the ``"bug"``.
        difficulty: easy, medium or hard.
        importance: low, medium or high.
        minutes: how long it takes a learner.
        hints: from a nudge to nearly all of it.
        points: in a graded lab.
        cases: for functions: the questions drawn from a seed, the first worked by hand or small.
            They are drawn anew for every use, so that an answer that changes its arguments in
            place spoils nothing.
        ask: runs an answer on a case's arguments and returns what came of it; by default `call`.
            Where more than one output is right, `Judging.properties` makes of this what is
            compared.
        may_change: places of the arguments that an answer may change in place, from 0.
        not_by: functions of the package that do what is asked. An answer that calls one of them
            does not count; nor does one that calls the bank's own reference.
        given: for bugs: the code that the lesson gives.
        options: for choices: what may be answered, such as ``("a", "b", "c")``.
        tolerance: relative.
        lesson: two digits, such as ``"03"``. This and what follows comes from where the exercise's
            file lies and from its other sections: see `catalogue`.
        name: the name that the learner's answer has in the notebook.
        judged_by: None where answers are only asked.
        solved_by: None in a student build.
        place: None for an exercise that no lesson has.
    """

    title: str
    kind: Literal["code", "read", "bug"]
    difficulty: Literal["easy", "medium", "hard"]
    importance: Literal["low", "medium", "high"]
    minutes: int
    hints: tuple[str, ...]
    points: int = 1
    cases: Callable[[int], Sequence[Case]] | None = None
    ask: Callable[..., Any] = call
    may_change: tuple[int, ...] = ()
    not_by: tuple[Callable[..., Any], ...] = ()
    given: str = ""
    options: tuple[str, ...] = ()
    tolerance: float = 1e-3
    lesson: str = ""
    name: str = ""
    judged_by: Judging | None = None
    solved_by: Solution | None = None
    place: Place | None = None

    @property
    def key(self) -> str:
        """Where the learner's progress is noted, such as ``"03.kd_gradient"``."""
        return f"{self.lesson}.{self.name}"

    def check(self, answer: Any) -> None:
        """Show whether an answer is right, and if not, what differs and on which input.

        Args:
            answer: the learner's value or function; None or ``...`` is an exercise left blank.

        Raises:
            NotSolved: if the answer is not right and ``DISTILL_CHECKS=raise``; never else.
        """
        verdict = showing.verdict(self, answer)
        if settings.load().checks == "raise" and verdict.state != "correct":
            raise NotSolved(f"{self.key}: {verdict}")

    def hint(self) -> None:
        """Show the next hint."""
        showing.hint(self)

    def solution(self, *, sure: bool = False) -> None:
        """Show the solution, to those who say that they want it.

        Args:
            sure: True to see it; without it you are asked first.
        """
        showing.solution(self, sure=sure)

    def yours_or_ours(self, answer: Any, ours: Any = None) -> Any:
        """Return the learner's answer if it is right, else the course's, and say which.

        So what comes after an exercise runs whether it is blank, wrong or solved.

        Args:
            answer: as in `check`.
            ours: what to use instead; by default what answers are compared with, if that is here.
        """
        if self.judge(answer).state == "correct":
            page.say(f"From here on your own {self.name} is used.")
            return answer
        if ours is None and self.judged_by is not None:
            ours = self.judged_by.reference
        if ours is None and self.solved_by is not None:
            ours = self.solved_by.answer
        page.say(f"From here on the course's {self.name} is used; once yours passes, yours is.")
        return answer if ours is None else ours

    def judge(self, answer: Any, seed: int = 0) -> Verdict:
        """Return the verdict on an answer. Asks, compares and explains; shows and keeps nothing.

        Args:
            answer: as in `check`.
            seed: draws the questions.
        """
        if answer is None or isinstance(answer, EllipsisType):
            return Verdict("not attempted", "")
        if self.cases is None:
            return self._judge_value(answer)
        if not callable(answer):
            text = f"{self.name} should be a function, and this is a {type(answer).__name__}."
            return Verdict("not yet", f"{text} Give it without brackets and arguments.")
        if self.judged_by is None:
            return LATER
        outputs = []
        for case in self.questions(seed):
            try:
                outputs.append(self.output(answer, case))
            except NotCounted as error:
                return Verdict("not yet", f"On {case.words}: {error}")
            except (Exception, SystemExit) as error:
                # Of what it has not, torch says more than a blank exercise does.
                if isinstance(error, NotImplementedError) and not error.args:
                    return Verdict("not attempted", "")
                if isinstance(error, TypeError) and "ellipsis" in str(error):
                    return Verdict("not attempted", "There is still a `...` to be filled in.")
                return Verdict("not yet", f"On {case.words}: {raised(error, answer)}")
        return self.compare(outputs, seed, changed=self.changed(answer))

    def changed(self, answer: Any) -> bool:
        """Say whether an answer is other code than a find-the-bug exercise gave."""
        return bool(self.given) and not same_code(answer, self.given)

    def questions(self, seed: int) -> Sequence[Case]:
        """Return the cases that a seed draws, whatever a learner has set torch to."""
        assert self.cases is not None
        with usual():
            return self.cases(seed)

    def output(self, answer: Any, case: Case) -> Any:
        """Run an answer on one case and return its plain output.

        Raises:
            NotCounted: if the answer changes its arguments, or is not the learner's own work.
            Exception: whatever the answer raises; TypeError if what it returns is not an answer.
        """
        not_by, reference = self.not_by, self.judged_by and self.judged_by.reference
        if reference and reference.__module__.startswith(BANK):
            not_by = (*not_by, reference)
        return self._asked(watched(answer, may_change=self.may_change, not_by=not_by), case)

    def _asked(self, answer: Any, case: Case) -> Any:
        # Whatever a learner's code writes to stderr, a grader would count as a failure.
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stderr(io.StringIO()),
            usual() as theirs,
        ):
            warnings.simplefilter("ignore")
            return plain(self.ask(theirs(answer), *case.arguments))

    def compare(self, outputs: Sequence[Any], seed: int, *, changed: bool = False) -> Verdict:
        """Judge plain outputs, one for every case that `seed` draws; runs no learner's code.

        Args:
            outputs: what `output` returned for each case, perhaps in another process.
            seed: that drew them.
            changed: from `changed`; decides between "not yet" and "not attempted" alone.
        """
        if self.cases is None:
            return self._judge_value(outputs[0])
        assert self.judged_by is not None
        if outputs and all(output is None for output in outputs):
            return Verdict("not attempted", self.judged_by.nothing)
        cases, expected = self.questions(seed), self.expected(seed)
        if len(outputs) != len(cases):
            raise ValueError(f"{len(outputs)} outputs for {len(cases)} cases; give one for each.")
        seen = [self._seen(got, case) for got, case in zip(outputs, cases, strict=True)]
        for case, got, wanted in zip(cases, seen, expected, strict=True):
            if differs := difference(got, wanted, self.tolerance):
                where = f"On {case.words}: {differs}."
                if self.judged_by.summary is not None:
                    where = self.judged_by.summary(cases, outputs, expected)
                mistake = self._recognise(seen, seed)
                if mistake is None:
                    return Verdict("not yet", where)
                untouched = mistake.given and not changed
                state: State = "not attempted" if untouched else "not yet"
                return Verdict(state, f"{mistake.said(changed=changed)}\n{where}", mistake.name)
        return Verdict("correct", nearness(seen, expected))

    def expected(self, seed: int) -> list[Any]:
        """Return for every case that `seed` draws what is compared, of the right answer."""
        assert self.judged_by is not None
        return copy.deepcopy(_seen_of(self, self.judged_by.reference, seed))

    def _recognise(self, seen: Sequence[Any], seed: int) -> Mistake | None:
        """Find the classic mistake that gives these very outputs."""
        assert self.judged_by is not None
        for mistake in self.judged_by.mistakes:
            try:
                theirs = _seen_of(self, mistake.answer, seed)
            except Exception:
                continue  # this mistake does not even run on every case
            if not any(map(difference, seen, theirs, [self.tolerance] * len(seen))):
                return mistake
        return None

    def _all_seen(self, answer: Any, seed: int) -> list[Any]:
        """Return for every case what is compared, of an answer of the course's own."""
        with usual():
            outputs = [self._asked(answer, case) for case in self.questions(seed)]
            # Of arguments drawn anew, since the answer may have changed those it was given.
            return [self._seen(*both) for both in zip(outputs, self.questions(seed), strict=True)]

    def _seen(self, output: Any, case: Case) -> Any:
        """Return what is compared: a plain output, or the properties that judging finds in it."""
        assert self.judged_by is not None
        properties = self.judged_by.properties
        if properties is None or output is None:
            return output
        try:
            with usual():
                return plain(properties(output, *case.arguments))
        except Exception:  # it has none: never the output itself, which could pretend to be them
            return {}

    def _judge_value(self, answer: Any) -> Verdict:
        got: str | float
        try:
            if self.options:
                got = values.choice(self.name, answer, self.options)
            else:
                got = values.number(self.name, answer)
        except ValueError as error:
            return Verdict("not yet", str(error))
        if self.solved_by is None or self.judged_by is None:
            return LATER
        expected = self.solved_by.answer
        if difference(got, expected, self.tolerance) is None:
            return Verdict("correct", nearness(got, expected))
        for mistake in self.judged_by.mistakes:
            if difference(got, mistake.answer, self.tolerance) is None:
                return Verdict("not yet", mistake.says, mistake.name)
        if isinstance(got, str):
            return Verdict("not yet", "")
        # The right value is not said: the learner has only looked once.
        side = "small" if got < expected else "large"
        if abs(got - expected) <= CLOSE * abs(expected):
            return Verdict("not yet", f"Close: {got:g} is less than {CLOSE:.0%} too {side}.")
        return Verdict("not yet", f"Off: {got:g} is too {side}.")


@functools.lru_cache(maxsize=256)
def _seen_of(exercise: Exercise, answer: Any, seed: int) -> list[Any]:
    """Return what is compared of an answer of the course's own, which a check asks for each time.

    A seed draws the same questions always, so the course's answers to them are always the same.
    """
    return exercise._all_seen(answer, seed)
