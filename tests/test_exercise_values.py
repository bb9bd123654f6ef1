"""Values that answer: right however they are spelled, refused in words where they mean nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Judging, Solution


def asked(name: str, right: object, **more: object) -> Exercise:
    about = {"kind": "read", "difficulty": "easy", "importance": "high", "minutes": 3}
    solved = Solution(right) if right is not None else None
    return Exercise(
        "A title",
        hints=("A hint.",),
        name=name,
        judged_by=Judging(),
        solved_by=solved,
        **about,
        **more,
    )


OPTIONS = tuple(letter + number for letter in "abc" for number in "123")
CHOICE = asked("doubt", "b2", options=OPTIONS)
LETTER = asked("holds", "b", options=("a", "b", "c"))
NUMBER = asked("share", 2 / 3)
TEN = asked("odds", 10.0)

SPELLINGS = (
    *("b2", "B2", " b2 ", "b 2", "(b)(2)", "(b) (2)", "b, 2", "b,2", "b-2", "b/2", "b) 2)", "2b"),
    *(["b", 2], ("b", "2"), ["b2"], np.str_("b2")),
)


@pytest.mark.parametrize("answer", SPELLINGS, ids=repr)
def test_a_choice_is_understood_however_it_is_spelled(answer: object) -> None:
    assert CHOICE.judge(answer).state == "correct"


@pytest.mark.parametrize("answer", ["(b)", "b)", "B.", "b", ["b"]], ids=repr)
def test_a_letter_is_understood_however_it_is_spelled(answer: object) -> None:
    assert LETTER.judge(answer).state == "correct"


@pytest.mark.parametrize("answer", ["b", "2", "b22", "d1", "", 2, True, 1.5, {"b": 2}, print, [[]]])
def test_what_is_no_choice_is_refused_with_the_choices(answer: object) -> None:
    verdict = CHOICE.judge(answer)
    assert verdict.state == "not yet"
    assert verdict.text.startswith('Answer with one of "a1", "a2"')
    assert "; doubt is " in verdict.text


@pytest.mark.parametrize(
    "answer",
    [
        2 / 3,
        "2/3",
        "0.6667",
        [2 / 3],
        (2 / 3,),
        [["2/3"]],
        torch.tensor([2 / 3]),
        np.float32(2 / 3),
    ],
    ids=repr,
)
def test_a_number_is_understood_however_it_is_spelled(answer: object) -> None:
    assert NUMBER.judge(answer).state == "correct"


@pytest.mark.parametrize(
    "answer", [10, "10", " 10.0 ", [10], "20/2", "1e1", np.int64(10)], ids=repr
)
def test_ten_is_ten(answer: object) -> None:
    assert TEN.judge(answer).state == "correct"


@pytest.mark.parametrize(
    "answer",
    ["ten", "", "1/0", "10 odds", True, False, [1, 2], [], {"a": 1}, 1j, "nan", float("nan")],
)
def test_what_is_no_number_is_refused_in_words(answer: object) -> None:
    verdict = TEN.judge(answer)
    assert verdict.state == "not yet"
    assert (
        "The answer is a number, and odds is " in verdict.text or "holds no answer" in verdict.text
    )
    assert "too large" not in verdict.text


@pytest.mark.parametrize("answer", [10**400, 10**5000, -(10**400), float("inf")], ids=lambda n: "")
def test_a_number_beyond_all_bounds_raises_nothing(answer: object, capsys) -> None:
    verdict = TEN.judge(answer)
    said = "too large" if answer > 0 else "too small"
    assert (verdict.state, said in verdict.text) == ("not yet", True)
    TEN.check(answer)
    assert "Not yet" in capsys.readouterr().out


def test_what_python_cannot_even_show_is_refused() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise KeyError

    endless: list[object] = []
    endless.append(endless)
    for answer in (Odd(), endless, [10**5000, 1], "x" * 10**6):
        for exercise in (CHOICE, TEN):
            verdict = exercise.judge(answer)
            assert verdict.state == "not yet"
            assert len(verdict.text) < 300


def test_a_student_build_refuses_what_would_earn_nothing() -> None:
    number, choice = asked("odds", None), asked("doubt", None, options=OPTIONS)
    for exercise, right, wrong in ((number, "10", "ten"), (choice, "(b)(2)", "b")):
        assert exercise.judge(right).state == "noted"
        assert exercise.judge(wrong).state == "not yet"
