"""A deletion curve."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from distill_lessons.exercises.bank.lesson_07.common import tiny_net
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.explain import quality


def _pictures(seed: int) -> list[Case]:
    every = []
    for shape, classes, k in (((1, 1, 3), 2, 0), ((1, 2, 3), 12, 2), ((1, 2, 3), 4, 1)):
        rng = dice(seed, classes)
        x, (baseline,) = 3 * torch.randn(2, 1, *shape, generator=rng)
        credit = torch.randn(shape, generator=rng)
        words = f"an image of shape {shape}, {classes} classes, k = {k}"
        net = tiny_net(shape, classes, seed)
        if classes > 10:  # each of them counts
            for weight in net[-1].parameters():
                weight.mul_(0.2)
        every.append(Case(words, (net, x, credit, baseline, k)))
    return every


exercise = Exercise(
    title="A deletion curve",
    kind="code",
    difficulty="medium",
    importance="medium",
    minutes=10,
    points=2,
    hints=(
        "The pixels are sorted once; the credit is not computed anew on the way. `mixed` is flat, "
        "so a pixel is one number, its place in `credit.flatten()`.",
        "`argsort` gives the order, from small to large unless you say `descending=True`.",
        "A removed pixel takes the value of `baseline.flatten()` at its place.",
    ),
    cases=_pictures,
    not_by=(quality.curves,),
)

# ==== Judging =====================================================================================

import numpy as np

from distill_lessons.exercises.bank.lesson_07.common import Map
from distill_lessons.exercises.parts import Judging, Mistake


def _path(model: nn.Module, x: Tensor, credit: Tensor, baseline: Tensor) -> Tensor:
    """Return the logits with 0 to D pixels removed, shape `(D + 1, K)`."""
    place = credit.flatten().argsort(descending=True).argsort()  # 0 for the pixel that goes first
    removed = place < torch.arange(credit.numel() + 1, device=x.device)[:, None]
    logits: Tensor = model(torch.where(removed.view(-1, *credit.shape), baseline, x))
    return logits


def _deleted(model: nn.Module, x: Tensor, credit: Tensor, baseline: Tensor, k: int) -> Tensor:
    return _path(model, x, credit, baseline).softmax(1)[:, k]


def _each_alone(model: nn.Module, x: Tensor, credit: Tensor, baseline: Tensor, k: int) -> Map:
    found = [float(model(x).softmax(1)[0, k])]
    for feature in credit.flatten().argsort(descending=True).tolist():
        one = torch.zeros(credit.numel(), dtype=torch.bool, device=x.device)
        one[feature] = True
        mixed = torch.where(one.view(credit.shape), baseline, x)
        found.append(float(model(mixed).softmax(1)[0, k]))
    return np.array(found)


judging = Judging(
    reference=_deleted,
    mistakes=(
        Mistake(
            "smallest first",
            lambda model, x, credit, *given: _deleted(model, x, -credit, *given),
            "You remove the smallest first. Deletion begins with the largest.",
        ),
        Mistake(
            "by absolute size",
            lambda model, x, credit, *given: _deleted(model, x, credit.abs(), *given),
            "You sort by absolute size. A pixel that speaks strongly *against* the class is not "
            "among the first to go.",
        ),
        Mistake(
            "zero as the baseline",
            lambda model, x, credit, baseline, k: _deleted(
                model, x, credit, torch.zeros_like(baseline), k
            ),
            "You set removed pixels to zero. They are to take the value of the baseline.",
        ),
        Mistake(
            "each pixel alone",
            _each_alone,
            "You remove one pixel at a time and put it back. On the curve, what is removed stays "
            "removed.",
        ),
        Mistake(
            "logits",
            lambda model, x, credit, baseline, k: _path(model, x, credit, baseline)[:, k],
            "These are logits of the class; return its probability.",
        ),
        Mistake(
            "without the start",
            lambda *given: _deleted(*given)[1:],
            "The first point is missing: the probability with nothing removed.",
        ),
        Mistake(
            "insertion",
            lambda model, x, credit, baseline, k: _deleted(model, baseline, credit, x[0], k),
            "That is insertion: you begin with the baseline and put the image in.",
        ),
    ),
)

# ==== Solution ====================================================================================

from distill_lessons.explain import quality


# One order, one copy, and what is removed stays removed.
def deletion_curve(model, x, credit, baseline, k):
    mixed = x.flatten().clone()
    points = [model(x).softmax(1)[0, k].item()]
    for pixel in credit.flatten().argsort(descending=True):
        mixed[pixel] = baseline.flatten()[pixel]
        points.append(model(mixed.view_as(x)).softmax(1)[0, k].item())
    return points


def deletion_by_the_package(model: Any, x: Any, credit: Any, baseline: Any, k: int) -> Any:
    attributions = credit[None, ..., None].expand(*x.shape, model(x).shape[1])
    table = quality.curves(
        model, x, attributions, baseline=baseline, y=np.array([k]), steps=credit.numel(), seeds=1
    )
    falls = table[(table["kind"] == "deletion") & (table["order"] == "attribution")]
    return falls.sort_values("fraction")["score"].to_numpy()


def deletion_with_numpy(model: Any, x: Any, credit: Any, baseline: Any, k: int) -> Any:
    points, order = [], np.argsort(-credit.numpy().ravel(), kind="stable")
    for count in range(len(order) + 1):
        mixed = x.numpy().ravel().copy()
        mixed[order[:count]] = baseline.numpy().ravel()[order[:count]]
        z = model(torch.from_numpy(mixed).view(x.shape)).numpy()[0].astype(np.float64)
        points.append(np.exp(z[k]) / np.exp(z).sum())
    return np.array(points)


def deletion_place_by_place(model: Any, x: Any, credit: Any, baseline: Any, k: int) -> Any:
    mixed, left = x.clone(), credit[0].clone()
    points = [model(mixed).softmax(1)[:, k]]
    for _ in range(left.numel()):
        row, column = divmod(int(left.argmax()), left.shape[1])
        left[row, column] = -torch.inf
        mixed[0, 0, row, column] = baseline[0, row, column]
        points.append(model(mixed).softmax(1)[:, k])
    return torch.cat(points)


other_ways = [deletion_with_numpy, deletion_place_by_place]

borrowed = [deletion_by_the_package]
