"""Every lesson with its exercises solved. Blank they are stored: what they hold needs no run."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from labs import solutions
from lesson_runs import (
    cells_with_figures,
    executed,
    filled,
    of_whom,
    spoiled,
    stored,
    used,
)

from distill_lessons.claims import MIME
from distill_lessons.course import running
from distill_lessons.exercises import catalogue


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_a_solved_lesson_passes_and_goes_on_with_the_readers_functions(
    lesson: str, tmp_path: Path
) -> None:
    done = executed(filled(lesson, solutions(lesson), tmp_path), DISTILL_CHECKS="raise")
    assert done.failure is None, done.failure
    assert of_whom(done) == {f"your own {name}" for name in used(lesson)}
    assert cells_with_figures(done.notebook) == cells_with_figures(stored(lesson))


def test_with_one_solution_spoiled_it_fails_there(tmp_path: Path) -> None:
    sources = solutions("02")
    name = next(iter(sources))
    done = executed(
        filled("02", sources | {name: spoiled("02")[name]}, tmp_path), DISTILL_CHECKS="raise"
    )
    assert done.failure is not None
    assert done.failure.error.startswith(f"NotSolved: 02.{name}")


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_a_blank_lesson_is_stored_with_ours(lesson: str) -> None:
    blank = running.Result(Path(f"{lesson}.ipynb"), stored(lesson), 0.0, 1, 1)
    assert of_whom(blank) == {f"the course's {name}" for name in used(lesson)}


def names_in(source: str) -> tuple[set[str], set[str]]:
    """Return the names that a cell reads, and those that it makes or changes."""
    read, made = set(), set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else made).add(node.id)
        elif isinstance(node, ast.FunctionDef):
            made.add(node.name)
    return read, made


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_what_a_readers_function_makes_reaches_a_figure_or_a_claim(lesson: str) -> None:
    """So the figures of a run show that it was used, whoever wrote it."""
    code = [cell for cell in stored(lesson).cells if cell.cell_type == "code"]
    for name in used(lesson):
        starts = [i for i, cell in enumerate(code) if f"ex.{name}.yours_or_ours(" in cell.source]
        following, reached = names_in(code[starts[0]].source)[1], False
        for cell in code[starts[0] :]:
            read, made = names_in(cell.source)
            if read & following or cell is code[starts[0]]:
                following |= made
                shown = [output.get("data", {}) for output in cell.get("outputs", [])]
                reached |= any("<figure" in d.get("text/html", "") or MIME in d for d in shown)
        assert reached, name
