"""An installed course of a test's own notebooks, and the folder of a learner who has it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import v4

from distill_lessons.course import lessons


def write(folder: Path, name: str, *sources: str | Any) -> Path:
    """Write a notebook of code cells, each given by its source or as a cell."""
    cells = [v4.new_code_cell(s) if isinstance(s, str) else s for s in sources]
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.ipynb"
    nbformat.write(v4.new_notebook(cells=cells, metadata={"kernelspec": spec}), path)
    return path


def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a course of no lesson yet, go to a learner's folder; return the course's.

    No setting of whoever runs the tests is left, and the learner's path holds a space.
    """
    for name in [name for name in os.environ if name.startswith("DISTILL_")]:
        monkeypatch.delenv(name)
    bundled = tmp_path / "installed" / "_notebooks"
    bundled.mkdir(parents=True)
    monkeypatch.setattr(lessons, "bundled", lambda: (bundled, False))
    home = tmp_path / "my course"
    home.mkdir()
    monkeypatch.chdir(home)
    return bundled


def command_line(bundled: Path) -> str:
    """Return a script that is the command line with this course installed."""
    return (
        "from pathlib import Path\nfrom distill_lessons.course import cli, lessons\n"
        f"lessons.bundled = lambda: (Path({str(bundled)!r}), False)\ncli.app()"
    )
