"""Grad-CAM from a layer's maps and their gradients."""

from __future__ import annotations

import torch

from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _layers(seed: int) -> list[Case]:
    maps = torch.tensor([[[[1.0, 0.0], [2.0, 0.0]], [[0.0, 3.0], [1.0, 0.0]]]])
    slopes = torch.tensor([[[[0.4, 0.0], [0.0, 0.0]], [[0.0, 0.0], [0.0, -0.8]]]])
    cases = [Case("one image, two maps of 2×2", (maps, slopes))]
    for n, channels in ((3, 4), (5, 3)):
        rng = dice(seed, n)
        maps = torch.randn(n, channels, 3, 2, generator=rng).relu()
        slopes = torch.randn(n, channels, 3, 2, generator=rng)
        cases.append(Case(f"{n} images, {channels} maps of 3×2", (maps, slopes)))
    return cases


exercise = Exercise(
    title="Grad-CAM in three lines",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=7,
    points=2,
    hints=(
        "The weight of a map is one number per image: the mean of its slopes over its places, "
        "`slopes.mean((2, 3), keepdim=True)`.",
        "Add the weighted maps over the channels, axis 1. Only then cut off what is negative.",
    ),
    cases=_layers,
)

# ==== Judging =====================================================================================

from collections.abc import Callable

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _cam(
    weight: Callable[[Tensor], Tensor] = lambda slope: slope.mean(),
    one: Callable[[Tensor], Tensor] = lambda weighted: weighted,
    end: Callable[[Tensor], Tensor] = lambda total: total.relu(),
) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the maps, with room for mistakes; image by image and channel by channel."""

    def found(maps: Tensor, slopes: Tensor) -> Tensor:
        rows = []
        for image, slope in zip(maps, slopes, strict=True):
            parts = [one(weight(s) * m) for m, s in zip(image, slope, strict=True)]
            rows.append(end(torch.stack(parts).sum(0)))
        return torch.stack(rows)

    return found


judging = Judging(
    reference=_cam(),
    mistakes=(
        Mistake(
            "slope times map",
            _cam(weight=lambda slope: slope),
            "You multiply place by place. Grad-CAM gives a whole map one weight.",
        ),
        Mistake(
            "not cut off",
            _cam(end=lambda total: total),
            "What speaks against the class is still in it: cut off what is negative.",
        ),
        Mistake(
            "cut off too early",
            _cam(one=lambda weighted: weighted.relu()),
            "You cut off each map before the sum. A map that speaks against the class may take "
            "away from others; only the sum is cut.",
        ),
        Mistake(
            "absolute values",
            _cam(end=lambda total: total.abs()),
            "What speaks against the class counts as if it spoke for it.",
        ),
        Mistake(
            "slopes left out",
            _cam(weight=lambda slope: torch.ones(())),
            "You add the maps up without their weights: this is the same for every class.",
        ),
        Mistake(
            "sizes of the slopes",
            _cam(weight=lambda slope: slope.abs().mean()),
            "You average the sizes of the slopes. Their signs say for or against.",
        ),
        Mistake(
            "summed slopes",
            _cam(weight=lambda slope: slope.sum()),
            "You add the slopes up over the places. The weight is their mean.",
        ),
        Mistake(
            "weights of the whole batch",
            lambda maps, slopes: (slopes.mean((0, 2, 3), keepdim=True) * maps).sum(1).relu(),
            "The weights are averaged over the images. Each image has weights of its own.",
        ),
        Mistake(
            "mean over the maps",
            lambda maps, slopes: _cam()(maps, slopes) / maps.shape[1],
            "You average over the maps. Add them up.",
        ),
    ),
)

# ==== Solution ====================================================================================


# One weight per image and map, then one sum over the maps; the cut comes last.
def cam_of_maps(maps, slopes):
    weights = slopes.mean(dim=(2, 3), keepdim=True)
    total = (weights * maps).sum(dim=1)
    return total.relu()


def by_einsum(maps, slopes):
    return torch.einsum("nc,nchw->nhw", slopes.flatten(2).mean(2), maps).clamp(min=0)


def in_numpy(maps, slopes):
    maps, slopes = maps.double().numpy(), slopes.double().numpy()
    return ((slopes.mean((2, 3))[..., None, None] * maps).sum(1)).clip(0)


other_ways = [by_einsum, in_numpy]
