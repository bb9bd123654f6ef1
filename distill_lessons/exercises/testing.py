"""Exercises whose answer is a test: it is asked on programs, right ones and wrong ones.

A test is a function of one program. It lets the program pass if it comes to its end, and fails it
if it raises, as pytest has it. Every right program has to pass and every wrong one to fail; more
than one is right, so that no test may ask for one way of writing it.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.parts import Case, Judging, Mistake
from distill_lessons.exercises.watching import NotCounted

Program = Callable[..., Any]

_HERE = Path(__file__).parent
ALL_PASS = (
    "Every program passes it, the wrong ones too. If you wrote code there, it lacks an `assert` "
    "that can fail."
)


def programs(seed: int, right: Mapping[str, Program], wrong: Mapping[str, Program]) -> list[Case]:
    """Return programs as cases, in an order that the seed draws, each without its name.

    Args:
        seed: of the order.
        right: correct programs, by what is said of them: ``"with F.kl_div"``.
        wrong: the others, by their faults: ``"T² is missing"``.
    """
    cases = [Case(f"the right program {words}", (_nameless(one),)) for words, one in right.items()]
    cases += [
        Case(f"the wrong program ({words})", (_nameless(one),)) for words, one in wrong.items()
    ]
    return [cases[i] for i in torch.randperm(len(cases), generator=dice(seed)).tolist()]


def run(test: Callable[..., Any], program: Program) -> str | None:
    """Return None if a program passes a test, else what the test raised and where.

    Raises:
        NotCounted: if the test returns something, as if that were a verdict.
        NotImplementedError: from a test that is not written yet; so does a TypeError of a ``...``.
    """
    try:
        returned = test(program)
    except NotCounted:
        raise
    except BaseException as error:
        blank = isinstance(error, NotImplementedError) and not error.args
        if blank or (isinstance(error, TypeError) and "ellipsis" in str(error)):
            raise
        # What pytest.fail raises is no Exception.
        if not isinstance(error, Exception) and type(error).__name__ != "Failed":
            raise
        return _raised(error)
    if returned is not None:
        raise NotCounted(
            "your test returns something, and nobody looks at it. Say it with `assert`, which "
            "raises if it is false."
        )
    return None


def judging(reference: Callable[..., Any], *mistakes: Mistake) -> Judging:
    """Return what a test is judged by.

    Args:
        reference: a test that passes the right programs and fails the wrong ones.
        mistakes: weak tests, by name.
    """
    return Judging(reference, mistakes, lambda said, program: "fails", summary, ALL_PASS)


def summary(
    cases: Sequence[Case], outcomes: Sequence[str | None], expected: Sequence[str | None]
) -> str:
    """Say which right programs fail a test, and which wrong ones pass it.

    Args:
        cases: from `programs`.
        outcomes: of `run`, one for each case.
        expected: None for each right program.
    """
    found = list(zip(cases, outcomes, expected, strict=True))
    failed = [(case, said) for case, said, wanted in found if wanted is None and said is not None]
    passed = [case for case, said, wanted in found if wanted is not None and said is None]
    lines = [f"It fails {case.words}: {said}." for case, said in failed]
    if passed:
        faults = "; ".join(
            sorted(case.words.partition("(")[2].removesuffix(")") for case in passed)
        )
        n_wrong = sum(wanted is not None for wanted in expected)
        lines.append(f"It lets {len(passed)} of {n_wrong} wrong programs pass: {faults}.")
    return "\n".join(lines)


def _nameless(program: Program) -> Program:
    """Return the same program under a name that does not say what is wrong with it."""

    def runs(*arguments: Any, **named: Any) -> Any:
        return program(*arguments, **named)

    runs.__name__ = runs.__qualname__ = "program"
    return runs


def _raised(error: BaseException) -> str:
    """Return what a test raised, and the line of it that did."""
    frames = traceback.extract_tb(error.__traceback__)
    theirs = [frame for frame in frames if Path(frame.filename).parent != _HERE]
    own = [frame for frame in theirs if frame.filename == theirs[0].filename]
    where = f", at the line `{own[-1].line}`" if own and own[-1].line else ""
    said = f": {error}" if str(error) else ""
    return f"{type(error).__name__}{said}{where}"


def caught(test: Callable[..., Any], programs: Mapping[str, Program]) -> dict[str, bool]:
    """Return for each program whether it fails a test.

    Args:
        test: a function of one program.
        programs: by name.
    """
    return {name: run(test, program) is not None for name, program in programs.items()}
