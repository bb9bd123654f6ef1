"""Shuffled wrong classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from distill_lessons.exercises.compare import plain
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _tables(seed: int) -> list[Case]:
    cases = []
    for n, k in ((12, 6), (300, 4), (300, 10)):  # so many rows show which orders come up
        z = 3 * torch.randn(n, k, generator=dice(seed, k))
        cases.append(Case(f"z of shape ({n}, {k})", (z, dice(seed, n + k))))
    return cases


def _three_times(shuffle: Callable[..., Any], z: Tensor, thrown: Any) -> dict[str, Any] | None:
    given, start = z.clone(), thrown.get_state()
    first = shuffle(z, thrown)
    if first is None:
        return None
    first = plain(first)  # a copy: the second call must not change it
    second = plain(shuffle(z, thrown))
    thrown.set_state(start)
    return {"first": first, "second": second, "again": shuffle(given, thrown)}


exercise = Exercise(
    title="Shuffled wrong classes",
    kind="code",
    difficulty="hard",
    importance="medium",
    minutes=10,
    points=3,
    hints=(
        "Begin with a copy, `z.clone()`, and go through its rows; a plain loop is fine.",
        "In each row: which columns are not the top one? Put them into a list; it has K − 1 "
        "entries, and K is `z.shape[1]`.",
        "`torch.randperm(n, generator=dice)` is a new order of n places. `row[others]`, with a "
        "list of columns, can stand on both sides of an assignment.",
    ),
    cases=_tables,
    ask=_three_times,
)

# ==== Judging =====================================================================================

from math import factorial

from distill_lessons.exercises.parts import Judging, Mistake


def _properties(told: dict[str, Any], given: Tensor, dice: Any) -> dict[str, Any]:
    first, second, again = (_table(told[name]) for name in ("first", "second", "again"))
    found: dict[str, Any] = {
        "the shape of the answer": str(tuple(first.shape)) if first.ndim else "no table",
        "the logits of every row, sorted": [],
        "the top class keeps its logit": False,
        "the wrong classes of every row are shuffled": False,
        "every row is shuffled in its own way": False,
        "every wrong class may come to every place, in any order": False,
        "the same dice, thrown again, give another order": not torch.equal(first, second),
        "dice from the same seed give the same order": torch.equal(first, again),
        "a second table is made of the same logits, with the same top class": False,
    }
    if first.shape != given.shape:
        return found
    ordered, top = first.sort(1).values, given.argmax(1, keepdim=True)
    found["the logits of every row, sorted"] = ordered
    if not torch.equal(first.gather(1, top), given.gather(1, top)):
        return found
    found["the top class keeps its logit"] = True
    twice = second.shape == given.shape and torch.equal(second.sort(1).values, given.sort(1).values)
    twice = twice and torch.equal(second.gather(1, top), given.gather(1, top))
    found["a second table is made of the same logits, with the same top class"] = twice
    if torch.equal(ordered, given.sort(1).values):
        orders = _orders(given, first, top)
        n, places = orders.shape
        kinds, counts = orders.unique(dim=0, return_counts=True)
        possible = min(n, factorial(places))
        moved = (orders != torch.arange(places)).any(1)
        if twice and factorial(places) > 1000 * n:  # chance leaves no row twice as it was
            moved |= (_orders(given, second, top) != torch.arange(places)).any(1)
            found["the wrong classes of every row are shuffled"] = bool(moved.all())
        else:
            found["the wrong classes of every row are shuffled"] = bool(moved.sum() > n / 2)
        found["every row is shuffled in its own way"] = len(kinds) > 1
        found["every wrong class may come to every place, in any order"] = n < 300 or (
            _alike(torch.stack([(orders == place).sum(0) for place in range(places)]))
            and (possible == n or (len(kinds) == possible and _alike(counts)))
        )
    return found


def _orders(before: Tensor, after: Tensor, top: Tensor) -> Tensor:
    """Return for every row from which of the wrong places each of its wrong logits came."""
    wrong = torch.ones_like(before, dtype=torch.bool).scatter(1, top, False)
    old, new = (z[wrong].view(len(z), -1) for z in (before, after))
    return (new[:, :, None] == old[:, None, :]).float().argmax(2)


def _alike(counts: Tensor) -> bool:
    """Say whether counts of what is equally likely differ by no more than dice do."""
    mean = counts.double().mean()
    return bool(((counts - mean).abs() < 6 * mean.sqrt()).all())  # wrongly so once in millions


def _table(answer: Any) -> Tensor:
    try:
        return torch.tensor(answer, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError):  # words, a function, rows of several lengths
        return torch.tensor(0.0)


def _shuffled(z: Tensor, dice: torch.Generator) -> Tensor:
    top = torch.nn.functional.one_hot(z.argmax(1), z.shape[1]).bool()
    keys = torch.rand(z.shape, generator=dice).masked_fill(top, 2.0)
    places = (~top).nonzero()[:, 1].view(len(z), -1)  # of the wrong classes, (N, K-1)
    return z.scatter(1, places, z.gather(1, keys.argsort(1)[:, :-1]))


def _whole_rows(z: Tensor, dice: torch.Generator) -> Tensor:
    return z.gather(1, torch.rand(z.shape, generator=dice).argsort(1))


def _one_order(z: Tensor, dice: torch.Generator, *, fresh: bool = True) -> Tensor:
    n, k = z.shape
    top = torch.nn.functional.one_hot(z.argmax(1), k).bool()
    places = (~top).nonzero()[:, 1].view(n, -1)
    order = torch.randperm(k - 1, generator=dice) if fresh else torch.arange(k - 1).roll(1)
    return z.scatter(1, places, z.gather(1, places[:, order]))


def _own_dice(z: Tensor, dice: torch.Generator) -> Tensor:
    return _shuffled(z, torch.Generator().manual_seed(0))


def _unseeded_dice(z: Tensor, dice: torch.Generator) -> Tensor:
    other = torch.Generator()
    other.seed()  # drawn by the system: another one on every call
    return _shuffled(z, other)


def _averaged(z: Tensor, dice: torch.Generator) -> Tensor:
    top = z.max(1, keepdim=True).values
    return torch.where(z == top, z, (z.sum(1, keepdim=True) - top) / (z.shape[1] - 1))


def _moved(z: Tensor, order: Callable[[int], Tensor]) -> Tensor:
    answer = z.clone()
    for row in answer:
        others = (torch.arange(len(row)) != row.argmax()).nonzero()[:, 0]
        row[others] = row[others[order(len(others))]]
    return answer


def _one_pair(z: Tensor, dice: torch.Generator) -> Tensor:
    def order(n: int) -> Tensor:
        one, other = torch.randperm(n, generator=dice)[:2].tolist()
        swapped = torch.arange(n)
        swapped[one], swapped[other] = other, one
        return swapped

    return _moved(z, order)


def _rolled(z: Tensor, dice: torch.Generator) -> Tensor:
    return _moved(z, lambda n: torch.arange(n).roll(int(torch.randint(1, n, (), generator=dice))))


judging = Judging(
    properties=_properties,
    reference=_shuffled,
    mistakes=(
        Mistake(
            "the top class moves",
            _whole_rows,
            "The whole row is shuffled, and the top class with it. Such a teacher is wrong about "
            "its guess too; here only the wrong classes change places.",
        ),
        Mistake(
            "one order for all rows",
            _one_order,
            "All rows are shuffled by one order. Then the wrong classes have only been renamed, "
            "and what they know is still there. Throw the dice for each row.",
        ),
        Mistake(
            "always the same order",
            lambda z, dice: _one_order(z, dice, fresh=False),
            "Every row is moved by one and the same order, and so is the next table. Either "
            "no dice are thrown, or they are seeded anew for each row. Throw the given ones on.",
        ),
        Mistake(
            "dice of its own",
            _own_dice,
            "The order does not come from the dice that were given: thrown again, they give the "
            "same order. Pass `dice` on as `generator`.",
        ),
        Mistake(
            "other dice",
            _unseeded_dice,
            "The order comes from other dice than the given ones, so nobody can repeat it: the "
            "same seed gives another table each time. Pass `dice` on as `generator`.",
        ),
        Mistake(
            "nothing is shuffled", lambda z, dice: z.clone(), "Every logit is where it was before."
        ),
        Mistake(
            "one pair",
            _one_pair,
            "In each row only two wrong classes change places, and most stay where they were. "
            "`torch.randperm` puts all of them into a new order.",
        ),
        Mistake(
            "rolled",
            _rolled,
            "Each row is rolled by a random number of places, so most orders never come up: "
            "neighbours stay neighbours. `torch.randperm` draws any order.",
        ),
        Mistake(
            "averaged",
            _averaged,
            "The wrong classes of a row are all made alike. Shuffled, they keep their values and "
            "change places.",
        ),
    ),
)

# ==== Solution ====================================================================================

import numpy as np


# The teacher's guess and the values of its logits stay; what is lost is which wrong class is how
# likely. With the digits, 50 images and T = 4 the students end about 20 points below those with
# hard labels, in every one of ten repeats: not only does the gain go, wrong dark knowledge is
# worse than none.
def shuffle_wrong(z, dice):
    shuffled = z.clone()
    for row in shuffled:
        others = [k for k in range(z.shape[1]) if k != int(row.argmax())]
        row[others] = row[others][torch.randperm(len(others), generator=dice)]
    return shuffled


def shuffled_in_numpy(z, dice):
    rows = z.numpy().astype(np.float64)  # a copy
    for row in rows:
        others = np.delete(np.arange(len(row)), row.argmax())
        row[others] = row[others[torch.rand(len(others), generator=dice).argsort().numpy()]]
    return rows


def shuffled_by_swaps(z, dice):
    answer = [list(row) for row in z.tolist()]
    for row in answer:
        top = max(range(len(row)), key=row.__getitem__)
        others = [k for k in range(len(row)) if k != top]
        for i in range(len(others) - 1, 0, -1):
            j = int(torch.randint(i + 1, (), generator=dice))
            row[others[i]], row[others[j]] = row[others[j]], row[others[i]]
    return answer


other_ways = [shuffled_in_numpy, shuffled_by_swaps]
