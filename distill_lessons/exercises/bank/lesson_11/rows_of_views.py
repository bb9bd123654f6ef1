"""Find the bug: answers kept for every view."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _tables(seed: int) -> list[Case]:
    small = torch.arange(12.0).reshape(6, 2)
    words = "2 views of 3 images; the batch is image 1 in view 1 and image 2 in view 0"
    cases = [Case(words, (small, 3, torch.tensor([1, 2]), torch.tensor([1, 0])))]
    for n, views in ((7, 4), (5, 10)):
        rng = dice(seed, n)
        kept = torch.randn(views * n, 3, generator=rng)
        index = torch.randperm(n, generator=rng)[:4]
        v = torch.randint(1, views, (4,), generator=rng)
        v[0] = 0
        cases.append(Case(f"{views} views of {n} images, a batch of 4", (kept, n, index, v)))
    return cases


GIVEN = '''\
def rows_of_views(kept, n_images, index, v):
    """kept (V * N, K): logits of all N images in view 0, then of all N in view 1, and so on.

    A batch shows the images `index` (B,), each in its own view `v` (B,).
    Returns what the teacher said of these views, (B, K).
    """
    n_views = len(kept) // n_images
    rows = index * n_views + v
    return kept[rows]
'''

exercise = Exercise(
    title="Find the bug: answers kept for every view",
    kind="bug",
    given=GIVEN,
    difficulty="easy",
    importance="high",
    minutes=5,
    hints=(
        "Take 2 views of 3 images, and write down for each of the six rows which image and which "
        "view it belongs to.",
        "How many rows lie between image 0 in view 0 and image 0 in view 1?",
    ),
    cases=_tables,
)

# ==== Judging =====================================================================================

from collections.abc import Callable

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _looked_up(
    row: Callable[[int, int, int, int], int],
) -> Callable[[Tensor, int, Tensor, Tensor], Tensor]:
    """Return the rows that a rule for one image, view, N and V gives."""

    def found(kept: Tensor, n_images: int, index: Tensor, v: Tensor) -> Tensor:
        views = len(kept) // n_images
        pairs = zip(index.tolist(), v.tolist(), strict=True)
        return torch.stack([kept[row(i, u, n_images, views) % len(kept)] for i, u in pairs])

    return found


judging = Judging(
    reference=_looked_up(lambda i, u, n, views: u * n + i),
    mistakes=(
        Mistake("as given", _looked_up(lambda i, u, n, views: i * views + u), "", given=True),
        Mistake(
            "the images as they are",
            _looked_up(lambda i, u, n, views: i),
            "These are the answers to the images as they are. The batch shows other views of them.",
        ),
        Mistake(
            "one view for all",
            lambda kept, n, index, v: kept.unflatten(0, (-1, n))[int(v[0]), index],
            "Every image of the batch has a view of its own. You take that of the first.",
        ),
        Mistake(
            "places in the batch",
            lambda kept, n, index, v: kept.unflatten(0, (-1, n))[v, torch.arange(len(v))],
            "You look up where an image stands in the batch, not where it stands in the data set.",
        ),
        Mistake(
            "one row late",
            _looked_up(lambda i, u, n, views: u * n + i + 1),
            "You are one row late; rows are counted from 0.",
        ),
        Mistake(
            "the view before",
            _looked_up(lambda i, u, n, views: (u - 1) * n + i),
            "You take the view before; views are counted from 0.",
        ),
        Mistake(
            "the mean of the views",
            lambda kept, n, index, v: kept.unflatten(0, (-1, n)).mean(0)[index],
            "This is the mean over all views. The student sees one of them.",
        ),
    ),
)

# ==== Solution ====================================================================================


# All images of a view come before the next view, so a view further on is N rows further down.
def rows_of_views(kept, n_images, index, v):
    rows = v * n_images + index
    return kept[rows]


def by_two_indices(kept, n_images, index, v):
    return kept.reshape(-1, n_images, kept.shape[1])[v, index]


def one_by_one(kept, n_images, index, v):
    return torch.stack([kept.split(n_images)[int(u)][int(i)] for i, u in zip(index, v)])


other_ways = [by_two_indices, one_by_one]
