"""What a missing interval hides."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _pairs(seed: int) -> list[Case]:
    by_hand = [[1, 1, 1, 0, 0, 0, 0, 0], [0, 1, 0, 0, 1, 0, 0, 0]]
    cases = [
        Case(
            "eight images: a misreads 0, 1 and 2, b misreads 1 and 4",
            tuple(torch.tensor(row, dtype=torch.bool) for row in by_hand),
        )
    ]
    for n, hard, own_a, own_b in ((300, 0.05, 0.06, 0.02), (120, 0.2, 0.05, 0.1)):
        rng = dice(seed, n)
        difficult = torch.rand(n, generator=rng) < hard
        # At least one that both misread and one of each alone, so that no two mistakes agree.
        both = [difficult | (torch.rand(n, generator=rng) < own) for own in (own_a, own_b)]
        for place, (a, b) in enumerate(((True, True), (True, False), (False, True))):
            both[0][place], both[1][place] = a, b
        counts = [int(wrong.sum()) for wrong in both]
        words = f"{n} images, {counts[0]} misread by a and {counts[1]} by b"
        cases.append(Case(words, tuple(both)))
    return cases


exercise = Exercise(
    title="What a missing interval hides",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "Images that both nets misread, or both read, leave the gap as it is. Which are left?",
        "Both are tensors of booleans. `~` turns misread into read and back, and `&` marks the "
        "images for which both sides are True.",
        "`.sum().item()` counts the marks, as a number of Python's.",
    ),
    cases=_pairs,
)

# ==== Judging =====================================================================================

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _interval(
    count: Callable[[np.ndarray, np.ndarray], tuple[float, float]],
    variance: Callable[[float, float, int], float] = lambda a, b, n: a + b - (a - b) ** 2 / n,
) -> Callable[[Tensor, Tensor], list[float]]:
    def answer(wrong_a: Tensor, wrong_b: Tensor) -> list[float]:
        a, b = count(wrong_a.numpy().astype(bool), wrong_b.numpy().astype(bool))
        gap, half = a - b, 1.96 * max(variance(a, b, len(wrong_a)), 0.0) ** 0.5
        return [float(gap), float(gap - half), float(gap + half)]

    return answer


def _alone(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    return float(np.count_nonzero(a > b)), float(np.count_nonzero(b > a))


def _shares(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    only_a, only_b = _alone(a, b)
    return only_a / len(a), only_b / len(b)


def _all(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    return float(a.sum()), float(b.sum())


judging = Judging(
    reference=_interval(_alone),
    mistakes=(
        Mistake(
            "all errors of each",
            _interval(_all),
            "You count all errors of each net. The gap is the same, but images that both misread "
            "say nothing about it, and here they widen the interval. Count those of one net alone.",
        ),
        Mistake(
            "b minus a",
            _interval(lambda a, b: _alone(b, a)),
            "The two counts are exchanged: `only_a` are images that a misreads and b reads.",
        ),
        Mistake(
            "read alone",
            _interval(lambda a, b: _all(~a, ~b)),
            "You count images that are read. `wrong_a` is True where a *misreads* an image.",
        ),
        Mistake(
            "both and either",
            _interval(lambda a, b: (float((a | b).sum()), float((a & b).sum()))),
            "`|` marks what at least one misreads, and `&` what both do. Alone is `a & ~b`.",
        ),
        Mistake(
            "shares",
            _interval(_shares),
            "These are shares of the images. Here both numbers are counts.",
        ),
        Mistake(
            "one of them",
            _interval(lambda a, b: (_alone(a, b)[0], 0.0)),
            "The images that b alone misreads are missing.",
        ),
        Mistake(
            "the same for both",
            _interval(lambda a, b: (sum(_alone(a, b)), sum(_alone(a, b)))),
            "Both counts are of images that exactly one of the two misreads. Which of the two it "
            "is makes the gap.",
        ),
    ),
)

# ==== Solution ====================================================================================


# Images that both get right, or both get wrong, leave no trace in the gap. Each of the others adds
# one to it or takes one away, and the variance of that sum is their number less a small term.
def paired_gap(wrong_a, wrong_b):
    only_a = (wrong_a & ~wrong_b).sum().item()
    only_b = (wrong_b & ~wrong_a).sum().item()
    gap = only_a - only_b
    half = 1.96 * (only_a + only_b - gap**2 / len(wrong_a)) ** 0.5
    return gap, gap - half, gap + half


def by_differences(wrong_a: Any, wrong_b: Any) -> Any:
    d = wrong_a.numpy().astype(float) - wrong_b.numpy().astype(float)
    half = 1.96 * d.std() * len(d) ** 0.5
    return np.array([d.sum(), d.sum() - half, d.sum() + half])


def by_a_loop(wrong_a: Any, wrong_b: Any) -> Any:
    pairs = list(zip(wrong_a.tolist(), wrong_b.tolist(), strict=True))
    gap, apart = sum(a - b for a, b in pairs), sum(a != b for a, b in pairs)
    half = 1.96 * (apart - gap * gap / len(pairs)) ** 0.5
    return [gap, gap - half, gap + half]


other_ways = [by_differences, by_a_loop]
