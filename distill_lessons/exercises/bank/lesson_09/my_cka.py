"""CKA by hand."""

from __future__ import annotations

import torch

from distill_lessons import losses
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _layers(seed: int) -> list[Case]:
    cases = []
    for n, width, wider in ((4, 3, 3), (6, 2, 9)):
        rng = dice(seed, n)
        a = torch.randn(n, width, generator=rng, dtype=torch.float64)
        b = a @ torch.randn(width, wider, generator=rng, dtype=torch.float64)
        noise = torch.randn(n, wider, generator=rng, dtype=torch.float64)
        # Means far from 0, so that it matters whether they are taken off.
        cases.append(Case(f"{n} images, {width} and {wider} features", (a + 1, b + noise + 2)))
    return cases


exercise = Exercise(
    title="CKA by hand",
    kind="code",
    difficulty="medium",
    importance="medium",
    minutes=8,
    hints=(
        "`a - a.mean(dim=0)` takes each feature's mean over the images off.",
        "The three sums are `(a.T @ b).square().sum()` and the same of `a` with itself and of `b` "
        "with itself. Only two of them stand under a root.",
    ),
    not_by=(losses.linear_cka,),
    cases=_layers,
)

# ==== Judging =====================================================================================

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _cka(
    centre: Callable[[Tensor], Tensor] = lambda h: h - h.mean(0),
    power: Callable[[Tensor], Tensor] = lambda table: table.square().sum(),
    ends: Callable[[Tensor, Tensor], Tensor] = lambda one, two: (one * two).sqrt(),
) -> Callable[[Tensor, Tensor], Tensor]:
    def cka(a: Tensor, b: Tensor) -> Tensor:
        a, b = centre(a), centre(b)
        return power(a.T @ b) / ends(power(a.T @ a), power(b.T @ b))

    return cka


judging = Judging(
    reference=losses.linear_cka,
    mistakes=(
        Mistake(
            "not centred",
            _cka(centre=lambda h: h),
            "The means are still in: two layers whose features are all positive then look alike "
            "whatever they say.",
        ),
        Mistake(
            "centred per image",
            _cka(centre=lambda h: h - h.mean(1, keepdim=True)),
            "You took off each image's mean over the features. Take off each feature's mean over "
            "the images.",
        ),
        Mistake(
            "one mean",
            _cka(centre=lambda h: h - h.mean()),
            "You took off one mean for all. Each feature has its own.",
        ),
        Mistake(
            "no root below",
            _cka(ends=lambda one, two: one * two),
            "The root below the line is missing: a layer beside itself must give 1.",
        ),
        Mistake(
            "root of all",
            lambda a, b: _cka()(a, b).sqrt(),
            "This is the root of it: the norm of the table stands above the line squared.",
        ),
        Mistake(
            "absolute entries",
            _cka(power=lambda table: table.abs().sum()),
            "You add up absolute entries. Add up their squares.",
        ),
        Mistake(
            "by the larger",
            _cka(ends=torch.maximum),
            "You divide by the larger of the two. Divide by the root of their product.",
        ),
        Mistake(
            "standardised",
            _cka(centre=lambda h: (h - h.mean(0)) / h.std(0)),
            "You also divided by the spread. A feature that varies much is to count for much.",
        ),
        Mistake(
            "a distance",
            lambda a, b: 1 - _cka()(a, b),
            "This is 1 − CKA. A layer beside itself must give 1.",
        ),
    ),
)

# ==== Solution ====================================================================================


# Centred features; then how much of the one layer's variation goes along with the other's.
def my_cka(a, b):
    a, b = a - a.mean(dim=0), b - b.mean(dim=0)
    shared = (a.T @ b).square().sum()
    return shared / ((a.T @ a).square().sum() * (b.T @ b).square().sum()).sqrt()


def cka_by_kernels(a: Any, b: Any) -> Any:
    centre = np.eye(len(a)) - 1 / len(a)
    k, other = (centre @ v.numpy() @ v.numpy().T @ centre for v in (a, b))
    return (k * other).sum() / np.sqrt((k * k).sum() * (other * other).sum())


def cka_by_norms(a: Any, b: Any) -> float:
    a, b = (v.numpy() - v.numpy().mean(axis=0) for v in (a, b))
    norm = np.linalg.norm
    return float(norm(a.T @ b) ** 2 / (norm(a.T @ a) * norm(b.T @ b)))


other_ways = [cka_by_kernels, cka_by_norms]

borrowed = [losses.linear_cka, lambda a, b: losses.linear_cka(a, b)]
