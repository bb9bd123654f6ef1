"""The notebooks that came back, as cells: who, which lesson, and what is amiss with each file.

Accepts any of ``LEARNER.ipynb``, ``LEARNER_02_soft_targets.ipynb``, ``LEARNER/02_….ipynb`` and
nbgrader's ``LEARNER/ASSIGNMENT/02_….ipynb``. Reads files, runs nothing; no file stops the others.
"""

from __future__ import annotations

import json
import re
import stat
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from distill_lessons.exercises import catalogue
from distill_lessons.exercises.cells import CHECK

HUGE = 20 * 2**20  # bytes; a lesson with all its figures has half a million
_LESSON_IN_NAME = re.compile(r"(?:^|(?<=.)[ _-])(\d\d)_[a-z_]+$")
_IMPORT = re.compile(r"distill_lessons\.exercises(?: import |\.)lesson_(\d\d)\b")
# What an honest answer has no use for. It earns nothing here; a person should look at it.
_SUSPECT = re.compile(
    r"\.(?:reference|expected|mistakes)\b|\bget_objects\b"
    r"|\bexercises(?:\.| import )(?:answers|exercise|compare)\b"
    r"|\bex\.\w+\.(?:check|judge|compare|output|cases|ask)\s*=[^=]"
)


@dataclass(frozen=True)
class Submission:
    """One notebook, or one learner without any.

    Attributes:
        learner: the name of the folder or file.
        file: its path below the folder of submissions; "" if there is none.
        lesson: two digits; None if it is not known.
        cells: its code cells: `source`, and `answer` or `check` with an exercise's name or None.
        notes: what is amiss with the file.
    """

    learner: str
    file: str = ""
    lesson: str | None = None
    cells: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()


def collect(folder: Path) -> list[Submission]:
    """Return what is in a folder of submissions, in the order of learners, lessons and files.

    Args:
        folder: see the module.

    Raises:
        ValueError: if it is no folder, or holds neither notebooks nor folders.
    """
    if not folder.is_dir():
        raise ValueError(f"DIR={str(folder)!r} is no folder. Name the one with the submissions.")
    found = []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "__")):
            continue
        if entry.is_dir() and not entry.is_symlink():
            files = [f for f in sorted(entry.rglob("*.ipynb")) if _counts(f, entry)]
            found += [_read(f, folder, entry.name) for f in files]
            if not files:
                found.append(Submission(entry.name, notes=("no notebook in this folder",)))
        elif entry.suffix == ".ipynb":
            found.append(_read(entry, folder, _LESSON_IN_NAME.sub("", entry.stem) or entry.stem))
    if not found:
        raise ValueError(
            f"DIR={str(folder)!r} holds no notebook. It should hold LEARNER.ipynb files, or a "
            "folder with notebooks for each learner."
        )
    copies = Counter((one.learner, one.lesson) for one in found)
    return [
        replace(one, notes=(*one.notes, f"one of {n} notebooks of this lesson: {one.file}"))
        if (n := copies[one.learner, one.lesson]) > 1 and one.lesson
        else one
        for one in sorted(found, key=lambda one: (one.learner, one.lesson or "", one.file))
    ]


def _counts(file: Path, learner: Path) -> bool:
    return not any(part.startswith((".", "__MACOSX")) for part in file.relative_to(learner).parts)


def _read(file: Path, folder: Path, learner: str) -> Submission:
    where = file.relative_to(folder).as_posix()
    try:
        about = file.lstat()
        if not stat.S_ISREG(about.st_mode):
            return Submission(learner, where, notes=("not a file but a link or a device",))
        if about.st_size > HUGE:
            size = f"{about.st_size / 2**20:.0f} MiB"
            return Submission(learner, where, notes=(f"too large for a notebook ({size})",))
        content = json.loads(file.read_bytes())
        listed = content["cells"]
        cells = [_cell(cell) for cell in listed if cell.get("cell_type") == "code"]
    except OSError as error:
        return Submission(learner, where, notes=(f"cannot be read ({error.strerror})",))
    except (ValueError, RecursionError):
        return Submission(learner, where, notes=("damaged: the file is not JSON",))
    except (KeyError, TypeError, AttributeError):
        return Submission(learner, where, notes=("damaged: JSON, but no notebook of format 4",))
    lesson = _lesson(cells, file.stem)
    if lesson is None:
        return Submission(learner, where, notes=("not a lesson of this course",))
    return Submission(learner, where, lesson, tuple(cells), tuple(_remarks(cells, lesson)))


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


def _lesson(cells: list[dict[str, Any]], stem: str) -> str | None:
    """Tell the lesson by what is imported, else by the file's name, else by the exercises."""
    text = "\n".join(cell["source"] for cell in cells)
    named = _LESSON_IN_NAME.search(stem)
    for number in [*_IMPORT.findall(text), *([named[1]] if named else [])]:
        if number in catalogue.LESSONS:
            return str(number)
    names = {cell["answer"] for cell in cells} - {None}
    shared = {n: len(names & catalogue.of_lesson(n).keys()) for n in catalogue.LESSONS if names}
    best = max(shared, key=lambda n: shared[n], default=None)
    return best if best and shared[best] else None


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
