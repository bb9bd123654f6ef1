"""Find the bug: the mean of a phrase."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.text import nets


def _answers(seed: int) -> list[Case]:
    by_hand = (
        torch.tensor([[[2.0], [4.0], [9.0]]]),
        torch.tensor([[True, True, False]]),
    )
    cases = [Case("one phrase of two tokens, and one place of padding", by_hand)]
    for b, longest, width in ((3, 5, 2), (4, 6, 3)):
        rng = dice(seed, b)
        h = 2 * torch.randn(b, longest, width, generator=rng)
        lengths = 1 + torch.randperm(longest - 1, generator=rng)[:b]
        mask = torch.arange(longest) < lengths[:, None]
        cases.append(Case(f"{b} phrases of at most {longest} tokens, {width} numbers", (h, mask)))
    return cases


GIVEN = '''\
def counted_mean(h, mask):
    """h (B, L, W): a vector for each place; mask (B, L). Returns the phrases' means, (B, W)."""
    kept = h * mask[:, :, None]
    return kept.mean(dim=1)
'''

exercise = Exercise(
    title="Find the bug: the mean of a phrase",
    kind="bug",
    given=GIVEN,
    difficulty="easy",
    importance="high",
    minutes=4,
    hints=(
        "Take the first case: the vectors 2 and 4, and a place that does not count. What should "
        "the mean be, and what is it?",
        "By how many places does `mean` divide? By how many should it?",
    ),
    not_by=(nets.mean_of,),
    cases=_answers,
)

# ==== Judging =====================================================================================

from typing import Any

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _mean(h: Tensor, mask: Tensor) -> Tensor:
    return torch.stack([row[keep].mean(0) for row, keep in zip(h, mask)])


judging = Judging(
    reference=_mean,
    mistakes=(
        Mistake(
            "the code as it was",
            lambda h, mask: (h * mask[:, :, None]).mean(1),
            "You divide by the length of the table, padding and all: a short phrase gets a small "
            "vector.",
            given=True,
        ),
        Mistake(
            "padding read",
            lambda h, mask: h.mean(1),
            "Places that do not count are in your mean.",
        ),
        Mistake(
            "a sum",
            lambda h, mask: (h * mask[:, :, None]).sum(1),
            "This is the sum: a long phrase gets a large vector.",
        ),
        Mistake(
            "the first place",
            lambda h, mask: h[:, 0],
            "This is the vector of the first place, one way of BERT's. Asked for is the mean.",
        ),
        Mistake(
            "one length for all",
            lambda h, mask: (h * mask[:, :, None]).sum(1) / mask.sum(1).float().mean(),
            "You divide every phrase by the mean length. Each has a length of its own.",
        ),
        Mistake(
            "the largest",
            lambda h, mask: h.masked_fill(~mask[:, :, None], -1e9).amax(1),
            "This is the largest number over the places, another way to pool. Asked for is the "
            "mean.",
        ),
        Mistake(
            "zeros",
            lambda h, mask: torch.zeros_like(h[:, 0]),
            "These are zeros.",
        ),
    ),
)

# ==== Solution ====================================================================================


# Divide by the number of places that count, which is another for each phrase.
def counted_mean(h, mask):
    kept = h * mask[:, :, None]
    return kept.sum(dim=1) / mask.sum(dim=1, keepdim=True)


def by_an_average_of_weights(h: Any, mask: Any) -> Any:
    share = mask / mask.sum(1, keepdim=True)
    return torch.einsum("bl,blw->bw", share, h)


def in_a_loop(h: Any, mask: Any) -> Any:
    return [h[b, : int(mask[b].sum())].mean(dim=0).tolist() for b in range(len(h))]


other_ways = [by_an_average_of_weights, in_a_loop]

borrowed = [nets.mean_of, lambda h, mask: nets.mean_of(h, mask)]
