"""The notebooks that came back, as cells: who, which lesson, and what is amiss with each file.

Accepts any of ``LEARNER.ipynb``, ``LEARNER_02_soft_targets.ipynb``, ``LEARNER/02_….ipynb``,
nbgrader's ``LEARNER/ASSIGNMENT/02_….ipynb`` and what learning platforms export, see `names`. Reads
files, runs nothing; no file stops the others.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import stat
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distill_lessons.exercises import catalogue
from distill_lessons.exercises.cells import CHECK
from distill_lessons.grading import names

HUGE = 20 * 2**20  # bytes; a lesson with all its figures has half a million
EXERCISES = "distill_lessons.exercises"
# In a cell that Python cannot read, such as one with half a line.
_IMPORT = re.compile(
    r"^\s*(?:from|import) distill_lessons\.exercises(?: import |\.)lesson_(\d\d)\b"
)
# What an honest answer has no use for. It earns nothing here; a person should look at it.
_SUSPECT = re.compile(
    r"\.(?:reference|expected|mistakes)\b|\bget_objects\b"
    r"|\bexercises(?:\.| import )(?:bank|catalogue|exercise|compare)\b"
    r"|\bex\.\w+\.(?:check|judge|compare|output|cases|ask)\s*=[^=]"
    r"|\bobject\.__setattr__|\bfind_spec\b|\banswers/|\bgetppid\b|\bos\.kill\b|\bmemfd_create\b"
)


@dataclass(frozen=True)
class Submission:
    """One notebook, or one learner without any.

    Attributes:
        learner: who handed it in, by the name of the folder or file.
        id: the learning platform's number for the learner; "" where it gives none.
        file: its path below the folder of submissions; "" if there is none.
        lesson: two digits; None if it is not known.
        cells: its code cells: `source`, and `answer` or `check` with an exercise's name or None.
        notes: what is amiss with the file.
        hash: SHA-256 of the file; "" where it could not be read.
    """

    learner: str
    id: str = ""
    file: str = ""
    lesson: str | None = None
    cells: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    hash: str = ""


def collect(folder: Path) -> list[Submission]:
    """Return what is in a folder of submissions, in the order of learners, lessons and files.

    Args:
        folder: see the module.

    Raises:
        ValueError: if it is no folder, or holds neither notebooks nor folders.
    """
    if not folder.is_dir():
        raise ValueError(f"DIR={str(folder)!r} is no folder. Name the one with the submissions.")
    found = [one for entry in sorted(folder.iterdir()) for one in _entry(entry, folder)]
    if not found:
        raise ValueError(
            f"DIR={str(folder)!r} holds no notebook. It should hold LEARNER.ipynb files, or a "
            "folder with notebooks for each learner."
        )
    handed_in = {(one.learner, one.id) for one in found if one.file}
    found = [one for one in found if one.file or (one.learner, one.id) not in handed_in]
    copies = Counter((one.learner, one.id, one.lesson) for one in found)
    return [
        replace(one, notes=(*one.notes, f"one of {n} notebooks of this lesson: {one.file}"))
        if (n := copies[one.learner, one.id, one.lesson]) > 1 and one.lesson
        else one
        for one in sorted(found, key=lambda o: (o.learner, o.id, o.lesson or "", o.file))
    ]


def _entry(entry: Path, folder: Path) -> Iterator[Submission]:
    """Read what one name in the folder of submissions stands for."""
    if entry.name.startswith((".", "__")):
        return
    if entry.is_dir() and not entry.is_symlink():
        owner = names.read(entry.name)
        files = [f for f in sorted(entry.rglob("*.ipynb")) if _counts(f, entry)]
        for file in files:
            yield _read(file, folder, owner)
        if not files:
            yield Submission(owner.learner, owner.id, notes=("no notebook in this folder",))
    elif entry.suffix == ".ipynb":
        yield _read(entry, folder, names.read(entry.stem))


def _counts(file: Path, learner: Path) -> bool:
    return not any(part.startswith((".", "__MACOSX")) for part in file.relative_to(learner).parts)


def _read(file: Path, folder: Path, owner: names.Named) -> Submission:
    one = Submission(owner.learner, owner.id, file.relative_to(folder).as_posix())
    try:
        about = file.lstat()
        if not stat.S_ISREG(about.st_mode):
            return replace(one, notes=("not a file but a link or a device",))
        if about.st_size > HUGE:
            size = f"{about.st_size / 2**20:.0f} MiB"
            return replace(one, notes=(f"too large for a notebook ({size})",))
        content = file.read_bytes()
        one = replace(one, hash=hashlib.sha256(content).hexdigest())
        listed = json.loads(content)["cells"]
        cells = [_cell(cell) for cell in listed if cell.get("cell_type") == "code"]
    except OSError as error:
        return replace(one, notes=(f"cannot be read ({error.strerror})",))
    except (ValueError, RecursionError):
        return replace(one, notes=("damaged: the file is not JSON",))
    except (KeyError, TypeError, AttributeError):
        return replace(one, notes=("damaged: JSON, but no notebook of format 4",))
    lesson = _lesson(cells, names.read(file.stem).lesson)
    if lesson is None:
        return replace(one, notes=("not a lesson of this course",))
    return replace(one, lesson=lesson, cells=tuple(cells), notes=tuple(_remarks(cells, lesson)))


def _cell(cell: dict[str, Any]) -> dict[str, Any]:
    source = cell["source"]
    if isinstance(source, list):
        source = "".join(source)
    if not isinstance(source, str):
        raise TypeError("a cell's source is text")
    metadata = cell.get("metadata")
    about = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    name = about.get("grade_id") if isinstance(about, dict) else None
    found: dict[str, Any] = {"source": source, "answer": None, "check": None}
    if isinstance(name, str) and isinstance(about, dict):
        if about.get("solution") is True:
            found["answer"] = name
        elif about.get("grade") is True and name.startswith(CHECK):
            found["check"] = name.removeprefix(CHECK)
    return found


def _lesson(cells: list[dict[str, Any]], named: str | None) -> str | None:
    """Tell the lesson: by the exercises it has, else by the file's name, else by its imports."""
    have = {cell["answer"] for cell in cells} - {None}
    shared = {n: len(have & catalogue.of_lesson(n).keys()) for n in catalogue.LESSONS if have}
    most = max(shared.values(), default=0)
    by_exercises = [n for n, count in shared.items() if count == most > 0]
    candidates = [*([named] if named else []), *(n for cell in cells for n in _imported(cell))]
    if len(by_exercises) > 1:  # as many of the one as of the other
        candidates = [n for n in candidates if n in by_exercises]
    elif by_exercises:
        return by_exercises[0]
    return next((n for n in candidates if n in catalogue.LESSONS), None)


def _imported(cell: dict[str, Any]) -> list[str]:
    """Return the lessons whose exercises a cell imports. A comment or a text imports nothing."""
    try:
        nodes = list(ast.walk(ast.parse(cell["source"])))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        lines = cell["source"].splitlines()
        return [found[1] for line in lines if (found := _IMPORT.match(line))]
    modules: list[str] = []
    for node in nodes:
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules += [f"{node.module}.{alias.name}" for alias in node.names] + [str(node.module)]
    first = f"{EXERCISES}.lesson_"
    return [module[len(first) : len(first) + 2] for module in modules if module.startswith(first)]


def _remarks(cells: list[dict[str, Any]], lesson: str) -> list[str]:
    names = catalogue.of_lesson(lesson)
    count = Counter(cell["answer"] for cell in cells)
    missing = [name for name in names if not count[name]]
    twice = [name for name in names if count[name] > 1]
    remarks = []
    if missing:
        remarks.append(f"answer cell missing: {', '.join(missing)}")
    if twice:
        remarks.append(f"answer cell there more than once: {', '.join(twice)}")
    words = {found[0].strip() for cell in cells for found in _SUSPECT.finditer(cell["source"])}
    if words:
        remarks.append(f"look at the code: it has {', '.join(f'`{w}`' for w in sorted(words))}")
    return remarks
