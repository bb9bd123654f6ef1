"""Large images made smaller, where a lesson on a CPU would take too long with them."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor


def averaged(images: Tensor, most: int) -> Tensor:
    """Average the smallest squares of pixels that leave at most `most` values an image.

    Args:
        images: ``(N, C, H, W)``.
        most: values of all channels together, at least C.

    Returns:
        Images ``(N, C, ceil(H / s), ceil(W / s))`` with s pixels to a side of a square, or `images`
        itself if they are small enough. A square that reaches over an edge is averaged over what it
        holds.
    """
    side = 1
    while math.prod(_shape(images, side)) > most:
        side += 1
    if side == 1:
        return images
    return F.avg_pool2d(images, side, ceil_mode=True, count_include_pad=False)


def say(name: str, before: tuple[int, int, int], after: tuple[int, int, int]) -> None:
    """Say in one line what was averaged, and how to keep images as they are."""
    height, width = before[1:]
    keep = "DISTILL_PROFILE=full keeps them"
    if name.startswith("folder:"):
        keep += f", and so does {name}?size={max(height, width)}"
    print(
        f"{name}: images of {height}×{width} are averaged to {after[1]}×{after[2]}, for a lesson's "
        f"time follows from the size of its images; {keep}."
    )


def _shape(images: Tensor, side: int) -> tuple[int, int, int]:
    channels, height, width = images.shape[1:]
    return channels, -(-height // side), -(-width // side)
