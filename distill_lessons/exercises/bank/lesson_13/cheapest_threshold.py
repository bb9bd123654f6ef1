"""What does a missed box cost?"""

from __future__ import annotations

import numpy as np

from distill_lessons.exercises.dice import mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _detections(seed: int) -> list[Case]:
    scores, hits = np.array([0.2, 0.9, 0.6, 0.4, 0.8]), np.array([0, 1, 0, 1, 0])
    words = "scores 0.2, 0.9, 0.6, 0.4, 0.8, hits 0, 1, 0, 1, 0, a miss costs 3"
    cases = [Case(words, (scores, hits, 3.0, 1.0))]
    # Hits from the best score down, so that each mistake has a threshold of its own somewhere.
    for pattern, miss, alarm in (("11011001000", 5.0, 2.0), ("11110110111100", 1.0, 3.5)):
        n = len(pattern)
        rng = np.random.default_rng(mixed(seed, n))
        scores = np.sort(0.1 + 0.8 * (rng.permutation(3 * n)[:n] + 1) / (3 * n))[::-1]
        hits, order = np.array([int(hit) for hit in pattern]), rng.permutation(n)
        words = f"{n} detections, a miss costs {miss:g}, a false alarm {alarm:g}"
        arguments = (scores[order], hits[order], miss, alarm)
        cases.append(Case(words, arguments))
    return cases


exercise = Exercise(
    title="The cheapest threshold",
    kind="code",
    difficulty="medium",
    importance="medium",
    minutes=7,
    points=2,
    hints=(
        "Try each score as threshold t. Shown are the detections with `scores >= t`.",
        "False alarms are those shown that are no hits. Misses are the hits that are *not* shown; "
        "what nothing has found is missed at every threshold, and has no say.",
        "Cost = miss · misses + alarm · false alarms. Keep the t with the lowest.",
    ),
    cases=_detections,
)

# ==== Judging =====================================================================================

from collections.abc import Callable
from typing import Any

from distill_lessons.exercises.parts import Judging, Mistake

Array = np.ndarray[Any, Any]


def _cheapest(
    cost: Callable[[int, int, float, float], float],
    pick: Callable[[list[float]], int] = lambda costs: int(np.argmin(costs)),
) -> Callable[[Array, Array, float, float], float]:
    """Return a score by its cost, a function of hits not shown, alarms shown and prices."""

    def found(scores: Array, hits: Array, miss: float, alarm: float) -> float:
        ranked = sorted(zip(scores.tolist(), hits.tolist(), strict=True), reverse=True)
        costs, right = [], 0
        for k, (_, hit) in enumerate(ranked, start=1):
            right += int(hit)
            costs.append(cost(int(hits.sum()) - right, k - right, miss, alarm))
        return float(ranked[pick(costs)][0])

    return found


judging = Judging(
    reference=_cheapest(lambda gone, alarms, miss, alarm: miss * gone + alarm * alarms),
    mistakes=(
        Mistake(
            "prices swapped",
            _cheapest(lambda gone, alarms, miss, alarm: alarm * gone + miss * alarms),
            "Misses are charged the price of false alarms, and the other way round.",
        ),
        Mistake(
            "all errors alike",
            _cheapest(lambda gone, alarms, miss, alarm: gone + alarms),
            "You count errors. The two kinds have different prices.",
        ),
        Mistake(
            "the dearest",
            _cheapest(
                lambda gone, alarms, miss, alarm: miss * gone + alarm * alarms,
                pick=lambda costs: int(np.argmax(costs)),
            ),
            "This threshold costs most.",
        ),
        Mistake(
            "one half",
            lambda scores, hits, miss, alarm: 0.5,
            "One half, whatever the prices are. A score is no promise of a share.",
        ),
        Mistake(
            "show everything",
            lambda scores, hits, miss, alarm: float(scores.min()),
            "At this threshold everything is shown, and every false alarm is paid for.",
        ),
        Mistake(
            "show the best alone",
            lambda scores, hits, miss, alarm: float(scores.max()),
            "At this threshold one detection is shown, and nearly every box is missed.",
        ),
        Mistake(
            "false alarms only",
            _cheapest(lambda gone, alarms, miss, alarm: alarm * alarms + 1e-9 * gone),
            "You pay for false alarms only.",
        ),
        Mistake(
            "the cost itself",
            lambda scores, hits, miss, alarm: min(
                miss * hits[scores < t].sum() + alarm * (1 - hits[scores >= t]).sum()
                for t in scores
            ),
            "This is the lowest cost. Asked for is the threshold that has it.",
        ),
    ),
)

# ==== Solution ====================================================================================


# What lies below the threshold is not shown: its hits become misses, its false alarms cost nothing.
def cheapest_threshold(scores, hits, miss, alarm):
    def cost(t):
        shown = hits[scores >= t]
        return miss * hits[scores < t].sum() + alarm * (1 - shown).sum()

    return min(scores, key=cost)


def by_cumsum(scores, hits, miss, alarm):
    order = np.argsort(-scores)
    right = np.cumsum(hits[order])
    cost = miss * (hits.sum() - right) + alarm * (np.arange(1, len(right) + 1) - right)
    return scores[order[cost.argmin()]]


def by_gain(scores, hits, miss, alarm):
    order = np.argsort(scores)[::-1]
    gain = np.cumsum(np.where(hits[order] == 1, miss, -alarm))
    return scores[order][gain.argmax()]


other_ways = [by_cumsum, by_gain]
