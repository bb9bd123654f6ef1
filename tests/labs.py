"""Small labs to hand in: lesson 00 with nothing but its exercises, answered as a test wants it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import psutil
from typer.testing import CliRunner, Result

from distill_lessons.course import cli
from distill_lessons.exercises import catalogue, cells
from distill_lessons.grading import student, submissions

ROOT = Path(__file__).parents[1]
NAMES = ("batch_of_one", "mean_difference", "does_it_hold")  # of lesson 00: code, bug, read
Cell = dict[str, Any]


def invoke(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(a) for a in arguments], prog_name="distill-lessons")


def stored(lesson: str) -> Path:
    (path,) = (ROOT / "notebooks").glob(f"{lesson}_*.ipynb")
    return path


def solutions(lesson: str) -> dict[str, str]:
    return {name: made.solved_by.code for name, made in catalogue.of_lesson(lesson).items()}


def code(source: str) -> Cell:
    return {"cell_type": "code", "metadata": {}, "source": source, "outputs": [], "id": "new"}


def small(**answered: str) -> Cell:
    """Lesson 00 with nothing but its imports and exercises, all right but for `answered`."""
    notebook = student.blank(stored("00"))
    kept = [cell for cell in notebook["cells"] if "nbgrader" in cell["metadata"]]
    first = code("import torch\nfrom distill_lessons.exercises import lesson_00 as ex")
    notebook["cells"] = [first, *kept]
    cells.fill(notebook, solutions("00") | answered)
    return notebook


def after_first(source: str, notebook: Cell | None = None) -> Cell:
    """Put a cell of the learner's own behind the imports."""
    notebook = notebook or small()
    notebook["cells"].insert(1, code(source))
    return notebook


def hand_in(folder: Path, **notebooks: Cell) -> Path:
    folder.mkdir(exist_ok=True)
    for learner, notebook in notebooks.items():
        (folder / f"{learner}.ipynb").write_text(json.dumps(notebook), encoding="utf-8")
    return folder


def rows_of(table: Path) -> dict[str, dict[str, str]]:
    with table.open(encoding="utf-8-sig", newline="") as file:
        return {row["learner"]: row for row in csv.DictReader(file)}


WRONG = {
    "batch_of_one": "def batch_of_one(x):\n    return x[0]",
    "does_it_hold": "does_it_hold = 'a'",
}
BLANK = {  # as the lesson leaves them
    name: "".join(cell["source"])
    for name, cell in cells.answer_cells(json.loads(stored("00").read_bytes())).items()
}


def submission(notebook: Cell, learner: str = "anna") -> submissions.Submission:
    cells_ = [submissions._cell(c) for c in notebook["cells"] if c["cell_type"] == "code"]
    return submissions.Submission(learner, "", "anna.ipynb", "00", tuple(cells_))


def lingering() -> list[list[str]]:
    """Return the command lines of processes that `hostile.LINGER` has left behind."""
    running = [p.info["cmdline"] or [] for p in psutil.process_iter(["cmdline"])]
    return [line for line in running if any("lingers-in-test" in part for part in line)]
