"""What a notebook has beside the course's own blank answer cells, where it may give an answer away.

An instructor who solves a lesson in place writes it in a way of her own, which no search for the
course's solutions finds. So every answer cell is compared with its stub; what stands around it is
searched for the value of a choice, and for code that does what the answer cell should do.
"""

from __future__ import annotations

import ast
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path

from distill_lessons.exercises import catalogue
from distill_lessons.exercises.cells import Cell, Notebook, answer_cells, check_cells

# Written by `python -m distill_lessons.course.tables` from the lessons.
RECORD = Path(__file__).with_name("stubs.json")
_SAYS = r"(?:solutions?|answers?|correct|right|lösung|antwort|réponse|respuesta|答案|正确)"


def record(folder: Path) -> str:
    """Return the stubs of all lessons as JSON, by exercise, to be kept in `RECORD`.

    Args:
        folder: the lessons' notebooks.
    """
    found: dict[str, str] = {}
    for lesson in catalogue.LESSONS.values():
        notebook = json.loads((folder / f"{lesson.notebook}.ipynb").read_bytes())
        cells = answer_cells(notebook)
        found |= {f"{lesson.number}.{name}": _source(cells[name]) for name in lesson.exercises}
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def differences(notebook: Notebook) -> list[str]:
    """Return a line for everything that looks like an answer; none if all is left blank.

    Args:
        notebook: one of a lesson, as read from its file.
    """
    found = []
    asked = _asked(notebook)
    for cell in notebook["cells"]:
        source, own = _source(cell), _answers(cell)
        if own in asked:
            added = _added(source, _stubs().get(asked[own], ""))
            if added is not None:
                found.append(f"the answer cell of {asked[own]} is not the course's stub: {added}")
        elif cell["cell_type"] == "code":
            given = asked.keys() & _given(source)
            found += [f"a cell of its own gives an answer to {asked[name]}" for name in given]
        else:
            coded = [name for name in asked if re.search(rf"\bdef {re.escape(name)}\(", source)]
            found += [f"a text has code for {asked[name]}" for name in coded]
    for name, about in _regions(notebook).items():
        texts = [_source(cell) for cell in about if cell["cell_type"] == "markdown"]
        if name in asked and any(_tells(text, asked[name]) for text in texts):
            found.append(f"a text tells the answer to {asked[name]}")
    return found


def _asked(notebook: Notebook) -> dict[str, str]:
    """Return the keys of the exercises that a notebook has, by their names."""
    keys = {name: f"{n}.{name}" for n, one in catalogue.LESSONS.items() for name in one.exercises}
    return {name: keys[name] for name in answer_cells(notebook) if name in keys}


def _answers(cell: Cell) -> str:
    """Return the name of the exercise whose answer cell this is; "" if it is none."""
    return next(iter(answer_cells({"cells": [cell]})), "")


def _regions(notebook: Notebook) -> dict[str, list[Cell]]:
    """Return for each exercise the cells that may speak of it: from the one before to the next."""
    cells = notebook["cells"]
    answers, checks = answer_cells(notebook), check_cells(notebook)
    at = {id(cell): i for i, cell in enumerate(cells)}
    names = sorted(answers, key=lambda name: at[id(answers[name])])
    found = {}
    for i, name in enumerate(names):
        before = checks.get(names[i - 1]) if i else None
        start = at[id(before)] + 1 if before else 0
        end = at[id(answers[names[i + 1]])] if i + 1 < len(names) else len(cells)
        found[name] = cells[start:end]
    return found


def _added(source: str, stub: str) -> str | None:
    """Return the first line in which a cell differs from its stub; None if it does not."""
    ours, theirs = ([line.rstrip() for line in t.strip().splitlines()] for t in (stub, source))
    if ours == theirs:
        return None
    new = (line.strip() for line in theirs if line.strip() and line not in ours)
    return f"`{next(new, 'a line is missing')}`"


def _given(source: str) -> Iterator[str]:
    """Yield the names that a cell defines, at whatever depth."""
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    try:
        tree = ast.parse("\n".join(lines))
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def _tells(text: str, key: str) -> bool:
    """Return whether a text says which choice or number is right."""
    solved = catalogue.exercise(*key.split(".")).solved_by
    if solved is None or callable(solved.answer):
        return False
    right = re.escape(str(solved.answer))
    # A single letter may be an article, and a question tells nothing.
    ends = r"(?!\w)(?!\.\d)(?![^.\n]*\?)" + (r"(?![ \t]+\w)" if len(right) == 1 else "")
    said = rf"\b{_SAYS}\b\W*(?:\w+\W+){{0,3}}?(?<!\w){right}{ends}"
    turned = rf"(?<!\w){right}\W{{1,3}}is\W+(?:the\W+)?{_SAYS}\b"
    return any(re.search(pattern, text, re.IGNORECASE) for pattern in (said, turned))


@functools.cache
def _stubs() -> dict[str, str]:
    """Return the recorded stubs by key."""
    read: dict[str, str] = json.loads(RECORD.read_text(encoding="utf-8"))
    return read


def _source(cell: Cell) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)
