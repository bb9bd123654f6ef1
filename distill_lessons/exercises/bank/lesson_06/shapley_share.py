"""Shapley's sum."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from distill_lessons.exercises.dice import mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.explain import shapley

Value = Callable[[Sequence[int]], float]


def _game(table: Sequence[float]) -> Value:
    """Return the value of a coalition, given as any collection of players, from a binary table."""

    def value(coalition: Sequence[int]) -> float:
        return float(table[sum(1 << int(player) for player in set(coalition))])

    return value


def _games(seed: int) -> list[Case]:
    rng = np.random.default_rng(mixed(seed))
    stall = _game([0, 4, 2, 9, 0, 4, 5, 12])
    names = ("Ann", "Bo", "Cy")
    cases = [
        Case(f"the market stall, n = 3, r = {r} ({names[r]})", (stall, 3, r)) for r in range(3)
    ]
    # Who only gets in the way has a negative share.
    burden = _game([0, -2, 1, -3, 2, 1, 4, 0])
    cases.append(Case("three players, of whom r = 0 is in the way of the others", (burden, 3, 0)))
    four = _game(rng.normal(size=16).round(2).tolist())
    return cases + [Case(f"a game of n = 4 players, r = {r}", (four, 4, r)) for r in (0, 3)]


exercise = Exercise(
    title="Shapley's sum",
    kind="code",
    difficulty="hard",
    importance="high",
    minutes=12,
    points=3,
    hints=(
        "The weight counts orders of arrival: the `size` players of S first, then r, then the "
        "rest. How many are the rest, and in how many orders can they come?",
        "What r brings is what the coalition is worth with r less what it is worth without r.",
        "The weight is `factorial(size) * factorial(n - size - 1) / factorial(n)`; the gain ends "
        "with the value of `S` alone.",
    ),
    cases=_games,
    not_by=(shapley.shapley_of_game,),
)

# ==== Judging =====================================================================================

from itertools import combinations
from math import comb, factorial

from distill_lessons.exercises.parts import Judging, Mistake
from distill_lessons.explain import shapley


def _from_table(value: Value, n: int, r: int) -> float:
    table = [value([p for p in range(n) if mask >> p & 1]) for mask in range(2**n)]
    return float(shapley.shapley_of_game(np.array(table))[r])


def _weighted(
    weight: Callable[[int, int], float], *, first: int = 0, last: int = 0, brought: bool = True
) -> Callable[[Value, int, int], float]:
    """Return a sum over coalitions as in Shapley's formula, with weights (n, size) of another.

    It leaves out the `first` smallest sizes and the `last` largest ones.
    """

    def share(value: Value, n: int, r: int) -> float:
        others = [p for p in range(n) if p != r]
        return sum(
            weight(n, size) * (value([*before, r]) - (value(before) if brought else 0.0))
            for size in range(first, n - last)
            for before in combinations(others, size)
        )

    return share


def _right_weight(n: int, size: int) -> float:
    return 1 / (n * comb(n - 1, size))


judging = Judging(
    reference=_from_table,
    mistakes=(
        Mistake(
            "no |S|!",
            _weighted(lambda n, size: factorial(n - size - 1) / factorial(n)),
            "The weights lack |S|!, the number of orders in which those before r may have come.",
        ),
        Mistake(
            "empty coalition left out",
            _weighted(_right_weight, first=1),
            "The empty coalition is left out: r may also be the first to arrive.",
        ),
        Mistake(
            "all others left out",
            _weighted(_right_weight, last=1),
            "The largest coalition is left out, that of all others: r may also be the last to "
            "arrive. `range(n)` ends at n − 1.",
        ),
        Mistake(
            "r among those after it",
            _weighted(lambda n, size: factorial(size) * factorial(n - size) / factorial(n)),
            "Your weights have (n − |S|)!, too large: r itself is not among those who come after "
            "it.",
        ),
        Mistake(
            "equal weights",
            _weighted(lambda n, size: 0.5 ** (n - 1)),
            "You give all coalitions the same weight (that is the Banzhaf value). Shapley gives "
            "all *orders* the same weight, and some coalitions come first in more orders.",
        ),
        Mistake(
            "sum, not mean",
            _weighted(lambda n, size: factorial(n) * _right_weight(n, size)),
            "This is the sum over all orders of arrival, not their mean.",
        ),
        Mistake(
            "value, not contribution",
            _weighted(_right_weight, brought=False),
            "You add up what each coalition with r is worth. Take away what it is worth without r.",
        ),
        Mistake(
            "less r alone",
            lambda value, n, r: _weighted(_right_weight, brought=False)(value, n, r) - value((r,)),
            "You take away what r is worth alone. What r brings is what the coalition is worth "
            "with r less what it is worth without r.",
        ),
        Mistake(
            "alone",
            lambda value, n, r: value((r,)) - value(()),
            "This is what r brings to nobody. What does r bring when others are there already?",
        ),
        Mistake(
            "last",
            lambda value, n, r: value(range(n)) - value([p for p in range(n) if p != r]),
            "This is what r brings as the last one. r may come earlier.",
        ),
    ),
)

# ==== Solution ====================================================================================

from itertools import permutations
from typing import Any


# Of all n! orders, |S|! (n − |S| − 1)! have exactly the players of S before r.
# The smallest and the largest coalitions weigh most, 1/n each, and there is one of each. A middling
# one weighs little, but there are many: every *size* weighs 1/n in total.
def shapley_share(value, n, r):
    from itertools import combinations
    from math import factorial

    others = [player for player in range(n) if player != r]
    share = 0.0
    for size in range(n):
        weight = factorial(size) * factorial(n - size - 1) / factorial(n)
        for S in combinations(others, size):
            share += weight * (value((*S, r)) - value(S))
    return share


def by_orders(value: Any, n: int, r: int) -> float:
    brought = []
    for order in permutations(range(n)):
        place = order.index(r)
        brought.append(value(order[: place + 1]) - value(order[:place]))
    return float(np.mean(brought))


def by_bits(value: Any, n: int, r: int) -> Any:
    share = np.float64(0)
    for mask in range(2**n):
        members = frozenset(p for p in range(n) if mask >> p & 1)
        if r not in members:
            size = len(members)
            weight = 1 / n
            for k in range(size):  # 1 / (n · C(n − 1, size)), factor by factor
                weight *= (k + 1) / (n - 1 - k)
            share += weight * (value(members | {r}) - value(members))
    return share


other_ways = [by_orders, by_bits]


def from_the_course(value: Any, n: int, r: int) -> Any:
    worth = [value([p for p in range(n) if mask >> p & 1]) for mask in range(2**n)]
    return shapley.shapley_of_game(np.array(worth))[r]


borrowed = [from_the_course]
