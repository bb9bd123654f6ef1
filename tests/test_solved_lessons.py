"""Every lesson with its exercises solved, and with all of them wrong."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pytest

from distill_lessons.course import running
from distill_lessons.course.report import figures_of
from distill_lessons.exercises import catalogue, cells

ROOT = Path(__file__).parents[1]


def filled(lesson: str, sources: dict[str, str], folder: Path) -> Path:
    (stored,) = (ROOT / "notebooks").glob(f"{lesson}_*.ipynb")
    notebook = nbformat.read(stored, as_version=4)
    cells.fill(notebook, sources)
    path = folder / stored.name
    nbformat.write(notebook, path)
    return path


def executed(path: Path, **env: str) -> running.Result:
    """Run a notebook without a person, to its end or to the first error."""
    given = os.environ | {"PYTHONPATH": str(ROOT), "DISTILL_LIVE": "0", "DISTILL_RECORD": "0"} | env
    return running.execute(path, env=given, timeout=180)


def of_whom(result: running.Result) -> set[str]:
    """Return what a run said about whose functions it goes on with."""
    said = "\n".join(
        output.get("text", "") for c in result.notebook.cells for output in c.get("outputs", [])
    )
    return set(re.findall(r"From here on (your own \w+|the course's \w+) is used", said))


def used(lesson: str) -> list[str]:
    """Return the exercises whose answers a lesson goes on with."""
    sources = "\n".join(cell.source for cell in stored(lesson).cells)
    return re.findall(r"ex\.(\w+)\.yours_or_ours\(", sources)


def stored(lesson: str) -> nbformat.NotebookNode:
    (path,) = (ROOT / "notebooks").glob(f"{lesson}_*.ipynb")
    return nbformat.read(path, as_version=4)


def solutions(lesson: str) -> dict[str, str]:
    return {name: made.solved_by.code for name, made in catalogue.of_lesson(lesson).items()}


def spoiled(lesson: str) -> dict[str, str]:
    """Wrong answers that run: a function that gives back a word, a value that is none."""
    return {
        name: f"{name} = 'zzz'" if made.cases is None else f"def {name}(*arguments): return 'zzz'"
        for name, made in catalogue.of_lesson(lesson).items()
    }


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_a_solved_lesson_passes_and_goes_on_with_the_readers_functions(
    lesson: str, tmp_path: Path
) -> None:
    done = executed(filled(lesson, solutions(lesson), tmp_path), DISTILL_CHECKS="raise")
    assert done.failure is None, done.failure
    assert of_whom(done) == {f"your own {name}" for name in used(lesson)}
    assert len(figures_of(done.notebook)) == len(figures_of(stored(lesson)))


def test_with_one_solution_spoiled_it_fails_there(tmp_path: Path) -> None:
    sources = solutions("02")
    name = next(iter(sources))
    done = executed(
        filled("02", sources | {name: spoiled("02")[name]}, tmp_path), DISTILL_CHECKS="raise"
    )
    assert done.failure is not None
    assert done.failure.error.startswith(f"NotSolved: 02.{name}")


@pytest.mark.parametrize("lesson", ["02", "03"])
def test_with_every_answer_wrong_a_lesson_goes_on_with_ours(lesson: str, tmp_path: Path) -> None:
    done = executed(filled(lesson, spoiled(lesson), tmp_path))
    assert done.failure is None, done.failure
    ours = {f"the course's {name}" for name in used(lesson)}
    assert of_whom(done) == ours
    assert len(figures_of(done.notebook)) == len(figures_of(stored(lesson)))


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_a_blank_lesson_is_stored_with_ours(lesson: str) -> None:
    blank = running.Result(Path(f"{lesson}.ipynb"), stored(lesson), 0.0, 1, 1)
    assert of_whom(blank) == {f"the course's {name}" for name in used(lesson)}
