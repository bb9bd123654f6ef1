"""Answers to exercises: correct, not yet, or not attempted. Never an exception while learning."""

from __future__ import annotations

from typing import Any

import numpy as np


def check(answer: Any, expected: Any, *, tolerance: float = 1e-3) -> None:
    """Print whether an answer is right, and if not, what differs.

    Args:
        answer: the learner's number, array or word; None or ``...`` counts as not attempted.
        expected: the right one.
        tolerance: relative, with a floor for numbers near zero.
    """
    if answer is None or answer is Ellipsis:
        print("Not attempted yet.")
        return
    if isinstance(expected, str):
        given = str(answer).strip().lower()
        print("Correct." if given == expected.lower() else f"Not yet: {answer!r} is not it.")
        return
    try:
        given = np.asarray(answer.detach() if hasattr(answer, "detach") else answer, dtype=float)
        wanted = np.asarray(
            expected.detach() if hasattr(expected, "detach") else expected, dtype=float
        )
    except (TypeError, ValueError):
        print(f"Not yet: a number is due, this is {type(answer).__name__}.")
        return
    if given.shape != wanted.shape:
        print(f"Not yet: shape {given.shape}, expected {wanted.shape}.")
        return
    close = np.isclose(given, wanted, rtol=tolerance, atol=tolerance * 1e-2)
    if close.all():
        print("Correct.")
        return
    worst = np.unravel_index(np.argmax(np.abs(given - wanted)), wanted.shape)
    where = f" at {[int(i) for i in worst]}" if wanted.ndim else ""
    print(f"Not yet{where}: got {given[worst]:.4g}, expected {wanted[worst]:.4g}.")
