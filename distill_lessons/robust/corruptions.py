"""Mishaps: images with noise, shifted, or partly covered. Nobody chose them to do harm.

Images are ``(..., C, H, W)`` in [0, 1]: the axes before them are images, and nets before these
where each net has images of its own.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from distill_lessons import seeds
from distill_lessons.robust.checks import as_images
from distill_lessons.settings import number, whole_number


def noisy(x: Tensor, std: float, *, seed: int) -> Tensor:
    """Add Gaussian noise to every pixel, and cut off what leaves [0, 1].

    Args:
        x: images ``(..., C, H, W)``.
        std: standard deviation of the noise, in units of the whole range; 0 leaves them as they
            are.
        seed: same seed, same noise on every device.

    Raises:
        TypeError: if `x` is no tensor, or a number is not one.
        ValueError: if `std` is negative or not finite, or `x` holds no images.
    """
    x = as_images("x", x)
    if not 0 <= number("std", std) < float("inf"):
        raise ValueError(f"std={std} must be a number that is not negative; 0 is no noise.")
    noise = torch.randn(x.shape, generator=seeds.generator(seed)).to(x)
    return (x + number("std", std) * noise).clamp(0, 1)


def shifted(x: Tensor, pixels: int = 1, *, seed: int) -> Tensor:
    """Move every image by so many pixels up, down, left or right, and fill with zeros.

    Unlike `augmentation.jitter`, which also leaves images in place, this moves every one.

    Args:
        x: images ``(..., C, H, W)``.
        pixels: how far; 0 leaves them as they are.
        seed: decides which way each goes.

    Raises:
        TypeError: if `x` is no tensor, or `pixels` is no whole number.
        ValueError: if `pixels` is negative or moves images out of sight, or `x` holds no images.
    """
    x, pixels = as_images("x", x), whole_number("pixels", pixels, least=0)
    height, width = x.shape[-2:]
    if pixels >= min(height, width):
        raise ValueError(
            f"pixels={pixels} moves images of {height}×{width} out of sight; use less."
        )
    ways = ((pixels, 0), (-pixels, 0), (0, pixels), (0, -pixels))
    moved = torch.stack([_moved(x, *way) for way in ways])  # (4, ..., C, H, W)
    which = torch.randint(4, x.shape[:-3], generator=seeds.generator(seed)).to(x.device)
    return moved.gather(0, which[None, ..., None, None, None].expand(1, *x.shape))[0]


def _moved(x: Tensor, down: int, right: int) -> Tensor:
    """Move all images the same way; what leaves the frame is lost, and zeros come in."""
    height, width = x.shape[-2:]
    padded = F.pad(x, [max(right, 0), max(-right, 0), max(down, 0), max(-down, 0)])
    return padded[..., max(-down, 0) :, max(-right, 0) :][..., :height, :width]


def covered(x: Tensor, size: int, *, seed: int, value: float = 0.0) -> Tensor:
    """Cover a square of every image, at a random place inside it.

    Args:
        x: images ``(..., C, H, W)``.
        size: side of the square in pixels; 0 covers nothing.
        seed: decides where.
        value: what the covered pixels show.

    Raises:
        TypeError: if `x` is no tensor, or a number is not one.
        ValueError: if the square is larger than an image, or `x` holds no images.
    """
    x, size = as_images("x", x), whole_number("size", size, least=0)
    height, width = x.shape[-2:]
    if size > min(height, width):
        raise ValueError(f"size={size} is larger than images of {height}×{width}; use less.")
    if not 0 <= number("value", value) <= 1:
        raise ValueError(f"value={value} must be in [0, 1], as the pixels are.")
    dice = seeds.generator(seed)
    top, left = (
        torch.randint(side - size + 1, x.shape[:-3], generator=dice).to(x.device)[..., None]
        for side in (height, width)
    )  # (..., 1)
    rows, columns = (torch.arange(side, device=x.device) for side in (height, width))
    inside_rows = (rows >= top) & (rows < top + size)  # (..., H)
    inside_columns = (columns >= left) & (columns < left + size)
    hidden = inside_rows[..., :, None] & inside_columns[..., None, :]
    return x.masked_fill(hidden[..., None, :, :], float(value))
