"""Every lesson with its exercises solved and with all of them wrong, as nbval runs it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from distill_lessons.exercises import catalogue, cells

ROOT = Path(__file__).parents[1]


def filled(lesson: str, sources: dict[str, str], folder: Path) -> Path:
    (stored,) = (ROOT / "notebooks").glob(f"{lesson}_*.ipynb")
    notebook = nbformat.read(stored, as_version=4)
    cells.fill(notebook, sources)
    path = folder / stored.name
    nbformat.write(notebook, path)
    return path


def nbval(path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a notebook as the README's test command does, in a process of its own."""
    # In the notebook's folder, outside this checkout's settings for pytest.
    command = [sys.executable, "-m", "pytest", "-q", "--nbval-lax", "--nbval-cell-timeout=180"]
    return subprocess.run(
        [*command, "-p", "no:xdist", "-p", "no:cacheprovider", f"--rootdir={path.parent}", path],
        cwd=path.parent,
        env=os.environ | {"PYTHONPATH": str(ROOT)} | env,
        capture_output=True,
        text=True,
        timeout=600,
    )


def solutions(lesson: str) -> dict[str, str]:
    return {name: made.solved_by.code for name, made in catalogue.of_lesson(lesson).items()}


def spoiled(lesson: str) -> dict[str, str]:
    """Wrong answers that run: a function that gives back a word, a value that is none."""
    return {
        name: f"{name} = 'zzz'" if made.cases is None else f"def {name}(*arguments): return 'zzz'"
        for name, made in catalogue.of_lesson(lesson).items()
    }


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_a_solved_lesson_passes_with_checks_that_raise(lesson: str, tmp_path: Path) -> None:
    done = nbval(filled(lesson, solutions(lesson), tmp_path), DISTILL_CHECKS="raise")
    assert done.returncode == 0, done.stdout[-3000:]


def test_with_one_solution_spoiled_it_fails_there(tmp_path: Path) -> None:
    sources = solutions("02")
    name = next(iter(sources))
    done = nbval(
        filled("02", sources | {name: spoiled("02")[name]}, tmp_path), DISTILL_CHECKS="raise"
    )
    assert done.returncode == 1
    plain = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout)  # a server's terminal may be coloured
    assert f"NotSolved: 02.{name}" in plain
    assert "1 failed, " in plain


@pytest.mark.parametrize("lesson", ["02", "03"])
def test_with_every_answer_wrong_a_lesson_still_runs_to_its_end(lesson, tmp_path) -> None:
    done = nbval(filled(lesson, spoiled(lesson), tmp_path))
    assert done.returncode == 0, done.stdout[-3000:]
