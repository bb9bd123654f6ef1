"""Names of files and folders, as learners and learning platforms write them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from labs import small

from distill_lessons.grading import names, submissions

FILES = {
    # as learners name their files
    "anna": ("anna", "", None),
    "anna_02_soft_targets": ("anna", "", "02"),
    "anna-02_soft_targets": ("anna", "", "02"),
    "02_soft_targets": ("02_soft_targets", "", "02"),
    "06 x": ("06 x", "", None),
    "Zoë O'Neil, jr": ("Zoë O'Neil, jr", "", None),
    "Zoe\u0308": ("Zoë", "", None),
    "li_2024_02_soft_targets": ("li_2024", "", "02"),
    "anna-2": ("anna-2", "", None),
    "x (1) y": ("x (1) y", "", None),
    "(1)": ("(1)", "", None),
    # downloaded twice, or copied
    "anna_02_soft_targets (1)": ("anna", "", "02"),
    "anna_02_soft_targets(12)": ("anna", "", "02"),
    "anna_02_soft_targets-Copy1": ("anna", "", "02"),
    "anna_02_soft_targets-Copy1 (1)": ("anna", "", "02"),
    "anna_02_soft_targets - Copy": ("anna", "", "02"),
    "anna_02_soft_targets - Copy (2)": ("anna", "", "02"),
    "anna_02_soft_targets copy 2": ("anna", "", "02"),
    "02_soft_targets-Copy1": ("02_soft_targets", "", "02"),
    # Canvas
    "lastfirst_12345_67890_02_soft_targets": ("lastfirst", "12345", "02"),
    "lastfirst_12345_67890_02_soft_targets-2": ("lastfirst", "12345", "02"),
    "lastfirst_LATE_12345_67890_02_soft_targets-1": ("lastfirst", "12345", "02"),
    "lastfirst_7_128_mine": ("lastfirst", "7", None),
    "lastfirst_12345_67890_02_soft_targets (1)": ("lastfirst", "12345", "02"),
    # Moodle
    "First Last_123_assignsubmission_file_": ("First Last", "123", None),
    "First Last_123_assignsubmission_file": ("First Last", "123", None),
    "First van der Last_123_assignsubmission_file_02_soft_targets": (
        "First van der Last",
        "123",
        "02",
    ),
    "First Last_123_assignsubmission_onlinetext_": ("First Last", "123", None),
    # Blackboard
    "Lab 2_login7_attempt_2026-01-31-09-15-00_02_soft_targets": ("login7", "", "02"),
    "Lab_2_login7_attempt_2026-01-31-09-15-00_mine": ("login7", "", None),
    # Brightspace
    "12345-67890 - First Last - Jan 31, 2026 915 AM": ("First Last", "12345", None),
}


@pytest.mark.parametrize("name", FILES)
def test_a_name_tells_learner_number_and_lesson(name: str) -> None:
    learner, number, lesson = FILES[name]
    assert names.read(name) == names.Named(learner, number, lesson)


def test_two_people_of_one_name_are_two_learners(tmp_path: Path) -> None:
    for number in (1, 2):
        folder = tmp_path / f"Ada Smith_{number}_assignsubmission_file_"
        folder.mkdir()
        (folder / "00_start_here.ipynb").write_text(json.dumps(small()))
    found = submissions.collect(tmp_path)
    assert [(one.learner, one.id, one.notes) for one in found] == [
        ("Ada Smith", "1", ()),
        ("Ada Smith", "2", ()),
    ]


def test_a_second_folder_of_a_learner_is_no_missing_notebook(tmp_path: Path) -> None:
    for part in ("file", "onlinetext"):
        (tmp_path / f"Ada Smith_1_assignsubmission_{part}_").mkdir()
    lab = tmp_path / "Ada Smith_1_assignsubmission_file_" / "00_start_here.ipynb"
    lab.write_text(json.dumps(small()))
    (one,) = submissions.collect(tmp_path)
    assert (one.learner, one.lesson, one.notes) == ("Ada Smith", "00", ())
