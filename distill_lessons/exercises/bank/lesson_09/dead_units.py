"""Count the dead."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _layers(seed: int) -> list[Case]:
    cases = []
    for n, width in ((5, 16), (6, 31)):
        rng = dice(seed, n)
        n_dead = 2 + int(torch.randint(width // 2, (1,), generator=rng))
        which = torch.randperm(width, generator=rng)
        h = torch.randn(n, width, generator=rng).relu()
        h[1] = 0.0  # no unit answers this image ...
        h[2] = torch.rand(width, generator=rng) + 0.3  # ... and all units answer this one, ...
        h[:, which[-1]] = 0.7  # ... but for one that says the same to all,
        h[:, which[n_dead : n_dead + 3]] = 0.0
        h[2, which[n_dead : n_dead + 3]] = 0.001  # three that are hardly alive,
        h[:, which[:n_dead]] = 0.0  # and the dead
        cases.append(Case(f"{n} images, {width} units", (h,)))
    return cases


exercise = Exercise(
    title="Count the dead",
    kind="code",
    difficulty="easy",
    importance="high",
    minutes=5,
    hints=(
        "After a ReLU a unit that does not answer gives exactly 0: `h > 0` says where it does.",
        "The images lie along axis 0: `.any(dim=0)` says of each unit whether it ever answers.",
    ),
    cases=_layers,
)

# ==== Judging =====================================================================================

from collections.abc import Callable
from typing import Any

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _count(dead: Callable[[Tensor], Tensor]) -> Callable[[Tensor], int]:
    return lambda h: int(dead(h).sum())


judging = Judging(
    reference=_count(lambda h: h.amax(0) == 0),
    mistakes=(
        Mistake(
            "zeros counted",
            _count(lambda h: h == 0),
            "You count zeros, and a living unit has many of them: it answers some images and not "
            "others. Dead is a unit that answers none.",
        ),
        Mistake(
            "silent once",
            _count(lambda h: (h == 0).any(0)),
            "You count the units that are silent for some image. Dead units are silent for all.",
        ),
        Mistake(
            "images",
            _count(lambda h: (h == 0).all(1)),
            "You count images that no unit answers. Count units that answer no image.",
        ),
        Mistake(
            "the living",
            _count(lambda h: (h > 0).any(0)),
            "These are the living. Return the dead.",
        ),
        Mistake(
            "always on",
            _count(lambda h: (h > 0).all(0)),
            "You count the units that answer every image. They are stuck too, but not dead.",
        ),
        Mistake(
            "says the same to all",
            _count(lambda h: h.amax(0) == h.amin(0)),
            "A unit that says the same to all is useless, but it is not dead if that is not 0: the "
            "gradient still reaches it.",
        ),
        Mistake(
            "small mean",
            _count(lambda h: h.mean(0) < 0.05),
            "A unit that answers weakly, or one image only, is alive: the gradient reaches it.",
        ),
        Mistake(
            "a share",
            lambda h: float((h.amax(0) == 0).float().mean()),
            "This is the share of dead units. Return their number.",
        ),
    ),
)

# ==== Solution ====================================================================================


# One image that gets an answer is enough: through it the gradient reaches the unit.
def dead_units(h):
    answers = h > 0
    alive = answers.any(dim=0)
    return int((~alive).sum())


def dead_by_sums(h: Any) -> Any:
    return (h.sum(0) == 0).sum()


def dead_in_loops(h: Any) -> int:
    return sum(all(row[unit] <= 0 for row in h.tolist()) for unit in range(h.shape[1]))


other_ways = [dead_by_sums, dead_in_loops]
