"""One step of the search."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.uses import counterfactuals


def _tables(seed: int) -> list[Case]:
    by_hand = torch.tensor(
        [
            [[4.0, 1.0, 0.0], [9.0, 6.0, 0.0]],  # the margins of 0 to the next: -3, -3
            [[2.0, -4.0, -2.0], [4.0, 3.0, 3.0]],  # -4, -1: the least, and the answer is still 0
            [[5.0, 3.5, 3.5], [5.0, 3.5, -9.0]],  # -1.5, -1.5
        ]
    )
    cases = [Case("three pixels, black or white, three classes, the answer 0", (by_hand, 0))]
    for n_pixels, n_classes, best in ((7, 4, 4.9), (12, 5, 5.3)):
        rng = dice(seed, n_pixels)
        own = 1 + int(torch.randint(n_classes - 1, (1,), generator=rng))
        z = 0.4 * torch.randn(n_pixels, 2, n_classes, generator=rng)
        z[..., own] = 5 + 0.3 * torch.rand(n_pixels, 2, generator=rng)
        rival = (own + 1) % n_classes
        # Changes that each look good by another measure, at places drawn by chance.
        marked = (2 + torch.randperm(n_pixels - 2, generator=rng))[:5].tolist()
        sides = torch.randint(2, (5,), generator=rng).tolist()
        planted = (
            (-9.0, 5.0, best),  # all others, own, the rival: the right one
            (-9.0, 5.0, 4.8),  # nearly as good
            (4.1, 5.0, 4.1),  # many rivals, and none of them near
            (0.0, 12.0, 9.0),  # a strong rival, and a stronger answer
            (-9.0, -4.0, -8.0),  # a weak answer, and weaker rivals
        )
        for pixel, side, (others, mine, theirs) in zip(marked, sides, planted, strict=True):
            z[pixel, side] = others
            z[pixel, side, own], z[pixel, side, rival] = mine, theirs
        words = f"{n_pixels} pixels, black or white, {n_classes} classes, the answer {own}"
        cases.append(Case(words, (z, own)))
    return cases


exercise = Exercise(
    title="One step of the search",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=7,
    points=2,
    hints=(
        "How near another answer is: the largest logit of the *other* classes minus that of `own`. "
        "Above 0, the model has changed its mind.",
        "Do it for all changes at once. A maximum over the last axis leaves out `own` if there "
        "its logits are minus infinity; set them in a clone, so that z stays as it is.",
        "`argmax` of a table (P, 2) counts through its rows. What are quotient and remainder of "
        "that place, divided by 2?",
    ),
    not_by=(counterfactuals.margins, counterfactuals.search),
    cases=_tables,
)

# ==== Judging =====================================================================================

from collections.abc import Callable

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _pick(score: Callable[[Tensor, int], Tensor]) -> Callable[[Tensor, int], tuple[int, int]]:
    """Return the place of the largest score."""

    def best(z: Tensor, own: int) -> tuple[int, int]:
        return divmod(int(score(z, own).argmax()), z.shape[1])

    return best


def _others(z: Tensor, own: int) -> Tensor:
    return torch.cat([z[..., :own], z[..., own + 1 :]], -1)


def _margin(z: Tensor, own: int) -> Tensor:
    return _others(z, own).amax(-1) - z[..., own]


def _turned(z: Tensor, own: int) -> tuple[int, int]:
    pixel, value = _pick(_margin)(z, own)
    return value, pixel


judging = Judging(
    reference=_pick(_margin),
    mistakes=(
        Mistake(
            "the strongest rival",
            _pick(lambda z, own: _others(z, own).amax(-1)),
            "You take the change after which another class has the largest logit. But its own "
            "logit may have grown with it: subtract that.",
        ),
        Mistake(
            "the weakest own",
            _pick(lambda z, own: -z[..., own]),
            "You take the change after which the present answer has the smallest logit. If all "
            "others fall with it, nothing flips.",
        ),
        Mistake(
            "all others together",
            _pick(lambda z, own: _others(z, own).mean(-1) - z[..., own]),
            "You compare with the mean of the other classes. One of them is enough, the largest.",
        ),
        Mistake(
            "the wrong way",
            _pick(lambda z, own: -_margin(z, own)),
            "This change makes the model surer of its answer. The margin has to rise.",
        ),
        Mistake(
            "own among the others",
            _pick(lambda z, own: z.amax(-1) - z[..., own]),
            "Your maximum runs over all classes, own included: the difference is then 0 wherever "
            "nothing flips yet.",
        ),
        Mistake(
            "the second class",
            _pick(lambda z, own: z.sort(dim=-1).values[..., -2] - z.amax(-1)),
            "You subtract the largest logit from the second. After a flip the largest is not that "
            "of `own`.",
        ),
        Mistake(
            "turned",
            _turned,
            "The pixel comes first, then its value.",
        ),
        Mistake("always the first", lambda z, own: (0, 0), "This is always the first change."),
        Mistake(
            "the margin",
            lambda z, own: (float(_margin(z, own).max()), 0.0),
            "This is how far the best change comes. Return which one it is.",
        ),
    ),
)

# ==== Solution ====================================================================================


# For every change: the best of the other classes minus the present answer. The largest of all wins.
def best_change(z, own):
    others = z.clone()
    others[..., own] = -torch.inf
    margin = others.amax(dim=-1) - z[..., own]  # (P, 2)
    return divmod(int(margin.argmax()), 2)


def in_loops(z, own):
    tried = []
    for pixel, row in enumerate(z.tolist()):
        for value, logits in enumerate(row):
            rival = max(v for k, v in enumerate(logits) if k != own)
            tried.append((rival - logits[own], pixel, value))
    return max(tried)[1:]


def in_numpy(z, own):
    import numpy as np

    table = z.numpy()
    margin = np.delete(table, own, axis=2).max(axis=2) - table[:, :, own]
    return np.unravel_index(margin.argmax(), margin.shape)


other_ways = [in_loops, in_numpy]

borrowed = [
    lambda z, own: divmod(
        int(counterfactuals.margins(z, torch.full(z.shape[:2], own)).argmax()), 2
    ),
]
