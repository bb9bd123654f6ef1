"""Find the bugs: a board of claims."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _boards(seed: int) -> list[Case]:
    by_hand = torch.tensor([[0.1, -0.1, 0.2], [0.3, 0.3, 0.3], [-0.1, 0.0, -0.2], [0.1, 0.1, 0.2]])
    zeros = torch.zeros(4, 3)
    cases = [
        Case(
            "four learners: 2, 3, 0 and 3 claims survive; the second card is not in order",
            (by_hand, zeros, torch.tensor([True, False, True, True])),
        )
    ]
    for n in (7, 9):
        rng = dice(seed, n)
        above = torch.randint(-2, 3, (n, 3), generator=rng) / 100
        survives = torch.rand(n, 3, generator=rng) < 0.5
        # One whose claims all hold and whose card is not in order, two who are equal, one without.
        survives[0], survives[1], survives[2], survives[3] = True, survives[2], survives[2], False
        low = above + torch.where(survives, 0.02, -0.02) * (0.1 + torch.rand(n, 3, generator=rng))
        checked = torch.rand(n, generator=rng) < 0.8
        checked[0], checked[1:4] = False, True
        order = torch.randperm(n, generator=rng)
        cases.append(Case(f"{n} learners", (low[order], above[order], checked[order])))
    return cases


GIVEN = '''\
def places(low, above, checked):
    """low (L, 3): lower ends of the claims' intervals, above (L, 3): the bounds that were
    registered, checked (L,): whether the card is in order. Returns each learner's place (L,)."""
    survivors = (low > above).sum(dim=1)
    order = survivors.argsort(descending=True)
    return order + 1
'''

exercise = Exercise(
    title="Find the bugs: a board of claims",
    kind="bug",
    given=GIVEN,
    difficulty="medium",
    importance="medium",
    minutes=7,
    points=2,
    hints=(
        "`argsort` says *who* stands first, second, third. Asked is *where* each of them stands.",
        "A place is one more than the number of learners with more survivors. Compare "
        "`survivors[None, :]` with `survivors[:, None]`.",
        "A card that is not in order counts for less than no survivor at all: give it -1.",
    ),
    cases=_boards,
)

# ==== Judging =====================================================================================

from collections.abc import Callable
from typing import Any

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _standing(
    count: Callable[[Tensor, Tensor, Tensor], Tensor],
) -> Callable[[Tensor, Tensor, Tensor], list[int]]:
    def answer(low: Tensor, above: Tensor, checked: Tensor) -> list[int]:
        counts = count(low, above, checked).tolist()
        return [1 + sum(other > mine for other in counts) for mine in counts]

    return answer


def _survivors(low: Tensor, above: Tensor, checked: Tensor) -> Tensor:
    return torch.where(checked, (low > above).sum(1), -1)


def _without_ties(low: Tensor, above: Tensor, checked: Tensor) -> list[int]:
    counts = _survivors(low, above, checked).tolist()
    order = sorted(range(len(counts)), key=lambda i: -counts[i])
    return [order.index(i) + 1 for i in range(len(counts))]


judging = Judging(
    reference=_standing(_survivors),
    mistakes=(
        Mistake(
            "given",
            lambda low, above, checked: (low > above).sum(1).argsort(descending=True) + 1,
            "",
            given=True,
        ),
        Mistake(
            "cards not looked at",
            _standing(lambda low, above, checked: (low > above).sum(1)),
            "The places are those of the survivors, but cards that are not in order have them too.",
        ),
        Mistake(
            "still in order",
            lambda low, above, checked: (
                _survivors(low, above, checked).argsort(descending=True) + 1
            ),
            "Cards that are not in order come last now. But you still say who has which place, and "
            "not which place each has.",
        ),
        Mistake(
            "the last first",
            _standing(lambda low, above, checked: -_survivors(low, above, checked)),
            "The board is upside down: those with the fewest survivors come first.",
        ),
        Mistake(
            "equals told apart",
            _without_ties,
            "Two learners with equally many survivors share a place.",
        ),
        Mistake(
            "as good as none",
            _standing(lambda low, above, checked: (low > above).sum(1) * checked),
            "A card that is not in order stands beside an honest one none of whose claims "
            "survived. It comes after it.",
        ),
        Mistake(
            "above zero",
            _standing(lambda low, above, checked: torch.where(checked, (low > 0).sum(1), -1)),
            "You compare with zero. Each claim has the bound that was registered.",
        ),
        Mistake(
            "by margin",
            _standing(
                lambda low, above, checked: torch.where(checked, (low - above).sum(1), -1000.0)
            ),
            "You add up by how much bounds are exceeded. One large effect would make up for two "
            "claims that failed.",
        ),
    ),
)

# ==== Solution ====================================================================================


# A place counts those who are ahead, so that equals share it; no card in order, no survivor.
def places(low, above, checked):
    survivors = (low > above).sum(dim=1)
    survivors[~checked] = -1
    ahead = survivors[None, :] > survivors[:, None]
    return ahead.sum(dim=1) + 1


def in_loops(low: Any, above: Any, checked: Any) -> list[int]:
    counts = [
        sum(a > b for a, b in zip(one, bounds, strict=True)) if fine else -1
        for one, bounds, fine in zip(low.tolist(), above.tolist(), checked.tolist(), strict=True)
    ]
    return [sum(other > mine for other in counts) + 1 for mine in counts]


def with_numpy(low: Any, above: Any, checked: Any) -> Any:
    import numpy as np

    counts = np.where(checked.numpy(), (low.numpy() > above.numpy()).sum(1), -1)
    return np.array([(counts > mine).sum() + 1.0 for mine in counts])


other_ways = [in_loops, with_numpy]
