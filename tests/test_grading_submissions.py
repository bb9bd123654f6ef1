"""The folder of submissions: who handed in what, and what is amiss with a file."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from labs import code, hand_in, invoke, small, solutions, stored

from distill_lessons.exercises import catalogue, cells
from distill_lessons.grading import student, submissions


def test_layouts_and_odd_names(tmp_path: Path) -> None:
    folder = hand_in(tmp_path / "in", **{"=cmd()": small(), "Zoë O'Neil, jr": small()})
    hand_in(folder, **{"li_00_start_here": small(), "06 x": small()})
    for path in ("ann/00_start_here.ipynb", "bob/00_start_here/00_start_here.ipynb"):
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_text(json.dumps(small()))
    (folder / "bob" / ".ipynb_checkpoints").mkdir()
    (folder / "bob" / ".ipynb_checkpoints" / "00-checkpoint.ipynb").write_text("{}")
    (folder / "nobody").mkdir()
    (folder / "list.txt").write_text("not a submission")
    found = {one.learner: one for one in submissions.collect(folder)}
    lessons = {learner: one.lesson for learner, one in found.items()}
    odd = {"=cmd()": "00", "Zoë O'Neil, jr": "00", "li": "00", "06 x": "00"}
    assert lessons == odd | {"ann": "00", "bob": "00", "nobody": None}
    assert list(found) == sorted(found)
    assert found["nobody"].notes == ("no notebook in this folder",)
    assert found["bob"].file == "bob/00_start_here/00_start_here.ipynb"


def test_two_notebooks_of_one_lesson_are_both_told(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "in" / "ann").mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / "ann" / f"{name}.ipynb").write_text(json.dumps(small()))
    first, second = submissions.collect(tmp_path / "in")
    assert first.notes == ("one of 2 notebooks of this lesson: ann/a.ipynb",)
    assert second.notes == ("one of 2 notebooks of this lesson: ann/b.ipynb",)


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (b"", "damaged: the file is not JSON"),
        (b"\xff\xfe\x00", "damaged: the file is not JSON"),
        (b"[" * 200_000, "damaged: the file is not JSON"),
        (b"{}", "damaged: JSON, but no notebook of format 4"),
        (b"[1]", "damaged: JSON, but no notebook of format 4"),
        (b'{"cells": [3]}', "damaged: JSON, but no notebook of format 4"),
        (b'{"cells": {"a": 1}}', "damaged: JSON, but no notebook of format 4"),
        (b'{"cells": [{"cell_type": "code"}]}', "damaged: JSON, but no notebook of format 4"),
        (b'{"cells": [{"cell_type": "code", "source": [1]}]}', "damaged: JSON, but no notebook"),
        (b'{"cells": []}', "not a lesson of this course"),
        (b'{"cells": [{"cell_type": "code", "source": "x = 1"}]}', "not a lesson of this course"),
        (b" " * (submissions.HUGE + 1), "too large for a notebook (20 MiB)"),
    ],
    ids=range(12),
)
def test_a_file_that_is_no_lesson_has_a_line_of_its_own(
    tmp_path: Path, content: bytes, note: str
) -> None:
    folder = hand_in(tmp_path / "in", zoe=small())
    (folder / "ann.ipynb").write_bytes(content)
    ann, zoe = submissions.collect(folder)
    assert (ann.learner, ann.lesson) == ("ann", None)
    assert ann.notes[0].startswith(note)
    assert zoe.notes == ()


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_no_honest_code_is_to_be_looked_at(tmp_path: Path, lesson: str) -> None:
    notebook = student.blank(stored(lesson))
    cells.fill(notebook, solutions(lesson))
    (one,) = submissions.collect(hand_in(tmp_path / "in", ann=notebook))
    assert (one.lesson, one.notes) == (lesson, ())


@pytest.mark.parametrize("odd", [3, [], "x", {"nbgrader": 3}, {"nbgrader": {"grade_id": [1]}}])
def test_odd_metadata_is_no_metadata(tmp_path: Path, odd: Any) -> None:
    notebook = small()
    notebook["cells"][1]["metadata"] = odd
    (one,) = submissions.collect(hand_in(tmp_path / "in", ann=notebook))
    assert one.lesson == "00"
    assert one.notes == ("answer cell missing: batch_of_one",)


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_links_and_pipes_are_not_opened(tmp_path: Path) -> None:
    folder = hand_in(tmp_path / "in", zoe=small())
    (folder / "ann.ipynb").symlink_to(folder / "zoe.ipynb")
    os.mkfifo(folder / "ben.ipynb")
    found = submissions.collect(folder)
    assert [one.notes for one in found[:2]] == [("not a file but a link or a device",)] * 2


def test_a_folder_without_submissions_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        done = invoke("grade", folder)
        assert done.exit_code == 2
        assert done.stderr.startswith("problem: DIR=")


OTHER = "from distill_lessons.exercises import lesson_00 as ex"


@pytest.mark.parametrize("line", [f"# {OTHER}", f'"""\n{OTHER}\n"""', OTHER, f"{OTHER}\n%time x ="])
def test_an_import_does_not_decide_which_lesson_is_graded(tmp_path: Path, line: str) -> None:
    notebook = student.blank(stored("02"))
    notebook["cells"].insert(0, code(line))
    (one,) = submissions.collect(hand_in(tmp_path / "in", ann=notebook))
    assert one.lesson == "02"


@pytest.mark.parametrize(
    ("name", "cells_", "lesson"),
    [
        ("ann", ["x = 1", "import distill_lessons.exercises.lesson_03 as e"], "03"),
        ("ann", ["from distill_lessons.exercises.lesson_04 import class_bias"], "04"),
        (
            "ann",
            ["%matplotlib inline\nfrom distill_lessons.exercises import lesson_05 as ex"],
            "05",
        ),
        ("ann", ["%matplotlib inline\n# from distill_lessons.exercises import lesson_05"], None),
        ("ann", [f'x = "{OTHER}"', "from distill_lessons.exercises import lesson_06"], "06"),
        ("ann", [f"# {OTHER}"], None),
        ("ann_02_soft_targets", [OTHER], "02"),
        ("ann_99_no_lesson", [OTHER], "00"),
    ],
)
def test_without_marks_the_name_tells_the_lesson_else_the_imports(
    tmp_path: Path, name: str, cells_: list[str], lesson: str | None
) -> None:
    notebook = {"cells": [code(source) for source in cells_]}
    (one,) = submissions.collect(hand_in(tmp_path / "in", **{name: notebook}))
    assert one.lesson == lesson


def test_of_two_lessons_in_one_notebook_the_one_with_more_marks_counts(tmp_path: Path) -> None:
    notebook = student.blank(stored("02"))
    notebook["cells"] += small()["cells"][:2]  # tried here, out of curiosity
    (one,) = submissions.collect(hand_in(tmp_path / "in", ann=notebook))
    assert one.lesson == "02"
