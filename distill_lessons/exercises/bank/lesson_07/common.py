"""Shared by exercises of lesson 07."""

from __future__ import annotations

from torch import nn

from distill_lessons import models
from distill_lessons.exercises.dice import mixed


def tiny_net(shape: tuple[int, int, int], classes: int, seed: int, units: int = 8) -> nn.Sequential:
    net = models.mlp(shape, classes, (units,), seed=mixed(seed)).requires_grad_(False)
    for weight in net.parameters():
        weight.mul_(3.0)  # so that the nets bend, and differ in more than a factor
    return net


# ==== Judging =====================================================================================

import numpy as np

Map = np.ndarray


def beside(a: Map, b: Map) -> tuple[Map, Map]:
    """Return the mean cosines of same images `(N,)` and of all pairs of images `(N, N)`.

    A map of zeros agrees with nothing, as in `similarity.cosine`: 0.
    """
    units = [v.reshape(len(v), -1, v.shape[-1]) for v in (a, b)]
    units = [v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-30) for v in units]
    table = np.einsum("idk,jdk->ij", *units) / a.shape[-1]
    return table.diagonal(), table
