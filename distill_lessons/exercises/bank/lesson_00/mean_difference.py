"""Find the bug: a paired difference."""

from __future__ import annotations

import numpy as np

from distill_lessons.exercises.dice import mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _accuracies(seed: int) -> list[Case]:
    rng = np.random.default_rng(mixed(seed))
    more = [rng.uniform(0.6, 0.9, 7).round(3).tolist() for _ in range(2)]
    return [
        Case("a = [0.9, 0.8, 0.7], b = [0.8, 0.8, 0.6]", ([0.9, 0.8, 0.7], [0.8, 0.8, 0.6])),
        Case(f"a = {more[0]}, b = {more[1]}", (more[0], more[1])),
        Case("a = [0.5, 0.5], b = [0.75, 0.5]", ([0.5, 0.5], [0.75, 0.5])),
    ]


GIVEN = """\
def mean_difference(a, b):
    return 100 * sum(p - q for p, q in zip(a, b))
"""

exercise = Exercise(
    title="Find the bug: a paired difference",
    kind="bug",
    given=GIVEN,
    difficulty="easy",
    importance="high",
    minutes=3,
    hints=(
        "Work it out by hand for a = [0.9, 0.8, 0.7] and b = [0.8, 0.8, 0.6]: how many points is "
        "the gain of each repeat?",
        "A sum of three differences is not yet their mean.",
    ),
    cases=_accuracies,
)

# ==== Judging =====================================================================================

from collections.abc import Sequence

from distill_lessons.exercises.parts import Judging, Mistake


def _as_given(a: Sequence[float], b: Sequence[float]) -> float:
    return 100 * sum(p - q for p, q in zip(a, b, strict=True))


judging = Judging(
    reference=lambda a, b: 100 * float(np.subtract(a, b).mean()),
    mistakes=(
        Mistake("as given", _as_given, "", given=True),
        Mistake(
            "divided by three",
            lambda a, b: 100 * float(np.subtract(a, b).sum()) / 3,
            "You divide by 3, the length of the first example. Other lists are longer or shorter.",
        ),
        Mistake(
            "fractions",
            lambda a, b: float(np.subtract(a, b).mean()),
            "These are fractions; the answer is in percentage points, and 0.01 is one point.",
        ),
        Mistake(
            "b minus a",
            lambda a, b: 100 * float(np.subtract(b, a).mean()),
            "You subtract a from b; the gain of a over b is a minus b.",
        ),
    ),
)

# ==== Solution ====================================================================================


# The sum was not divided by the number of repeats.
def mean_difference(a, b):
    return 100 * sum(p - q for p, q in zip(a, b)) / len(a)


other_ways = [
    lambda a, b: 100 * (np.mean(a) - np.mean(b)),
    lambda a, b: np.float32(sum(100 * p - 100 * q for p, q in zip(a, b, strict=True)) / len(b)),
]
