"""The solutions: one module a lesson, written as a learner would write the notebook's cells.

A function or a value stands there under the name of its exercise; the comment above it says why.
`MISTAKES` lists the wrong values that are often given. A student build leaves the lessons' modules
out, and everything here then answers None.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from types import ModuleType
from typing import Any


def module(lesson: str) -> ModuleType | None:
    """Return the solutions of a lesson; None in a student build."""
    name = f"{__name__}.lesson_{lesson}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        return None


def value(lesson: str, name: str) -> Any:
    """Return the solution of an exercise as an object; None in a student build."""
    return getattr(module(lesson), name, None)


def mistakes(lesson: str, name: str) -> tuple[Any, ...]:
    """Return the wrong values that are known for an exercise, each an `exercise.Mistake`."""
    known = getattr(module(lesson), "MISTAKES", {})
    return tuple(known.get(name, ()))


def source(lesson: str, name: str, *, comment: bool = True) -> str | None:
    """Return the solution of an exercise as the text of a notebook's cell; None where it is not.

    Args:
        lesson: two digits.
        name: the exercise.
        comment: with the comment above it, which says why.
    """
    solutions = module(lesson)
    if solutions is None:
        return None
    text = inspect.getsource(solutions)
    for node in ast.parse(text).body:
        names = [t.id for t in getattr(node, "targets", []) if isinstance(t, ast.Name)]
        if name in [*names, getattr(node, "name", None)]:
            lines = text.splitlines()
            first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", []))]) - 1
            end = node.end_lineno
            while comment and first > 0 and lines[first - 1].startswith("#"):
                first -= 1
            return "\n".join(lines[first:end])
    return None
