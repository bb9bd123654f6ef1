"""Tables, and the seed that draws the hidden questions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from labs import rows_of

from distill_lessons.exercises import catalogue, parts
from distill_lessons.grading import marking, submissions, tables


def test_a_table_holds_no_formula_and_every_name(tmp_path: Path) -> None:
    odd = ["=cmd|' /C calc'!A0", "@x", "-2+3", 'Zoë, "Jr"', "two\nlines", "caf\udce9"]
    marked = [marking.Marked(submissions.Submission(name, file="f"), {}, ("=1+1",)) for name in odd]
    tables.write_csv(marked, tmp_path / "t.csv")
    found = rows_of(tmp_path / "t.csv")
    assert list(found) == [*(f"'{name}" for name in odd[:3]), *odd[3:5], "caf\\udce9"]
    assert all(row["note"] == "'=1+1" for row in found.values())
    tables.write_details(marked, tmp_path / "t.json")
    kept = json.loads((tmp_path / "t.json").read_text())["submissions"]
    assert [one["learner"] for one in kept] == odd
    with pytest.raises(FileExistsError):
        tables.write_csv(marked, tmp_path / "t.csv")


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
