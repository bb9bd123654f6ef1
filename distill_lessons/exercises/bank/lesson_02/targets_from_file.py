"""Find the bug: soft targets from a file."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case

ODDS = torch.tensor([[16.0, 4.0, 1.0]]).log()  # at T = 2 the odds are 4 : 2 : 1


def _saved(seed: int) -> list[Case]:
    rng = dice(seed)
    return [
        Case("z = [[log 16, log 4, log 1]], T = 2", (ODDS.clone(), 2.0)),
        Case("z of shape (3, 5), T = 4", (4 * torch.randn(3, 5, generator=rng), 4.0)),
        Case("z = [[150, 10, 0]], T = 20", (torch.tensor([[150.0, 10.0, 0.0]]), 20.0)),
        Case("z of shape (2, 3), T = 0.5", (torch.randn(2, 3, generator=rng), 0.5)),
    ]


GIVEN = """\
def targets_from_file(z, T):
    saved = z.softmax(1)             # what the colleague writes to the file
    return (saved / T).softmax(1)    # what is made of it later
"""

exercise = Exercise(
    title="Find the bug: soft targets from a file",
    kind="bug",
    given=GIVEN,
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "What is the largest difference that two entries of a row in the file can have? What "
        "becomes of it after a division by T, and a softmax?",
        "The second line is a good softmax at a temperature, if the file holds what it expects.",
    ),
    cases=_saved,
)

# ==== Judging =====================================================================================

from torch import Tensor

from distill_lessons import losses
from distill_lessons.exercises.parts import Judging, Mistake


def _softened_twice(z: Tensor, T: float) -> Tensor:
    return losses.soft_targets(z.softmax(1), T)


judging = Judging(
    reference=losses.soft_targets,
    mistakes=(
        Mistake("as given", _softened_twice, "", given=True),
        Mistake(
            "root of the probabilities",
            lambda z, T: (z.softmax(1).log() / T).softmax(1),
            "Nearly: the root undoes the first softmax as long as the file holds the number. But "
            "a probability of e to the −140 has become 0 in the file, and no root of 0 brings it "
            "back. Save something that does not vanish.",
        ),
        Mistake(
            "not softened",
            lambda z, T: z.softmax(1),
            "These are the probabilities at T = 1; T is not used any more.",
        ),
        Mistake(
            "divided only",
            lambda z, T: z.softmax(1) / T,
            "Probabilities divided by T are no probabilities: the rows do not sum to 1.",
        ),
        Mistake(
            "T twice",
            lambda z, T: losses.soft_targets(z, T * T),
            "T divides the logits twice: once on the way into the file and once on the way out.",
        ),
        Mistake(
            "softened twice",
            lambda z, T: _softened_twice(z / T, T),
            "There are still two softmaxes, one after the other, and each of them has its T.",
        ),
        Mistake(
            "softened, then softmax again",
            lambda z, T: losses.soft_targets(z, T).softmax(1),
            "There are still two softmaxes, one after the other.",
        ),
    ),
)

# ==== Solution ====================================================================================

import numpy as np


# The file has to hold the logits. Probabilities lie between 0 and 1, so after a second softmax at
# T = 4 no class can get more than e^(1/4) = 1.28 times as much as another: nearly uniform targets,
# whose rows sum to 1 as they should. Logits serve every temperature, and take no more room.
def targets_from_file(z, T):
    saved = z
    return (saved / T).softmax(1)


def softmax_in_a_loop(z, T):
    rows = []
    for row in z.double().tolist():
        largest = max(row)
        e = [np.exp((value - largest) / T) for value in row]
        rows.append([value / sum(e) for value in e])
    return rows


other_ways = [
    lambda z, T: (z.log_softmax(1) / T).softmax(1),  # log-probabilities do not vanish
    softmax_in_a_loop,
]
