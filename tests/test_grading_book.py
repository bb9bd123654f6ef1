"""A grading that was ended goes on where it was."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest
from results import book_of, result

from distill_lessons import files
from distill_lessons.grading import gradebook


def test_what_is_graded_is_read_again(tmp_path: Path) -> None:
    book = book_of(tmp_path)
    first, second = result("anna"), result("ben", id="12")
    for one in (first, second):
        book.begin(one.submission, gradebook.BESIDE)
        book.add(one)
    again = gradebook.open_book(tmp_path / "g.csv", tmp_path / "in", None)
    assert again.seed == 7
    assert again.rows() == [
        replace(m, submission=replace(m.submission, notes=())) for m in (first, second)
    ]
    assert gradebook.to_do(again, [first.submission, second.submission]) == []


def test_new_and_changed_files_are_left_and_gone_ones_are_kept(tmp_path: Path) -> None:
    book = book_of(tmp_path)
    for name in ("anna", "ben", "cleo"):
        book.add(result(name))
    book.add(replace(result("dan"), verdicts={}, failure="no room"))
    same, changed = result("anna").submission, replace(result("ben").submission, hash="other")
    new, failed = result("eve").submission, result("dan").submission
    left = gradebook.to_do(book, [same, changed, new, failed])
    assert [one.learner for one in left] == ["ben", "eve", "dan"]
    assert left[0].notes == ("graded again: the file has changed since it had 1 of 3",)
    assert book.marked["cleo.ipynb"].notes == ("the file is no longer there",)


def test_a_table_changed_by_hand_is_kept(tmp_path: Path) -> None:
    book = book_of(tmp_path)
    book.add(result("anna"))
    mine = book.table.read_text("utf-8").replace("anna", "Anna, who did well")
    book.table.write_text(mine, encoding="utf-8")
    again = gradebook.open_book(tmp_path / "g.csv", tmp_path / "in", None)
    assert again.set_aside == tmp_path / "g-by-hand.csv"
    assert again.set_aside.read_text("utf-8") == mine
    again.start({})
    assert gradebook.open_book(tmp_path / "g.csv", tmp_path / "in", None).set_aside is None


@pytest.mark.parametrize(
    "spoil", ["not JSON", "[]", '{"what": "distill-lessons grades"}', "[" * 10000]
)
def test_foreign_files_are_left_alone(tmp_path: Path, spoil: str) -> None:
    (tmp_path / "g.json").write_text(spoil)
    book = book_of(tmp_path)
    assert book.table.name == "g-2.csv"
    assert (tmp_path / "g.json").read_text() == spoil


@pytest.mark.parametrize(
    ("folder", "seed", "name"),
    [("other", None, "g-2.csv"), ("in", 8, "g-2.csv"), ("in", 7, "g.csv"), ("in", None, "g.csv")],
)
def test_another_folder_or_seed_has_a_table_of_its_own(
    tmp_path: Path, folder: str, seed: int | None, name: str
) -> None:
    book_of(tmp_path)
    assert gradebook.open_book(tmp_path / "g.csv", tmp_path / folder, seed).table.name == name


def test_verdicts_that_are_not_of_this_course_are_graded_again(tmp_path: Path) -> None:
    book = book_of(tmp_path)
    book.add(result("anna"))
    text = book.details.read_text("utf-8").replace("does_it_hold", "no_such_exercise")
    book.details.write_text(text)
    again = gradebook.open_book(tmp_path / "g.csv", tmp_path / "in", None)
    assert again.marked == {}


def test_a_full_disk_leaves_table_and_verdicts_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = book_of(tmp_path)
    book.add(result("anna"))
    before = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    written: list[int] = []

    def fills_up(descriptor: int) -> None:
        written.append(descriptor)
        if len(written) > 1:  # the table is written, the verdicts are not
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", fills_up)
    with pytest.raises(OSError, match="No space left"):
        book.add(result("ben"))
    now = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert now == before
