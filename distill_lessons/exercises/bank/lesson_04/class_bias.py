"""A bias for the missing class."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _shy(seed: int) -> list[Case]:
    cases = []
    for stream, (n, K, least) in enumerate(((40, 5, -3.0), (25, 3, -11.0), (3, 4, -0.6))):
        rng = dice(seed, stream)
        # One class of each row lies at 0, the others below it, and class k so far from it that no
        # b has to be found to a hair. Then each row is lifted as a whole.
        others = -1 - 3 * torch.rand(n, K - 1, generator=rng)
        others[torch.arange(n), torch.randint(K - 1, (n,), generator=rng)] = 0
        far = least + 0.5 * torch.randperm(n, generator=rng) + 0.2 * torch.rand(n, generator=rng)
        k = int(torch.randint(1, K, (), generator=rng))
        z = torch.cat([others[:, :k], -far[:, None], others[:, k:]], dim=1)
        z += 2 * torch.randn(n, 1, generator=rng)
        wins = float((z.argmax(1) == k).float().mean())
        count = int(torch.randint(1, n, (), generator=rng))
        for share in (count / n, stream % 2):  # and all or none
            words = f"z of shape ({n}, {K}), class {k}, winning {wins:.0%} of the images at b = 0"
            cases.append(Case(f"{words}, share {share:g}", (z.clone(), k, share)))
    by_hand = torch.tensor([[0.0, 1.0], [0.0, 2.0], [0.0, 3.0], [0.0, 4.0]])
    close = torch.tensor([[0.0, 0.0], [0.0, 1.0], [0.0, 1.25], [0.0, 1.5]])
    return [
        Case("z = [[0, 1], [0, 2], [0, 3], [0, 4]], class 0, share 0.75", (by_hand, 0, 0.75)),
        Case("z = [[0, 0], [0, 1], [0, 1.25], [0, 1.5]], class 0, share 0.25", (close, 0, 0.25)),
        *cases,
    ]


def _leaves_z(bias: Callable[..., Any], z: Tensor, k: int, share: float) -> Any:
    return bias(z.clone(), k, share)


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

# A search that halves its range ends within a hair of a margin, on either side of it.
HAIR = 0.02


def _with_the_bias(b: Any, z: Tensor, k: int, share: float) -> dict[str, Any]:
    if isinstance(b, int | float):
        column = torch.arange(z.shape[1]) == k
        shares = [
            float(((z + (b + off) * column).argmax(1) == k).float().mean())
            if math.isfinite(b)
            else float(b > 0)
            for off in (0, -HAIR, HAIR)
        ]
        b = min(shares, key=lambda one: abs(one - share))
    return {"the share of images given to the class": b}


def _margins(z: Tensor, k: int) -> Tensor:
    """How much each image's best other class leads over class k, in order."""
    others = torch.cat([z[:, :k], z[:, k + 1 :]], dim=1)
    return (others.amax(1) - z[:, k]).sort().values


def _threshold(z: Tensor, k: int, share: float) -> float:
    margins, last = _margins(z, k), round(share * len(z))
    below, above = margins[:last].tolist(), margins[last:].tolist()
    return (
        max(below, default=above[0] - 2 if above else 0)
        + min(above, default=below[-1] + 2 if below else 0)
    ) / 2


def _by_probability(z: Tensor, k: int, share: float) -> float:
    return math.log(max(share, 1e-9) / float(z.softmax(1)[:, k].mean()))


def _mean_probability(z: Tensor, k: int, share: float) -> float:
    column = (torch.arange(z.shape[1]) == k).double()
    low, high = -30.0, 30.0
    for _ in range(60):
        b = (low + high) / 2
        less = float((z + b * column).softmax(1)[:, k].mean()) < share
        low, high = (b, high) if less else (low, b)
    return low


judging = Judging(
    properties=_with_the_bias,
    reference=_threshold,
    mistakes=(
        Mistake(
            "nothing",
            lambda z, k, share: 0.0,
            "b = 0 changes no prediction. Where the class lies behind, b has to lift it.",
        ),
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
            "mean probability",
            _mean_probability,
            "With your b the mean *probability* of the class is `share`. Here predictions are "
            "counted: for how many images is its logit the largest?",
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


# A bias b wins the images whose margin is below b, so it is the quantile of the margins. The cell
# after the exercise says what it does for ten repeats of three kinds of student.
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
        low, high = (b, high) if now < share else (low, b)
    return low


def bias_by_sorting(z, k, share):
    margins = sorted(max(row[:k] + row[k + 1 :]) - row[k] for row in z.tolist())
    wins = round(share * len(margins))
    return margins[wins - 1] + 1e-4 if wins else -np.inf


def bias_in_steps_of_a_tenth(z, k, share):
    for b in torch.arange(-20.0, 20.0, 0.1):
        shifted = z.clone()
        shifted[:, k] += b
        if (shifted.argmax(1) == k).float().mean() >= share:
            return b
    return None


other_ways = [bias_by_bisection, bias_by_sorting, bias_in_steps_of_a_tenth]
