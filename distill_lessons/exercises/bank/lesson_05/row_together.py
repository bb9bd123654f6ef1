"""Find the bug: shuffle a row."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from distill_lessons.exercises.compare import plain
from distill_lessons.exercises.dice import dice, mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case

SEEDS = 50  # so many tell dice from arithmetic with the seed


def _rows(seed: int) -> list[Case]:
    rng = dice(seed)
    return [
        Case(
            f"{n} images of shape {shape}, group {group}",
            (torch.rand(n, *shape, generator=rng), torch.tensor(group), mixed(seed, n)),
        )
        for n, shape, group in ((7, (1, 2, 3), [3, 4, 5]), (9, (2, 2, 2), [0, 5, 6, 7]))
    ]


def _shuffles(answer: Any, x: Tensor, group: Tensor, seed: int) -> dict[str, Any] | None:
    given = x.clone()
    found = answer(x, group, seed)
    if found is None:
        return None
    found = plain(found)  # a copy: further calls must not change it
    return {
        "shuffled": found,
        "x": x.clone(),
        "the same seed": [plain(answer(given.clone(), group, seed)) for _ in range(3)],
        "other seeds": [plain(answer(given.clone(), group, seed + n)) for n in range(1, SEEDS)],
    }


GIVEN = """\
def row_together(x, group, seed):
    dice = torch.Generator().manual_seed(seed)
    mixed = x.flatten(1).clone()
    for j in group:
        order = torch.randperm(len(x), generator=dice)
        mixed[:, j] = mixed[order, j]
    return mixed.view_as(x)
"""

exercise = Exercise(
    title="Find the bug: shuffle a row",
    kind="bug",
    given=GIVEN,
    difficulty="medium",
    importance="high",
    minutes=5,
    points=2,
    hints=(
        "Look at image 0 after the shuffle. From how many other images does it have its row?",
        "How often is an order drawn, and how often should it be?",
    ),
    cases=_rows,
    ask=_shuffles,
)

# ==== Judging =====================================================================================

import numpy as np

from distill_lessons.exercises.bank.lesson_05.common import group_by_mask
from distill_lessons.exercises.parts import Judging, Mistake


def _properties(told: dict[str, Any], x: Tensor, group: Tensor, seed: int) -> dict[str, Any]:
    after = torch.tensor(told["shuffled"]).double()
    before, shape = x.double(), list(after.shape)
    if after.shape != x.shape:
        after = torch.zeros_like(before)
    taken, donors = after.flatten(1)[:, group], before.flatten(1)[:, group]
    rest = [j for j in range(x[0].numel()) if j not in group.tolist()]
    same = [torch.tensor(one).double() for one in told["the same seed"]]
    other = [torch.tensor(one).double() for one in told["other seeds"]]
    kinds = {tuple(one.flatten().tolist()) for one in (after, *other)}
    return {
        "shape": shape,
        "x is as it was": torch.equal(torch.tensor(told["x"]).double(), before),
        "features outside the group": after.flatten(1)[:, rest],
        "something is shuffled": not torch.equal(taken, donors),
        "values of each column, sorted": after.flatten(1).sort(0).values,
        "the most images from which one image gets its group": _most_donors(taken, donors),
        "the same seed gives the same shuffle": all(torch.equal(one, after) for one in same),
        "another seed gives another shuffle": not all(torch.equal(one, after) for one in other),
        f"{SEEDS} seeds give more than {SEEDS * 2 // 3} shuffles": len(kinds) > SEEDS * 2 // 3,
    }


def _most_donors(taken: Tensor, donors: Tensor) -> int:
    came = (taken[:, None] == donors[None]).int().argmax(1)  # (N, features): from which image
    return max(len(row.unique()) for row in came)


def _random_order(x: Tensor, seed: int) -> Tensor:
    return torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))


def _torn(x: Tensor, group: Tensor, seed: int) -> Tensor:
    dice = torch.Generator().manual_seed(seed)
    torn = x.flatten(1).clone()
    for j in group.tolist():
        torn[:, j] = torn[torch.randperm(len(x), generator=dice), j]
    return torn.view(x.shape)


def _with_replacement(x: Tensor, group: Tensor, seed: int) -> Tensor:
    drawn = torch.randint(len(x), (len(x),), generator=torch.Generator().manual_seed(seed))
    return group_by_mask(x, group, drawn)


def _turned_by_one(x: Tensor, group: Tensor, seed: int) -> Tensor:
    return group_by_mask(x, group, torch.arange(len(x)).roll(1))


def _unseeded(x: Tensor, group: Tensor, seed: int) -> Tensor:
    order = np.random.default_rng().permutation(len(x))
    return group_by_mask(x, group, torch.from_numpy(order))


judging = Judging(
    properties=_properties,
    reference=lambda x, group, seed: group_by_mask(x, group, _random_order(x, seed)),
    mistakes=(
        Mistake("as given", _torn, "", given=True),
        Mistake(
            "whole images",
            lambda x, group, seed: x[_random_order(x, seed)],
            "Now whole images change places. Only the features of the group may move.",
        ),
        Mistake(
            "nothing shuffled",
            lambda x, group, seed: x.clone(),
            "The images come back unchanged: nothing is shuffled any more.",
        ),
        Mistake(
            "with replacement",
            _with_replacement,
            "Some images give their row twice and others not at all. In a shuffle each value "
            "occurs as often as before.",
        ),
        Mistake(
            "always the same order",
            _turned_by_one,
            "Every seed gives the same shuffle. The order is to be drawn by dice that `seed` "
            "seeds.",
        ),
        Mistake(
            "rolled by the seed",
            lambda x, group, seed: group_by_mask(x, group, torch.arange(len(x)).roll(seed)),
            "The images are rolled by a number of places that follows from the seed, so only as "
            "many orders ever come up as there are images, and neighbours stay neighbours. Let "
            "dice draw any order: `torch.randperm`.",
        ),
        Mistake(
            "dice without a seed",
            _unseeded,
            "The same seed gives another shuffle each time, so nobody can repeat the experiment. "
            "Pass the dice that `seed` seeds to whatever draws the order.",
        ),
    ),
)

# ==== Solution ====================================================================================


# An order was drawn for every column, so a row was put together from the pixels of many images:
# not only its tie to the rest was cut, but the row itself. One order for the whole group keeps it.
def row_together(x, group, seed):
    dice = torch.Generator().manual_seed(seed)
    mixed = x.flatten(1).clone()
    order = torch.randperm(len(x), generator=dice)
    for j in group:
        mixed[:, j] = mixed[order, j]
    return mixed.view_as(x)


def row_at_once(x: Any, group: Any, seed: int) -> Any:
    order = np.random.default_rng(seed).permutation(len(x))  # other dice are as good
    mixed = x.flatten(1).clone()
    mixed[:, group] = mixed[order][:, group]
    return mixed.view(x.shape)


def row_with_numpy(x: Any, group: Any, seed: int) -> Any:
    rows = x.numpy().reshape(len(x), -1).copy()
    part = rows[:, group.numpy()]
    np.random.default_rng(seed).shuffle(part)
    rows[:, group.numpy()] = part
    return rows.reshape(x.shape)


other_ways = [row_at_once, row_with_numpy]
