"""What a change of an image may be made of, and changes by chance.

A group of features takes what an alternative image has there. Knows nothing about the search.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

from distill_lessons import evaluation, seeds
from distill_lessons.explain.admission import admitted
from distill_lessons.explain.groups import Groups, as_groups, pixels, singles
from distill_lessons.tensors import check_finite, check_numbers


def nearest_other(model: nn.Module, x: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Return for each image the nearest real one that the model answers otherwise.

    Args:
        model: returns logits ``(N, K)``; asked in eval mode and left as it was.
        x: images ``(N, ...)``.
        real: images to choose from, ``(M, ...)``.

    Returns:
        The images, ``(N, ...)``, and what the model says of them, ``(N,)``. The distance is
        Euclid's. Where a model answers all of `real` as an image of `x`, that has no such
        neighbour: it gets the nearest of all, and the model's own second choice for an answer.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if shapes do not fit.
    """
    x = admitted(model, x)
    check_numbers("real", real)
    if real.shape[1:] != x.shape[1:] or len(real) == 0 or not real.is_floating_point():
        raise ValueError(
            f"real has shape {tuple(real.shape)} and type {real.dtype} for images "
            f"{tuple(x.shape)}; give floats (M, ...) of the same size."
        )
    check_finite("real", real, "image")
    real = admitted(model, real)
    own, theirs = evaluation.predict(model, x), evaluation.predict(model, real).argmax(1)
    first, second = own.topk(2, dim=1).indices.unbind(1)
    same = first[:, None] == theirs
    alone = same.all(1)
    hidden = same & ~alone[:, None]
    nearest = torch.cdist(x.flatten(1), real.flatten(1)).masked_fill(hidden, math.inf).argmin(1)
    return real[nearest], torch.where(alone, second, theirs[nearest])


def at_random(
    x: Tensor, alternatives: Tensor, n: Tensor, *, groups: Groups | None = None, seed: int = 0
) -> Tensor:
    """Return the images with as many changes as asked for, of groups drawn by chance: the control.

    Args:
        x: images ``(N, ...)``.
        alternatives: as in `search`; which of the V a group takes is drawn, too.
        n: how many groups to change, ``(N,)``, int64.
        groups: as in `search`.
        seed: of the draws.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if parts do not fit, or more groups are asked for than there are.
    """
    check_numbers("x", x)
    check_finite("x", x, "image")
    alternatives = alternatives_for(x, alternatives)
    inside = members(x, groups)
    check_numbers("n", n)
    if n.dtype != torch.int64 or n.shape != x.shape[:1]:
        raise ValueError(
            f"n has shape {tuple(n.shape)} and type {n.dtype} for {len(x)} images; give a whole "
            "number for each, int64."
        )
    if int(n.min()) < 0 or int(n.max()) > len(inside):
        raise ValueError(
            f"n goes from {int(n.min())} to {int(n.max())}; of {len(inside)} groups from 0 to "
            "all can change."
        )
    dice = seeds.generator(seed)
    flat, found = x.flatten(1), []
    for i, count in enumerate(n.tolist()):
        own = (alternatives[i] if alternatives.ndim > x.ndim else alternatives).flatten(1)
        other = (own != flat[i])[:, None] & inside  # (V, G, D)
        able = other.any(2).nonzero()  # (M, 2): which change would change something
        image = flat[i].clone()
        done: set[int] = set()
        for v, g in able[torch.randperm(len(able), generator=dice)].tolist():
            if len(done) < count and g not in done:
                image = torch.where(inside[g], own[v], image)
                done.add(g)
        found.append(image)
    return torch.stack(found).view_as(x)


def members(x: Tensor, groups: Groups | None) -> Tensor:
    """Return which features each group has, bool ``(G, D)``."""
    shape = tuple(x.shape[1:])
    if groups is None:
        made = pixels(shape) if len(shape) == 3 else singles(math.prod(shape))
    else:
        made = as_groups(groups, shape)
    members = np.zeros((len(made), math.prod(shape)), dtype=bool)
    for row, group in zip(members, made, strict=True):
        row[group] = True
    return torch.as_tensor(members, device=x.device)


def alternatives_for(x: Tensor, alternatives: Tensor) -> Tensor:
    """Return alternatives like x: ``(V, ...)`` for all of its N images, or ``(N, V, ...)``."""
    check_numbers("alternatives", alternatives)
    one = tuple(x.shape[1:])
    for_all = alternatives.ndim == x.ndim and tuple(alternatives.shape[1:]) == one
    for_each = alternatives.ndim == x.ndim + 1 and tuple(alternatives.shape[2:]) == one
    if not (for_all or (for_each and len(alternatives) == len(x))) or alternatives.numel() == 0:
        raise ValueError(
            f"alternatives has shape {tuple(alternatives.shape)} for images {tuple(x.shape)}; "
            "give (V, ...) for all images or (N, V, ...) for each its own."
        )
    check_finite("alternatives", alternatives.flatten(0, -2) if for_each else alternatives, "image")
    return alternatives.detach().to(x)
