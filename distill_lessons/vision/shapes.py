"""Ten shapes in colour, made by a seed: images that need no download.

What decides the class is the outline alone. Place, size, angle, both colours and the light are
drawn at random, and specks lie over everything. Knows nothing about models.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from distill_lessons import seeds
from distill_lessons.data import Data, Split
from distill_lessons.settings import whole_number

CLASSES = (
    "disc",
    "ring",
    "square",
    "frame",
    "triangle",
    "cross",
    "star",
    "bar",
    "corner",
    "half",
)


def made(n: int, side: int = 16, *, seed: int) -> Split:
    """Make coloured images of ten shapes, all classes equally often.

    Args:
        n: how many, at least 10.
        side: height and width in pixels, at least 8.
        seed: same seed, same images.

    Returns:
        Images ``(n, 3, side, side)`` in [0, 1], in random order, with labels into `CLASSES`.

    Raises:
        TypeError: if a number is not whole.
        ValueError: if `n` leaves a class without an image, or `side` is too small to tell shapes.

    >>> made(10, seed=0).x.shape
    torch.Size([10, 3, 16, 16])
    """
    n, side = whole_number("n", n), whole_number("side", side)
    if n < len(CLASSES):
        raise ValueError(f"n={n} leaves some of the {len(CLASSES)} shapes out; ask for more.")
    if side < 8:
        raise ValueError(f"side={side} is too small to tell the shapes apart; use 8 or more.")
    dice = seeds.generator(seed)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *shape, generator=dice)

    y = (torch.arange(n) % len(CLASSES))[torch.randperm(n, generator=dice)]
    ticks = (torch.arange(side) + 0.5) / side * 2 - 1  # the frame is [-1, 1] each way
    down, right = torch.meshgrid(ticks, ticks, indexing="ij")
    radius = uniform(0.6, 0.9, 1, 1)
    angle = uniform(-0.5, 0.5, 1, 1)
    du = right - uniform(-1, 1, 1, 1) * (1 - radius)
    dv = down - uniform(-1, 1, 1, 1) * (1 - radius)
    u = (angle.cos() * du + angle.sin() * dv) / radius
    v = (angle.cos() * dv - angle.sin() * du) / radius
    inside = _blend(_outline(u, v, y) * radius, side)[:, None]  # (n, 1, side, side)

    ground, ink = _two_colours(n, dice)
    light = uniform(-0.15, 0.15, 2, 1, 1)
    lit = (light[:, 0] * right + light[:, 1] * down)[:, None]
    x = ground + (ink - ground) * inside + lit
    for _ in range(4):  # specks, some on the shape and some beside it
        apart = torch.hypot(right - uniform(-1, 1, 1, 1), down - uniform(-1, 1, 1, 1))
        speck = _blend(apart - uniform(0.06, 0.22, 1, 1), side)[:, None]
        x = x + (uniform(0, 1, 3, 1, 1) - x) * (0.8 * speck)
    x = x + 0.06 * torch.randn(x.shape, generator=dice)
    return Split(x.clamp(0, 1), y)


def load(side: int = 16, per_class: int = 300, *, seed: int = 0) -> Data:
    """Make a data set of shapes with three splits, as `data.load` gives one of real images.

    Args:
        side: height and width in pixels.
        per_class: training images of each class, at least 6. There are a sixth as many to validate
            on and half as many to test on.
        seed: same seed, same images; no image is in two splits.

    Raises:
        TypeError: if a number is not whole.
        ValueError: as `made`, or if `per_class` is too small.

    >>> [len(split) for split in (load().train, load().valid, load().test)]
    [3000, 500, 1500]
    """
    per_class = whole_number("per_class", per_class, least=6)
    sizes = [len(CLASSES) * n for n in (per_class, per_class // 6, per_class // 2)]
    both = made(sum(sizes), side, seed=seed)
    train, valid, test = map(both.take, torch.arange(len(both)).split(sizes))
    return Data("shapes", train, valid, test, CLASSES)


def _blend(distance: Tensor, side: int) -> Tensor:
    """Return how much of a pixel lies inside, from its distance to the outline: 1 within, 0 out."""
    return (0.5 - distance * side / 2).clamp(0, 1)


def _outline(u: Tensor, v: Tensor, y: Tensor) -> Tensor:
    """Return each pixel's distance to the outline of its image's shape, negative inside."""
    r, box = torch.hypot(u, v), torch.maximum(u.abs(), v.abs())
    third = torch.stack(
        [u * math.cos(a) + v * math.sin(a) for a in (0, 2 * math.pi / 3, 4 * math.pi / 3)]
    )
    around = torch.atan2(v, u) * 5 / (2 * math.pi)  # five points on one turn
    point = 2 * (around - around.round()).abs()  # 0 at a point, 1 between two

    def bar(a: Tensor, b: Tensor, long: float, wide: float) -> Tensor:
        return torch.maximum(a.abs() - long, b.abs() - wide)

    shapes = [
        r - 0.85,
        (r - 0.72).abs() - 0.2,
        box - 0.72,
        (box - 0.62).abs() - 0.17,
        third.amax(0) - 0.48,
        torch.minimum(bar(u, v, 0.92, 0.24), bar(v, u, 0.92, 0.24)),
        (r - 1.0 + 0.6 * point) * 0.7,
        bar(u, v, 0.97, 0.28),
        torch.minimum(bar(u, v + 0.55, 0.78, 0.23), bar(v, u + 0.55, 0.78, 0.23)),
        torch.maximum(r - 0.95, v - 0.15),
    ]
    return torch.stack(shapes)[y, torch.arange(len(y))]


def _two_colours(n: int, dice: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return a colour of the ground, and a lighter one of the shape, for each image."""
    ground = 0.5 * torch.rand(n, 3, generator=dice)
    ink = ground + 0.15 + 0.35 * torch.rand(n, 3, generator=dice)
    return ground[:, :, None, None], ink[:, :, None, None]
