"""A lesson that its instructor solved in place, in a way of her own, does not go out unnoticed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from labs import Cell, code, invoke, stored

from distill_lessons.course import instructors
from distill_lessons.exercises import catalogue, cells
from distill_lessons.grading import stubs, student

RIGHT = catalogue.exercise("02", "doubt").solved_by.answer
LETTER = catalogue.exercise("00", "does_it_hold").solved_by.answer
NUMBER = catalogue.exercise("02", "odds_at_four").solved_by.answer
STUB = json.loads(stubs.RECORD.read_text("utf-8"))


def text(source: str) -> Cell:
    return {"cell_type": "markdown", "metadata": {}, "source": source, "id": "new"}


def answer(name: str, source: str) -> Callable[[Cell], None]:
    return lambda notebook: cells.fill(notebook, {name: source})


def beside(name: str, cell: Cell) -> Callable[[Cell], None]:
    """Put a cell between the answer cell and the check cell of an exercise."""

    def insert(notebook: Cell) -> None:
        own = cells.answer_cells(notebook)[name]
        notebook["cells"].insert(notebook["cells"].index(own) + 1, cell)

    return insert


def pasted(name: str, source: str) -> Callable[[Cell], None]:
    own = code(source) | {"metadata": cells.marks(name)}
    return lambda notebook: notebook["cells"].insert(0, own)


OWN = "def temperature_softmax(z, T):\n    return torch.softmax(z/T,1)"
FIXED = STUB["02.targets_from_file"].replace("z.softmax(1)  ", "z  ")
LEAKS = {
    "own code": answer("temperature_softmax", OWN),
    "code in a comment": answer(
        "temperature_softmax", STUB["02.temperature_softmax"] + "\n    # torch.softmax(z/T,1)"
    ),
    "a bug that is fixed": answer("targets_from_file", FIXED),
    "a value put together": answer("doubt", f"doubt = '{RIGHT[0]}'+'{RIGHT[1]}'"),
    "a choice in a comment": answer("doubt", f"{STUB['02.doubt']}  # {RIGHT}"),
    "an emptied cell": answer("doubt", ""),
    "a cell pasted twice": pasted("doubt", f"doubt = '{RIGHT[0]}'+'{RIGHT[1]}'"),
    "a value in another cell": beside("doubt", code(f"doubt = '{RIGHT[0]}'+'{RIGHT[1]}'")),
    "code in another cell": beside("temperature_softmax", code(f"%time x = 1\n{OWN}")),
    "code in a text": beside("temperature_softmax", text(f"```python\n{OWN}\n```")),
    "a text": beside("doubt", text(f"Solution: letter {RIGHT}")),
    "another text": beside("doubt", text(f"**The right answer is ({RIGHT}).** See above.")),
    "a third text": beside("doubt", text(f"I think `{RIGHT}` is the answer.")),
    "a text in German": beside("doubt", text(f"Lösung: {RIGHT}")),
    "a number in a text": beside("odds_at_four", text(f"The answer is {NUMBER}.")),
}


@pytest.mark.parametrize("leak", LEAKS)
def test_what_is_no_stub_is_found(leak: str) -> None:
    notebook = student.blank(stored("02"))
    LEAKS[leak](notebook)
    (line,) = stubs.differences(notebook)
    assert "02." in line


@pytest.mark.parametrize(
    ("said", "leaks"),
    [
        (f"Solution: letter {LETTER}", True),
        (f"The answer is {LETTER}: see above", True),
        (f"correct: **({LETTER})**", True),
        (f"The answer is {LETTER} little longer", False),
        ("Which answer is correct: a, b or c?", False),
        ("The solution comes next week.", False),
    ],
)
def test_a_letter_is_told_from_an_article(said: str, leaks: bool) -> None:
    notebook = student.blank(stored("00"))
    beside("does_it_hold", text(said))(notebook)
    assert bool(stubs.differences(notebook)) == leaks


@pytest.mark.parametrize("lesson", catalogue.LESSONS)
def test_a_lesson_as_it_is_stored_gives_nothing_away(lesson: str) -> None:
    notebook = student.blank(stored(lesson))
    assert stubs.differences(notebook) == []
    assert len(cells.answer_cells(notebook)) == len(catalogue.of_lesson(lesson))


@pytest.mark.parametrize("options", [[], ["--nbgrader"]])
def test_release_says_so_and_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str]
) -> None:
    notebook = student.blank(stored("02"))
    LEAKS["own code"](notebook)
    LEAKS["a text"](notebook)
    lesson = tmp_path / stored("02").name
    student.write_notebook(notebook, lesson)
    monkeypatch.setattr(instructors.lessons, "find", lambda names, folder: [lesson])
    done = invoke("release", tmp_path / "out", "02", *options)
    assert done.exit_code == 1
    first, second, _ = done.stdout.splitlines()
    assert first.startswith("LEAK ")
    assert first.endswith(
        "the answer cell of 02.temperature_softmax is not the course's stub: "
        "`return torch.softmax(z/T,1)`"
    )
    assert second.endswith("a text tells the answer to 02.doubt")
