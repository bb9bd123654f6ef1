"""A value that a learner wrote, read as a choice or as a number, however it is spelled."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from distill_lessons.exercises.compare import plain

MOST_SHOWN = 60  # characters of a value that is said back


def choice(name: str, answer: Any, options: Sequence[str]) -> str:
    """Return the option that is meant: "(B)(2)", "b, 2", ["b", 2] and "2b" are all "b2".

    Args:
        name: of the exercise.
        answer: what the learner set it to.
        options: letters, perhaps with a number behind each.

    Raises:
        ValueError: if none is meant.

    >>> choice("doubt", "(b) (2)", ["a1", "b2"])
    'b2'
    """
    try:
        found = plain(answer)
    except (TypeError, ValueError, RecursionError):
        found = None
    parts = found if isinstance(found, list) else [found]
    text = "".join(str(part) for part in parts if type(part) in (str, int))
    kept = sorted(filter(str.isalnum, text.casefold()), key=str.isdigit)  # letters first
    if (meant := "".join(kept)) in options:
        return meant
    listed = ", ".join(f'"{option}"' for option in options)
    raise ValueError(f"Answer with one of {listed}; {name} is {shown(answer)}.")


def number(name: str, answer: Any) -> float:
    """Return the number that is meant: 10, "10", [10], "2/3" and a tensor of one number.

    Args:
        name: of the exercise.
        answer: what the learner set it to.

    Raises:
        ValueError: if none is meant.

    >>> number("ann_gets", "2/3") == number("ann_gets", [2 / 3])
    True
    """
    try:
        found = plain(answer)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{name} holds no answer: {error}.") from None
    while isinstance(found, list) and len(found) == 1:
        found = found[0]
    if isinstance(found, str):
        found = _read(found)
    if type(found) not in (int, float) or math.isnan(found):
        raise ValueError(f"The answer is a number, and {name} is {shown(answer)}.")
    return float(found)


def shown(value: Any) -> str:
    """Return a value as Python writes it, shortened, whatever it is."""
    try:
        text = repr(value)
    except Exception:  # a learner's own class, or an integer of thousands of digits
        text = f"a {type(value).__name__}"
    return text if len(text) <= MOST_SHOWN else text[: MOST_SHOWN - 1] + "…"


def _read(text: str) -> float | None:
    """Return a number or a fraction that somebody wrote as text; None if it is neither."""
    above, _, below = text.replace("−", "-").partition("/")
    try:
        return float(above) / float(below or 1)
    except (ValueError, ZeroDivisionError):
        return None
