"""Warm-up: three small exercises that show how exercises work."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from distill_lessons.exercises.exercise import Case, Exercise, Mistake


def _batches(seed: int) -> list[Case]:
    dice = torch.Generator().manual_seed(seed)
    return [
        Case("x of shape (5, 1, 8, 8)", (torch.rand(5, 1, 8, 8, generator=dice),)),
        Case("x of shape (2, 3, 4, 6)", (torch.rand(2, 3, 4, 6, generator=dice),)),
    ]


batch_of_one = Exercise(
    lesson="00",
    name="batch_of_one",
    title="A batch of one",
    kind="code",
    difficulty="easy",
    importance="high",
    minutes=2,
    hints=(
        "`x[0]` gives the image, and loses the first axis.",
        "A slice keeps its axis, even if it holds a single entry.",
    ),
    cases=_batches,
    reference=lambda x: x.narrow(0, 0, 1),
    mistakes=(
        Mistake("axis lost", lambda x: x[0], "An index takes the first axis away."),
        Mistake("the last image", lambda x: x[-1:], "That is the last image of the batch."),
    ),
)


def _accuracies(seed: int) -> list[Case]:
    rng = np.random.default_rng(seed)
    more = [rng.uniform(0.6, 0.9, 7).round(3).tolist() for _ in range(2)]
    return [
        Case("a = [0.9, 0.8, 0.7], b = [0.8, 0.8, 0.6]", ([0.9, 0.8, 0.7], [0.8, 0.8, 0.6])),
        Case(f"a = {more[0]}, b = {more[1]}", (more[0], more[1])),
    ]


def _as_given(a: Sequence[float], b: Sequence[float]) -> float:
    return 100 * sum(p - q for p, q in zip(a, b, strict=True))


mean_difference = Exercise(
    lesson="00",
    name="mean_difference",
    title="Find the bug: a paired difference",
    kind="bug",
    difficulty="easy",
    importance="high",
    minutes=3,
    hints=(
        "Work it out by hand for a = [0.9, 0.8, 0.7] and b = [0.8, 0.8, 0.6]: how many points is "
        "the gain of each seed?",
        "A sum of three differences is not yet their mean.",
    ),
    cases=_accuracies,
    reference=lambda a, b: 100 * float(np.subtract(a, b).mean()),
    mistakes=(
        Mistake("as given", _as_given, "", given=True),
        Mistake(
            "fractions",
            lambda a, b: float(np.subtract(a, b).mean()),
            "These are fractions; percentage points are due, and 0.01 is one point.",
        ),
        Mistake(
            "b minus a",
            lambda a, b: 100 * float(np.subtract(b, a).mean()),
            "You take a away from b; the gain of a over b is due.",
        ),
    ),
)

does_it_hold = Exercise(
    lesson="00",
    name="does_it_hold",
    title="Does it hold?",
    kind="read",
    difficulty="medium",
    importance="high",
    minutes=3,
    hints=("The whole interval has to respect the bound. Where does this one begin?",),
    options=("a", "b", "c"),
)
