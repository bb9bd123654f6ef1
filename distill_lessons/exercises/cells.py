"""The cells of a notebook that belong to an exercise, marked with nbgrader's metadata.

An exercise has two: the *answer cell*, which the learner fills, and the locked *check cell* below
it, which holds the points. Both are found by the exercise's name, wherever they stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CHECK = "check-"  # before the exercise's name in the id of its check cell

Notebook = dict[str, Any]
Cell = dict[str, Any]


def answer_cells(notebook: Notebook) -> dict[str, Cell]:
    """Return a notebook's answer cells by exercise name; of a cell pasted twice, the last one."""
    return {
        about["grade_id"]: cell
        for cell in notebook["cells"]
        if (about := _about(cell)).get("solution") is True and "grade_id" in about
    }


def check_cells(notebook: Notebook) -> dict[str, Cell]:
    """Return a notebook's check cells by exercise name."""
    return {
        about["grade_id"].removeprefix(CHECK): cell
        for cell in notebook["cells"]
        if (about := _about(cell)).get("grade") is True
        and str(about.get("grade_id", "")).startswith(CHECK)
    }


def fill(notebook: Notebook, sources: Mapping[str, str]) -> None:
    """Write answers into a notebook's answer cells, in place.

    Args:
        notebook: as read from its file.
        sources: code by exercise name.

    Raises:
        ValueError: if the notebook has no answer cell for one of them.
    """
    cells = answer_cells(notebook)
    for name, source in sources.items():
        if name not in cells:
            raise ValueError(f"{name!r} has no answer cell; the notebook has {', '.join(cells)}.")
        cells[name]["source"] = source


def marks(name: str, *, points: int | None = None) -> Cell:
    """Return nbgrader's metadata (schema 3): of an answer cell, or with `points` of a check cell.

    >>> marks("slope")["nbgrader"]["solution"], marks("slope", points=2)["nbgrader"]["locked"]
    (True, True)
    """
    about: Cell = {"schema_version": 3, "task": False}
    if points is None:
        about |= {"grade_id": name, "solution": True, "grade": False, "locked": False}
    else:
        about |= {"grade_id": CHECK + name, "solution": False, "grade": True, "locked": True}
        about["points"] = points
    return {"nbgrader": about}


def _about(cell: Cell) -> Cell:
    found = cell.get("metadata", {}).get("nbgrader", {})
    return found if isinstance(found, dict) else {}
