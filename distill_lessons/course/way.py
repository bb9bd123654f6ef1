"""Where a lesson stands in the course and what it contains: the lines under its heading.

Written into the notebooks by ``python -m distill_lessons.course.tables``, so that they are there
without a kernel, and on web pages. What is solved only a kernel knows: see `exercises.overview`.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

from distill_lessons.exercises import catalogue
from distill_lessons.exercises.catalogue import LESSONS
from distill_lessons.exercises.lesson import Lesson

BEGIN, END = "<!-- way: begin -->", "<!-- way: end -->"
_PLACE = re.compile(rf"\n\n{BEGIN}\n.*?\n{END}", re.DOTALL)
_HEADING = re.compile(r"^(##|###) (.+)$", re.MULTILINE)


def write(notebook: dict[str, Any], lesson: Lesson, links: str = "") -> None:
    """Put the lines under the heading of a lesson's notebook, in place of older ones.

    Args:
        notebook: as read from its file; its first cell begins with the heading.
        lesson: its entry in the catalogue.
        links: badges that open the lesson elsewhere.
    """
    first = notebook["cells"][0]
    heading, rest = (without("".join(first["source"])) + "\n").split("\n", 1)
    shown = filter(None, [strip(lesson), links, contents(notebook, lesson)])
    lines = "\n".join([BEGIN, "\n\n".join(shown), END])
    text = f"{heading}\n\n{lines}\n{rest}".rstrip("\n")
    first["source"] = text.splitlines(keepends=True)


def without(text: str) -> str:
    """Return the text of a cell without these lines, which are not the lesson's own words."""
    return _PLACE.sub("", text)


def strip(lesson: Lesson) -> str:
    """Return the course as one line, with links, and "you are here"."""
    others = list(LESSONS.values())
    at = others.index(lesson)
    parts = []
    if at > 0:
        parts.append(_link(others[at - 1], f"← {others[at - 1].number} {others[at - 1].title}"))
    parts.append(
        " · ".join(
            f"**{other.number}, you are here**" if other == lesson else _link(other, other.number)
            for other in others
        )
    )
    if at + 1 < len(others):
        parts.append(_link(others[at + 1], f"{others[at + 1].number} {others[at + 1].title} →"))
    return f"<small>{' &nbsp;|&nbsp; '.join(parts)}</small>"


def contents(notebook: dict[str, Any], lesson: Lesson) -> str:
    """Return a list of a notebook's sections and exercises that folds open."""
    minutes = {made.title: made.minutes for made in catalogue.of_lesson(lesson.number).values()}
    lines = []
    for cell in notebook["cells"]:
        if cell["cell_type"] != "markdown":
            continue
        for level, heading in _HEADING.findall("".join(cell["source"])):
            link = f"[{heading}](#{quote(_anchor(heading), safe='')})"
            exercise = heading.partition(" · ")[2] if heading.startswith("Exercise ") else ""
            if exercise in minutes:
                lines.append(f"    - {link}, {minutes[exercise]} minutes")
            elif level == "##":
                lines.append(f"- {link}")
    head = "<details><summary><small>Sections and exercises</small></summary>"
    # Without the empty paragraph the text that follows stands close under the summary.
    return "\n".join([head, "", *lines, "", "</details>", "", "<p></p>"])


def _link(lesson: Lesson, words: str) -> str:
    return f"[{words}]({lesson.notebook}.ipynb)"


def _anchor(heading: str) -> str:
    """Return the name that JupyterLab and web pages give a heading."""
    return re.sub(r"[*`]", "", heading).replace(" ", "-")
