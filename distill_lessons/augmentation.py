"""Images changed a little: at random at every step of a training, or in every way at once.

Stored logits of a teacher answer to the images as they were. A student that sees them changed needs
the teacher asked at every step, `distillation.consistent`, or its answers to all `views`. Knows
nothing about training.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from distill_lessons.data import Split
from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_tensor, check_type, each


def jitter(pixels: int = 2) -> Callable[[Tensor, torch.Generator], Tensor]:
    """Return an augmentation that shifts every image by up to `pixels`, filling with zeros.

    Args:
        pixels: the furthest shift up, down, left and right.

    Returns:
        A function for the `augment` of `training.fit`. It refuses inputs that are not images.

    Raises:
        TypeError: if `pixels` is not a whole number.
        ValueError: if it is negative.
    """
    pixels = whole_number("pixels", pixels, least=0)

    def augment(x: Tensor, generator: torch.Generator) -> Tensor:
        _check(x, pixels)
        down, right = torch.randint(
            0, 2 * pixels + 1, (2, len(x)), generator=generator, device=x.device
        )
        return _shifted(x, down, right, pixels)

    return augment


def views(split: Split, pixels: int = 1) -> Split:
    """Return every image in each of the places, ``(2 pixels + 1)**2``, to which `jitter` shifts it.

    The teacher answers to all of them once, and a student meets each view with its own logits.

    Args:
        split: N images ``(N, C, H, W)``.
        pixels: the furthest shift up, down, left and right.

    Returns:
        N times as many images as there are places, all N in one place after all N in another, with
        their targets.

    Raises:
        TypeError: if `pixels` is not a whole number.
        ValueError: if it is negative, or the inputs are not images.

    >>> from distill_lessons.data import load
    >>> len(views(load("digits").test, pixels=1)) // len(load("digits").test)
    9
    """
    check_type("split", split, Split, "a Split, such as data.train")
    pixels = whole_number("pixels", pixels, least=0)
    _check(split.x, pixels)
    places = torch.arange(2 * pixels + 1, device=split.x.device)
    down, right = torch.cartesian_prod(places, places).T.repeat_interleave(len(split), 1)

    def repeated(part: Tensor) -> Tensor:
        return part.repeat(len(places) ** 2, *[1] * (part.ndim - 1))

    mask = None if split.mask is None else repeated(split.mask)
    return Split(_shifted(repeated(split.x), down, right, pixels), each(repeated, split.y), mask)


def _shifted(x: Tensor, down: Tensor, right: Tensor, pixels: int) -> Tensor:
    """Shift each image by its own ``down - pixels`` and ``right - pixels``, both ``(N,)``."""
    n, _, height, width = x.shape
    padded = F.pad(x, [pixels] * 4)
    rows = down[:, None] + torch.arange(height, device=x.device)  # (N, H)
    columns = right[:, None] + torch.arange(width, device=x.device)  # (N, W)
    image = torch.arange(n, device=x.device)[:, None, None]
    return padded.movedim(1, -1)[image, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)


def _check(x: Tensor, pixels: int) -> None:
    check_tensor("x", x)
    if x.ndim != 4:
        raise ValueError(f"x has shape {tuple(x.shape)}; only images (N, C, H, W) can be shifted.")
    if pixels > max(x.shape[2:]):
        height, width = x.shape[2:]
        raise ValueError(f"pixels={pixels} shifts images of {height}×{width} out of sight.")
