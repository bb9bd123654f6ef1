"""What several pages repeat, generated from one place: the lessons, and the course's address.

Run ``python -m distill_lessons.course.tables`` in a checkout after a change to the catalogue, to an
exercise's header or answer cell, to the length of a lesson, or to the address of the repository:
the line `Source` of ``[project.urls]`` in ``pyproject.toml``, which is left out until there is one.
A page marks the place with ``<!-- NAME: begin -->`` and ``<!-- NAME: end -->``; a notebook's table
has a text cell of its own. The blank answer cells go into a file that `release` compares with.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

from distill_lessons import files
from distill_lessons.course import hosted, lessons, way
from distill_lessons.exercises import catalogue
from distill_lessons.exercises.catalogue import LESSONS
from distill_lessons.exercises.lesson import Lesson
from distill_lessons.grading import stubs

# How fast a learner reads, and how long a code cell and its result take to look at.
WORDS_A_MINUTE, MINUTES_A_CELL = 180, 0.5


def pages(notebooks: Path) -> dict[Path, str]:
    """Return what each page with such a table should contain, by its path.

    Args:
        notebooks: the folder of the lessons in a checkout.

    Raises:
        ValueError: if a page has no place for a table.
    """
    root, start = notebooks.parent, notebooks / lessons.START
    repository = address(root)
    readme, guide = root / "README.md", root / "INSTRUCTORS.md"
    guided = filled(guide.read_text(encoding="utf-8"), "goals", goals())
    front = filled(readme.read_text(encoding="utf-8"), "address", where(repository))
    written = {
        readme: filled(front, "lessons", questions(f"{notebooks.name}/")),
        guide: filled(guided, "minutes", minutes(notebooks)),
        stubs.RECORD: stubs.record(notebooks),
    }
    for lesson in LESSONS.values():
        path = notebooks / f"{lesson.notebook}.ipynb"
        notebook = json.loads(path.read_bytes())
        for cell in notebook["cells"] if path == start else []:
            if "<!-- lessons: begin -->" in "".join(cell["source"]):
                text = filled("".join(cell["source"]), "lessons", questions("", here=path.name))
                cell["source"] = text.splitlines(keepends=True)
        hosted.write(notebook, lesson.number, repository)
        way.write(notebook, lesson, hosted.links(repository, f"{notebooks.name}/{path.name}"))
        written[path] = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    return written


def address(root: Path) -> str:
    """Return the address of the repository as ``pyproject.toml`` has it; "" until it has one.

    Raises:
        ValueError: if it is not an https address.
    """
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    url = str(project.get("urls", {}).get("Source", "")).removesuffix("/").removesuffix(".git")
    if url and not re.fullmatch(r"https://[\w.-]+(/[\w.~-]+)+", url):
        raise ValueError(
            f"Source = {url!r} in [project.urls] of pyproject.toml is not the address of "
            "a repository; write one such as https://example.org/group/name, or leave it out."
        )
    return url


def where(repository: str) -> str:
    """Return how to get the course: from its public address, or from a checkout.

    Args:
        repository: from `address`.
    """
    if not repository:
        return (
            "The course has no public address yet: you have its checkout, or a wheel built "
            "from one."
        )
    host, path = repository.removeprefix("https://").split("/", 1)
    lines = []
    if badges := hosted.links(repository, f"notebooks/{lessons.START}"):
        state = f"{repository}/actions/workflows/test.yml"
        lines += [f"[![tests]({state}/badge.svg)]({state})", badges, ""]
    return "\n".join(
        [
            *lines,
            f"The repository is [{host}/{path}]({repository}).",
            "",
            "```bash",
            f"git clone {repository}.git                    # a checkout",
            f"python -m pip install git+{repository}.git    # or the package with its lessons",
            "```",
        ]
    )


def filled(text: str, name: str, table: str) -> str:
    """Return a page with a table filled in.

    Raises:
        ValueError: if the page has no place for it, or several.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"\n<!-- {name}: end -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise ValueError(f"The page needs one place for a table: {begin.strip()} {end.strip()}")
    before, rest = text.split(begin)
    return before + begin + table + end + rest.split(end)[1]


def questions(folder: str, here: str = "") -> str:
    """Return a table of the lessons with the question of each.

    Args:
        folder: goes before a notebook's name in a link.
        here: the notebook that contains the table.
    """
    rows = []
    for lesson in LESSONS.values():
        file = f"{lesson.notebook}.ipynb"
        name = "you are here" if file == here else f"[{lesson.title}]({folder}{file})"
        rows.append([lesson.number, name + ("" if lesson.core else ", elective"), lesson.question])
    return _table(["#", "lesson", "question"], rows)


def goals() -> str:
    """Return a table of what each lesson teaches."""
    return _table(
        ["lesson", "learning goal"], [[lesson.number, lesson.goal] for lesson in LESSONS.values()]
    )


def minutes(notebooks: Path) -> str:
    """Return a table of the time that each lesson takes, and of all core lessons together.

    Args:
        notebooks: the folder of the lessons, for the length of their text.
    """
    rows, reading, solving, asked, working = [], 0, 0, 0, 0
    for lesson in LESSONS.values():
        read, (solve, count) = to_read(notebooks, lesson), to_solve(lesson)
        machine, slowest = lesson.seconds or (0, 0)
        measured = [f"{machine} s", f"{slowest} s"] if machine else ["not measured", ""]
        rows.append([lesson.number, f"{read} min", f"{solve} min, {count}", *measured])
        if lesson.core:
            reading, solving = reading + read, solving + solve
            asked, working = asked + count, working + machine
    rows.append(["the core", f"{reading} min", f"{solving} min, {asked}", f"{working} s", ""])
    table = _table(["lesson", "reading", "exercises", "machine", "slowest cell"], rows)
    hours = round((reading + solving) / 60)
    return f"{table}\n\nThe core is therefore about {hours} hours of one learner's time."


def to_read(notebooks: Path, lesson: Lesson) -> int:
    """Return the estimated minutes of reading a lesson, to the nearest five."""
    cells = json.loads((notebooks / f"{lesson.notebook}.ipynb").read_bytes())["cells"]
    text = [way.without(_source(cell)) for cell in cells if cell["cell_type"] == "markdown"]
    code = [cell for cell in cells if cell["cell_type"] == "code" and _source(cell).strip()]
    words = sum(len(re.sub(r"<[^>]*>", "", cell).split()) for cell in text)
    return 5 * max(1, round((words / WORDS_A_MINUTE + len(code) * MINUTES_A_CELL) / 5))


def to_solve(lesson: Lesson) -> tuple[int, int]:
    """Return how many minutes a lesson's exercises take, and how many there are."""
    exercises = catalogue.of_lesson(lesson.number).values()
    return sum(exercise.minutes for exercise in exercises), len(exercises)


def main() -> None:
    """Write the pages that are out of date, and name them."""
    folder, checkout = lessons.bundled()
    if not checkout:
        raise SystemExit("The tables are written in a checkout; this is an installed package.")
    for path, content in pages(folder).items():
        if not path.exists() or path.read_text(encoding="utf-8") != content:
            files.write(path, content)
            print(f"{path.name}: written")


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |".replace("|  |", "| |") for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])


def _source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


if __name__ == "__main__":
    main()
