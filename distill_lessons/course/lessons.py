"""Where the lessons are, what names they go by, and how a learner gets a copy.

Knows notebooks as files only, and never overwrites what a learner wrote.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from distill_lessons import files
from distill_lessons.course import hosted
from distill_lessons.settings import expanded, one_of

START = "00_start_here.ipynb"


@dataclass(frozen=True)
class Copied:
    """What happened to each file when the lessons were copied; names are relative to the folder.

    Attributes:
        added: those that were missing.
        completed: those that an interrupted copy had left unfinished.
        changed: those that differ from the course's version: the learner's own work.
        damaged: those that can no longer be read as notebooks.
    """

    added: tuple[str, ...] = ()
    completed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Return one line for the learner, or nothing where nothing happened."""
        phrases = {
            "copied {}": self.added,
            "completed {}, left unfinished by an interrupted copy": self.completed,
            "kept your own version of {}": self.changed,
            "{} is damaged: delete or rename it to get the course's version": self.damaged,
        }
        return "; ".join(
            words.format(", ".join(names)) for words, names in phrases.items() if names
        )


def bundled() -> tuple[Path, bool]:
    """Return the folder with the course's own lessons, and whether it is a checkout's.

    Raises:
        ValueError: if the installation contains no lessons.
    """
    package = Path(__file__).parents[1]
    carried, checkout = package / "_notebooks", package.parent / "notebooks"
    if carried.is_dir():
        return carried, False
    if (package.parent / "pyproject.toml").is_file() and checkout.is_dir():
        return checkout, True
    raise ValueError(
        f"There are no lessons in {package}. Reinstall the package from its wheel or "
        "a checkout: python -m pip install --force-reinstall --no-deps PATH"
    )


def workspace(cwd: Path) -> tuple[Path, Copied]:
    """Return the folder of lessons to work in, and create it if it does not exist.

    Inside a checkout these are the checkout's notebooks. Elsewhere it is ``notebooks`` in the
    current folder, or the current folder itself if it already contains a lesson; missing lessons
    are added.

    Args:
        cwd: the learner's current folder.

    Returns:
        The folder, and what was copied there.

    Raises:
        ValueError: if the installation contains no lessons.
        OSError: if the folder cannot be written.
    """
    source, checkout = bundled()
    cwd = cwd.resolve()
    if checkout and cwd.is_relative_to(source.parent.resolve()):
        return source, Copied()
    here = any((cwd / lesson.name).is_file() for lesson in source.glob("*.ipynb"))
    folder = cwd if here else cwd / "notebooks"
    return folder, copy_missing(source, folder)


def copy_missing(source: Path, target: Path) -> Copied:
    """Copy the files of `source` that `target` lacks; overwrite nothing of the learner's.

    Args:
        source: the folder with the course's lessons.
        target: the learner's folder; created if needed.

    Returns:
        The names of the files that were added or completed, and of those that differ.

    Raises:
        OSError: if the target cannot be written to; no file is left half copied.
    """
    names: dict[str, list[str]] = {}
    for file in sorted(f for f in source.rglob("*") if f.is_file()):
        name = file.relative_to(source)
        if any(part.startswith((".", "__")) for part in name.parts):
            continue  # checkpoints and caches
        copy, content = target / name, file.read_bytes()
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            files.write_new(copy, content)
            state = "added"
        except FileExistsError:
            state = _state(copy, content)
            if state == "begun":
                files.write(copy, content)
                state = "completed"
        if state in ("added", "completed") and _state(copy, content) != "same":
            raise OSError(
                f"{copy} does not contain what was written; the disk may be failing"
            ) from None
        names.setdefault(state, []).append(name.as_posix())
    names.pop("same", None)
    return Copied(**{state: tuple(listed) for state, listed in names.items()})


def _state(copy: Path, content: bytes) -> str:
    """Compare a file with the course's version of it."""
    if not copy.is_file():
        return "changed"  # a folder, or a link to nowhere
    try:
        theirs = copy.read_bytes()
    except OSError:
        return "changed"
    if theirs == content:
        return "same"
    if content.startswith(theirs) and not copy.is_symlink():
        return "begun"  # nothing of the learner's is in it
    if copy.suffix == ".ipynb":
        try:
            json.loads(theirs)
        except (ValueError, RecursionError):
            return "damaged"
    return "changed"


def find(names: Sequence[str], folder: Path) -> list[Path]:
    """Return the notebooks that the names stand for, in the order given, each once.

    Args:
        names: numbers (``"04"`` or ``"4"``), stems (``"04_distillation_runs"``) or paths of
            notebooks; ``"all"`` for every lesson in the folder, none for all but the electives.
        folder: where the lessons are.

    Raises:
        ValueError: if a name fits no lesson, with the nearest one; or if there are no lessons.
    """
    lessons = {file.stem: file for file in sorted(folder.glob("*.ipynb"))}
    numbers = {int(stem[:2]): stem for stem in lessons if stem[:2].isdigit()}
    if not names and not lessons:
        raise ValueError(f"There is no lesson in {folder}. Restore the files, or name a notebook.")
    if "all" in names:
        return list(lessons.values())
    chosen = []
    for name in names or _core(lessons):
        if name.endswith(".ipynb") and Path(name).is_file():
            chosen.append(Path(name).resolve())
        elif name.isdigit() and int(name) in numbers:
            chosen.append(lessons[numbers[int(name)]])
        else:
            stem = one_of(
                "LESSON",
                Path(name).stem,
                lessons,
                also="a number such as 04, or the path of a notebook",
            )
            chosen.append(lessons[stem])
    return list(dict.fromkeys(chosen))


def _core(stems: Iterable[str]) -> list[str]:
    """Return the lessons without the electives; a learner's own notebook is not an elective."""
    from distill_lessons.exercises.catalogue import LESSONS

    electives = {lesson.notebook for lesson in LESSONS.values() if not lesson.core}
    return [stem for stem in stems if stem not in electives]


def code_of(lesson: Path) -> str:
    """Return what changes with a lesson's code, but not with its text or a learner's answers.

    Nor with the minutes that a lesson's first cell announces: they are only said.
    """
    cells = json.loads(lesson.read_bytes())["cells"]
    source = [
        "".join(cell["source"])
        for cell in cells
        if cell["cell_type"] == "code"
        and "nbgrader" not in cell["metadata"]
        and not hosted.prepares(cell)
    ]
    code = re.sub(r"full_minutes_on_cpu=\d+", "", "\0".join(source))
    return hashlib.sha256(code.encode()).hexdigest()[:12]


def absolute_paths(env: Mapping[str, str], cwd: Path) -> dict[str, str]:
    """Return the variables with relative paths made absolute.

    A kernel runs in its notebook's folder, where a path that the learner typed elsewhere would mean
    something else.
    """
    fixed = dict(env)
    for name in ("DISTILL_DATA", "DISTILL_RECORD", "DISTILL_WEIGHTS"):
        value = env.get(name, "").strip()
        if value and value != "0":  # DISTILL_RECORD=0 keeps no record
            fixed[name] = str(cwd / expanded(name, value))
    dataset = env.get("DISTILL_DATASET", "").strip()
    if dataset.startswith("folder:"):
        path = expanded("DISTILL_DATASET", dataset.removeprefix("folder:"))
        fixed["DISTILL_DATASET"] = f"folder:{cwd / path}"
    return fixed


def unused(path: Path) -> Path:
    """Return `path`, or the first of ``path-2``, ``path-3``, ... that does not exist."""
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.stem}-{number}{path.suffix}")
    return candidate


def new_folder(parent: Path, name: str) -> Path:
    """Create and return a folder ``parent/name``, with -2, -3, ... added if that is taken."""
    parent.mkdir(parents=True, exist_ok=True)
    while True:
        folder = unused(parent / name)
        try:
            folder.mkdir()
        except FileExistsError:  # another run was faster by a moment
            continue
        return folder
