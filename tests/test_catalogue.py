"""The catalogue of lessons, and the pages whose tables are written from it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from distill_lessons.course import tables, way
from distill_lessons.exercises import catalogue
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


@pytest.mark.parametrize("number", LESSONS)
def test_under_its_heading_a_lesson_shows_the_way(number: str) -> None:
    text = text_cells(LESSONS[number].notebook)[0]
    lines = text.split(way.BEGIN)[1].split(way.END)[0]
    assert text.count(way.BEGIN) == text.count(way.END) == 1
    assert lines.count("you are here") == 1
    assert f"**{number}, you are here**" in lines
    at = list(LESSONS).index(number)
    for step, mark in ((-1, "[← {}"), (1, "[{}")):
        if 0 <= at + step < len(LESSONS):
            beside = list(LESSONS.values())[at + step]
            words = f"{beside.number} {beside.title}" + (" →" if step == 1 else "")
            assert f"{mark.format(words)}]({beside.notebook}.ipynb)" in lines
    for made in catalogue.of_lesson(number).values():
        assert f" · {made.title}](#Exercise-" in lines
        assert f", {made.minutes} minutes" in lines


def test_the_way_is_replaced_and_the_rest_of_the_cell_stays() -> None:
    lesson = LESSONS["02"]
    notebook = {
        "cells": [
            {"cell_type": "markdown", "source": "# Title\n\nA text."},
            {"cell_type": "markdown", "source": "## Why *this* T²\n### Exercise 1 · Odds by hand"},
            {"cell_type": "code", "source": "## no heading"},
        ]
    }
    for _ in range(2):
        way.write(notebook, lesson)
    text = "".join(notebook["cells"][0]["source"])
    assert text.startswith(f"# Title\n\n{way.BEGIN}\n")
    assert text.endswith(f"\n{way.END}\n\nA text.")
    assert text.count(way.BEGIN) == 1
    assert "- [Why *this* T²](#Why-this-T%C2%B2)\n    - [Exercise 1 · Odds by hand](#" in text
    assert "no heading" not in text
    assert way.without(text) == "# Title\n\nA text."


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


@pytest.mark.parametrize(
    "given", ["https://github.com/group/name", "https://git.example.org/a/b.git/"]
)
def test_the_address_of_the_repository_stands_in_one_place(tmp_path: Path, given: str) -> None:
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(project, encoding="utf-8")
    assert tables.address(tmp_path) == ""  # none yet, and so no page names one
    unset = tables.where("")
    assert "no public address" in unset
    assert "http" not in unset
    (tmp_path / "pyproject.toml").write_text(
        f'{project}\n[project.urls]\nSource = "{given}"\n', "utf-8"
    )
    address = tables.address(tmp_path)
    shown = tables.where(address)
    assert f"git clone {address}.git" in shown
    assert f"pip install git+{address}.git" in shown
    assert ("badge" in shown) == ("github.com" in given)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert shown in tables.filled(readme, "address", shown)


def test_no_page_names_an_address_that_the_project_does_not_have() -> None:
    address = tables.address(ROOT)
    for path in [*ROOT.glob("*.md"), ROOT / "pyproject.toml", *NOTEBOOKS.glob("*.ipynb")]:
        named = re.findall(r"https://(?:github|gitlab)\.com/[\w/-]+", path.read_text("utf-8"))
        assert [found for found in named if not (address and found.startswith(address))] == []


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    text = '[project]\nname = "x"\n[project.urls]\nSource = "our server"\n'
    (tmp_path / "pyproject.toml").write_text(text)
    with pytest.raises(ValueError, match="Source = 'our server' .* is not the address"):
        tables.address(tmp_path)
