"""Find the bug: leaves that change places."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _gates(seed: int) -> list[Case]:
    by_hand = torch.tensor([[0.5, 0.2, 0.9]])
    cases = [Case("one input, a tree of depth 2, its gates at 0.5, 0.2 and 0.9", (by_hand,))]
    for n, depth in ((3, 1), (4, 3), (2, 4)):
        right = torch.rand(n, 2**depth - 1, generator=dice(seed, depth))
        cases.append(Case(f"{n} inputs, a tree of depth {depth}", (right,)))
    return cases


GIVEN = '''\
def leaf_probabilities(right):
    """right (N, 2**d - 1): how likely each gate sends to the right. Returns (N, 2**d)."""
    reach = torch.ones(len(right), 1)  # every input is at the root
    first = 0
    while first < right.shape[1]:
        gate = right[:, first : first + reach.shape[1]]  # the gates of this level
        first += reach.shape[1]
        reach = torch.cat([reach * (1 - gate), reach * gate], dim=1)
    return reach
'''

exercise = Exercise(
    title="Find the bug: leaves that change places",
    kind="bug",
    given=GIVEN,
    difficulty="medium",
    importance="medium",
    minutes=8,
    points=2,
    hints=(
        "Go through a tree of depth 2 by hand. After the second round, in which order do the four "
        "columns of `reach` stand? In which order do the leaves?",
        "The two ways out of the first gate belong side by side, then the two of the second.",
        "`torch.stack([a, b], dim=2)` puts each number of `a` beside its own of `b`; `.flatten(1)` "
        "lays them in a row.",
    ),
    cases=_gates,
)

# ==== Judging =====================================================================================

import itertools
from collections.abc import Callable, Sequence

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _leaf_by_leaf(
    turn: Callable[[int, int], int] = lambda gate, way: 2 * gate + 1 + way,
    share: Callable[[Tensor, int], Tensor] = lambda right, way: right if way else 1 - right,
    order: Callable[[Sequence[int]], Sequence[int]] = lambda ways: ways,
) -> Callable[[Tensor], Tensor]:
    """Return the product along the way to every leaf, with room for mistakes."""

    def found(right: Tensor) -> Tensor:
        depth = (right.shape[1] + 1).bit_length() - 1
        columns = []
        for ways in itertools.product((0, 1), repeat=depth):
            gate, reach = 0, torch.ones(len(right))
            for way in order(ways):
                reach = reach * share(right[:, gate % right.shape[1]], way)
                gate = turn(gate, way)
            columns.append(reach)
        return torch.stack(columns, dim=1)

    return found


def _as_given(right: Tensor) -> Tensor:
    reach, first = torch.ones(len(right), 1), 0
    while first < right.shape[1]:
        gate = right[:, first : first + reach.shape[1]]
        first += reach.shape[1]
        reach = torch.hstack([reach - reach * gate, reach * gate])
    return reach


def _likeliest(right: Tensor) -> Tensor:
    reach = _leaf_by_leaf()(right)
    return (reach == reach.max(1, keepdim=True).values).float()


judging = Judging(
    reference=_leaf_by_leaf(),
    mistakes=(
        Mistake("as given", _as_given, "", given=True),
        Mistake(
            "left and right exchanged",
            _leaf_by_leaf(share=lambda right, way: 1 - right if way else right),
            "The leaves are mirrored: a gate's number says how likely it sends to the *right*, and "
            "the left leaf of a pair stands first.",
        ),
        Mistake(
            "leaves reversed",
            lambda right: _leaf_by_leaf()(right).flip(1),
            "The order of the leaves is turned around: the leftmost stands first.",
        ),
        Mistake(
            "one gate for a whole level",
            _leaf_by_leaf(turn=lambda gate, way: 2 * gate + 1),
            "All nodes of a level use one gate, the leftmost. Each node has its own.",
        ),
        Mistake(
            "the likeliest leaf alone",
            _likeliest,
            "You return 1 for the likeliest leaf and 0 for the others. The gates are soft: every "
            "leaf has a share.",
        ),
    ),
)

# ==== Solution ====================================================================================


# `cat` lays all left ways before all right ways: left-left, right-left, left-right, right-right.
# The next level's gates, and the leaves, stand in another order: left-left, left-right, right-left,
# right-right. The sums are 1 all the same, so no check of the probabilities would notice.
def leaf_probabilities(right):
    reach = torch.ones(len(right), 1)
    first = 0
    while first < right.shape[1]:
        gate = right[:, first : first + reach.shape[1]]
        first += reach.shape[1]
        reach = torch.stack([reach * (1 - gate), reach * gate], dim=2).flatten(1)
    return reach


def by_recursion(right: Tensor) -> Tensor:
    def below(gate: int, reach: Tensor) -> list[Tensor]:
        if gate >= right.shape[1]:
            return [reach]
        share = right[:, gate].double()
        left = below(2 * gate + 1, reach * (1 - share))
        return left + below(2 * gate + 2, reach * share)

    return torch.stack(below(0, torch.ones(len(right), dtype=torch.float64)), dim=1)


def backwards(right: Tensor) -> list[list[float]]:
    n_leaves = right.shape[1] + 1
    found = []
    for row in right.tolist():
        leaves = []
        for leaf in range(n_leaves):
            node, reach = leaf + n_leaves - 1, 1.0
            while node:
                above = (node - 1) // 2
                reach *= row[above] if node == 2 * above + 2 else 1 - row[above]
                node = above
            leaves.append(reach)
        found.append(leaves)
    return found


other_ways = [by_recursion, backwards]
