"""The learner's file of progress: what it keeps, and that nothing that happens to it is fatal."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from distill_lessons import settings
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


def test_predictions_are_kept_beside_what_is_solved(path: Path) -> None:
    assert record.guesses() == {}
    assert record.note_guess("02.gain", 3.5) == ""
    record.note("02.slope", state=record.SOLVED, tries=1)
    record.note_guess("02.which", "less than 1 %")
    record.note_guess("02.gain", -1.0)
    assert record.guesses() == {"02.gain": -1.0, "02.which": "less than 1 %"}
    record.note_guess("02.gain", None)
    assert record.guesses() == {"02.which": "less than 1 %"}
    assert list(record.read(path)[0]) == ["02.slope"]


def test_a_file_from_before_predictions_were_kept_is_read(path: Path) -> None:
    path.parent.mkdir()
    entry = '{"state": "solved", "tries": 1, "hints": 0, "solution": false}'
    start = '{"what": "distill-lessons progress", "version": 1, '
    path.write_text(f'{start}"exercises": {{"02.slope": {entry}}}}}')
    record.note_guess("02.gain", 1.0)
    assert record.read(path)[0]["02.slope"]["state"] == "solved"
    assert record.guesses() == {"02.gain": 1.0}


def test_guesses_from_a_file_that_is_not_ours_are_none(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"predictions": {"02.gain": 1.0}}')
    assert record.guesses() == {}
    assert "is not a progress file" in record.note_guess("02.gain", 1.0)


def test_nothing_is_kept_where_nothing_shall_be(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("DISTILL_RECORD", "0")
    assert record.note("02.slope", tries=1) == ""
    assert record.note_guess("02.gain", 1.0) == ""
    assert record.guesses() == {}
    assert list(tmp_path.iterdir()) == []


DAMAGED = [
    b'"distill-lessons progress"',
    b'{"what": "distill-lessons progress", "version": 2, "exercises": {}}',
    b'{"what": "distill-lessons progress", "version": 1, "exercises": {"02.slope": 3}}',
    b'{"what": "distill-lessons progress", "version": 1, '
    b'"exercises": {"02.slope": {"state": "solved", "tries": "many"}}}',
    b'{"what": "distill-lessons progress", "version": 1, "exerc',
    b'{"what": "distill-lessons progress", "version": 1, "exercises": {}, "predictions": [1]}',
    b'{"what": "distill-lessons progress", "version": 1, "exercises": {}, '
    b'"predictions": {"02.gain": null}}',
]
FOREIGN = [
    b"{",
    b"\xff\xfe\x00",
    b"\0" * 100,
    b"[1, 2]",
    b'{"name": "my-package", "version": "1.0.0"}',
    b'{"what": "something else", "version": 1, "exercises": {}}',
    b"[" * 100_000,
    b"x" * (record.LARGEST + 1),
]


def listed(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_file_is_set_aside_whole_when_something_is_noted(
    path: Path, content: bytes
) -> None:
    path.parent.mkdir()
    for number in (1, 2):  # a second one does not overwrite the first
        path.write_bytes(content)
        before = listed(path.parent)
        entries, message = record.read(path)
        assert entries == {}
        assert f"moves it to progress.json.unread-{number}" in message
        assert listed(path.parent) == before  # reading moves nothing
        message = record.note("02.slope", state=record.SOLVED, tries=1)
        aside = path.with_name(f"progress.json.unread-{number}")
        assert aside.read_bytes() == content
        assert aside.name in message
        assert record.read(path)[0]["02.slope"]["state"] == "solved"


@pytest.mark.parametrize("content", FOREIGN)
def test_a_foreign_file_is_left_alone(path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    for message in (record.read(path)[1], record.note("02.slope", tries=1)):
        assert f"{path} is not a progress file and is left alone." in message
        assert "set it to 0 to keep none" in message
    assert path.read_bytes() == content
    assert listed(path.parent) == ["progress.json"]  # and no lock beside it


@pytest.mark.parametrize("content", [b"{", b"\0" * 100, *DAMAGED])
def test_in_its_usual_place_any_file_is_ours(tmp_path: Path, monkeypatch, content: bytes) -> None:
    monkeypatch.delenv("DISTILL_RECORD")
    monkeypatch.setattr(settings, "default_record", lambda: tmp_path / "progress.json")
    (tmp_path / "progress.json").write_bytes(content)
    assert "is kept as progress.json.unread-1" in record.note("02.slope", tries=1)
    assert (tmp_path / "progress.json.unread-1").read_bytes() == content


def test_an_empty_file_is_a_beginning(path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    assert record.read(path) == ({}, "")
    assert record.note("02.slope", tries=1) == ""
    assert "02.slope" in record.read(path)[0]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other devices")
@pytest.mark.parametrize("device", ["/dev/null", "/dev/full", "/dev/zero", "a pipe"])
def test_a_device_is_neither_read_nor_moved(tmp_path: Path, monkeypatch, device: str) -> None:
    where = Path(device)
    if device == "a pipe":
        where = tmp_path / "pipe"
        os.mkfifo(where)
    before = listed(where.parent)
    monkeypatch.setenv("DISTILL_RECORD", str(where))
    for message in (record.read(where)[1], record.note("02.slope", tries=1)):
        assert f"{where} is not a regular file" in message
    assert listed(where.parent) == before
    assert not where.is_file()


def test_a_link_stays_a_link(path: Path, tmp_path: Path, monkeypatch) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(path)
    monkeypatch.setenv("DISTILL_RECORD", str(link))
    for _ in range(2):  # first with nothing behind it
        assert record.note("02.slope", tries=1) == ""
        assert link.is_symlink()
    assert record.read(path)[0]["02.slope"]["tries"] == 2
    assert listed(tmp_path) == ["a folder", "link.json"]


def test_links_in_a_circle_are_not_fatal(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    monkeypatch.setenv("DISTILL_RECORD", str(tmp_path / "a"))
    assert "cannot be read" in record.read(tmp_path / "a")[1]
    assert "could not be written" in record.note("02.slope", tries=1)
    assert listed(tmp_path) == ["a", "b"]


def test_a_folder_that_cannot_be_written_is_said_and_not_fatal(path: Path) -> None:
    path.parent.write_text("a file where the folder should be")
    message = record.note("02.slope", tries=1)
    assert "could not be written" in message
    assert str(path) in message


def test_a_folder_in_the_files_place_is_not_fatal(path: Path) -> None:
    path.mkdir(parents=True)
    assert "is not a regular file" in record.note("02.slope", tries=1)
    assert path.is_dir()


def test_a_file_that_cannot_be_read_is_said(path: Path, monkeypatch) -> None:
    record.note("02.slope", tries=1)

    def locked(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", locked)  # root may read everything
    assert "cannot be read (Permission denied)" in record.read(path)[1]
    assert "could not be written" in record.note("02.slope", tries=1)


def test_an_interrupted_write_leaves_the_old_file(path: Path, monkeypatch) -> None:
    record.note("02.slope", state=record.SOLVED, tries=1)
    before = path.read_text()

    def full(*arguments: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left" in record.note("03.other", tries=1)
    assert path.read_text() == before
    assert listed(path.parent) == ["progress.json", "progress.json.lock"]


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
