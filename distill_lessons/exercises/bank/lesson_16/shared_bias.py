"""One number for several classes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.paper import biases


def _shy(seed: int) -> list[Case]:
    by_hand = torch.tensor([[0.0, 5.0, 1.0], [0.0, 4.0, 2.0], [0.0, 3.0, 3.0], [9.0, 0.0, 1.0]])
    cases = [
        Case(
            "z = [[0, 5, 1], [0, 4, 2], [0, 3, 3], [9, 0, 1]], classes [1, 2], share 0.5",
            (by_hand, torch.tensor([1, 2]), 0.5),
        )
    ]
    for stream, (n, classes, k) in enumerate(((40, [1, 3], 5), (30, [0, 2, 4], 6), (20, [3], 4))):
        rng = dice(seed, stream)
        z = 3 * torch.randn(n, k, generator=rng)
        z[:, classes] += 4 if stream == 0 else -3
        share = int(torch.randint(2, n - 1, (), generator=rng)) / n
        words = f"z of shape ({n}, {k}), classes {classes}, share {share:g}"
        cases.append(Case(words, (z, torch.tensor(classes), share)))
    return cases


def _leaves_z(bias: Callable[..., Any], z: Tensor, classes: Tensor, share: float) -> Any:
    return bias(z.clone(), classes.clone(), share)


exercise = Exercise(
    title="One number for several classes",
    kind="code",
    difficulty="hard",
    importance="high",
    minutes=9,
    points=3,
    hints=(
        "In lesson 04 one class had a margin to the best of the others. Here a *group* has one: "
        "the best logit outside the group minus the best one inside.",
        "`inside = torch.zeros(K, dtype=torch.bool)`, then `inside[classes] = True`. The best of "
        "the group is `z[:, inside].amax(1)`.",
        "b gives the group every image whose margin is below b. The fraction `share` of all "
        "margins has to lie below it: a quantile.",
    ),
    not_by=(biases.from_frequency, biases.margins),
    cases=_shy,
    ask=_leaves_z,
)

# ==== Judging =====================================================================================

import numpy as np

from distill_lessons.exercises.parts import Judging, Mistake

HAIR = 0.01  # a search that halves its range ends within a hair of a margin


def _with_the_bias(b: Any, z: Tensor, classes: Tensor, share: float) -> dict[str, Any]:
    if isinstance(b, int | float):
        column = torch.isin(torch.arange(z.shape[1]), classes)
        shares = [
            float(column[(z + (b + off) * column).argmax(1)].float().mean())
            if math.isfinite(b)
            else float(b > 0)
            for off in (0, -HAIR, HAIR)
        ]
        b = min(shares, key=lambda one: abs(one - share))
    return {"the share of images given to the group": b}


def _rest(z: Tensor, classes: Tensor) -> list[int]:
    return sorted(set(range(z.shape[1])) - set(classes.tolist()))


def _margins(z: Tensor, classes: Tensor) -> Tensor:
    return z[:, _rest(z, classes)].max(1).values - z[:, classes].max(1).values


def _between(margins: Tensor, share: float) -> float:
    ordered: list[float] = margins.sort().values.tolist()
    place = min(max(round(share * len(ordered)), 1), len(ordered) - 1)
    return (ordered[place - 1] + ordered[place]) / 2


def _threshold(z: Tensor, classes: Tensor, share: float) -> float:
    return _between(_margins(z, classes), share)


def _each_alone(z: Tensor, classes: Tensor, share: float) -> float:
    alone = [
        _between(_margins(z, classes[i : i + 1]), share / len(classes)) for i in range(len(classes))
    ]
    return sum(alone) / len(alone)


judging = Judging(
    properties=_with_the_bias,
    reference=_threshold,
    mistakes=(
        Mistake(
            "nothing",
            lambda z, classes, share: 0.0,
            "b = 0 changes no prediction.",
        ),
        Mistake(
            "sign",
            lambda z, classes, share: -_threshold(z, classes, share),
            "The sign is flipped. Where the group is named too often, b has to lower it.",
        ),
        Mistake(
            "the other share",
            lambda z, classes, share: _threshold(z, classes, 1 - share),
            "So many images are left to the *other* classes. The smallest margins are won first.",
        ),
        Mistake(
            "class by class",
            _each_alone,
            "You found a bias for each class by itself and took their mean. All classes of the "
            "group move together: an image is theirs if the best of them wins.",
        ),
        Mistake(
            "the first class",
            lambda z, classes, share: _threshold(z, classes[:1], share),
            "Only the first class of the group was looked at.",
        ),
        Mistake(
            "the mean of the group",
            lambda z, classes, share: _between(
                z[:, _rest(z, classes)].amax(1) - z[:, classes].mean(1),
                share,
            ),
            "You compare with the *mean* logit of the group. An image is theirs if the *best* of "
            "them wins.",
        ),
        Mistake(
            "the group among the others",
            lambda z, classes, share: _between(z.amax(1) - z[:, classes].amax(1), share),
            "Your b is never negative. Leave the group out of the best of the others.",
        ),
        Mistake(
            "mean margin",
            lambda z, classes, share: float(_margins(z, classes).mean()),
            "That is the mean margin, and `share` is not used.",
        ),
        Mistake(
            "a logarithm of shares",
            lambda z, classes, share: math.log(
                share / float(z.softmax(1)[:, classes].sum(1).mean())
            ),
            "The logarithm of a ratio corrects the mean *probability*, and only roughly. Here "
            "predictions are counted.",
        ),
    ),
)

# ==== Solution ====================================================================================


# The group wins an image as soon as b is above its margin: the best of the others minus the best of
# the group. So b is the quantile of these margins. No label is needed, only how often the classes
# occur: that may be known where no single label is.
def shared_bias(z, classes, share):
    inside = torch.zeros(z.shape[1], dtype=torch.bool)
    inside[classes] = True
    margin = z[:, ~inside].amax(1) - z[:, inside].amax(1)
    return margin.quantile(share).item()


def by_bisection(z: Any, classes: Any, share: Any) -> Any:
    rows, low, high = z.numpy().astype(np.float64), -100.0, 100.0
    column = np.isin(np.arange(rows.shape[1]), classes)
    for _ in range(60):
        b = (low + high) / 2
        now = column[(rows + b * column).argmax(axis=1)].mean()
        low, high = (b, high) if now < share else (low, b)
    return low


def by_sorting(z: Any, classes: Any, share: Any) -> Any:
    margins, group = [], classes.tolist()
    for row in z.tolist():
        others = max(value for c, value in enumerate(row) if c not in group)
        margins.append(others - max(row[c] for c in group))
    return sorted(margins)[round(share * len(margins)) - 1] + 1e-4


other_ways = [by_bisection, by_sorting]

borrowed = [
    lambda z, classes, share: biases.from_frequency(z, classes.tolist(), share),
    lambda z, classes, share: biases.margins(z, classes.tolist()).quantile(share).item(),
]
