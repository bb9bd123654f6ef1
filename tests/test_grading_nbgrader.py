"""nbgrader's own tools take the lab."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from labs import BLANK, WRONG, invoke, small, solutions, stored

from distill_lessons.course import instructors
from distill_lessons.exercises import catalogue, cells
from distill_lessons.grading import leaks, nbgrader, student


def test_nbgraders_own_tools_take_the_lab(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("nbgrader")
    lesson = tmp_path / stored("00").name
    blank = small(**BLANK)
    lesson.write_text(json.dumps(blank), encoding="utf-8")
    monkeypatch.setattr(instructors.lessons, "find", lambda names, folder: [lesson])
    course = tmp_path / "course"
    done = invoke("release", course, "00", "--nbgrader", "--seed", "3")
    assert done.exit_code == 0, done.output
    assert "1 assignment, hidden seed 3." in done.stdout
    assert invoke("release", course, "00", "--nbgrader").exit_code == 2  # it is there already
    name = lesson.stem
    # nbgrader starts `alembic` by name: the environment has to be active.
    active = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])

    def run(*arguments: str) -> None:
        said = subprocess.run(
            [sys.executable, "-m", "nbgrader", *arguments],
            cwd=course,
            env=os.environ | {"PATH": active},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert said.returncode == 0, said.stderr

    run("generate_assignment", name)
    released = course / "release" / name / lesson.name
    text = released.read_text(encoding="utf-8")
    assert "HIDDEN" not in text
    assert "_verdict" not in text
    assert "NotImplementedError" not in text
    assert leaks.find(course / "release") == []
    for learner, answered in (("anna", solutions("00")), ("cleo", WRONG), ("ben", {})):
        notebook = json.loads(text)
        cells.fill(notebook, answered)
        path = course / "submitted" / learner / name / lesson.name
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(notebook), encoding="utf-8")
    (course / "submitted" / "cleo" / name / lesson.name).touch()
    run("autograde", name)
    run("export")
    with (course / "grades.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert rows == {"anna": 3.0, "ben": 0.0, "cleo": 0.0}


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_the_metadata_is_valid_under_nbgraders_schema(lesson: str) -> None:
    validator = pytest.importorskip("nbgrader.nbgraderformat").MetadataValidator()
    import nbformat

    notebook = nbformat.from_dict(student.blank(stored(lesson)))
    validator.validate_nb(notebook)
    with_tests = nbgrader.with_hidden_tests(stored(lesson), (1, 2))
    validator.validate_nb(nbformat.from_dict(with_tests))
    hidden = re.findall("BEGIN HIDDEN TESTS", json.dumps(with_tests))
    assert len(hidden) == len(catalogue.of_lesson(lesson))
