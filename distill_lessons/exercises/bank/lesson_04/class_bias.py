"""A bias for the missing class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _shy(seed: int) -> list[Case]:
    cases = []
    for number, (n, k, lead) in enumerate(((40, 5, -6.0), (25, 3, 6.0))):
        dice = torch.Generator().manual_seed(100 * number + seed)
        z, missing = 2 * torch.randn(n, k, generator=dice), seed % k
        z[:, missing] += lead
        # Between the margins that lie furthest apart, so that no b has to be found to a hair.
        apart = _margins(z, missing).diff()[n // 8 : n // 2]
        share = (n // 8 + int(apart.argmax()) + 1) / n
        wins = float((z.argmax(1) == missing).float().mean())
        words = (
            f"z of shape ({n}, {k}), class {missing}, winning {wins:.0%} of the images at b = 0, "
            f"share {share:g}"
        )
        cases.append(Case(words, (z, missing, share)))
    by_hand = torch.tensor([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0], [0.0, 4.0]])
    return [
        Case("z = [[0, 1], [0, 2], [0, 3], [0, 4]], class 0, share 0.75", (by_hand, 0, 0.75)),
        *cases,
    ]


def _leaves_z(bias: Callable[..., Any], z: Tensor, k: int, share: float) -> Any:
    return bias(z.clone(), k, share)


def _margins(z: Tensor, k: int) -> Tensor:
    """How much each image's best other class leads over class k, in order."""
    others = torch.cat([z[:, :k], z[:, k + 1 :]], dim=1)
    return (others.amax(1) - z[:, k]).sort().values


exercise = Exercise(
    title="A bias for the missing class",
    kind="code",
    difficulty="hard",
    importance="medium",
    minutes=10,
    points=3,
    hints=(
        "An image is given to class k as soon as its logit, with b, is above all others. How much "
        "is missing, image by image? Call this its margin.",
        "The best of the others: in a copy of z set column k to −inf, and take the largest of "
        "each row. The margin is that minus `z[:, k]`.",
        "A bias b wins every image whose margin is below b. So the fraction `share` of all margins "
        "has to lie below b: a quantile.",
    ),
    cases=_shy,
    ask=_leaves_z,
)

# ==== Judging =====================================================================================

import math

from distill_lessons.exercises.parts import Judging, Mistake


def _with_the_bias(b: Any, z: Tensor, k: int, share: float) -> dict[str, Any]:
    if isinstance(b, int | float):
        z[:, k] += b
        b = (z.argmax(1) == k).float().mean()
    return {"the share of images given to the class": b}


def _threshold(z: Tensor, k: int, share: float) -> float:
    margins, last = _margins(z, k), round(share * len(z))
    return float(margins[last - 1] + margins[min(last, len(z) - 1)]) / 2


def _by_probability(z: Tensor, k: int, share: float) -> float:
    return math.log(share / float(z.softmax(1)[:, k].mean()))


judging = Judging(
    properties=_with_the_bias,
    reference=_threshold,
    mistakes=(
        Mistake(
            "sign",
            lambda z, k, share: -_threshold(z, k, share),
            "The sign is flipped. In the first input the class lies behind, so b has to lift it.",
        ),
        Mistake(
            "k among the others",
            lambda z, k, share: float((z.amax(1) - z[:, k]).quantile(share)),
            "Your b is never negative, but where the class wins too often b has to lower it. Leave "
            "k itself out of the best of the others.",
        ),
        Mistake(
            "the other share",
            lambda z, k, share: _threshold(z, k, 1 - share),
            "So many images are left to the *other* classes. The smallest margins are won first.",
        ),
        Mistake(
            "the class by itself",
            lambda z, k, share: float(torch.quantile(-z[:, k], share)),
            "You looked at the logit of the class alone. Whether it is named depends on the best "
            "of the others too.",
        ),
        Mistake(
            "mean margin",
            lambda z, k, share: float(_margins(z, k).mean()),
            "That is the mean margin, and `share` is not used: a mean does not say how many images "
            "lie below it.",
        ),
        Mistake(
            "probabilities matched",
            _by_probability,
            "The logarithm of a ratio of probabilities corrects the mean *probability*, and only "
            "roughly. Here predictions are counted: which class has the largest logit.",
        ),
    ),
)

# ==== Solution ====================================================================================

import numpy as np


# A bias b wins the images whose margin is below b, so it is the quantile of the margins. With the
# digits, b from validation images and the share of 3s in the training set: at T = 1 the students
# recognise 95 % of the 3s and not 23 %, at T = 4 98 % and not 91 %. They had learned what a 3 looks
# like, and did not dare to say so.
def class_bias(z, k, share):
    others = z.clone()
    others[:, k] = -torch.inf
    margin = others.max(1).values - z[:, k]
    return margin.quantile(share).item()


def bias_by_bisection(z, k, share):
    rows, low, high = z.numpy().astype(np.float64), -100.0, 100.0
    for _ in range(60):
        b = (low + high) / 2
        shifted = rows + b * np.eye(rows.shape[1])[k]
        now = (shifted.argmax(axis=1) == k).mean()
        if abs(now - share) < 1e-9:
            return b
        low, high = (b, high) if now < share else (low, b)
    return low


def bias_by_sorting(z, k, share):
    margins = sorted(max(row[:k] + row[k + 1 :]) - row[k] for row in z.tolist())
    return margins[round(share * len(margins)) - 1] + 1e-4


def bias_in_steps_of_a_tenth(z, k, share):
    for b in torch.arange(-20.0, 20.0, 0.1):
        shifted = z.clone()
        shifted[:, k] += b
        if (shifted.argmax(1) == k).float().mean() >= share:
            return b
    return None


other_ways = [bias_by_bisection, bias_by_sorting, bias_in_steps_of_a_tenth]
