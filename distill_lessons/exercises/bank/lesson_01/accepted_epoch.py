"""The rule of acceptance."""

from __future__ import annotations

import numpy as np
import torch

from distill_lessons.exercises.dice import mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _loss_curves(seed: int) -> list[Case]:
    rng = np.random.default_rng(mixed(seed))
    cases = [
        Case(
            "valid_loss = [0.5, 0.25, 0.375, 0.125], tau = 0.25",
            (torch.tensor([0.5, 0.25, 0.375, 0.125]), 0.25),
        ),
        Case(
            "valid_loss = [0.5, 0.25, 0.375], tau = 0.125: no epoch gets there",
            (torch.tensor([0.5, 0.25, 0.375]), 0.125),
        ),
    ]
    for losses, what in (
        ([0.25, 0.375, 0.125], "the first epoch"),
        ([0.5, 0.2505, 0.375, 0.1875], "just above is not enough"),
    ):
        cases.append(
            Case(f"valid_loss = {losses}, tau = 0.25: {what}", (torch.tensor(losses), 0.25))
        )
    for earliest in (2, 20):
        # Above tau until some epoch, lower still later, above it again at the end.
        curve = torch.tensor(rng.uniform(0.3, 0.9, 30)).float()
        first = int(rng.integers(earliest, 24))
        curve[first], curve[first + 3], curve[first + 6] = 0.1875, 0.0625, 0.125
        cases.append(Case("a curve of 30 epochs, tau = 0.25", (curve, 0.25)))
    return cases


exercise = Exercise(
    title="The rule of acceptance",
    kind="code",
    difficulty="easy",
    importance="high",
    minutes=5,
    hints=(
        "Training stops at the first epoch that is good enough; a better one may come after it, "
        "and nobody will ever see it.",
        "Go through the losses with `enumerate(valid_loss, start=1)` and return from inside of the "
        "loop.",
        "What is returned when the loop has come to its end without finding one?",
    ),
    cases=_loss_curves,
)

# ==== Judging =====================================================================================

from typing import Any

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _first_below(valid_loss: Tensor, tau: float, default: int = 0) -> Any:
    epochs = np.flatnonzero(valid_loss.numpy() <= tau) + 1
    return np.append(epochs, default)[0]


judging = Judging(
    reference=_first_below,
    mistakes=(
        Mistake(
            "the lowest loss",
            lambda valid_loss, tau: (
                _first_below(valid_loss, min(tau, float(valid_loss.min())))
                if (valid_loss <= tau).any()
                else 0
            ),
            "That is the epoch with the lowest loss. Training has ended before it: the rule takes "
            "the first epoch that meets the threshold.",
        ),
        Mistake(
            "the lowest loss, always",
            lambda valid_loss, tau: int(valid_loss.argmin()) + 1,
            "That is the epoch with the lowest loss, whether or not it meets the threshold; tau "
            "plays no part.",
        ),
        Mistake(
            "counted from 0",
            lambda valid_loss, tau: max(_first_below(valid_loss, tau) - 1, 0),
            "Your epochs are counted from 0; the course counts them from 1.",
        ),
        Mistake(
            "strictly below",
            lambda valid_loss, tau: _first_below(valid_loss, tau - 1e-6),
            "A loss equal to the threshold is accepted too: at most tau, not below it.",
        ),
        Mistake(
            "nearly good enough",
            lambda valid_loss, tau: _first_below(valid_loss, 1.01 * tau),
            "You accept a loss just above the threshold. It has to be at most tau, unrounded.",
        ),
        Mistake(
            "argmax of nothing",
            lambda valid_loss, tau: _first_below(valid_loss, tau, default=1),
            "Where no epoch meets the threshold you accept the first one. (The argmax of a row "
            "without any True is 0.)",
        ),
        Mistake(
            "accepted anyway",
            lambda valid_loss, tau: _first_below(valid_loss, tau, default=len(valid_loss)),
            "Where no epoch meets the threshold you accept the last one. The threshold is a "
            "constraint: then there is no teacher.",
        ),
    ),
)

# ==== Solution ====================================================================================


# Training ends at the first epoch that is good enough. Without one there is no teacher, and 0 says
# so; to hand back the last epoch would be to raise the threshold without telling anybody.
def accepted_epoch(valid_loss, tau):
    for epoch, loss in enumerate(valid_loss, start=1):
        if loss <= tau:
            return epoch
    return 0


other_ways = [
    lambda v, tau: int((v <= tau).int().argmax()) + 1 if (v <= tau).any() else 0,
    lambda v, tau: next((i + 1.0 for i, loss in enumerate(v.tolist()) if not loss > tau), 0.0),
]
