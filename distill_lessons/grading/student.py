"""What students get: notebooks without outputs, the package without solutions and without grading.

And what a submission gets while it is graded: the same package with `sit` added, and of each
exercise no more than what it asks.
"""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from distill_lessons import __version__, files
from distill_lessons.course import lessons
from distill_lessons.exercises import sections

PACKAGE = Path(__file__).parents[1]
_BANK = "exercises/bank/"
_SITTING = ("grading/__init__.py", "grading/sit.py")

README = """\
# Distill Lessons: your copy

1. Go into this folder and install it once: `python -m pip install -e .` (PyTorch takes a while).
2. Open the lessons: `python -m distill_lessons lab`. Nothing but the package index is needed.
3. Write answers into the cells marked for them; run the cell below to have an answer checked.
4. A check says correct, not yet (and on which input), or not attempted. `ex.NAME.hint()` helps.
   A choice is only noted: it is compared when the lab is graded, with other inputs for your code.
5. Do not delete or copy the answer cells; add cells of your own wherever you like.
6. Before you hand in: *Restart kernel and run all cells*, save, and hand in the `.ipynb` file.
{lessons}
"""

PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "distill-lessons"
version = "{version}+student"
requires-python = ">=3.11"
dependencies = [
{dependencies}
]

[project.scripts]
distill-lessons = "distill_lessons.course.cli:main"

[tool.hatch.build.targets.wheel]
packages = ["distill_lessons"]

[tool.hatch.build.targets.wheel.force-include]
"notebooks" = "distill_lessons/_notebooks"
"""


def package(*, sitting: bool = False) -> dict[str, bytes]:
    """Return the files of the package without solutions, by path such as ``distill_lessons/…``.

    Args:
        sitting: with the part of grading that runs beside a submission, and without what judges.
    """
    found = {}
    last: sections.Section = "asked" if sitting else "judging"
    for file in sorted(PACKAGE.rglob("*")):
        name = file.relative_to(PACKAGE).as_posix()
        part = name.split("/")[0]
        if not file.is_file() or part == "_notebooks" or "__pycache__" in name:
            continue
        if part.startswith("."):
            continue
        if name.startswith(_BANK) and file.suffix == ".py":
            text = file.read_text(encoding="utf-8")
            found[f"{PACKAGE.name}/{name}"] = sections.upto(text, last).encode()
        elif part != "grading" or (sitting and name in _SITTING):
            found[f"{PACKAGE.name}/{name}"] = file.read_bytes()
    return found


def build(out: Path, chosen: Sequence[Path]) -> None:
    """Write a student build: all that a student needs, and nothing that gives an answer away.

    Args:
        out: a folder that does not exist, or is empty.
        chosen: the lessons' notebooks.

    Raises:
        ValueError: if `out` holds something.
    """
    new_folder(out)
    for name, content in package().items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (out / "notebooks").mkdir()
    for lesson in chosen:
        write_notebook(blank(lesson), out / "notebooks" / lesson.name)
    needed = "\n".join(f"  {json.dumps(line)}," for line in _dependencies())
    project = PYPROJECT.format(version=__version__, dependencies=needed)
    files.write(out / "pyproject.toml", project)
    listed = "7. Lessons: " + ", ".join(lesson.stem for lesson in chosen) + "."
    files.write(out / "README.md", README.format(lessons=listed))
    licence = PACKAGE.parent / "LICENSE"
    if licence.is_file():  # a wheel keeps it elsewhere
        shutil.copy(licence, out)


def blank(lesson: Path) -> dict[str, Any]:
    """Return a lesson's notebook as it is stored, without outputs."""
    notebook: dict[str, Any] = json.loads(lesson.read_bytes())
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return notebook


def write_notebook(notebook: dict[str, Any], path: Path) -> None:
    """Write a notebook the way Jupyter does."""
    text = json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
    files.write(path, text)


def new_folder(out: Path) -> None:
    """Make a folder; refuse one that holds something.

    Raises:
        ValueError: if it does.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"OUT={str(out)!r} exists and is not empty. Name a new folder.")
    out.mkdir(parents=True, exist_ok=True)


def _dependencies() -> list[str]:
    project = PACKAGE.parent / "pyproject.toml"
    if lessons.bundled()[1]:
        read = tomllib.loads(project.read_text(encoding="utf-8"))
        return list(read["project"]["dependencies"])
    listed = metadata.requires("distill-lessons") or []
    return [line for line in listed if "extra ==" not in line]
