"""A net of which each hidden unit sees one patch, and how to deal out units to patches."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons import models
from distill_lessons.explain.arrays import Array, ArrayLike, finite
from distill_lessons.explain.groups import Groups, as_groups, checked_image_shape
from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_numbers


class Patchwork(nn.Module):
    """A net with one hidden layer in which a unit is connected to some features only.

    Args:
        image_shape: ``(C, H, W)`` of the inputs.
        n_classes: K, the number of logits.
        seen: which features each of H units sees, bool ``(H, D)``.
        seed: of the initial weights.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if a size is out of range, or `seen` does not fit the images.
    """

    seen: Tensor

    def __init__(
        self, image_shape: tuple[int, int, int], n_classes: int, seen: Tensor, *, seed: int
    ) -> None:
        """Build the net and cut the connections."""
        super().__init__()
        check_numbers("seen", seen)
        if seen.ndim != 2 or seen.dtype != torch.bool or len(seen) == 0:
            raise ValueError(
                f"seen has shape {tuple(seen.shape)} and type {seen.dtype}; give true or false for "
                "each unit and feature, (H, D)."
            )
        _, first, _, last = models.mlp(image_shape, n_classes, (len(seen),), seed=seed)
        assert isinstance(first, nn.Linear)
        assert isinstance(last, nn.Linear)
        self.first, self.last = first, last
        if seen.shape[1] != self.first.in_features:
            raise ValueError(
                f"seen has {seen.shape[1]} columns for images of {self.first.in_features} features."
            )
        self.register_buffer("seen", seen.to(self.first.weight))

    def forward(self, x: Tensor) -> Tensor:
        """Return logits ``(N, K)``."""
        weight = self.first.weight * self.seen
        logits: Tensor = self.last(F.linear(x.flatten(1), weight, self.first.bias).relu())
        return logits


def dealt(shares: ArrayLike, n_units: int) -> Array:
    """Return how many of the units each patch gets, in proportion to its share.

    What is left over after rounding down goes to the largest remainders. A share below zero counts
    as zero.

    Args:
        shares: one number for each patch, ``(P,)``, at least one above zero.
        n_units: how many units there are.

    Returns:
        Whole numbers that sum to `n_units`, ``(P,)``.

    Raises:
        ValueError: if no share is above zero, or there is no unit.

    >>> dealt([3.0, 1.0, -2.0], 5).tolist()
    [4, 1, 0]
    """
    table, n_units = finite("shares", shares).clip(0), whole_number("n_units", n_units)
    if table.ndim != 1 or table.sum() <= 0:
        raise ValueError(f"shares={shares}: give one for each patch, at least one above zero.")
    exact = table / table.sum() * n_units
    whole = np.floor(exact).astype(int)
    left = n_units - int(whole.sum())
    whole[np.argsort(whole - exact, kind="stable")[:left]] += 1
    return np.asarray(whole)


def views(
    counts: Sequence[int] | Array, groups: Groups, image_shape: tuple[int, int, int]
) -> Tensor:
    """Return which features each unit sees if patch p has ``counts[p]`` units, bool ``(H, D)``.

    Args:
        counts: as from `dealt`.
        groups: the patches, see `explain.groups`.
        image_shape: of one image.

    Raises:
        ValueError: if there is not one count for each patch, or one is negative.
    """
    shape = checked_image_shape(image_shape)
    made = as_groups(groups, shape)
    units = np.asarray(counts)
    if units.shape != (len(made),) or units.min() < 0 or units.dtype.kind not in "iu":
        raise ValueError(f"counts={counts}: give a whole number for each of {len(made)} patches.")
    table = np.zeros((len(made), math.prod(shape)), dtype=bool)
    for row, group in zip(table, made, strict=True):
        row[group] = True
    return torch.as_tensor(np.repeat(table, units, axis=0))
