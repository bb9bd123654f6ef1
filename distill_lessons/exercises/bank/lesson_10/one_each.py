"""One teacher for each image."""

from __future__ import annotations

import torch

from distill_lessons import teachers
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _answers(seed: int) -> list[Case]:
    cases = []
    for m, n, k in ((2, 3, 2), (3, 5, 4), (4, 4, 4)):
        rng = dice(seed, 10 * m + n)
        z = torch.randn(m, n, k, generator=rng)
        # Every teacher is asked, and one of them twice, but for the first case not in order.
        which = torch.cat([torch.arange(m), torch.randint(m, (n - m,), generator=rng)])
        which = which[torch.randperm(n, generator=rng)].roll(1)
        if bool((which == torch.arange(n)).all()):
            which = which.flip(0)
        cases.append(Case(f"{m} teachers, {n} images, {k} classes", (z, which)))
    return cases


exercise = Exercise(
    title="One teacher for each image",
    kind="code",
    difficulty="easy",
    importance="high",
    minutes=5,
    hints=(
        "For image 0 it is `z[which[0], 0]`, for image 1 `z[which[1], 1]`.",
        "Two tensors of indices go side by side: `z[a, b]` takes `z[a[i], b[i]]` for every i.",
    ),
    not_by=(teachers.one_each,),
    cases=_answers,
)

# ==== Judging =====================================================================================

from typing import Any

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _gathered(z: Tensor, which: Tensor) -> Tensor:
    return z.gather(0, which[None, :, None].expand(1, -1, z.shape[2]))[0]


judging = Judging(
    reference=_gathered,
    mistakes=(
        Mistake(
            "whole tables",
            lambda z, which: z[which],
            "`z[which]` takes a whole table for each image. Of that table only the image's own row "
            "is wanted.",
        ),
        Mistake(
            "images for teachers",
            lambda z, which: z[:, which],
            "You pick images by the numbers of teachers.",
        ),
        Mistake(
            "the mean",
            lambda z, which: z.mean(0),
            "This is the mean of all. Each image is shown to one teacher.",
        ),
        Mistake(
            "one teacher for all",
            lambda z, which: z[which[0]],
            "All images went to the teacher of the first one.",
        ),
        Mistake(
            "the first teacher",
            lambda z, which: z[0],
            "All images went to the first teacher; `which` was not looked at.",
        ),
        Mistake(
            "in order",
            lambda z, which: _gathered(z, which.sort().values),
            "The teachers were handed out in order: first all images of teacher 0, and so on.",
        ),
        Mistake(
            "in turn",
            lambda z, which: _gathered(z, torch.arange(z.shape[1]) % len(z)),
            "The teachers took turns; `which` was not looked at.",
        ),
        Mistake(
            "the surest",
            lambda z, which: _gathered(z, z.amax(2).argmax(0)),
            "You ask the surest teacher. `which` says whom to ask.",
        ),
    ),
)

# ==== Solution ====================================================================================


# Two lists of indices side by side: the teacher, and the image's own row.
def one_each(z, which):
    return z[which, torch.arange(len(which))]


def by_a_loop(z: Any, which: Any) -> Any:
    return torch.stack([z[m][i] for i, m in enumerate(which.tolist())])


def by_a_mask(z: Any, which: Any) -> Any:
    mask = torch.nn.functional.one_hot(which, len(z)).T[..., None]
    return (mask * z).sum(dim=0)


other_ways = [by_a_loop, by_a_mask]

borrowed = [teachers.one_each, lambda z, which: teachers.one_each(z, which)]
