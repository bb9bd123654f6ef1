"""A paired difference with its interval."""

from __future__ import annotations

import torch

from distill_lessons import claims
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _accuracies(seed: int) -> list[Case]:
    rng = dice(seed)
    a = 0.80 + 0.1 * torch.rand(10, generator=rng)
    b = a - 0.03 + 0.02 * torch.randn(10, generator=rng)
    five = 0.90 + 0.05 * torch.rand(2, 5, generator=rng)
    by_hand = torch.tensor([0.90, 0.92, 0.94]), torch.tensor([0.88, 0.91, 0.91])
    return [
        Case("a = [0.90, 0.92, 0.94], b = [0.88, 0.91, 0.91], t = 4.303", (*by_hand, 4.303)),
        Case("ten repeats, t = 2.262", (a, b, 2.262)),
        Case("five repeats, a loses, t = 2.776", (five[0] - 0.1, five[1], 2.776)),
    ]


exercise = Exercise(
    title="A paired difference with its interval",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=8,
    points=2,
    hints=(
        "`d` is one difference per repeat, a minus b. From there on a and b are not needed.",
        "How far single repeats scatter is the standard deviation of d. How sure their mean is "
        "gets better with more repeats: divide by the root of their number.",
        "`d.std()` of a tensor divides by n − 1, as it should; NumPy's divides by n unless you say "
        "`ddof=1`. There are `len(d)` repeats.",
    ),
    cases=_accuracies,
    not_by=(claims.mean_effect,),
)

# ==== Judging =====================================================================================

import math
from collections.abc import Callable

import numpy as np
from scipy import stats
from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _around(mean: float, half: float) -> list[float]:
    return [mean, mean - half, mean + half]


def _interval(half: Callable[[np.ndarray, float], float]) -> Callable[..., list[float]]:
    """Return a mean difference with an interval whose half width is made from the differences."""

    def answer(a: Tensor, b: Tensor, t: float) -> list[float]:
        d = np.subtract(a.double().numpy(), b.double().numpy())
        return _around(float(d.mean()), float(half(d, t)))

    return answer


def _unpaired(a: Tensor, b: Tensor, t: float) -> list[float]:
    a, b = a.double(), b.double()
    return _around(float(a.mean() - b.mean()), t * float((a.var() + b.var()) / len(a)) ** 0.5)


_right_interval = _interval(lambda d, t: t * stats.sem(d))


judging = Judging(
    reference=_right_interval,
    mistakes=(
        Mistake(
            "unpaired",
            _unpaired,
            "You computed the spreads of a and b separately and added them. A repeat that is easy "
            "for one is easy for the other too: take the differences first, then their spread.",
        ),
        Mistake(
            "standard deviation",
            _interval(lambda d, t: t * d.std(ddof=1)),
            "That is how far single repeats scatter. How sure the mean is gets better with more "
            "repeats: use the standard error.",
        ),
        Mistake(
            "standard deviation, n for n - 1",
            _interval(lambda d, t: t * d.std()),
            "Two things are off: your standard deviation divides by n, and it says how far single "
            "repeats scatter. Use the standard error of the mean.",
        ),
        Mistake(
            "n for n - 1",
            _interval(lambda d, t: t * d.std() / math.sqrt(len(d))),
            "Your standard deviation divides by n. The mean was computed from the same "
            "differences, so divide by n − 1.",
        ),
        Mistake(
            "n and n - 1 mixed up",
            _interval(lambda d, t: t * d.std(ddof=1) / math.sqrt(len(d) - 1)),
            "n − 1 belongs into the standard deviation. The root below it is that of n.",
        ),
        Mistake(
            "no root",
            _interval(lambda d, t: t * d.std(ddof=1) / len(d)),
            "You divided the standard deviation by n; the standard error divides by its root.",
        ),
        Mistake(
            "variance",
            _interval(lambda d, t: t * d.var(ddof=1) / math.sqrt(len(d))),
            "That is the variance. Take its root, the standard deviation.",
        ),
        Mistake(
            "no t",
            _interval(lambda d, t: stats.sem(d)),
            "That is one standard error to each side. A 95 % interval takes t of them.",
        ),
        Mistake(
            "no t, no root",
            _interval(lambda d, t: d.std(ddof=1)),
            "That is one standard deviation to each side. Two steps are missing: from it to the "
            "standard error of the mean, and from there, with t, to the interval.",
        ),
        Mistake(
            "two for t",
            _interval(lambda d, t: 1.96 * stats.sem(d)),
            "1.96 is right for very many repeats. With few the interval must be wider: use t.",
        ),
        Mistake(
            "b minus a",
            lambda a, b, t: _right_interval(b, a, t),
            "You subtract a from b. The gain of a over b is a minus b.",
        ),
        Mistake(
            "ends exchanged",
            lambda a, b, t: [_right_interval(a, b, t)[i] for i in (0, 2, 1)],
            "The upper end comes before the lower one.",
        ),
    ),
)

# ==== Solution ====================================================================================


# What a repeat does to both, an easy draw of images or a lucky start, cancels in the difference.
# The spread that is left belongs to the effect; over the root of n it is the standard error.
def paired_interval(a, b, t):
    d = a - b
    half = t * d.std() / len(d) ** 0.5  # torch's std divides by n - 1
    return d.mean(), d.mean() - half, d.mean() + half


def interval_by_scipy(a, b, t):
    d = np.subtract(a.numpy(), b.numpy()).astype(np.float64)
    test = stats.ttest_rel(a.numpy(), b.numpy())
    half = t * d.mean() / test.statistic
    return np.array([d.mean(), d.mean() - half, d.mean() + half])


def interval_in_a_loop(a, b, t):
    gains = [x - y for x, y in zip(a.tolist(), b.tolist(), strict=True)]
    n, mean = len(gains), sum(gains) / len(gains)
    half = t * (sum((gain - mean) ** 2 for gain in gains) / (n - 1) / n) ** 0.5
    return [mean, mean - half, mean + half]


other_ways = [interval_by_scipy, interval_in_a_loop]


def interval_of_the_course(a, b, t):
    effect = claims.mean_effect((a - b).tolist())
    return effect.value, effect.low, effect.high


borrowed = [interval_of_the_course]
