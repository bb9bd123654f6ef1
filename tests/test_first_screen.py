"""What a reader meets first in a lesson, and what the lesson is made of, counted.

A test prints the counts of every lesson; the limits hold for the lessons that follow them already.
Not counted as words are what folds open and the lines that show the way through the course.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from nbformat import v4

from distill_lessons.claims import MIME
from distill_lessons.course import way
from distill_lessons.exercises.catalogue import LESSONS

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
CONVERTED = list(LESSONS)

MOST_TO_THE_FIRST_OUTPUT, MOST_TO_THE_FIRST_PICTURE = 120, 150
CALLOUTS = ("predict", "finding", "check", "limits")


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def words(text: str) -> int:
    """Count the words that a reader sees of a Markdown cell or an output."""
    text = re.sub(r"<details.*?</details>", "", way.without(text), flags=re.DOTALL)
    text = re.sub(r"<[^>]*>|\]\([^)]*\)", " ", text)
    return len(re.findall(r"[^\W_]+(?:['’.-][^\W_]+)*", text))


def texts(cell: dict[str, Any]) -> str:
    """Return what a cell's stored outputs say, figures by their captions."""
    said = ["".join(o.get("text", o.get("data", {}).get("text/plain", ""))) for o in outputs(cell)]
    return "\n".join(said)


def outputs(cell: dict[str, Any]) -> list[dict[str, Any]]:
    return cell.get("outputs", []) if cell["cell_type"] == "code" else []


def has_picture(cell: dict[str, Any]) -> bool:
    return any("<figure" in "".join(o.get("data", {}).get("text/html", "")) for o in outputs(cell))


def words_to(notebook: dict[str, Any], end: Any, *, through: bool) -> int | None:
    """Count the words up to the first cell for which `end` is true; None if there is none."""
    count = 0
    for cell in notebook["cells"]:
        if end(cell):
            return count + (words(texts(cell)) if through else 0)
        count += words(source(cell) if cell["cell_type"] == "markdown" else texts(cell))
    return None


def measured(notebook: dict[str, Any]) -> dict[str, Any]:
    cells = notebook["cells"]
    exercises = [i for i, c in enumerate(cells) if re.search(r"^### Exercise \d", source(c), re.M)]
    practice = [i for i, c in enumerate(cells) if re.search(r"^## Exercises$", source(c), re.M)]
    code = [source(c) for c in cells if c["cell_type"] == "code"]
    prose = sum(words(source(c)) for c in cells if c["cell_type"] == "markdown")
    claims = [
        made for c in cells for o in outputs(c) for made in o.get("data", {}).get(MIME, [])
    ]  # fmt: skip
    callouts = dict.fromkeys(CALLOUTS, 0)
    for cell in cells:
        callouts["predict"] += source(cell).startswith("predict(")
        callouts["limits"] += source(cell).count("> **Limits.**") if "> " in source(cell) else 0
        for output in outputs(cell):
            markup = "".join(output.get("data", {}).get("text/html", ""))
            callouts["finding"] += markup.count(" Finding")
            callouts["check"] += markup.count(" Check")
    return {
        "words to the first picture": words_to(notebook, has_picture, through=False),
        "words to the end of the first output": words_to(notebook, outputs, through=True),
        "exercises in the flow": sum(at < (practice or [len(cells)])[0] for at in exercises),
        "exercises": len(exercises),
        "cells": len(cells),
        "words a line of code": round(prose / sum(len(c.splitlines()) for c in code), 1),
        "claims": len(claims),
        **callouts,
    }


def stored(lesson: str) -> dict[str, Any]:
    path = NOTEBOOKS / f"{LESSONS[lesson].notebook}.ipynb"
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_counts_of_every_lesson(lesson: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = measured(stored(lesson))
    with capsys.disabled():
        print(f"\n{lesson}: " + ", ".join(f"{name} {count}" for name, count in found.items()))
    assert found["exercises"] == len(LESSONS[lesson].exercises)


@pytest.mark.parametrize("lesson", CONVERTED)
def test_a_lesson_begins_with_a_picture_and_asks_in_its_flow(lesson: str) -> None:
    found = measured(stored(lesson))
    assert found["words to the end of the first output"] <= MOST_TO_THE_FIRST_OUTPUT
    assert found["words to the first picture"] <= MOST_TO_THE_FIRST_PICTURE
    assert found["exercises in the flow"] >= found["exercises"] / 2
    assert found["predict"] >= 1
    assert found["limits"] >= 1


# --- the counts can fail -------------------------------------------------------------------------


def figure() -> Any:
    return v4.new_output("display_data", {"text/html": "<figure></figure>", "text/plain": "a b c"})


def test_words_are_counted_as_a_reader_sees_them() -> None:
    assert words("# Two *words*") == 2
    assert words("[a link](somewhere.ipynb) and <b>bold</b>") == 4
    assert words("<details><summary>Folded</summary>\n\nnot these\n\n</details> but this") == 2
    assert words(f"# Title\n\n{way.BEGIN}\n00 · 01 · you are here\n{way.END}\n\nText.") == 2
    assert words("a teacher's `T**3` is 0.25 (N, K)") == 8


def test_a_late_picture_and_exercises_at_the_end_are_seen() -> None:
    cells = [
        v4.new_markdown_cell("one two three"),
        v4.new_code_cell("x = 1"),
        v4.new_markdown_cell("four"),
        v4.new_code_cell("draw()\nmore()", outputs=[figure()]),
        v4.new_markdown_cell("### Exercise 1 · First"),
        v4.new_markdown_cell("## Exercises"),
        v4.new_markdown_cell("### Exercise 2 · Second\n\n> **Limits.** None."),
    ]
    found = measured(json.loads(json.dumps(v4.new_notebook(cells=cells))))
    assert found["words to the first picture"] == 4
    assert found["words to the end of the first output"] == 7
    assert (found["exercises in the flow"], found["exercises"]) == (1, 2)
    assert found["limits"] == 1
    nothing = measured(json.loads(json.dumps(v4.new_notebook(cells=cells[:2]))))
    assert nothing["words to the first picture"] is None
