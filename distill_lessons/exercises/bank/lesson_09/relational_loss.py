"""Relations as a loss."""

from __future__ import annotations

import torch

from distill_lessons import losses
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _layers(seed: int) -> list[Case]:
    cases = []
    for n, width, wider in ((3, 1, 2), (5, 3, 7)):
        rng = dice(seed, n)
        # One image lies far off in either layer, so that the far and the near part of Huber's loss
        # both count.
        h, t = torch.randn(n, width, generator=rng), torch.randn(n, wider, generator=rng)
        h[0], t[-1] = 8 * h[0] + 4, 8 * t[-1] + 4
        words = f"{n} images, {width} features in the student and {wider} in the teacher"
        cases.append(Case(words, (h, t)))
    return cases


exercise = Exercise(
    title="Relations as a loss",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=10,
    points=2,
    hints=(
        "`torch.pdist(h)` gives the distances of all pairs i < j, shape (N (N - 1) / 2,).",
        "Each of the two nets has its own mean distance. Divide by that before you compare.",
    ),
    not_by=(losses.relational_distance,),
    cases=_layers,
)

# ==== Judging =====================================================================================

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from distill_lessons.exercises.parts import Judging, Mistake


def _loss(
    scale: Callable[[Tensor], Tensor] = lambda d: d / d.mean(),
    compare: Callable[[Tensor, Tensor], Tensor] = F.smooth_l1_loss,
    distances: Callable[[Tensor], Tensor] = torch.pdist,
) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda h, t: compare(scale(distances(h)), scale(distances(t)))


def _squares(h: Tensor) -> Tensor:
    return torch.pdist(h).square()


def _whole_table(h: Tensor) -> Tensor:
    return torch.cdist(h, h).flatten()


def _city_blocks(h: Tensor) -> Tensor:
    return torch.pdist(h, p=1)


def _with_the_teacher_s_mean(h: Tensor, t: Tensor) -> Tensor:
    own, other = torch.pdist(h), torch.pdist(t)
    return F.smooth_l1_loss(own / other.mean(), other / other.mean())


def _neighbours(h: Tensor) -> Tensor:
    steps: Tensor = torch.linalg.vector_norm(h[1:] - h[:-1], dim=1)
    return steps


judging = Judging(
    reference=losses.relational_distance,
    mistakes=(
        Mistake(
            "not divided",
            _loss(scale=lambda d: d),
            "The distances are not divided by their mean, so the student has to copy the *size* of "
            "its teacher's layer, and not only its proportions.",
        ),
        Mistake(
            "by the largest",
            _loss(scale=lambda d: d / d.max()),
            "You divide by the largest distance. Divide by the mean over all pairs.",
        ),
        Mistake(
            "by the teacher's mean",
            _with_the_teacher_s_mean,
            "Both are divided by the teacher's mean distance. Each net has its own.",
        ),
        Mistake(
            "an image with itself",
            _loss(distances=_whole_table),
            "Your pairs hold each image with itself. Its distance is 0 in every net: that says "
            "nothing, and it lowers both means.",
        ),
        Mistake(
            "squares",
            _loss(distances=_squares),
            "These are squared distances; the root is missing.",
        ),
        Mistake(
            "city blocks",
            _loss(distances=_city_blocks),
            "You add up absolute differences. The distance is the root of the summed squares.",
        ),
        Mistake(
            "neighbours only",
            _loss(distances=_neighbours),
            "You compare each image with the next only. Take all pairs.",
        ),
        Mistake(
            "squared error",
            _loss(compare=F.mse_loss),
            "You compare by the squared error. Huber's loss is half of it near 0, and straight "
            "farther out.",
        ),
        Mistake(
            "absolute error",
            _loss(compare=F.l1_loss),
            "You compare by the absolute error. Huber's loss is curved near 0.",
        ),
        Mistake(
            "summed",
            lambda h, t: _loss()(h, t) * (len(h) * (len(h) - 1) / 2),
            "This is the sum over the pairs. Return the mean.",
        ),
    ),
)

# ==== Solution ====================================================================================


# Distances of all pairs, each net's divided by its own mean: then nothing but proportions is left,
# and the two layers may be of any width and any scale.
def relational_loss(h, t):
    own, other = torch.pdist(h), torch.pdist(t)
    return torch.nn.functional.smooth_l1_loss(own / own.mean(), other / other.mean())


def relational_by_tables(h: Any, t: Any) -> Any:
    i, j = torch.triu_indices(len(h), len(h), offset=1)
    own, other = ((v[i] - v[j]).norm(dim=1) for v in (h, t))
    gap = (own / own.mean() - other / other.mean()).abs()
    return torch.where(gap < 1, gap**2 / 2, gap - 0.5).mean().item()


def relational_in_loops(h: Any, t: Any) -> float:
    def shares(rows: Any) -> list[float]:
        found = [
            sum((a - b) ** 2 for a, b in zip(rows[i], rows[j], strict=True)) ** 0.5
            for i in range(len(rows))
            for j in range(i)
        ]
        return [d / (sum(found) / len(found)) for d in found]

    gaps = [abs(a - b) for a, b in zip(shares(h.tolist()), shares(t.tolist()), strict=True)]
    return sum(g * g / 2 if g < 1 else g - 0.5 for g in gaps) / len(gaps)


other_ways = [relational_by_tables, relational_in_loops]

borrowed = [losses.relational_distance, lambda h, t: losses.relational_distance(h, t)]
