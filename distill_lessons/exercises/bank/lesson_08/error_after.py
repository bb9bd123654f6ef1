"""What a question is worth."""

from __future__ import annotations

import numpy as np

from distill_lessons.exercises.dice import mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _questions(seed: int) -> list[Case]:
    rng = np.random.default_rng(mixed(seed))
    ages, sick = np.array([1.0, 2.0, 3.0, 4.0]), np.array([[1.0, 0.0]] * 2 + [[0.0, 1.0]] * 2)
    n, K = int(rng.integers(20, 40)), int(rng.integers(3, 6))
    column, targets = rng.integers(0, 9, n) / 8, rng.dirichlet(np.ones(K), n)
    return [
        Case("four inputs 1, 2, 3, 4 of classes 0, 0, 1, 1, threshold 1.5", (ages, sick, 1.5)),
        Case("the same, threshold 2", (ages, sick, 2.0)),
        Case(f"{n} soft targets of {K} classes, threshold 0.5", (column, targets, 0.5)),
        Case(f"{n} rows of logits, threshold 0.25", (column, 4 * rng.normal(size=(n, K)), 0.25)),
        Case("the same column, threshold 2, so that all answer yes", (column, targets, 2.0)),
    ]


exercise = Exercise(
    title="What a question is worth",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=8,
    points=2,
    hints=(
        "`column <= threshold` is a mask: `targets[mask]` are the targets of those that answer "
        "yes, `targets[~mask]` of the others.",
        "The best answer of a side is the mean of its targets, `side.mean(0)`, one number for each "
        "class. Sum the squares of what is left over, over rows and classes.",
        "A side without inputs has no mean. It makes no error either: `if len(side):`.",
    ),
    cases=_questions,
)

# ==== Judging =====================================================================================

from collections.abc import Callable
from typing import Any

from distill_lessons.exercises.parts import Judging, Mistake

Array = np.ndarray[Any, Any]


def _sides(column: Array, targets: Array, threshold: float) -> list[Array]:
    left = column <= threshold
    return [side for side in (targets[left], targets[~left]) if len(side)]


def _both(of_side: Callable[[Array], float]) -> Callable[[Array, Array, float], float]:
    """Return the sum over both sides of some error of one."""
    return lambda column, targets, threshold: float(
        sum(of_side(side) for side in _sides(column, targets, threshold))
    )


def _squares(side: Array) -> float:
    # Sum of squares minus n times the squared mean: another way than the solution's.
    return float((side**2).sum() - len(side) * (side.mean(0) ** 2).sum())


judging = Judging(
    reference=_both(_squares),
    mistakes=(
        Mistake(
            "means, not sums",
            _both(lambda side: _squares(side) / len(side)),
            "You add up the *mean* error of each side. Then a side of three inputs counts as much "
            "as one of three hundred.",
        ),
        Mistake(
            "mean of all squares",
            _both(lambda side: _squares(side) / side.size),
            "You average over rows and classes. The error of a side is a sum over both.",
        ),
        Mistake(
            "no question",
            lambda column, targets, threshold: _squares(targets),
            "This is the error before the question. Each side has a mean of its own.",
        ),
        Mistake(
            "one side only",
            lambda column, targets, threshold: _squares(targets[column <= threshold]),
            "This is the error of the side that answers yes. The other side errs as well.",
        ),
        Mistake(
            "below, not at",
            lambda column, targets, threshold: (
                _both(_squares)(-column, targets, -threshold)
                if (column < threshold).all()
                else sum(
                    _squares(side)
                    for side in (targets[column < threshold], targets[column >= threshold])
                    if len(side)
                )
            ),
            "An input that equals the threshold goes to the wrong side: it is *at most* the "
            "threshold, so its answer is yes.",
        ),
        Mistake(
            "one mean for all classes",
            _both(lambda side: float(((side - side.mean()) ** 2).sum())),
            "You take one mean of all numbers of a side. Each class has its own: `mean(0)`.",
        ),
        Mistake(
            "sizes, not squares",
            _both(lambda side: float(np.abs(side - side.mean(0)).sum())),
            "You sum what is left over without squaring it.",
        ),
    ),
)

# ==== Solution ====================================================================================

import torch


# Each side answers the mean of its targets, which makes its squared error as small as it can be.
def error_after(column, targets, threshold):
    yes = column <= threshold
    error = 0.0
    for side in (targets[yes], targets[~yes]):
        if len(side):
            error += ((side - side.mean(0)) ** 2).sum()
    return error


def in_torch(column: Any, targets: Any, threshold: float) -> Any:
    column, targets = torch.as_tensor(column), torch.as_tensor(targets)
    yes = (column <= threshold).double()[:, None]
    total = torch.zeros((), dtype=torch.float64)
    for weight in (yes, 1 - yes):
        mean = (weight * targets).sum(0) / weight.sum().clamp(min=1)
        total = total + (weight * (targets - mean) ** 2).sum()
    return total


def in_loops(column: Any, targets: Any, threshold: float) -> float:
    error = 0.0
    for answer in (True, False):
        side = [list(t) for c, t in zip(column, targets, strict=True) if (c <= threshold) == answer]
        for numbers in zip(*side, strict=True):
            mean = sum(numbers) / len(numbers)
            error += sum((number - mean) ** 2 for number in numbers)
    return error


other_ways = [in_torch, in_loops]
