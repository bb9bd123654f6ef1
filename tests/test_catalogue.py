"""The catalogue of lessons, and the pages whose tables are written from it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from distill_lessons.course import tables
from distill_lessons.exercises.catalogue import LESSONS

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"


def text_cells(notebook: str) -> list[str]:
    cells = json.loads((NOTEBOOKS / f"{notebook}.ipynb").read_bytes())["cells"]
    return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]


def test_every_notebook_has_an_entry_and_every_entry_a_notebook() -> None:
    assert {path.stem for path in NOTEBOOKS.glob("*.ipynb")} == {
        lesson.notebook for lesson in LESSONS.values()
    }
    assert list(LESSONS) == sorted(LESSONS)


@pytest.mark.parametrize("number", LESSONS)
def test_a_lesson_opens_with_its_question(number: str) -> None:
    lesson = LESSONS[number]
    assert text_cells(lesson.notebook)[0].startswith(f"# {number} · {lesson.question}\n")


def test_a_link_to_the_next_lesson_says_its_question() -> None:
    for lesson in LESSONS.values():
        for number, question, file in re.findall(
            r"\*\*Next:\*\* \[(\d\d) · (.+)\]\((.+)\.ipynb\)", text_cells(lesson.notebook)[-1]
        ):
            assert (file, question) == (LESSONS[number].notebook, LESSONS[number].question)


def test_the_map_of_the_course_names_every_core_lesson() -> None:
    cells = json.loads((NOTEBOOKS / "00_start_here.ipynb").read_bytes())["cells"]
    (drawn,) = ["".join(c["source"]) for c in cells if "course_map(" in "".join(c["source"])]
    core = [number for number, lesson in LESSONS.items() if lesson.core and number != "00"]
    assert [number for number in core if number not in drawn] == []


def test_the_pages_show_what_the_catalogue_says() -> None:
    for path, content in tables.pages(NOTEBOOKS).items():
        said = f"{path.name} is out of date: run python -m distill_lessons.course.tables"
        assert path.read_text(encoding="utf-8") == content, said


def test_a_page_without_a_place_for_a_table_is_refused() -> None:
    place = "<!-- goals: begin -->\nold\n<!-- goals: end -->"
    assert tables.filled(f"a\n{place}\nb", "goals", "new").split("\n")[2] == "new"
    for page in ("", place.replace("end", "End"), f"{place}\n{place}"):
        with pytest.raises(ValueError, match="needs one place for a table: <!-- goals: begin -->"):
            tables.filled(page, "goals", "new")
