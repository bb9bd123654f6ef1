"""How much do two boxes overlap?"""

from __future__ import annotations

import torch

from distill_lessons.detection import boxes as of_boxes
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _pairs(seed: int) -> list[Case]:
    a = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 2.0, 6.0]])
    b = torch.tensor([[2.0, 2.0, 6.0, 6.0], [4.0, 0.0, 8.0, 4.0], [6.0, 6.0, 9.0, 8.0]])
    words = "boxes of 4×4 and 2×6 against three that overlap them, touch one, or lie apart"
    cases = [Case(words, (a, b))]
    for n, m in ((3, 5), (6, 2)):
        rng = dice(seed, n)
        corners = [10 * torch.rand(k, 2, generator=rng) for k in (n, m)]
        edges = [
            torch.cat([low, low + 2 + 7 * torch.rand(len(low), 2, generator=rng)], 1)
            for low in corners
        ]
        cases.append(Case(f"{n} boxes against {m}", tuple(edges)))
    return cases


exercise = Exercise(
    title="Intersection over union",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=7,
    points=2,
    hints=(
        "What two boxes share is a box too. Its left edge is the larger one of the two left edges, "
        "its right edge the smaller one of the two right edges.",
        "`torch.maximum(a[:, None, :2], b[None, :, :2])` has the left and top edges of all pairs, "
        "`(N, M, 2)`.",
        "Where they share nothing, a width comes out negative: `.clamp(min=0)` before multiplying. "
        "The union is both areas minus what was counted twice.",
    ),
    not_by=(of_boxes.iou,),
    cases=_pairs,
)

# ==== Judging =====================================================================================

from collections.abc import Callable

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake

Box = list[float]


def _pairwise(
    share: Callable[[float, float], float] = lambda w, h: max(w, 0.0) * max(h, 0.0),
    ratio: Callable[[float, float, float], float] = lambda s, a, b: s / max(a + b - s, 1e-9),
    area: Callable[[Box], float] = lambda c: (c[2] - c[0]) * (c[3] - c[1]),
) -> Callable[[Tensor, Tensor], list[list[float]]]:
    """Return the overlap of all pairs, with room for mistakes; pair by pair."""

    def one(p: Box, q: Box) -> float:
        w, h = (min(p[i + 2], q[i + 2]) - max(p[i], q[i]) for i in (0, 1))
        return ratio(share(w, h), area(p), area(q))

    return lambda a, b: [[one(p, q) for q in b.tolist()] for p in a.tolist()]


judging = Judging(
    reference=_pairwise(),
    mistakes=(
        Mistake(
            "negative widths",
            _pairwise(share=lambda w, h: w * h),
            "Boxes that lie apart in both directions have two negative widths, and their product "
            "is positive.",
        ),
        Mistake(
            "the sum for the union",
            _pairwise(ratio=lambda s, a, b: s / (a + b)),
            "What the boxes share is counted twice in the sum of both areas.",
        ),
        Mistake(
            "share of the smaller",
            _pairwise(ratio=lambda s, a, b: s / min(a, b)),
            "You divide by the smaller area. A tiny box inside of a large one would overlap it "
            "wholly.",
        ),
        Mistake(
            "share of the first",
            _pairwise(ratio=lambda s, a, b: s / a),
            "You divide by the area of the first box alone.",
        ),
        Mistake(
            "the shared area",
            _pairwise(ratio=lambda s, a, b: s),
            "This is the area that they share, in pixels.",
        ),
        Mistake(
            "size for edge",
            _pairwise(area=lambda c: c[2] * c[3]),
            "You take the last two numbers for width and height. They are the right and the bottom "
            "edge.",
        ),
        Mistake(
            "a pixel more",
            _pairwise(
                share=lambda w, h: max(w + 1, 0.0) * max(h + 1, 0.0),
                area=lambda c: (c[2] - c[0] + 1) * (c[3] - c[1] + 1),
            ),
            "You count both edges as pixels, as older code did. Here edges are lines: a box from 0 "
            "to 4 is 4 wide.",
        ),
        Mistake(
            "the other way round",
            lambda a, b: _pairwise()(b, a),
            "Rows are the boxes of `b` here. They should be those of `a`.",
        ),
        Mistake(
            "nothing",
            lambda a, b: torch.zeros(len(a), len(b)),
            "All zeros: no two boxes would ever overlap.",
        ),
    ),
)

# ==== Solution ====================================================================================


# The rectangle in common runs from the later start to the earlier end, in both directions; a
# negative length means that there is none.
def box_overlap(a, b):
    low = torch.maximum(a[:, None, :2], b[None, :, :2])
    high = torch.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(dim=2)
    area_a = (a[:, 2] - a[:, 0]) * (a[:, 3] - a[:, 1])
    area_b = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    return shared / (area_a[:, None] + area_b[None, :] - shared)


def in_loops(a, b):
    found = torch.zeros(len(a), len(b))
    for i, p in enumerate(a):
        for j, q in enumerate(b):
            w = min(p[2], q[2]) - max(p[0], q[0])
            h = min(p[3], q[3]) - max(p[1], q[1])
            if w > 0 and h > 0:
                areas = (p[2] - p[0]) * (p[3] - p[1]) + (q[2] - q[0]) * (q[3] - q[1])
                found[i, j] = w * h / (areas - w * h)
    return found


def with_torchvision(a, b):
    from torchvision.ops import box_iou

    return box_iou(a, b)


other_ways = [in_loops, with_torchvision]

borrowed = [of_boxes.iou, lambda a, b: of_boxes.iou(a, b)]
