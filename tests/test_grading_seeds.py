"""The seed that draws the hidden questions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from distill_lessons.exercises import catalogue, parts
from distill_lessons.grading import (
    marking,
)


def test_a_seed_is_drawn_by_chance_and_tried_on_the_solutions(monkeypatch) -> None:
    drawn = {marking.hidden_seeds(None, ["00"]) for _ in range(3)}
    assert len(drawn) == 3
    assert all(second == first + 1 for first, second in drawn)
    with pytest.raises(ValueError, match="--seed -1"):
        marking.hidden_seeds(-1, ["00"])
    made = catalogue.of_lesson("00")["batch_of_one"]
    given = {"batch_of_one": replace(made, solved_by=parts.Solution(lambda x: x))}
    monkeypatch.setattr(catalogue, "of_lesson", lambda lesson: given)
    with pytest.raises(ValueError, match="With --seed 5 the course's own solution of 00.batch_of"):
        marking.hidden_seeds(5, ["00"])
    given["batch_of_one"] = replace(made, solved_by=None)
    with pytest.raises(ValueError, match="this is a student build"):
        marking.hidden_seeds(None, ["00"])


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_solutions_are_right_on_seeds_that_chance_may_draw(lesson: str) -> None:
    for seed in (20, 21, 22, marking.MOST_SEED + 1):
        for made in catalogue.of_lesson(lesson).values():
            verdict = made.judge(made.solved_by.answer, seed)
            assert verdict.state == "correct", (made.key, seed, verdict.text)
