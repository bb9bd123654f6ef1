"""A batch of one."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _batches(seed: int) -> list[Case]:
    rng = dice(seed)
    return [
        Case("x of shape (5, 1, 8, 8)", (torch.randn(5, 1, 8, 8, generator=rng),)),
        Case("x of shape (2, 3, 4, 6)", (torch.randn(2, 3, 4, 6, generator=rng),)),
    ]


exercise = Exercise(
    title="A batch of one",
    kind="code",
    difficulty="easy",
    importance="high",
    minutes=2,
    hints=(
        "An axis of length one can be put back: `unsqueeze`, or `None` in an index.",
        "Or never lose it. A slice of `x` keeps its axis, even if it holds a single entry.",
    ),
    cases=_batches,
)

# ==== Judging =====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake

judging = Judging(
    reference=lambda x: x.narrow(0, 0, 1),
    mistakes=(
        Mistake("axis lost", lambda x: x[0], "An index takes the first axis away."),
        Mistake("the last image", lambda x: x[-1:], "That is the last image of the batch."),
    ),
)

# ==== Solution ====================================================================================

import numpy as np


# A slice keeps the axis that an index takes away.
def batch_of_one(x):
    return x[:1]


other_ways = [lambda x: x[0].unsqueeze(0), lambda x: x.numpy()[None, 0].astype(np.float64)]
