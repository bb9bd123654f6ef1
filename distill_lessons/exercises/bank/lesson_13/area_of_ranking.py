"""The area of a ranking."""

from __future__ import annotations

import numpy as np

from distill_lessons.detection import scoring
from distill_lessons.exercises.dice import mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _rankings(seed: int) -> list[Case]:
    by_hand = np.array([0.7, 0.9, 0.5, 0.8]), np.array([1, 1, 1, 0]), 5
    cases = [Case("scores 0.7, 0.9, 0.5, 0.8, hits 1, 1, 1, 0, five boxes", by_hand)]
    for n, n_boxes in ((9, 6), (14, 11)):
        rng = np.random.default_rng(mixed(seed, n))
        scores = rng.permutation(n) / n + 0.01
        hits = (rng.permutation(n) < n_boxes - 2).astype(int)
        # Hits follow false alarms, so that precision rises again, and the first is no hit.
        hits[np.argsort(-scores)[:4]] = 0, 1, 0, 1
        hits[np.argsort(-scores)[-1]] = 0
        cases.append(Case(f"{n} detections of {n_boxes} boxes", (scores, hits, n_boxes)))
    return cases


exercise = Exercise(
    title="Average precision",
    kind="code",
    difficulty="hard",
    importance="high",
    minutes=9,
    points=2,
    hints=(
        "Sort the hits by score, the best one first. `np.cumsum` of them is how many boxes were "
        "found by then; divided by 1, 2, 3, … it is the precision.",
        "A hit adds 1 / n_boxes to the recall, a false alarm nothing. So average precision is the "
        "sum of a precision for each hit, divided by n_boxes.",
        "Which precision? The best one from there on, down the list: "
        "`np.maximum.accumulate(precision[::-1])[::-1]`.",
    ),
    not_by=(scoring.average_precision,),
    cases=_rankings,
)

# ==== Judging =====================================================================================

from collections.abc import Callable
from typing import Any

from distill_lessons.exercises.parts import Judging, Mistake

Array = np.ndarray[Any, Any]


def _area(
    order: Callable[[Array], Any] = lambda scores: np.argsort(-scores),
    best: Callable[[list[float], int], float] = lambda precision, i: max(precision[i:]),
    of: Callable[[int, int], int] = lambda n_boxes, found: n_boxes,
) -> Callable[[Array, Array, int], float]:
    """Return the area, with room for mistakes; detection by detection."""

    def found(scores: Array, hits: Array, n_boxes: int) -> float:
        right = [int(hit) for hit in hits[order(scores)]]
        precision = [sum(right[: i + 1]) / (i + 1) for i in range(len(right))]
        area = sum(best(precision, i) for i, hit in enumerate(right) if hit)
        return area / of(n_boxes, sum(right))

    return found


judging = Judging(
    reference=_area(),
    mistakes=(
        Mistake(
            "as they come",
            _area(order=lambda scores: np.arange(len(scores))),
            "The detections have to be sorted by their score first.",
        ),
        Mistake(
            "the worst first",
            _area(order=np.argsort),
            "You begin with the lowest score.",
        ),
        Mistake(
            "the precision of the moment",
            _area(best=lambda precision, i: precision[i]),
            "You take the precision at each hit. Where it rises again further down, the better one "
            "counts.",
        ),
        Mistake(
            "the best so far",
            _area(best=lambda precision, i: max(precision[: i + 1])),
            "You take the best precision up to each hit. It is the best from there on.",
        ),
        Mistake(
            "of those that were found",
            _area(of=lambda n_boxes, found: max(found, 1)),
            "You divide by the number of boxes that were found. What was missed must count too.",
        ),
        Mistake(
            "precision alone",
            lambda scores, hits, n_boxes: hits.mean(),
            "This is the precision of the whole list, whatever the scores are.",
        ),
        Mistake(
            "recall alone",
            lambda scores, hits, n_boxes: hits.sum() / n_boxes,
            "This is the share of boxes that were found, however many false alarms came before.",
        ),
        Mistake("all of it", lambda scores, hits, n_boxes: 1.0, "This says that all is perfect."),
        Mistake("nothing", lambda scores, hits, n_boxes: 0.0, "This says that nothing is found."),
    ),
)

# ==== Solution ====================================================================================


# Recall moves at hits only, and each time by one box in n_boxes. The envelope makes the curve fall.
def area_of_ranking(scores, hits, n_boxes):
    right = hits[np.argsort(-scores)]
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return (envelope * right).sum() / n_boxes


def in_loops(scores, hits, n_boxes):
    ranked = [hit for _, hit in sorted(zip(scores.tolist(), hits.tolist()), reverse=True)]
    area, best = 0.0, 0.0
    for i in range(len(ranked) - 1, -1, -1):
        best = max(best, sum(ranked[: i + 1]) / (i + 1))
        area += best * ranked[i] / n_boxes
    return area


def by_recall(scores, hits, n_boxes):
    import torch

    found = torch.as_tensor(hits)[torch.as_tensor(scores).argsort(descending=True)].cumsum(0)
    precision, recall = found / torch.arange(1, len(found) + 1), found / n_boxes
    return (
        sum(precision[recall >= k / n_boxes].max() for k in range(1, int(found[-1]) + 1)) / n_boxes
    )


other_ways = [in_loops, by_recall]

borrowed = [
    scoring.average_precision,
    lambda scores, hits, n_boxes: scoring.average_precision(scores, hits, n_boxes),
]
