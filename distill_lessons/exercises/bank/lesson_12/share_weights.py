"""Letters share what their groups are worth."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _answers(seed: int) -> list[Case]:
    by_hand = (2, torch.tensor([0, 0]), torch.tensor([1, 2]), torch.tensor([1.0, 4.0]))
    cases = [Case('"ja": the group "j" weighs 1, the group "ja" weighs 4', by_hand)]
    for n, m in ((5, 7), (8, 9)):
        rng = dice(seed, n)
        length = 1 + torch.arange(m) % 3
        length = length[torch.randperm(m, generator=rng)]
        start = (torch.rand(m, generator=rng) * (n - length + 1)).long()
        weight = 2 * torch.randn(m, generator=rng)
        cases.append(Case(f"{n} letters, {m} groups", (n, start, length, weight)))
    return cases


exercise = Exercise(
    title="Letters share what their groups are worth",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=8,
    points=2,
    hints=(
        "Go through the groups one by one. Group i covers the letters from `start[i]` up to, and "
        "without, `start[i] + length[i]`.",
        "Every letter of a group gets an even share of its weight: `weight[i] / length[i]`. A "
        "letter adds up what all of its groups give it.",
    ),
    cases=_answers,
)

# ==== Judging =====================================================================================

from collections.abc import Callable
from typing import Any

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _covers(n: int, start: Tensor, length: Tensor) -> Tensor:
    place = torch.arange(n)
    return ((place >= start[:, None]) & (place < (start + length)[:, None])).float()


def _shares(
    each: Callable[[Tensor, Tensor], Tensor] = lambda w, length: w / length,
) -> Callable[..., Tensor]:
    return lambda n, start, length, weight: each(weight, length) @ _covers(n, start, length)


judging = Judging(
    reference=_shares(),
    mistakes=(
        Mistake(
            "the whole weight to each",
            _shares(each=lambda w, length: w),
            "Each letter gets the whole weight of its group. Then the letters' sum is larger than "
            "the logit.",
        ),
        Mistake(
            "all to the first",
            lambda n, start, length, weight: torch.zeros(n).index_add(0, start, weight),
            "The first letter of a group gets all. The others are needed as much as it is.",
        ),
        Mistake(
            "all to the last",
            lambda n, start, length, weight: torch.zeros(n).index_add(
                0, start + length - 1, weight
            ),
            "The last letter of a group gets all. The others are needed as much as it is.",
        ),
        Mistake(
            "divided by three",
            _shares(each=lambda w, length: w / 3),
            "You divide by 3, the longest group. A group of one letter gives it everything.",
        ),
        Mistake(
            "a mean over groups",
            lambda n, start, length, weight: (
                _shares()(n, start, length, weight) / _covers(n, start, length).sum(0).clamp(min=1)
            ),
            "You take the mean over a letter's groups. It gets the sum.",
        ),
        Mistake(
            "evenly over the phrase",
            lambda n, start, length, weight: (weight.sum() / n).expand(n),
            "You spread the sum over all letters. A group's weight goes to its own letters alone.",
        ),
        Mistake(
            "long groups count more",
            _shares(each=lambda w, length: w * length),
            "You multiply with the length. The letters of a group *share* its weight.",
        ),
        Mistake(
            "zeros", lambda n, start, length, weight: torch.zeros(n), "Every letter gets nothing."
        ),
    ),
)

# ==== Solution ====================================================================================


# Without any one of its letters a group is worth nothing, so that all are needed alike: even
# shares, group by group.
def share_weights(n, start, length, weight):
    shares = torch.zeros(n)
    for s, m, w in zip(start, length, weight):
        shares[s : s + m] += w / m
    return shares


def in_plain_python(n: Any, start: Any, length: Any, weight: Any) -> Any:
    groups = list(zip(start.tolist(), length.tolist(), weight.tolist()))
    return [sum(w / m for s, m, w in groups if s <= i < s + m) for i in range(n)]


def by_differences(n: Any, start: Any, length: Any, weight: Any) -> Any:
    steps = torch.zeros(n + 1, dtype=torch.float64)
    each = weight.double() / length
    steps.index_add_(0, start, each)
    steps.index_add_(0, start + length, -each)
    return steps.cumsum(0)[:n]


other_ways = [in_plain_python, by_differences]
