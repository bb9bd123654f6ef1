"""Shuffle a group."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.explain import permutation


def _groups(seed: int) -> list[Case]:
    rng = dice(seed)
    six = torch.arange(12.0).view(3, 1, 2, 2)
    return [
        Case(
            "x of shape (3, 1, 2, 2) with the values 0 to 11, group [1, 2], order [2, 0, 1]",
            (six, torch.tensor([1, 2]), torch.tensor([2, 0, 1])),
        ),
        Case(
            "x of shape (5, 2, 2, 3), group [7, 0, 4], order [3, 4, 0, 2, 1]",
            (
                torch.randn(5, 2, 2, 3, generator=rng),
                torch.tensor([7, 0, 4]),
                torch.tensor([3, 4, 0, 2, 1]),
            ),
        ),
    ]


def _explained(answer: Any, x: Tensor, group: Tensor, order: Tensor) -> Any:
    try:
        return answer(x, group, order)
    except IndexError as error:
        if "broadcast together" in str(error):  # `[order, group]`: the first thing one writes
            error.args = (
                f"{error}. One bracket with both, `[order, group]`, pairs the first of `order` "
                "with the first of `group`, and so on. Take it in two steps: the images of "
                "`order`, and of these the columns of the group.",
            )
        raise


exercise = Exercise(
    title="Shuffle a group",
    kind="code",
    difficulty="easy",
    importance="high",
    minutes=5,
    hints=(
        "Work on a copy, flattened so that every feature is a column: what is its shape?",
        "Take it in two steps: first all columns of the other images, `x.flatten(1)[order]`, then "
        "of these the columns of the group.",
        "Write them to `mixed[:, group]`, and give `mixed` the shape of x.",
    ),
    cases=_groups,
    ask=_explained,
    not_by=(permutation._shuffled,),
    tolerance=1e-6,  # values are moved, not computed
)

# ==== Judging =====================================================================================

from distill_lessons.exercises.bank.lesson_05.common import group_by_mask
from distill_lessons.exercises.parts import Judging, Mistake


def _not_written_back(x: Tensor, group: Tensor, order: Tensor) -> Tensor:
    return x.clone()


judging = Judging(
    reference=group_by_mask,
    mistakes=(
        Mistake(
            "not written back",
            _not_written_back,
            "The images come back unchanged. A shuffled column has to be written into the copy; "
            "giving it a new name changes nothing.",
        ),
        Mistake(
            "whole images",
            lambda x, group, order: x[order],
            "You moved whole images. Only the features of the group come from another image.",
        ),
        Mistake(
            "given, not taken",
            lambda x, group, order: group_by_mask(x, group, order.argsort()),
            "You move the other way: image i gives its values to image order[i]. It is to take "
            "its values from there.",
        ),
    ),
)

# ==== Solution ====================================================================================

import numpy as np


# The clone keeps x as it was. First the other images, then their columns: so all features of the
# group come from the same other image.
def shuffle_group(x, group, order):
    mixed = x.flatten(1).clone()
    mixed[:, group] = x.flatten(1)[order][:, group]
    return mixed.view_as(x)


def group_with_numpy(x: Any, group: Any, order: Any) -> Any:
    mixed = x.numpy().astype(np.float64).reshape(len(x), -1)
    mixed[:, group] = mixed[np.ix_(order, group)]
    return mixed.reshape(x.shape)


def group_image_by_image(x: Any, group: Any, order: Any) -> Any:
    mixed = x.clone()
    for i, other in enumerate(order):
        for j in group:
            mixed[i].view(-1)[j] = x[other].reshape(-1)[j]
    return mixed


def group_by_the_package(x: Any, group: Any, order: Any) -> Any:
    cases = torch.stack([torch.zeros(len(x)), torch.zeros(len(x)), torch.arange(len(x))], 1)
    return permutation._shuffled(x, [group.numpy()], order[None], cases.long())


other_ways = [group_with_numpy, group_image_by_image]
borrowed = [group_by_the_package]
