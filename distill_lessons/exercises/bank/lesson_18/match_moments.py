"""Bring a pixel's moments home."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.senses import domains


def _sets(seed: int) -> list[Case]:
    x = torch.tensor([0.2, 0.5, 0.9, 0.4, 0.5, 0.9]).reshape(2, 1, 1, 3)
    like = torch.tensor([0.0, 0.3, 0.6, 1.0, 0.7, 0.6]).reshape(2, 1, 1, 3)
    words = (
        "two images of three pixels, (0.2, 0.5, 0.9) and (0.4, 0.5, 0.9), to be like (0, 0.3, 0.6) "
        "and (1, 0.7, 0.6)"
    )
    cases = [Case(words, (x, like))]
    for n, side in ((6, 2), (40, 3)):
        rng = dice(seed, n)
        x, like = torch.rand(2, n, 1, side, side, generator=rng)
        x = 0.3 * x + torch.rand(1, side, side, generator=rng) / 2
        x[:, 0, 0, 0], like[:, 0, 1, 1] = x[0, 0, 0, 0], 0.0  # each has a pixel that never changes
        words = f"{n} images of {side}×{side} pixels, one of which never changes, and {n} of home"
        cases.append(Case(words, (x, like)))
    return cases


exercise = Exercise(
    title="Bring the moments home",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "First take from every pixel its own mean. What is left are deviations, whose spread is "
        "`spread`. By what must they be multiplied to get the spread of home?",
        "A pixel that never changes has a spread of 0, and nothing can be divided by that: "
        "`torch.where(spread > 0, ..., 0.0)` chooses pixel by pixel, and in it you may divide by "
        "`spread.clamp_min(1e-6)`.",
    ),
    not_by=(domains.match_moments,),
    cases=_sets,
)

# ==== Judging =====================================================================================

from collections.abc import Callable

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _matched(
    scale: Callable[[Tensor, Tensor], Tensor] = lambda own, home: home / own,
    own: Callable[[Tensor], Tensor] = lambda x: x.mean(0),
    home: Callable[[Tensor], Tensor] = lambda like: like.mean(0),
    dead: float = 0.0,
    over: tuple[int, ...] = (0,),
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the matching, with room for mistakes."""

    def found(x: Tensor, like: Tensor) -> Tensor:
        spread = x.std(over, keepdim=True)
        by = scale(spread, like.std(over, keepdim=True))
        by = torch.where(spread > 1e-6, by, torch.full_like(by, dead))
        return (x - own(x)) * by + home(like)

    return found


judging = Judging(
    reference=domains.match_moments,
    mistakes=(
        Mistake(
            "upside down",
            _matched(lambda own, home: own / home.clamp_min(1e-6)),
            "The scale is upside down: a pixel that varies too much would vary still more.",
        ),
        Mistake(
            "variances",
            _matched(lambda own, home: home**2 / own.clamp_min(1e-6) ** 2),
            "You divide variances. The spread is the standard deviation, their root.",
        ),
        Mistake(
            "the spread of home alone",
            _matched(lambda own, home: home.expand_as(own)),
            "You multiply by the spread of home. The pixel has a spread of its own, which has to "
            "be divided out.",
        ),
        Mistake(
            "the mean alone",
            _matched(lambda own, home: torch.ones_like(own)),
            "The means are those of home, the spreads are not.",
        ),
        Mistake(
            "not centred",
            _matched(own=lambda x: torch.zeros_like(x[0])),
            "You scale the pixels and not their deviations: take the pixel's own mean off first.",
        ),
        Mistake(
            "centred on home",
            _matched(own=lambda x: x.mean(0), home=lambda like: torch.zeros_like(like[0])),
            "The mean of home is missing at the end.",
        ),
        Mistake(
            "two numbers for all pixels",
            lambda x, like: domains.match_moments(x, like, per_pixel=False),
            "You take one mean and one spread over all pixels. Each pixel has its own.",
        ),
        Mistake(
            "image by image",
            lambda x, like: (
                (x - x.mean((1, 2, 3), keepdim=True)) / x.std((1, 2, 3), keepdim=True) * like.std(0)
                + like.mean(0)
            ),
            "You take the moments over the pixels of an image. Here they are over the images.",
        ),
        Mistake(
            "a still pixel divided",
            lambda x, like: (x - x.mean(0)) / x.std(0) * like.std(0) + like.mean(0),
            "A pixel that never changes has the spread 0, and you divide by it.",
        ),
    ),
)

# ==== Solution ====================================================================================


# Deviations are scaled, not pixels: the mean is taken off before and the one of home put on after.
# What never changes on the target tells nothing, and becomes the mean of home.
def match_moments(x, like):
    spread = x.std(dim=0)  # (C, H, W)
    scale = torch.where(spread > 1e-6, like.std(dim=0) / spread.clamp_min(1e-6), 0.0)
    centred = x - x.mean(dim=0)
    return centred * scale + like.mean(dim=0)


def by_pixels(x, like):
    out = torch.empty_like(x)
    for at in torch.cartesian_prod(*map(torch.arange, x.shape[1:])).tolist():
        own, home = x[(slice(None), *at)], like[(slice(None), *at)]
        own = own - own.mean()
        if own.abs().max() > 1e-6:
            own = own * home.std() / own.std()
        out[(slice(None), *at)] = own + home.mean()
    return out


def in_numpy(x, like):
    x, like = x.double().numpy(), like.double().numpy()
    spread = x.std(0)
    spread[spread < 1e-6] = float("inf")
    return (x - x.mean(0)) / spread * like.std(0) + like.mean(0)


other_ways = [by_pixels, in_numpy]

borrowed = [domains.match_moments, lambda x, like: domains.match_moments(x, like)]
