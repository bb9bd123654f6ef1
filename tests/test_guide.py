"""INSTRUCTORS.md names sections, exercises, options and defaults that exist."""

from __future__ import annotations

import re

import typer
from labs import ROOT, stored

from distill_lessons.course import cli
from distill_lessons.exercises import catalogue
from distill_lessons.grading import student


def test_the_guide_names_sections_and_exercises_that_exist() -> None:
    guide = (ROOT / "INSTRUCTORS.md").read_text(encoding="utf-8")
    minutes = {n: m.minutes for x in catalogue.LESSONS for n, m in catalogue.of_lesson(x).items()}
    plan = guide.split("## Timetables")[1].split("## Common mistakes")[0]
    named = re.findall(r"`([a-z]\w*)` \((\d+)\)", plan)
    assert len(named) > 40
    assert {name: int(m) for name, m in named} == {name: minutes[name] for name, _ in named}
    mistakes = guide.split("## Common mistakes")[1].split("## Before the first")[0]
    assert set(re.findall(r"`([a-z]\w*)`", mistakes)) <= minutes.keys()
    headings = set()
    for lesson in catalogue.LESSONS:
        for cell in student.blank(stored(lesson))["cells"]:
            if cell["cell_type"] == "markdown":
                headings |= set(re.findall(r"^## (.+)$", "".join(cell["source"]), re.MULTILINE))
    sections = set(re.findall(r"\*([^*]+)\* \(\d+\)", plan))
    assert len(sections) > 30
    assert sections <= headings, sections - headings


def test_the_guide_gives_the_options_and_defaults_of_grade() -> None:
    guide = (ROOT / "INSTRUCTORS.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(--[a-z-]+)(?: [A-Z]+)?` \| .* \| (.+) \|$", guide, re.MULTILINE)
    command = typer.main.get_command(cli.app).commands["grade"]  # type: ignore[attr-defined]
    options = {p.opts[0]: p.default for p in command.params if p.opts[0].startswith("--")}
    assert {name for name, _ in rows} == options.keys()
    for name, default in rows:
        if options[name] not in (None, False):
            assert default.strip("`") == str(options[name])
