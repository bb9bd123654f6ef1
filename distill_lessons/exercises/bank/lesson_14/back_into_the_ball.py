"""Back into the ball."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.robust import attacks


def _steps(seed: int) -> list[Case]:
    by_hand = torch.tensor([0.9, 0.2, 0.5, -0.1]), torch.tensor([0.5, 0.1, 0.5, 0.05])
    cases = [Case("changed = (0.9, 0.2, 0.5, −0.1), x = (0.5, 0.1, 0.5, 0.05), eps = 0.25",
                  (*by_hand, 0.25))]  # fmt: skip
    for n, eps in ((3, 0.1), (5, 0.4)):
        rng = dice(seed, n)
        x = torch.rand(n, 1, 3, 3, generator=rng)
        x[0, 0, 0, :2] = torch.tensor([0.0, 1.0])
        changed = x + 2 * eps * torch.randn(x.shape, generator=rng)
        cases.append(Case(f"{n} images of 3×3 pixels, eps = {eps}", (changed, x, eps)))
    return cases


exercise = Exercise(
    title="Back into the ball",
    kind="code",
    difficulty="easy",
    importance="high",
    minutes=5,
    hints=(
        "Two things are asked of a pixel: between `x - eps` and `x + eps`, and between 0 and 1.",
        "`torch.minimum(a, b)` and `torch.maximum(a, b)` compare two tensors pixel by pixel; "
        "`torch.clamp` also takes tensors as its ends.",
    ),
    not_by=(attacks.into_ball,),
    cases=_steps,
)

# ==== Judging =====================================================================================

from collections.abc import Callable

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _cut(
    near: Callable[[Tensor, Tensor, float], Tensor],
    seen: Callable[[Tensor], Tensor] = lambda x: x.clamp(0, 1),
) -> Callable[[Tensor, Tensor, float], Tensor]:
    return lambda changed, x, eps: seen(near(changed, x, eps))


def _box(changed: Tensor, x: Tensor, eps: float) -> Tensor:
    return x + (changed - x).clamp(-eps, eps)


def _sphere(changed: Tensor, x: Tensor, eps: float) -> Tensor:
    away = changed - x
    shorter: Tensor = x + away * (eps / away.norm()).clamp(max=1)
    return shorter


judging = Judging(
    reference=attacks.into_ball,
    mistakes=(
        Mistake(
            "range only",
            _cut(lambda changed, x, eps: changed),
            "Every pixel is in [0, 1], but some are farther than eps from where they were.",
        ),
        Mistake(
            "ball only",
            _cut(_box, seen=lambda x: x),
            "No pixel is too far away, but some have left [0, 1].",
        ),
        Mistake(
            "around zero",
            _cut(lambda changed, x, eps: changed.clamp(-eps, eps)),
            "You cut the pixels themselves to ±eps. It is their distance from `x` that is limited.",
        ),
        Mistake(
            "the change alone",
            lambda changed, x, eps: _box(changed, x, eps) - x,
            "This is the change. Return the changed image.",
        ),
        Mistake(
            "one side",
            _cut(lambda changed, x, eps: torch.minimum(changed, x + eps)),
            "Pixels that became too dark are still too far away.",
        ),
        Mistake(
            "a share of the pixel",
            _cut(lambda changed, x, eps: changed.clamp(x * (1 - eps), x * (1 + eps))),
            "Your limit is a share of the pixel's brightness. It is eps for every pixel.",
        ),
        Mistake(
            "as one length",
            _cut(_sphere),
            "You limit the length of the whole change. Here each pixel has a limit of its own.",
        ),
        Mistake(
            "all or nothing",
            _cut(lambda changed, x, eps: torch.where((changed - x).abs() <= eps, changed, x)),
            "A pixel that went too far is sent back all the way. It may stay at eps.",
        ),
        Mistake(
            "where it started",
            lambda changed, x, eps: x.clone(),
            "These are the images as they were; no attack would be left.",
        ),
    ),
)

# ==== Solution ====================================================================================


# Each pixel by itself: not farther than eps, and not out of the range. The order does not matter,
# since x itself lies in both.
def back_into_the_ball(changed, x, eps):
    near = torch.minimum(torch.maximum(changed, x - eps), x + eps)
    return near.clamp(0, 1)


def by_the_change(changed, x, eps):
    return (x + (changed - x).clip(-eps, eps)).clip(0, 1)


def in_loops(changed, x, eps):
    def one(new, old):
        if isinstance(new, list):
            return [one(a, b) for a, b in zip(new, old)]
        return max(max(0.0, old - eps), min(min(1.0, old + eps), new))

    return one(changed.tolist(), x.tolist())


other_ways = [by_the_change, in_loops]

borrowed = [attacks.into_ball, lambda changed, x, eps: attacks.into_ball(changed, x, eps)]
