"""Results as tables and pages: every name, no formula, no markup."""

from __future__ import annotations

import html
from pathlib import Path

import pytest
from labs import rows_of
from results import BLANK, RIGHT, book_of, result, table

from distill_lessons.exercises.verdict import Verdict
from distill_lessons.grading import (
    feedback,
)
from distill_lessons.grading.points import Extra


def test_a_table_holds_no_formula_and_every_name(tmp_path: Path) -> None:
    odd = ["=cmd|' /C calc'!A0", "@x", "-2+3", 'Zoë, "Jr"', "two\nlines", "caf\udce9", "🎉"]
    found = rows_of(table([result(n, [RIGHT] * 3, "=1+1") for n in odd], tmp_path / "t.csv"))
    assert list(found) == [*(f"'{name}" for name in odd[:3]), *odd[3:5], "caf\\udce9", "🎉"]
    assert all(row["note"] == "'=1+1" for row in found.values())
    assert all(row["total"] == row["of"] == "3" for row in found.values())


@pytest.mark.parametrize("name", ["ë" * 127, "🎉" * 63, "x" * 254, "caf\udce9", "Zoë 🎉", "<b>&"])
def test_every_name_has_a_page(tmp_path: Path, name: str) -> None:
    book = book_of(tmp_path)
    book.add(result(name))
    book.add(result("anna"))
    pages = sorted(book.pages.iterdir())
    assert len(pages) == 2
    (theirs,) = (p for p in pages if p.name != "anna.html")
    shown = name.encode("utf-8", "backslashreplace").decode()
    assert f"<h1>Feedback for {html.escape(shown, quote=False)}</h1>" in theirs.read_text("utf-8")


def test_long_names_that_begin_alike_have_pages_of_their_own() -> None:
    assert feedback.file_name("x" * 254) != feedback.file_name("x" * 253 + "y")
    assert feedback.file_name("Ada", "1") != feedback.file_name("Ada", "2")


def test_nothing_in_a_page_is_markup(tmp_path: Path) -> None:
    bad = "<script>alert(1)</script>"
    one = result(bad, [Verdict("not yet", f"got '{bad}'"), RIGHT, BLANK], f"cell 2 `{bad}`")
    text = feedback.page([one], [Extra(bad, "00.batch_of_one", 1, bad)])
    assert "<script" not in text
    assert text.count("&lt;script&gt;") == 5  # the title, the heading, what was got, comment, note
    assert "prefers-color-scheme: dark" in text
    assert text.count("<article") == 3
    assert "2 of 3 points" in text
