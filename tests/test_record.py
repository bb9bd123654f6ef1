"""The learner's file of progress: what it keeps, and that nothing that happens to it is fatal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from distill_lessons.exercises import record


@pytest.fixture
def path(tmp_path: Path, monkeypatch) -> Path:
    path = tmp_path / "a folder" / "progress.json"
    monkeypatch.setenv("DISTILL_RECORD", str(path))
    return path


def test_tries_add_up_and_solved_stays_solved(path: Path) -> None:
    assert record.note("02.slope", state=record.TRIED, tries=1) == ""
    record.note("02.slope", hints=2)
    record.note("02.slope", state=record.SOLVED, tries=1)
    record.note("02.slope", state=record.TRIED, tries=1, hints=1)
    record.note("02.slope", solution=True)
    record.note("03.other", hints=1)
    entries, message = record.read(path)
    assert message == ""
    assert entries == {
        "02.slope": {"state": "solved", "tries": 3, "hints": 2, "solution": True},
        "03.other": {"state": "tried", "tries": 0, "hints": 1, "solution": False},
    }


def test_nothing_is_kept_where_nothing_shall_be(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("DISTILL_RECORD", "0")
    assert record.note("02.slope", tries=1) == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe\x00",
        b"[1, 2]",
        b'"distill-lessons progress"',
        b'{"what": "something else", "version": 1, "exercises": {}}',
        b'{"what": "distill-lessons progress", "version": 2, "exercises": {}}',
        b'{"what": "distill-lessons progress", "version": 1, "exercises": {"02.slope": 3}}',
        b'{"what": "distill-lessons progress", "version": 1, '
        b'"exercises": {"02.slope": {"state": "solved", "tries": "many"}}}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_or_foreign_file_is_set_aside_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    for number in (1, 2):  # a second one does not overwrite the first
        path.write_bytes(content)
        message = record.note("02.slope", state=record.SOLVED, tries=1)
        aside = path.with_name(f"progress.json.unread-{number}")
        assert aside.read_bytes() == content
        assert aside.name in message
        assert record.read(path)[0]["02.slope"]["state"] == "solved"


def test_a_folder_that_cannot_be_written_is_said_and_not_fatal(path: Path) -> None:
    path.parent.write_text("a file where the folder should be")
    message = record.note("02.slope", tries=1)
    assert "could not be written" in message
    assert str(path) in message


def test_a_folder_in_the_files_place_is_not_fatal(path: Path) -> None:
    path.mkdir(parents=True)
    assert record.note("02.slope", tries=1) != ""
    assert path.is_dir()


def test_an_interrupted_write_leaves_the_old_file(path: Path, monkeypatch) -> None:
    record.note("02.slope", state=record.SOLVED, tries=1)
    before = path.read_text()

    def full(*arguments: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(json, "dump", full)
    assert "No space left" in record.note("03.other", tries=1)
    assert path.read_text() == before
    assert sorted(p.name for p in path.parent.iterdir()) == ["progress.json", "progress.json.lock"]


def test_two_lessons_at_once_lose_nothing(path: Path) -> None:
    code = (
        "import sys; from distill_lessons.exercises import record\n"
        "for i in range(20): record.note(f'{sys.argv[1]}.e{i}', tries=1)"
    )

    def work(lesson: str) -> None:
        subprocess.run([sys.executable, "-c", code, lesson], check=True, env=os.environ.copy())

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(work, ("01", "02", "03")))
    assert len(record.read(path)[0]) == 60
