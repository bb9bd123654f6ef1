"""Questions, answers and verdicts are the same whatever a learner has set torch's defaults to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from distill_lessons.exercises import catalogue
from distill_lessons.exercises.exercise import Exercise

CODE = [
    made
    for lesson in catalogue.LESSONS
    for made in catalogue.of_lesson(lesson).values()
    if made.cases is not None
]


@pytest.fixture
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("made", CODE, ids=lambda made: made.key)
def test_solutions_are_right_in_double_precision(double: None, made: Exercise) -> None:
    assert made.solved_by is not None
    assert made.judged_by is not None
    assert made.judge(made.solved_by.answer, 3).state == "correct"
    assert torch.get_default_dtype() == torch.float64
    wrong = made.judged_by.mistakes[0]
    assert made.judge(wrong.answer, 3).state != "correct", wrong.name


def test_the_same_questions_are_drawn(double: None) -> None:
    made = catalogue.of_lesson("00")["batch_of_one"]
    (x,) = made.questions(3)[0].arguments
    assert x.dtype == torch.float32
    torch.set_default_dtype(torch.float32)
    assert torch.equal(x, made.questions(3)[0].arguments[0])


def test_an_answer_runs_under_the_learners_own_defaults(double: None) -> None:
    made = catalogue.of_lesson("00")["batch_of_one"]
    seen = []

    def answer(x: torch.Tensor) -> torch.Tensor:
        seen.append(torch.zeros(1).dtype)
        return x[:1]

    assert made.judge(answer).state == "correct"
    assert set(seen) == {torch.float64}


def test_a_device_that_a_learner_chose_holds_no_questions() -> None:
    made = catalogue.of_lesson("00")["batch_of_one"]
    with torch.device("meta"):
        (x,) = made.questions(3)[0].arguments
        assert x.device.type == "cpu"
        assert made.judge(lambda x: x[:1]).state == "correct"
        assert torch.zeros(1).device.type == "meta"
