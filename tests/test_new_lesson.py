"""A lesson is added to a copy of the project: a notebook, a file and one entry are all it needs."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from nbformat import v4

from distill_lessons.exercises import cells

ROOT = Path(__file__).parents[1]
PARTS = ("distill_lessons", "notebooks", "tests", "conftest.py", "pyproject.toml")
PAGES = ("README.md", "INSTRUCTORS.md", "LICENSE")

ENTRY = """\
    Lesson(
        "99_odds",
        title="odds",
        question="How likely is a six?",
        goal="turn a probability into odds",
        names="odds",
        core=False,
    ),
)
LESSONS ="""

EXERCISE = '''\
"""Odds."""

from __future__ import annotations

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _probabilities(seed: int) -> list[Case]:
    return [Case(f"p = {p}", (p,)) for p in (0.25, (3 + seed % 89) / 101)]


exercise = Exercise(
    title="Odds",
    kind="code",
    difficulty="easy",
    importance="low",
    minutes=2,
    hints=("How often does it happen for each time that it does not?",),
    cases=_probabilities,
)

# ==== Judging =====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

judging = Judging(
    reference=lambda p: 1 / (1 / p - 1),
    mistakes=(Mistake("inverted", lambda p: (1 - p) / p, "Those are the odds against it."),),
)

# ==== Solution ====================================================================================


# For each time that it does not happen.
def odds(p):
    return p / (1 - p)


other_ways = [lambda p: -1 + 1 / (1 - p)]
'''


def notebook() -> Any:
    sources: list[tuple[str, dict[str, Any] | None]] = [
        ("# 99 · How likely is a six?\n\nThrow a die.", None),
        (
            "from distill_lessons.claims import claim\n"
            "from distill_lessons.exercises import lesson_99 as ex",
            {},
        ),
        ("claim('A six is rare.', 1 / 6, below=0.2)", {}),
        (
            "### Exercise 1 · Odds\n*Difficulty: easy · importance: low · 2 minutes.* Write a "
            "function that returns the odds of something that has the probability `p`.",
            None,
        ),
        ("def odds(p):\n    ...  # your code here", cells.marks("odds")),
        ("ex.odds.check(odds)  # stuck? ex.odds.hint()", cells.marks("odds", points=1)),
        ("A six has the odds 1 to 5.", None),
    ]
    made = [
        v4.new_markdown_cell(text, id=f"cell-{i}")
        if metadata is None
        else v4.new_code_cell(text, id=f"cell-{i}", metadata=metadata)
        for i, (text, metadata) in enumerate(sources)
    ]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    return v4.new_notebook(cells=made, metadata={"kernelspec": kernel})


def write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    for name in PARTS:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    for name in PAGES:
        shutil.copy(ROOT / name, folder)
    catalogue = folder / "distill_lessons" / "exercises" / "catalogue.py"
    text = catalogue.read_text(encoding="utf-8")
    assert text.count(")\nLESSONS =") == 1
    catalogue.write_text(text.replace(")\nLESSONS =", ENTRY), encoding="utf-8")
    exercise = folder / "distill_lessons" / "exercises" / "bank" / "lesson_99" / "odds.py"
    exercise.parent.mkdir()
    exercise.write_text(EXERCISE, encoding="utf-8")
    write(folder / "notebooks" / "99_odds.ipynb", notebook())
    return folder


def python(project: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=project,
        env=os.environ | {"PYTHONPATH": str(project)},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_new_lesson_runs_is_released_graded_and_keeps_the_rules(project: Path) -> None:
    written = python(project, "-m", "distill_lessons.course.tables")
    notebooks = sorted(path.name for path in (project / "notebooks").glob("*.ipynb"))
    pages = ("README.md", "INSTRUCTORS.md", "stubs.json", *notebooks)  # the map is in each lesson
    assert written.splitlines() == [f"{page}: written" for page in pages]
    shown = python(project, "-m", "distill_lessons", "run", "99")
    assert "1 claim: it holds." in shown
    (executed,) = (project / "runs").rglob("99_odds.ipynb")
    stored = json.loads(executed.read_bytes())
    for cell in stored["cells"]:
        cell["metadata"].pop("execution", None)
    write(project / "notebooks" / "99_odds.ipynb", stored)

    assert "1 lesson for students." in python(
        project, "-m", "distill_lessons", "release", "build", "99"
    )
    handed_out = json.loads((project / "build" / "notebooks" / "99_odds.ipynb").read_bytes())
    for learner, answer in (("ann", "def odds(p): return p / (1 - p)"), ("ben", "odds = None")):
        (project / "in").mkdir(exist_ok=True)
        cells.fill(handed_out, {"odds": answer})
        write(project / "in" / f"{learner}.ipynb", handed_out)
    python(project, "-m", "distill_lessons", "grade", "in")
    with (project / "grades.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = {row["learner"]: row for row in csv.DictReader(file)}
    assert {name: row["99.odds"] for name, row in rows.items()} == {"ann": "1", "ben": "0"}
    assert all((row["lesson"], row["of"]) == ("99", "1") for row in rows.values())

    rules = ("exercise_matrix", "notebooks_stored", "catalogue", "architecture", "guide")
    passed = python(
        project,
        *("-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider"),
        *(f"tests/test_{name}.py" for name in rules),
        *("-k", "99 or catalogue or architecture or guide or enough"),
    )
    assert int(re.search(r"(\d+) passed", passed)[1]) > 20
