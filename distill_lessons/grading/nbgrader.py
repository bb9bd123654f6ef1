"""The same lab for a course that is run with nbgrader: its source folder with hidden tests.

Writes files only; nbgrader itself is called by the instructor.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from distill_lessons import files
from distill_lessons.exercises import catalogue
from distill_lessons.exercises.cells import check_cells
from distill_lessons.grading.student import blank, write_notebook

CONFIG = """\
# nbgrader's configuration for Distill Lessons; everything else is nbgrader's default.
import os

from nbgrader.preprocessors import (
    CheckCellMetadata, ClearHiddenTests, ClearMarkScheme, ClearOutput, ComputeChecksums,
    IncludeHeaderFooter, LockCells, SaveCells,
)

c = get_config()
c.CourseDirectory.course_id = {course!r}
# Without ClearSolutions: the answer cells are blank already, and the stub that it would write
# (raise NotImplementedError) would stop "Run all" at the first exercise.
c.GenerateAssignment.preprocessors = [
    IncludeHeaderFooter, LockCells, ClearOutput, CheckCellMetadata, ComputeChecksums, SaveCells,
    ClearHiddenTests, ClearMarkScheme, ComputeChecksums, CheckCellMetadata,
]
# Lessons take up to a minute, a cell up to twenty seconds, on a machine with nothing else to do.
c.Execute.timeout = 120
# What is solved while grading is no progress of the instructor's; bars would write to stderr.
os.environ["DISTILL_RECORD"] = os.environ["DISTILL_LIVE"] = "0"
"""

HIDDEN = """
### BEGIN HIDDEN TESTS
for _seed in {seeds}:
    _verdict = ex.{name}.judge({name}, _seed)
    assert _verdict.state == "correct", str(_verdict)
### END HIDDEN TESTS"""


def write(course: Path, chosen: Sequence[Path], seeds: tuple[int, int]) -> bool:
    """Write ``source/LESSON/LESSON.ipynb`` for each lesson, and the configuration if there is none.

    Args:
        course: nbgrader's course folder; made if need be.
        chosen: the lessons' notebooks.
        seeds: draw the hidden questions.

    Returns:
        Whether the configuration was written.

    Raises:
        ValueError: if the course has one of the lessons already.
    """
    targets = {lesson: course / "source" / lesson.stem for lesson in chosen}
    for target in targets.values():
        if target.exists():
            raise ValueError(f"{target} exists. Remove it first, or release into a new course.")
    for lesson, target in targets.items():
        target.mkdir(parents=True)
        write_notebook(with_hidden_tests(lesson, seeds), target / lesson.name)
    try:
        config = CONFIG.format(course=course.resolve().name)
        files.write_new(course / "nbgrader_config.py", config)
    except FileExistsError:
        return False
    return True


def with_hidden_tests(lesson: Path, seeds: tuple[int, int]) -> dict[str, Any]:
    """Return a lesson's notebook without outputs, with hidden tests in its check cells."""
    notebook = blank(lesson)
    names = catalogue.of_lesson(lesson.stem[:2])
    for name, cell in check_cells(notebook).items():
        if name in names:
            source = "".join(cell["source"]) + HIDDEN.format(name=name, seeds=seeds)
            cell["source"] = source.splitlines(keepends=True)
    return notebook
