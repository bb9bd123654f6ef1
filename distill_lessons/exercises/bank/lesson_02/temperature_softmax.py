"""A softmax for large logits."""

from __future__ import annotations

import torch

from distill_lessons import losses
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case

ODDS = torch.tensor([[16.0, 4.0, 1.0]]).log()  # at T = 2 the odds are 4 : 2 : 1


def _logits(seed: int) -> list[Case]:
    rng = dice(seed)
    large = torch.tensor([[1000.0, 998, 0], [-1000, -1001, -1002], [0, 240, 200]])
    close = torch.tensor([[1.0, 1.0 - 2**-10, 0.0]])
    return [
        Case("z = [[log 16, log 4, log 1]], T = 2", (ODDS.clone(), 2.0)),
        Case("z = [[1000, 998, 0], [−1000, −1001, −1002], [0, 240, 200]], T = 2", (large, 2.0)),
        Case("z = [[1, 1 − 1/1024, 0]], T = 1/1024", (close, 2**-10)),
        Case("z of shape (4, 5), T = 4", (3 * torch.randn(4, 5, generator=rng), 4.0)),
        Case("z of shape (3, 3), T = 0.5", (torch.randn(3, 3, generator=rng), 0.5)),
    ]


exercise = Exercise(
    title="A softmax for large logits",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "Add the same number to all logits of an image: what happens to its probabilities? Which "
        "number would make exp harmless?",
        "Subtract from every row its own largest logit: `z.max(1, keepdim=True).values`. Then no "
        "exponent is above 0, and one of them is exactly 0.",
        "Divide by T, take exp, and divide each row by its sum. `keepdim=True` keeps the sums a "
        "column, so that each row is divided by its own.",
    ),
    not_by=(losses.soft_targets,),
    cases=_logits,
)

# ==== Judging =====================================================================================

from torch import Tensor

from distill_lessons import losses
from distill_lessons.exercises.parts import Judging, Mistake


def _to_the_letter(z: Tensor, T: float, largest: float = 0.0) -> Tensor:
    e = torch.exp((z - largest) / T)
    return e / e.sum(1)[:, None]


def _by_mean(z: Tensor, T: float) -> Tensor:
    e = ((z - z.mean(1)[:, None]) / T).exp()
    return e / e.sum(1)[:, None]


CLAMPED = (
    "Clamped logits that were different become equal: 1000 and 998 get the same probability. "
    "Whatever is done to a row has to keep the differences between its logits."
)


judging = Judging(
    reference=losses.soft_targets,
    mistakes=(
        Mistake(
            "overflow",
            _to_the_letter,
            "The formula to the letter: exp of a large logit is inf, and inf / inf is nan. For "
            "very negative logits it is 0 / 0.",
        ),
        Mistake(
            "double precision",
            lambda z, T: _to_the_letter(z.double(), T),
            "Double precision holds larger numbers, but exp(1024) is too large for it as well. "
            "Change the exponent, not the kind of number.",
        ),
        Mistake(
            "the mean subtracted",
            _by_mean,
            "You subtract the mean of each row. The largest logit may still lie far above it, and "
            "its exp is still inf.",
        ),
        Mistake(
            "the minimum subtracted",
            lambda z, T: _to_the_letter(z - z.amin(1, keepdim=True), T),
            "You subtract the smallest logit of each row. Then no exponent is below 0, and the "
            "largest may be far above it: exp of it is still inf.",
        ),
        Mistake(
            "clamped above",
            lambda z, T: _to_the_letter((z / T).clamp(max=80), 1.0),
            CLAMPED,
        ),
        Mistake(
            "clamped on both sides",
            lambda z, T: _to_the_letter((z / T).clamp(-80, 80), 1.0),
            CLAMPED,
        ),
        Mistake(
            "one maximum for all",
            lambda z, T: _to_the_letter(z, T, float(z.max())),
            "You subtract the largest logit of the whole table. A row that lies far below it gets "
            "0 / 0; every row needs its own.",
        ),
        Mistake(
            "no temperature",
            lambda z, T: z.softmax(1),
            "T is not used: logits are divided by it before the softmax.",
        ),
        Mistake(
            "multiplied by T",
            lambda z, T: (z * T).softmax(1),
            "You multiply by T. A high temperature has to bring the classes together, so it "
            "divides the logits.",
        ),
        Mistake(
            "T after the softmax",
            lambda z, T: z.softmax(1) / T,
            "You divide probabilities by T: the rows no longer sum to 1, and the odds are as "
            "before. T belongs inside of the softmax.",
        ),
        Mistake(
            "over the images",
            lambda z, T: (z / T).softmax(0),
            "Your columns sum to 1, not your rows: the softmax runs over the classes, axis 1.",
        ),
    ),
)

# ==== Solution ====================================================================================

import numpy as np
from scipy import special


# The largest logit of a row cancels out, above and below the fraction bar. Without it no exponent
# is above 0, so nothing overflows; and one of them is 0, so the sum is at least 1 and never 0.
# torch.softmax(z / T, 1) does the same inside, and is as good an answer.
def temperature_softmax(z, T):
    largest = z.max(1, keepdim=True).values
    e = ((z - largest) / T).exp()
    return e / e.sum(1, keepdim=True)


def softmax_in_a_loop(z, T):
    rows = []
    for row in z.double().tolist():
        largest = max(row)
        e = [np.exp((value - largest) / T) for value in row]
        rows.append([value / sum(e) for value in e])
    return rows


def root_of_odds(z, T):
    """Odds against the likeliest class, then the T-th root."""
    log_odds = z.double() - z.double().max(1, keepdim=True).values
    odds = log_odds.exp() ** (1 / T)
    return odds / odds.sum(1, keepdim=True)


other_ways = [
    lambda z, T: torch.softmax(z / T, dim=1),
    lambda z, T: special.softmax(z.numpy().astype(np.float64) / T, axis=1),
    softmax_in_a_loop,
    root_of_odds,
]

borrowed = [losses.soft_targets, lambda z, T: losses.soft_targets(z.clone(), T)]
