"""Listen to those who are sure."""

from __future__ import annotations

import torch

from distill_lessons import losses, teachers
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _answers(seed: int) -> list[Case]:
    by_hand = torch.tensor([[[9.0, 0.0]], [[0.0, 1.0]]])
    cases = [Case("two teachers, of whom one is sure, one image, two classes", (by_hand,))]
    for m, n, k in ((3, 4, 5), (5, 2, 3)):
        rng = dice(seed, m)
        # Some teachers are sure and others are not, and that differs from image to image.
        loud = 4 * torch.rand(m, n, 1, generator=rng)
        z = loud * torch.randn(m, n, k, generator=rng)
        cases.append(Case(f"{m} teachers, {n} images, {k} classes", (z,)))
    return cases


exercise = Exercise(
    title="Listen to those who are sure",
    kind="code",
    difficulty="medium",
    importance="medium",
    minutes=6,
    points=2,
    hints=(
        "The entropy of one distribution is minus the sum of p log p over the classes: here the "
        "last axis of `p`. `z.log_softmax(dim=-1)` is log p without an overflow.",
        "The softmax of `-entropy` over the *teachers* is one over axis 0.",
    ),
    not_by=(teachers.entropy_weights, losses.entropy),
    cases=_answers,
)

# ==== Judging =====================================================================================

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _entropy(z: Tensor) -> Tensor:
    p = z.softmax(-1)
    return -torch.xlogy(p, p).sum(-1)


def _mix(
    weigh: Callable[[Tensor], Tensor] = lambda h: (-h).softmax(0),
    doubt: Callable[[Tensor], Tensor] = _entropy,
    what: Callable[[Tensor], Tensor] = lambda z: z,
) -> Callable[[Tensor], Tensor]:
    return lambda z: torch.einsum("mn,mnk->nk", weigh(doubt(z)), what(z))


def _winner(h: Tensor) -> Tensor:
    return (h == h.amin(0)).float()


judging = Judging(
    reference=_mix(),
    mistakes=(
        Mistake(
            "sign forgotten",
            _mix(lambda h: h.softmax(0)),
            "Your weights are highest where a teacher is *unsure*: the minus before the entropy is "
            "missing.",
        ),
        Mistake(
            "over the images",
            _mix(lambda h: (-h).softmax(1)),
            "Your softmax runs over the images. The weights of one image sum to 1 over the "
            "teachers.",
        ),
        Mistake(
            "all alike",
            _mix(lambda h: torch.full_like(h, 1 / len(h))),
            "This is the plain mean: each teacher counts the same on each image.",
        ),
        Mistake(
            "the surest alone",
            _mix(_winner),
            "You take the surest teacher alone. The softmax lets the others speak, too.",
        ),
        Mistake(
            "one weight a teacher",
            _mix(lambda h: (-h.mean(1, keepdim=True)).softmax(0).expand_as(h)),
            "Each teacher has one weight for all images. Who is sure differs from image to image.",
        ),
        Mistake(
            "one over the entropy",
            _mix(lambda h: (1 / h) / (1 / h).sum(0)),
            "You divide by the entropy. Asked for is the softmax of minus the entropy.",
        ),
        Mistake(
            "bits",
            _mix(doubt=lambda z: _entropy(z) / torch.log(torch.tensor(2.0))),
            "Your entropy is in bits. Use the natural logarithm.",
        ),
        Mistake(
            "mean over the classes",
            _mix(doubt=lambda z: _entropy(z) / z.shape[-1]),
            "Your entropy is a mean over the classes. It is a sum.",
        ),
        Mistake(
            "probabilities mixed",
            _mix(what=lambda z: z.softmax(-1)),
            "You mix probabilities. Mix the logits.",
        ),
        Mistake("the first teacher", lambda z: z[0], "This is the first teacher alone."),
    ),
)

# ==== Solution ====================================================================================


# The entropy says how unsure a teacher is of an image; the softmax makes of all teachers' doubt
# shares that sum to 1, image by image.
def entropy_mix(z):
    p = z.softmax(dim=-1)
    entropy = -(p * z.log_softmax(dim=-1)).sum(dim=-1)
    weights = (-entropy).softmax(dim=0)
    return (weights[..., None] * z).sum(dim=0)


def by_distributions(z: Any) -> Any:
    h = torch.distributions.Categorical(logits=z).entropy()
    w = torch.exp(-h) / torch.exp(-h).sum(dim=0, keepdim=True)
    return torch.einsum("mn,mnk->nk", w, z)


def in_numpy(z: Any) -> Any:
    z = z.double().numpy()
    e = np.exp(z - z.max(axis=2, keepdims=True))
    p = e / e.sum(axis=2, keepdims=True)
    h = -(p * np.log(p)).sum(axis=2)
    return (np.exp(-h)[..., None] * z).sum(axis=0) / np.exp(-h).sum(axis=0)[:, None]


other_ways = [by_distributions, in_numpy]

borrowed = [lambda z: teachers.mean_logits(z, teachers.entropy_weights(z))]
