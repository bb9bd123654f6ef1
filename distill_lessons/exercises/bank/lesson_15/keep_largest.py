"""Which weights stay."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _layers(seed: int) -> list[Case]:
    weight, mask = torch.tensor([[3.0, -5.0], [1.0, -9.0]]), torch.tensor([[1.0, 1.0], [1.0, 0.0]])
    cases = [Case("the weights (3, −5) and (1, −9), the last one gone already, k = 2",
                  (weight, mask, 2))]  # fmt: skip
    for rows, columns, share in ((5, 6, 0.5), (4, 9, 0.25)):
        rng = dice(seed, rows)
        weight = torch.randn(rows, columns, generator=rng)
        weight[0] *= 4  # an output of large weights
        mask = (torch.rand(rows, columns, generator=rng) < 0.7).float()
        mask[0, 1:] = 1
        weight[0, 0], mask[0, 0] = -20.0, 0.0  # the largest of all is gone
        k = int(share * mask.sum())
        words = f"{rows}×{columns} weights, {int(mask.sum())} of them left, k = {k}"
        cases.append(Case(words, (weight, mask, k)))
    return cases


exercise = Exercise(
    title="Which weights stay",
    kind="code",
    difficulty="medium",
    importance="medium",
    minutes=7,
    points=2,
    hints=(
        "The size of a weight that is gone should lose against all others: multiply by the mask.",
        "`values.flatten().topk(k).indices` are the places of the k largest, counted row by row.",
        "Start from `torch.zeros_like(mask).flatten()`, write 1 at these places, and give it the "
        "shape of the mask again with `view_as`.",
    ),
    cases=_layers,
)

# ==== Judging =====================================================================================

from collections.abc import Callable

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _kept(weight: Tensor, mask: Tensor, k: int) -> Tensor:
    size = torch.where(mask > 0, weight.abs(), torch.full_like(weight, -1.0))
    ranked = size.flatten().sort(descending=True).values
    return (size >= ranked[min(k, len(ranked)) - 1]).to(mask)  # a tiny net may have fewer than k


def _with(
    score: Callable[[Tensor, Tensor], Tensor], change: Callable[[int, Tensor], int] = lambda k, w: k
) -> Callable[[Tensor, Tensor, int], Tensor]:
    def found(weight: Tensor, mask: Tensor, k: int) -> Tensor:
        flat = score(weight, mask).flatten()
        kept = torch.zeros_like(flat)
        kept[flat.topk(change(k, weight)).indices] = 1
        return kept.view_as(weight)

    return found


def _size(weight: Tensor, mask: Tensor) -> Tensor:
    return weight.abs() * mask


def _each_row(weight: Tensor, mask: Tensor, k: int) -> Tensor:
    size = _size(weight, mask)
    places = size.topk(max(1, k // len(weight)), dim=1).indices
    return torch.zeros_like(mask).scatter(1, places, 1.0)


judging = Judging(
    reference=_kept,
    mistakes=(
        Mistake(
            "with the sign",
            _with(lambda weight, mask: torch.where(mask > 0, weight, -torch.inf)),
            "You keep the most positive weights. A weight of −5 does more than one of 3.",
        ),
        Mistake(
            "brought back",
            _with(lambda weight, mask: weight.abs()),
            "A weight that was gone is back. Only those that the mask has left compete.",
        ),
        Mistake(
            "the smallest",
            _with(lambda weight, mask: torch.where(mask > 0, -weight.abs(), -torch.inf)),
            "You keep the smallest of those that are left.",
        ),
        Mistake(
            "row by row",
            _each_row,
            "Each row keeps the same number. The weights of the whole layer compete.",
        ),
        Mistake(
            "k taken away",
            lambda weight, mask, k: mask - _kept(weight, mask, k),
            "This marks what goes. The mask is 1 where a weight stays.",
        ),
        Mistake(
            "one too few",
            lambda weight, mask, k: (
                _size(weight, mask) > _size(weight, mask).flatten().topk(k).values[-1]
            ).to(mask),
            "One weight is missing: with `>` the k-th largest does not pass its own limit.",
        ),
        Mistake(
            "weights",
            lambda weight, mask, k: weight * _kept(weight, mask, k),
            "These are the weights that stay. Return the mask, of zeros and ones.",
        ),
        Mistake("all of them", lambda weight, mask, k: mask.clone(), "Nothing is taken away."),
    ),
)

# ==== Solution ====================================================================================


# Sizes are compared, without signs; what is masked has the size zero and never wins.
def keep_largest(weight, mask, k):
    size = (weight.abs() * mask).flatten()
    new = torch.zeros_like(size)
    new[size.topk(k).indices] = 1
    return new.view_as(mask)


def by_a_limit(weight, mask, k):
    size = weight.abs() * mask
    limit = size.flatten().sort(descending=True).values[k - 1]
    return (size >= limit).int()


def in_loops(weight, mask, k):
    rows, columns = weight.shape
    left = [(abs(float(weight[i, j])), i, j) for i in range(rows) for j in range(columns)
            if mask[i, j]]  # fmt: skip
    stay = {(i, j) for _, i, j in sorted(left, reverse=True)[:k]}
    return [[1 if (i, j) in stay else 0 for j in range(columns)] for i in range(rows)]


other_ways = [by_a_limit, in_loops]
