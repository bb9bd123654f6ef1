"""Find the bug: the targets of many teachers."""

from __future__ import annotations

import torch

from distill_lessons import losses, teachers
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _answers(seed: int) -> list[Case]:
    by_hand = torch.tensor([[[0.0, 0.0]], [[3.0, 0.0]]])
    cases = [Case("two teachers, one image, two classes, T = 1", (by_hand, 1.0))]
    for m, n, k, T in ((4, 3, 5, 4.0), (3, 6, 2, 0.5)):
        z = 2 * torch.randn(m, n, k, generator=dice(seed, m))
        cases.append(Case(f"{m} teachers, {n} images, {k} classes, T = {T:g}", (z, T)))
    return cases


GIVEN = '''\
def mean_targets(z, T):
    """z (M, N, K): the logits of M teachers. Returns their mean soft targets, (N, K)."""
    odds = (z / T).exp()
    p = odds / odds.sum()
    return p.mean(dim=0)
'''

exercise = Exercise(
    title="Find the bug: the targets of many teachers",
    kind="bug",
    given=GIVEN,
    difficulty="easy",
    importance="high",
    minutes=4,
    hints=(
        "What should the targets of one image sum to, and what do these? Try two teachers and one "
        "image on paper.",
        "Over which of the three axes does a softmax run, and over which does this sum?",
    ),
    not_by=(losses.soft_targets, teachers.mean_probabilities),
    cases=_answers,
)

# ==== Judging =====================================================================================

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _mean(
    axis: int | tuple[int, ...] = 2,
    scale: Callable[[Tensor, float], Tensor] = lambda z, T: z / T,
    over: Callable[[Tensor], Tensor] = lambda p: p.mean(0),
) -> Callable[[Tensor, float], Tensor]:
    """Return the mean of a softmax over some axes, by logarithms."""

    def targets(z: Tensor, T: float) -> Tensor:
        scaled = scale(z, T)
        return over((scaled - scaled.logsumexp(axis, keepdim=True)).exp())

    return targets


judging = Judging(
    reference=_mean(),
    mistakes=(
        Mistake("as given", _mean((0, 1, 2)), "", given=True),
        Mistake(
            "over images and classes",
            _mean((1, 2)),
            "Each teacher's table now sums to 1 as a whole. Each *image* has targets that sum to "
            "1, from every teacher.",
        ),
        Mistake(
            "over the teachers",
            _mean(0),
            "You divide by the sum over the teachers: then every class of every image comes out at "
            "one over their number.",
        ),
        Mistake(
            "over the images",
            _mean(1),
            "You divide by the sum over the images. A softmax runs over the classes.",
        ),
        Mistake(
            "the sum of the teachers",
            _mean(over=lambda p: p.sum(0)),
            "You add the teachers' targets up. Their mean sums to 1.",
        ),
        Mistake(
            "softmax of the mean",
            lambda z, T: (z.mean(0) / T).softmax(1),
            "This is the softmax of the mean logits, another way to mix. Here the mean of the "
            "*softmaxes* was meant.",
        ),
        Mistake(
            "the first teacher",
            _mean(over=lambda p: p[0]),
            "These are the targets of the first teacher alone.",
        ),
        Mistake(
            "times T",
            _mean(scale=lambda z, T: z * T),
            "You multiply by T. A temperature divides.",
        ),
        Mistake("without T", _mean(scale=lambda z, T: z), "The temperature is gone."),
    ),
)

# ==== Solution ====================================================================================


# The sum ran over teachers, images and classes at once. So all targets are far too small, and
# teachers and images with large logits weigh more than others. A student still learns from them,
# since Adam does not mind the scale of a loss; that is why such a bug can live long.
def mean_targets(z, T):
    odds = (z / T).exp()
    p = odds / odds.sum(dim=2, keepdim=True)
    return p.mean(dim=0)


def by_softmax(z: Any, T: Any) -> Any:
    return torch.softmax(z / T, dim=-1).mean(dim=0)


def teacher_by_teacher(z: Any, T: float) -> Any:
    total = 0.0
    for table in z.double().numpy():
        odds = np.exp(table / T)
        total = total + odds / odds.sum(axis=1, keepdims=True)
    return total / len(z)


other_ways = [by_softmax, teacher_by_teacher]

borrowed = [lambda z, T: sum(losses.soft_targets(table, T) for table in z) / len(z)]
