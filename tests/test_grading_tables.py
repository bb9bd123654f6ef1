"""Results as tables and pages: every name, no formula, no markup."""

from __future__ import annotations

import html
import itertools
from pathlib import Path

import pytest
from browsing import browser
from labs import rows_of
from results import BLANK, RIGHT, book_of, result, table

from distill_lessons.exercises.verdict import Verdict
from distill_lessons.grading import feedback, sit
from distill_lessons.grading.points import Extra

SYNTAX = Verdict("not yet", "The answer cell cannot run. SyntaxError: '(' was never closed")
CONTRAST = (Path(__file__).parent / "browser" / "contrast.js").read_text("utf-8")


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


def test_a_page_is_whole_on_a_phone_and_on_a_projector_and_legible_in_the_dark() -> None:
    people = [
        result("Ada Lovelace", [RIGHT] * 3),
        result("syntax", [BLANK, SYNTAX, RIGHT], "cell 7 `def mean_difference(a`: SyntaxError"),
        result("x" * 254, [BLANK] * 3),
    ]
    with browser() as started:
        for one, width, scheme in itertools.product(people, (390, 1280, 1920), ("light", "dark")):
            page = started.new_page(viewport={"width": width, "height": 700}, color_scheme=scheme)
            page.set_content(feedback.page([one]))
            assert page.evaluate("document.documentElement.scrollWidth") == width
            least, text = page.locator("body").evaluate(CONTRAST)[0]
            assert least >= 4.5, (scheme, text)
            page.close()


def test_the_note_of_a_half_written_function_says_syntax_error() -> None:
    class _IncompleteInputError(SyntaxError):  # what Python 3.13 raises, by a name of its own
        pass

    error = _IncompleteInputError("incomplete input", ("cell", 2, 1, "def f(", 2, 1))
    assert sit._in_a_line(error) == "SyntaxError: incomplete input (line 2)"
