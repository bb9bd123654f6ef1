"""A better similarity of pictures?"""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _distances(seed: int) -> list[Case]:
    rng = dice(seed)
    line = torch.tensor([[0.0], [1.0], [3.0], [10.0]])
    far, labels = torch.cdist(line, line), torch.tensor([0, 0, 1, 1])
    touching = torch.tensor([[0.0], [2.0], [2.0], [7.0]])
    plane = torch.randn(14, 2, generator=rng)
    three = torch.tensor([2, 0, 1, 0, 1, 2, 2, 1, 1, 0, 1, 1, 2, 1])
    on_a_line = "images of class 0 at 0 and 1 on a line, of class 1 at 3 and 10"
    return [
        Case(f"{on_a_line}; a = 0, b = 1", (far, labels, 0, 1)),
        Case(f"{on_a_line}; a = 1, b = 0", (far.clone(), labels.clone(), 1, 0)),
        Case(
            "images of class 0 at 0 and 2 on a line, of class 1 at 2 and 7; a = 0, b = 1",
            (torch.cdist(touching, touching), labels.clone(), 0, 1),
        ),
        Case("14 images of three classes; a = 2, b = 1", (torch.cdist(plane, plane), three, 2, 1)),
    ]


exercise = Exercise(
    title="A better similarity of pictures?",
    kind="code",
    difficulty="medium",
    importance="medium",
    minutes=8,
    points=2,
    hints=(
        "Cut a block out of the table first: a row for each image of class a, a column for each of "
        "class b. `far[labels == a]` cuts the rows. What cuts the columns of these rows?",
        "An image of class a is a row of the block: its nearest neighbour is the smallest entry of "
        "that row. Which axis does the minimum run along?",
        "`block.min(1).values` holds one distance an image of class a; take minus their mean.",
    ),
    cases=_distances,
)

# ==== Judging =====================================================================================

import numpy as np
from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _by_mask(far: Tensor, labels: Tensor, a: int, b: int) -> float:
    nearest = np.where(labels.numpy() == b, far.numpy(), np.inf).min(1)
    return -float(nearest[labels.numpy() == a].mean())


def _block(far: Tensor, labels: Tensor, a: int, b: int) -> np.ndarray:
    return far.numpy()[np.ix_(labels.numpy() == a, labels.numpy() == b)]


judging = Judging(
    reference=_by_mask,
    mistakes=(
        Mistake(
            "the other axis",
            lambda far, labels, a, b: _by_mask(far, labels, b, a),
            "You look for the nearest image of class a, for each image of class b. It should "
            "be the other way around.",
        ),
        Mistake(
            "sign",
            lambda far, labels, a, b: -_by_mask(far, labels, a, b),
            "That is a distance. A similarity has to grow as classes come closer.",
        ),
        Mistake(
            "all neighbours",
            lambda far, labels, a, b: -_block(far, labels, a, b).mean(),
            "You average over all images of class b; only the nearest one counts.",
        ),
        Mistake(
            "one pair",
            lambda far, labels, a, b: -_block(far, labels, a, b).min(),
            "That is the closest pair of all. Every image of class a has a nearest neighbour of "
            "its own; average over them.",
        ),
        Mistake(
            "the farthest",
            lambda far, labels, a, b: -_block(far, labels, a, b).max(1).mean(),
            "You take the farthest image of class b, not the nearest.",
        ),
        Mistake(
            "zeros left out",
            lambda far, labels, a, b: _by_mask(far.masked_fill(far == 0, np.inf), labels, a, b),
            "You leave out distances of 0. Two images of different classes may be alike, and then "
            "0 is the distance to the nearest.",
        ),
        Mistake(
            "one number an image",
            lambda far, labels, a, b: -_block(far, labels, a, b).min(1),
            "These are the distances image by image; their mean is still to be taken.",
        ),
    ),
)

# ==== Solution ====================================================================================


# The rows of the block are the images of class a: the minimum runs along each row, over the images
# of class b.
def nearness(far, labels, a, b):
    block = far[labels == a][:, labels == b]
    return -block.min(1).values.mean()


def nearness_in_a_loop(far, labels, a, b):
    nearest = []
    for i in range(len(labels)):
        if labels[i] == a:
            nearest.append(min(far[i, j].item() for j in range(len(labels)) if labels[j] == b))
    return -sum(nearest) / len(nearest)


other_ways = [
    nearness_in_a_loop,
    lambda far, labels, a, b: torch.neg(far[:, labels == b].amin(1)[labels == a].mean()),
    lambda far, labels, a, b: (
        -far.numpy()[np.ix_(labels == b, labels == a)].min(0).mean(dtype=np.float64)
    ),
]
