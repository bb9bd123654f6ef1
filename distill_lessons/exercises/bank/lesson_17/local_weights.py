"""How near is near?"""

from __future__ import annotations

import numpy as np

from distill_lessons.exercises.dice import mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.uses import surrogates


def _masks(seed: int) -> list[Case]:
    by_hand = np.array([[1, 1, 1, 1], [1, 0, 0, 0], [0, 0, 0, 0]])
    cases = [Case("masks of four regions that show 4, 1 and 0 of them, width 0.5", (by_hand, 0.5))]
    for n, regions, width in ((6, 5, 0.25), (9, 7, 0.8)):
        rng = np.random.default_rng(mixed(seed, n))
        kept = rng.random((n, regions)) < 0.5
        kept[0, :2] = True, False
        cases.append(Case(f"{n} masks of {regions} regions, width {width}", (kept, width)))
    return cases


exercise = Exercise(
    title="How near is near?",
    kind="code",
    difficulty="easy",
    importance="medium",
    minutes=5,
    hints=(
        "Both blanks stand in the formula of the weight. The cosine between a mask and all ones is "
        "the root of the share that the mask shows.",
        "The square is of distance *and* width. The root is taken in the last line, so that the "
        "exponent has no 2 below it; and a weight falls as the distance grows.",
    ),
    not_by=(surrogates.local_weights,),
    cases=_masks,
)

# ==== Judging =====================================================================================

from collections.abc import Callable
from typing import Any

from distill_lessons.exercises.parts import Judging, Mistake

Array = np.ndarray[Any, Any]


def _weigh(
    distance: Callable[[Array], Array] = lambda shown: 1 - np.sqrt(shown),
    kernel: Callable[[Array, float], Array] = lambda d, w: np.exp(-((d / w) ** 2) / 2),
) -> Callable[[Array, float], Array]:
    return lambda kept, width: kernel(distance(np.asarray(kept, float).mean(1)), width)


judging = Judging(
    reference=surrogates.local_weights,
    mistakes=(
        Mistake(
            "share hidden",
            _weigh(lambda shown: 1 - shown),
            "Your distance is the share of hidden regions. 1 minus the cosine is 1 minus the "
            "*root* of the share shown.",
        ),
        Mistake(
            "cosine for distance",
            _weigh(np.sqrt),
            "Your distance is the cosine itself: then a mask that hides all is the nearest.",
        ),
        Mistake(
            "not squared",
            _weigh(kernel=lambda d, w: np.exp(-(d / w) / 2)),
            "The distance over the width is to be squared.",
        ),
        Mistake(
            "width not squared",
            _weigh(kernel=lambda d, w: np.exp(-(d**2) / w / 2)),
            "Only the distance is squared. Square the width, too.",
        ),
        Mistake(
            "growing",
            _weigh(kernel=lambda d, w: np.exp((d / w) ** 2 / 2)),
            "Your weights grow with the distance: the minus is missing.",
        ),
        Mistake(
            "no width",
            _weigh(kernel=lambda d, w: np.exp(-(d**2) / 2)),
            "The width has no say in these weights.",
        ),
        Mistake(
            "without the root",
            _weigh(kernel=lambda d, w: np.exp(-((d / w) ** 2))),
            "This lacks the root, the /2 of the last line.",
        ),
        Mistake(
            "all alike",
            lambda kept, width: np.ones(len(kept)),
            "All masks weigh the same: then nothing is near.",
        ),
        Mistake(
            "the share shown",
            lambda kept, width: np.asarray(kept, float).mean(1),
            "This is the share of regions that each mask shows.",
        ),
    ),
)

# ==== Solution ====================================================================================


# The distance is 0 for the whole image and 1 when all is hidden; the kernel makes weights of it.
def local_weights(kept, width):
    shown = np.asarray(kept, dtype=float).mean(axis=1)
    distance = 1 - np.sqrt(shown)
    exponent = -((distance / width) ** 2)
    return np.exp(exponent / 2)


def in_loops(kept, width):
    weights = []
    for row in kept:
        distance = 1 - (sum(bool(shown) for shown in row) / len(row)) ** 0.5
        weights.append((2.718281828459045 ** (-(distance**2) / width**2)) ** 0.5)
    return weights


def by_scikit_learn(kept, width):
    from sklearn.metrics.pairwise import cosine_distances

    kept = np.asarray(kept, dtype=float)
    distance = cosine_distances(kept, np.ones((1, kept.shape[1]))).ravel()
    return np.sqrt(np.exp(-(distance**2) / width**2))


other_ways = [in_loops, by_scikit_learn]

borrowed = [lambda kept, width: surrogates.local_weights(kept, width)]
