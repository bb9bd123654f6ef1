"""Do two layers look at the same places?"""

from __future__ import annotations

import torch

from distill_lessons import losses
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.vision import maps


def _layers(seed: int) -> list[Case]:
    a = torch.tensor([[[[0.0, 1.0], [2.0, 0.0]]]])
    b = torch.tensor([[[[0.0, 2.0], [1.0, 0.0]]]])
    cases = [Case("one image, one map of 2×2 from each net", (a, b))]
    for n, channels in ((3, 4), (5, 2)):
        rng = dice(seed, n)
        a = torch.randn(n, channels, 3, 4, generator=rng)
        b = torch.randn(n, channels + 1, 3, 4, generator=rng) + 0.5 * a[:, :1]
        words = f"{n} images, {channels} maps of 3×4 and {channels + 1} maps of 3×4"
        cases.append(Case(words, (a, b)))
    return cases


exercise = Exercise(
    title="Do they look at the same places?",
    kind="code",
    difficulty="medium",
    importance="medium",
    minutes=8,
    points=2,
    hints=(
        "How strongly a layer answers at a place: the sum of its squares over the channels, "
        "`h.square().sum(1).flatten(1)`, one row per image.",
        "A correlation is a cosine of deviations: take from each row its own mean, then divide "
        "the sum of products by both lengths.",
    ),
    not_by=(maps.agreement, losses.attention_map, losses.attention_transfer),
    cases=_layers,
)

# ==== Judging =====================================================================================

from collections.abc import Callable

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _correlated(
    strength: Callable[[Tensor], Tensor] = lambda h: h.square().sum(0),
    centre: Callable[[Tensor], Tensor] = lambda row: row - row.mean(),
    length: Callable[[Tensor], Tensor] = lambda row: row.norm(),
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the correlations, with room for mistakes; image by image."""

    def found(a: Tensor, b: Tensor) -> Tensor:
        rows = []
        for one, other in zip(a, b, strict=True):
            u, v = (centre(strength(h).flatten()) for h in (one, other))
            rows.append((u * v).sum() / (length(u) * length(v)))
        return torch.stack(rows)

    return found


judging = Judging(
    reference=_correlated(),
    mistakes=(
        Mistake(
            "cosine",
            _correlated(centre=lambda row: row),
            "This is the cosine. Maps of positive numbers have a large one whatever they show: "
            "take the mean over the places off first.",
        ),
        Mistake(
            "sums, not squares",
            _correlated(lambda h: h.sum(0)),
            "You add the activations up: positive and negative ones cancel. Square them first.",
        ),
        Mistake(
            "sizes",
            _correlated(lambda h: h.abs().sum(0)),
            "You add up sizes. Attention here is the sum of *squares*.",
        ),
        Mistake(
            "the first map",
            _correlated(lambda h: h[0].square()),
            "You look at the first channel only. Add up all of them.",
        ),
        Mistake(
            "lengths left out",
            _correlated(length=lambda row: torch.ones(())),
            "You do not divide by the lengths, so that a net with larger activations agrees more.",
        ),
        Mistake(
            "one number for all",
            lambda a, b: _correlated()(a, b).mean(),
            "This is one number. Return one for each image.",
        ),
        Mistake(
            "squared mean",
            _correlated(lambda h: h.mean(0).square()),
            "You square the mean over the channels. Square first, then add up.",
        ),
    ),
)

# ==== Solution ====================================================================================


# Strength at each place, then how the two strengths rise and fall together from place to place.
def shared_places(a, b):
    rows = []
    for h in (a, b):
        strength = h.square().sum(dim=1).flatten(1)  # (N, h * w)
        deviation = strength - strength.mean(dim=1, keepdim=True)
        rows.append(torch.nn.functional.normalize(deviation, dim=1))
    return (rows[0] * rows[1]).sum(dim=1)


def by_corrcoef(a, b):
    strong = [(h**2).sum(1).flatten(1) for h in (a, b)]
    return torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(*strong)])


def in_numpy(a, b):
    import numpy as np

    strong = [(h.double().numpy() ** 2).sum(1).reshape(len(h), -1) for h in (a, b)]
    return np.array([np.corrcoef(u, v)[0, 1] for u, v in zip(*strong)])


other_ways = [by_corrcoef, in_numpy]

borrowed = [maps.agreement, lambda a, b: maps.agreement(a, b)]
