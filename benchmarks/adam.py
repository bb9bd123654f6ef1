"""When two trainings with Adam are the same: what follows from their arithmetic, no more.

Two ways to add up a batch round differently. Adam divides a gradient by its own size, so a weight
whose gradient is nothing but rounding still moves by a whole step, in whatever direction. No bound
on the largest difference is then both safe and sharp. So most weights are held against rounding as
it is, measured on the same device against the same training in double precision; and every weight
against the furthest that Adam can take it.
"""

from __future__ import annotations

import math

import numpy as np

from benchmarks.timing import Array

# Of a hundred weights these are held against rounding. A hidden unit of 64 has one weight in
# sixty-four: this leaves room for six that a rounded gradient has sent elsewhere.
SHARE = 0.9


def apart(a: Array, b: Array) -> float:
    """Return the distance that a `SHARE` of all weights keep within."""
    return float(np.quantile(np.abs(np.asarray(a, np.float64) - b), SHARE))


def allowed(rival: Array, exact: Array, batch: int) -> float:
    """Return how far two trainings in single precision may be apart, for a `SHARE` of the weights.

    A sum of n numbers is off by some √n roundings where these are as good as random and by n at
    worst, so one way to add up a batch is at most √n times as far off as another. The distance of
    two ways is at most the sum of their distances from the exact one: 1 + √n times the rival's.

    Args:
        rival: weights that the rival reached in single precision.
        exact: the weights that it reaches in double precision.
        batch: n, examples of a step.
    """
    return (1 + math.sqrt(batch)) * apart(rival, exact)


def furthest(steps: int, lr: float, beta1: float = 0.9, beta2: float = 0.999) -> float:
    """Return how far two runs of Adam can take one weight apart, whatever its gradients were.

    By the Cauchy-Schwarz inequality a step is at most lr times the square root of
    ``sum_k (1-β1)² (β1²/β2)^k / (1-β2)``, corrected for the start as Adam does it; the runs may go
    in opposite directions.

    Source: Kingma and Ba (2015), arXiv:1412.6980, section 2.1, which bounds single steps.
    """
    total, powers = 0.0, 0.0
    for t in range(1, steps + 1):
        powers += (1 - beta1) ** 2 * (beta1**2 / beta2) ** (t - 1) / (1 - beta2)
        total += math.sqrt(powers * (1 - beta2**t)) / (1 - beta1**t)
    return 2 * lr * total
