"""Lessons run with answers of a test's choice, and what a run says and draws."""

from __future__ import annotations

import os
import re
from pathlib import Path

import labs
import nbformat

from distill_lessons.course import running
from distill_lessons.exercises import catalogue, cells


def filled(lesson: str, sources: dict[str, str], folder: Path) -> Path:
    """Write a lesson with these answers, and with trainings of a few steps, into a folder.

    What the answers do to a lesson shows as well on nets that have hardly learned; what nets that
    have learned do to its claims is for the lesson as it is, which runs with the same solutions.
    """
    notebook = stored(lesson)
    cells.fill(notebook, sources)
    hurry = "import miniature\n\nminiature.shorten_trainings()"
    notebook.cells.insert(0, nbformat.v4.new_code_cell(hurry))
    path = folder / labs.stored(lesson).name
    nbformat.write(notebook, path)
    return path


def executed(path: Path, **env: str) -> running.Result:
    """Run a notebook without a person, to its end or to the first error."""
    given = (
        os.environ
        | {"PYTHONPATH": os.pathsep.join([str(labs.ROOT), str(labs.ROOT / "tests")])}
        | {"DISTILL_LIVE": "0", "DISTILL_RECORD": "0", "DISTILL_STRICT": "0"}
        | env
    )
    # A cell that hangs ends the run; on a busy machine one that works may take minutes.
    return running.execute(path, env=given, timeout=900)


def of_whom(result: running.Result) -> set[str]:
    """Return what a run said about whose functions it goes on with."""
    said = "\n".join(
        output.get("text", "") for c in result.notebook.cells for output in c.get("outputs", [])
    )
    return set(re.findall(r"From here on (your own \w+|the course's \w+) is used", said))


def cells_with_figures(notebook: nbformat.NotebookNode) -> list[str]:
    """Return the ids of the cells that drew something, once for each figure."""
    return [
        cell.id
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "<figure" in output.get("data", {}).get("text/html", "")
    ]


def used(lesson: str) -> list[str]:
    """Return the exercises whose answers a lesson goes on with."""
    sources = "\n".join(cell.source for cell in stored(lesson).cells)
    return re.findall(r"ex\.(\w+)\.yours_or_ours\(", sources)


def stored(lesson: str) -> nbformat.NotebookNode:
    return nbformat.read(labs.stored(lesson), as_version=4)


def spoiled(lesson: str) -> dict[str, str]:
    """Wrong answers that run: a function that gives back a word, a value that is none."""
    return {
        name: f"{name} = 'zzz'" if made.cases is None else f"def {name}(*arguments): return 'zzz'"
        for name, made in catalogue.of_lesson(lesson).items()
    }
