"""An exercise's file in its three sections, so that no more of it is handed out than may be.

The file begins with what is *asked*. Below a line ``# ==== Judging ====`` stands what judges an
answer: the reference and the mistakes known by name. Below ``# ==== Solution ====`` stands what
stays with the instructor. Each section imports what it needs, so the file works without those
below. Knows text only, and imports no exercise.
"""

from __future__ import annotations

import ast
import re
from typing import Literal

Section = Literal["asked", "judging", "solution"]
SECTIONS: tuple[Section, ...] = ("asked", "judging", "solution")
_MARK = re.compile(r"^# ==== (Judging|Solution) =+\n", re.MULTILINE)


def upto(text: str, last: Section) -> str:
    """Return a file of an exercise up to the end of one of its sections.

    Args:
        text: the file.
        last: the last section to keep.
    """
    for mark in _MARK.finditer(text):
        if SECTIONS.index(mark[1].lower()) > SECTIONS.index(last):  # type: ignore[arg-type]
            return text[: mark.start()].rstrip() + "\n"
    return text


def solution(text: str, name: str) -> str:
    """Return the solution as a notebook's cell, with the comment above it that says why.

    Args:
        text: the file of an exercise, with all its sections.
        name: the exercise, and so the function or value that solves it.

    Raises:
        ValueError: if nothing of that name stands in the file's last section.
    """
    lines, first = text.splitlines(), upto(text, "judging").count("\n")
    for node in ast.parse(text).body:
        names = [t.id for t in getattr(node, "targets", []) if isinstance(t, ast.Name)]
        if node.lineno > first and name in [*names, getattr(node, "name", None)]:
            start = node.lineno - 1
            while lines[start - 1].startswith("#"):
                start -= 1
            return "\n".join(lines[start : node.end_lineno])
    raise ValueError(f"{name!r} has no solution below the line '# ==== Solution ===='.")
