"""Who listens to whom."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _answers(seed: int) -> list[Case]:
    by_hand = (
        torch.tensor([[[1.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0], [5.0, 0.0, 0.0, 0.0]]]),
        torch.tensor([[[2.0, 0.0, 0.0, 0.0], [0.0, 2.0, 0.0, 0.0], [9.0, 9.0, 0.0, 0.0]]]),
        torch.tensor([[True, True, False]]),
    )
    cases = [Case("one phrase of two tokens and one place of padding, width 4", by_hand)]
    for b, longest, width in ((3, 4, 3), (2, 6, 5)):
        rng = dice(seed, b)
        q, k = 2 * torch.randn(2, b, longest, width, generator=rng)
        lengths = 1 + torch.randperm(longest - 1, generator=rng)[:b]
        mask = torch.arange(longest) < lengths[:, None]
        words = f"{b} phrases of at most {longest} tokens, width {width}"
        cases.append(Case(words, (q, k, mask)))
    return cases


exercise = Exercise(
    title="Who listens to whom",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=8,
    points=2,
    hints=(
        "Place i asks with `q[b, i]`, and place j offers `k[b, j]`. All their products at once: "
        "`q @ k.mT`, divided by the root of the width, `q.shape[-1] ** 0.5`.",
        "`masked_fill(condition, value)` writes the value where the condition is True. What must "
        "be in a column, before the softmax, that gets a share of 0 after it?",
        "`mask[:, None, :]` has the shape (B, 1, L): the same for every place that asks.",
    ),
    cases=_answers,
)

# ==== Judging =====================================================================================

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import special
from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _weights(
    root: Callable[[Tensor], float] = lambda q: q.shape[-1] ** 0.5,
    hide: Callable[[Tensor, Tensor], Tensor] = lambda s, m: s.masked_fill(~m[:, None, :], -1e9),
    axis: int = 2,
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    return lambda q, k, mask: hide(torch.einsum("biw,bjw->bij", q, k) / root(q), mask).softmax(axis)


judging = Judging(
    reference=_weights(),
    mistakes=(
        Mistake(
            "no root",
            _weights(root=lambda q: 1.0),
            "Your scores are not divided by the root of the width: the wider the vectors, the "
            "sharper the shares.",
        ),
        Mistake(
            "the width itself",
            _weights(root=lambda q: float(q.shape[-1])),
            "You divide by the width. It is the *root* of the width.",
        ),
        Mistake(
            "the root of the length",
            _weights(root=lambda q: q.shape[1] ** 0.5),
            "You divide by the root of the number of places. It is the root of the width.",
        ),
        Mistake(
            "padding heard",
            _weights(hide=lambda s, m: s),
            "Places that do not count get a share.",
        ),
        Mistake(
            "a zero for a score",
            _weights(hide=lambda s, m: s * m[:, None, :]),
            "You give places that do not count the score 0. The softmax makes a share of it, since "
            "exp(0) is 1.",
        ),
        Mistake(
            "hidden after the softmax",
            lambda q, k, mask: _weights(hide=lambda s, m: s)(q, k, mask) * mask[:, None, :],
            "You hide padding after the softmax, so that the shares of a row no longer sum to 1.",
        ),
        Mistake(
            "the mask the other way round",
            _weights(hide=lambda s, m: s.masked_fill(m[:, None, :], -1e9)),
            "You hide the places that count.",
        ),
        Mistake(
            "softmax over those who ask",
            _weights(axis=1),
            "Your softmax runs over the places that ask. The shares that *one* place gives to all "
            "others sum to 1.",
        ),
        Mistake(
            "keys and queries exchanged",
            lambda q, k, mask: _weights()(k, q, mask),
            "Row i is what place i hears: it asks with its q, and the others answer with their k.",
        ),
        Mistake(
            "equal shares",
            lambda q, k, mask: (mask / mask.sum(1, keepdim=True))[:, None].repeat(
                1, len(mask[0]), 1
            ),
            "Every place listens to all alike. The products of q and k should decide.",
        ),
    ),
)

# ==== Solution ====================================================================================


# Scores are products over the root of the width; what does not count has the score minus infinity,
# of which the softmax makes a share of 0.
def listening(q, k, mask):
    scores = q @ k.mT / q.shape[-1] ** 0.5
    scores = scores.masked_fill(~mask[:, None, :], float("-inf"))
    return scores.softmax(dim=-1)


def by_where(q: Any, k: Any, mask: Any) -> Any:
    scores = torch.einsum("biw,bjw->bij", q, k) * q.shape[-1] ** -0.5
    odds = torch.where(mask[:, None, :], (scores - scores.amax(2, keepdim=True)).exp(), 0.0)
    return odds / odds.sum(dim=2, keepdim=True)


def in_numpy(q: Any, k: Any, mask: Any) -> Any:
    q, k, mask = q.double().numpy(), k.double().numpy(), mask.numpy()
    scores = q @ k.transpose(0, 2, 1) / np.sqrt(q.shape[2])
    return special.softmax(np.where(mask[:, None], scores, -np.inf), axis=2)


other_ways = [by_where, in_numpy]
