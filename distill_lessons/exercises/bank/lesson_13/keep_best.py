"""One box for each thing."""

from __future__ import annotations

import torch

from distill_lessons.detection import boxes as of_boxes
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _scenes(seed: int) -> list[Case]:
    # A chain: the first takes the second away, and so the third stays, which only the second meets.
    chain = torch.tensor([[0.0, 0, 8, 8], [0, 2, 8, 10], [0, 4, 8, 12], [1, 0, 9, 8]])
    words = "a chain of three boxes of class 1, each overlapping the next, and one of class 0"
    scores, classes = torch.tensor([0.9, 0.8, 0.7, 0.95]), torch.tensor([1, 1, 1, 0])
    cases = [Case(words, (chain, scores, classes, 0.4))]
    for n, threshold in ((7, 0.3), (12, 0.5)):
        rng = dice(seed, n)
        low = 5 * torch.rand(n, 2, generator=rng)
        boxes = torch.cat([low, low + 6 + 3 * torch.rand(n, 2, generator=rng)], 1)
        boxes[n // 2 :] += torch.tensor([14.0, 0, 14, 0])
        scores = (torch.randperm(n, generator=rng) + 1) / (n + 1)
        classes = torch.tensor([0, 0, 1] * n)[:n]
        words = f"{n} boxes in two heaps, two classes, threshold {threshold}"
        cases.append(Case(words, (boxes, scores, classes, threshold)))
    return cases


exercise = Exercise(
    title="One box for each thing",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=8,
    points=2,
    hints=(
        "Go through the boxes from the best score down: `scores.argsort(descending=True)`.",
        "Keep a list of those that stay. A box joins it unless one that is *in the list* has its "
        "class and overlaps it by more than the threshold.",
        "`overlap(boxes[i : i + 1], boxes[j : j + 1])` is the IoU of two of them, `(1, 1)`; or "
        "make the whole table once.",
    ),
    not_by=(of_boxes.nms,),
    cases=_scenes,
)

# ==== Judging =====================================================================================

from collections.abc import Callable

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _overlap(p: list[float], q: list[float]) -> float:
    w, h = (max(0.0, min(p[i + 2], q[i + 2]) - max(p[i], q[i])) for i in (0, 1))
    areas = sum((c[2] - c[0]) * (c[3] - c[1]) for c in (p, q))
    return w * h / max(areas - w * h, 1e-9)  # a box at the edge may have no area left


def _kept(
    *,
    lowest: bool = False,
    per_class: bool = True,
    against_all: bool = False,
    limit: Callable[[float], float] = lambda threshold: threshold,
    order: Callable[[list[int]], list[int]] = lambda kept: kept,
) -> Callable[[Tensor, Tensor, Tensor, float], list[int]]:
    """Return what stays, with room for mistakes; box by box."""

    def found(boxes: Tensor, scores: Tensor, classes: Tensor, threshold: float) -> list[int]:
        edges, kinds = boxes.tolist(), classes.tolist()
        ranked = sorted(range(len(edges)), key=scores.tolist().__getitem__, reverse=not lowest)
        kept: list[int] = []
        for place, i in enumerate(ranked):
            rivals = ranked[:place] if against_all else kept
            if not any(
                _overlap(edges[i], edges[j]) > limit(threshold)
                and (not per_class or kinds[i] == kinds[j])
                for j in rivals
            ):
                kept.append(i)
        return order(kept)

    return found


judging = Judging(
    reference=_kept(),
    mistakes=(
        Mistake(
            "whatever the class",
            _kept(per_class=False),
            "A box takes away boxes of other classes here. Two things of different classes may "
            "overlap.",
        ),
        Mistake(
            "against those that are gone",
            _kept(against_all=True),
            "A box that was taken away takes others with it. Only those that stay count.",
        ),
        Mistake(
            "from the worst up",
            _kept(lowest=True),
            "You begin with the lowest score, so the worst box of each thing stays.",
        ),
        Mistake(
            "as they come",
            _kept(order=sorted),
            "The right boxes. Return them in the order of their scores, the best one first.",
        ),
        Mistake(
            "touching is too much",
            _kept(limit=lambda threshold: 0.0),
            "Any overlap takes a box away here; the threshold has no say.",
        ),
        Mistake(
            "the other side of the threshold",
            _kept(limit=lambda threshold: 1 - threshold),
            "You compare with 1 minus the threshold.",
        ),
        Mistake(
            "the best alone",
            lambda boxes, scores, classes, threshold: [int(scores.argmax())],
            "Only one box of the whole scene is left.",
        ),
        Mistake(
            "all of them",
            lambda boxes, scores, classes, threshold: scores.argsort(descending=True),
            "Nothing was taken away.",
        ),
    ),
)

# ==== Solution ====================================================================================


# Greedy, and in this order only: whether a box stays depends on those that have stayed before it.
def keep_best(boxes, scores, classes, threshold):
    def overlap(p, q):
        w = (min(p[2], q[2]) - max(p[0], q[0])).clamp(min=0)
        h = (min(p[3], q[3]) - max(p[1], q[1])).clamp(min=0)
        areas = (p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1])
        return w * h / (areas - w * h)

    order = scores.argsort(descending=True).tolist()
    kept = order[:1]
    for i in order[1:]:
        rivals = [j for j in kept if classes[j] == classes[i]]
        if all(overlap(boxes[i], boxes[j]) <= threshold for j in rivals):
            kept.append(i)
    return kept


def with_torchvision(boxes, scores, classes, threshold):
    from torchvision.ops import batched_nms

    return batched_nms(boxes, scores, classes, threshold)


def by_a_table(boxes, scores, classes, threshold):
    from torchvision.ops import box_iou

    clash = (box_iou(boxes, boxes) > threshold) & (classes[:, None] == classes[None, :])
    left, kept = scores.clone(), []
    while left.max() > 0:
        i = int(left.argmax())
        kept.append(i)
        left[clash[i]] = 0
        left[i] = 0
    return kept


other_ways = [with_torchvision, by_a_table]

borrowed = [
    lambda boxes, scores, classes, threshold: [
        i
        for i in scores.argsort(descending=True).tolist()
        if of_boxes.nms(boxes[None], scores[None], classes[None], threshold=threshold)[0, i]
    ]
]
