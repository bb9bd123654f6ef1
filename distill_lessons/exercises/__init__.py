"""Answers to exercises: correct, not yet, or not attempted. Never an exception while learning."""

from __future__ import annotations

from typing import Any

import numpy as np


def check(answer: Any, expected: Any, *, tolerance: float = 1e-3) -> None:
    """Print whether an answer is right, and if not, what differs.

    Args:
        answer: the learner's number, array, tensor or word; None or ``...`` counts as not
            attempted.
        expected: the right one.
        tolerance: relative, with a floor for numbers near zero.

    >>> check(None, 0.5)
    Not attempted yet.
    >>> check([0.25, 0.5], [0.25, 0.75])
    Not yet at [1]: got 0.5, expected 0.75.
    """
    if answer is None or answer is Ellipsis:
        print("Not attempted yet.")
    elif isinstance(expected, str):
        right = str(answer).strip().lower() == expected.lower()
        print("Correct." if right else f"Not yet: {answer!r} is not it.")
    else:
        print(_compare_numbers(answer, _numbers(expected), tolerance))


def _compare_numbers(answer: Any, wanted: np.ndarray, tolerance: float) -> str:
    try:
        given = _numbers(answer)
    except (TypeError, ValueError, RuntimeError):
        return f"Not yet: a number is due, this is {type(answer).__name__}."
    if given.shape != wanted.shape:
        return f"Not yet: shape {given.shape}, expected {wanted.shape}."
    # NaN is far from everything; it must not pass for close.
    gap = np.where(np.isnan(given), np.inf, np.abs(given - wanted))
    if (gap <= tolerance * (np.abs(wanted) + 1e-2)).all():
        return "Correct."
    worst = np.unravel_index(int(np.argmax(gap)), wanted.shape)
    where = f" at {[int(i) for i in worst]}" if wanted.ndim else ""
    return f"Not yet{where}: got {given[worst]:.4g}, expected {wanted[worst]:.4g}."


def _numbers(value: Any) -> np.ndarray:
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value, dtype=float)
