"""What a submission may take, what limits are refused, and what happens when grading is ended."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
from hostile import CHANGES_ITS_PACKAGE, SABOTEUR
from labs import WRONG, Cell, after_first, hand_in, invoke, rows_of, small
from labs import submission as made_of

from distill_lessons.grading import box, marking, student, tables
from distill_lessons.grading.limits import GIB, Limits


def graded(notebook: Cell, **limits_: float) -> marking.Marked:
    room = marking.Room((1, 2), Limits(**limits_))
    (marked,) = marking.mark_all([made_of(notebook)], room)
    return marked


def test_without_a_fence_nobody_harms_who_runs_beside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In a temporary folder of this test's own: the saboteur spoils the first two boxes that it
    # finds beside its own, and other tests grade at the same time.
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    tried = [after_first(SABOTEUR), small(), small(**WRONG)]
    found = [made_of(notebook, str(i)) for i, notebook in enumerate(tried)]
    room = marking.Room((1, 2), Limits(cell_seconds=90, memory=2 * GIB), jobs=2)
    marked = {one.submission.learner: one for one in marking.mark_all(found, room)}
    assert [tables.sums(marked[name])[0] for name in "012"] == [3, 3, 1]
    assert [one.failure for one in marked.values()] == [""] * 3


def test_who_ran_beside_changed_files_has_no_grade() -> None:
    marked = graded(after_first(CHANGES_ITS_PACKAGE))
    assert marked.failure == "the course's files beside it were changed while it ran"
    assert marked.verdicts == {}


def test_all_the_time_of_a_submission_is_limited_too() -> None:
    slow = small()
    for _ in range(40):
        after_first("import time; time.sleep(1)", slow)
    marked = graded(slow, seconds=12, cell_seconds=3)
    assert tables.sums(marked) == (0, 3)
    assert "was stopped: the submission took its 12 seconds" in marked.notes[-1]
    assert marked.verdicts["batch_of_one"].text == "It was not reached."


def test_a_busy_machine_takes_nobodys_time() -> None:
    """Ten times as many processes as cores compute; a cell has one second and needs half."""
    spin = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(spin) for _ in range(10 * (os.cpu_count() or 1))]
    try:
        busy = "end = __import__('time').process_time() + 0.5\nwhile __import__('time')" + (
            ".process_time() < end: pass"
        )
        marked = graded(after_first(busy), cell_seconds=1)
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert marked.notes == ()
    assert tables.sums(marked) == (3, 3)


def test_an_interrupted_grading_ends_what_runs() -> None:
    stop = threading.Event()
    stop.set()
    job = {"lesson": "00", "cells": made_of(small()).cells, "seeds": [1], "skip": []}
    sitting = box.sit(job, Limits(), student.package(sitting=True), None, {}, stop)
    assert sitting.stopped == "was interrupted"


# --- refused before anybody is graded ------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--memory", "1e30"),
        ("--memory", "inf"),
        ("--memory", "nan"),
        ("--memory", "0"),
        ("--cell-seconds", "inf"),
        ("--cell-seconds", "nan"),
        ("--cell-seconds", "-1"),
        ("--seconds", "inf"),
        ("--seconds", "1e12"),
        ("--disk", "inf"),
    ],
)
def test_limits_that_no_machine_has_are_refused(tmp_path: Path, option: str, value: str) -> None:
    folder = hand_in(tmp_path / "in", anna=small())
    done = invoke("grade", folder, "--out", tmp_path / "g.csv", option, value)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"problem: {option} ")
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_too_little_memory_to_begin_with_is_refused_not_graded(tmp_path: Path) -> None:
    folder = hand_in(tmp_path / "in", anna=small())
    done = invoke("grade", folder, "--out", tmp_path / "g.csv", "--memory", "0.1")
    assert done.exit_code == 2
    assert done.stderr.startswith("problem: Nobody can be graded here: a process without any cell")
    assert "--memory 0.1 GiB" in done.stderr


def test_who_cannot_be_started_is_not_graded_and_has_a_line(tmp_path: Path) -> None:
    marked = graded(small(), memory=int(0.1 * GIB))
    assert marked.failure.startswith("could not be started: the process ")
    assert marked.verdicts == {}
    assert "NOT GRADED, could not be started" in tables.line(marked)


@pytest.mark.parametrize("out", ["a.json", "grades", "grades.xlsx"])
def test_a_table_that_is_no_csv_is_refused(tmp_path: Path, out: str) -> None:
    folder = hand_in(tmp_path / "in", anna=small())
    done = invoke("grade", folder, "--out", tmp_path / out)
    assert done.exit_code == 2
    assert "let it end in .csv" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_a_table_that_cannot_be_written_is_refused_first(tmp_path: Path) -> None:
    folder = hand_in(tmp_path / "in", anna=small())
    (tmp_path / "file").touch()
    done = invoke("grade", folder, "--out", tmp_path / "file" / "grades.csv")
    assert done.exit_code == 2
    assert done.stderr.startswith("problem: ")
    assert "anna" not in done.stdout


def test_a_full_temporary_folder_leaves_points_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fills up while grading: what is graded stays, what is not has no points and can come."""
    full: list[bool] = []
    make = tempfile.mkdtemp

    def sometimes(*arguments: object, **options: object) -> str:
        if options.get("prefix") == "distill-grading-" and len(full) > 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        full.append(True)
        return make(*arguments, **options)  # type: ignore[arg-type]

    folder = hand_in(tmp_path / "in", anna=small(), ben=small())
    monkeypatch.setattr(tempfile, "mkdtemp", sometimes)
    command = ["grade", folder, "--out", tmp_path / "g.csv", "--seed", "7", "--no-fence"]
    done = invoke(*command)
    assert done.exit_code == 1
    rows = rows_of(tmp_path / "g.csv")
    assert (rows["anna"]["total"], rows["ben"]["total"]) == ("3", "")
    assert rows["ben"]["00.does_it_hold"] == ""
    assert "NOT GRADED: could not be run here" in rows["ben"]["note"]
    assert "NOT GRADED: 1." in done.stdout
    assert "[1/2, about " in done.stdout  # and how long is left
    monkeypatch.undo()
    done = invoke(*command)
    assert done.exit_code == 0
    assert "1 were graded before" in done.stdout
    assert "anna" not in done.stdout
    assert {row["total"] for row in rows_of(tmp_path / "g.csv").values()} == {"3"}
