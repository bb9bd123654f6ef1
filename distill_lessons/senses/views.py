"""What another sense gets of an image: sums of its rows and columns, or a spectrum.

A colour image is reduced to its grey values first. Views have the form of images with one row,
``(N, 1, 1, F)``, so that the nets of `models` take them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from distill_lessons.robust.checks import as_images
from distill_lessons.settings import whole_number


def grey(x: Tensor) -> Tensor:
    """Return the mean over the colours, ``(N, H, W)``.

    Args:
        x: images ``(N, C, H, W)``.

    Raises:
        TypeError: if `x` is no tensor.
        ValueError: if `x` holds no images.
    """
    x = as_images("x", x)
    if x.ndim != 4:
        raise ValueError(f"x has shape {tuple(x.shape)}; give images (N, C, H, W).")
    return x.mean(1)


def sums(x: Tensor) -> Tensor:
    """Return the mean of every row and every column, ``(N, 1, 1, H + W)``.

    Args:
        x: images ``(N, C, H, W)``.

    Raises:
        TypeError: if `x` is no tensor.
        ValueError: if `x` holds no images.

    >>> sums(torch.tensor([[[[1.0, 0.0], [1.0, 1.0]]]])).flatten().tolist()
    [0.5, 1.0, 1.0, 0.5]
    """
    plain = grey(x)
    return torch.cat([plain.mean(2), plain.mean(1)], 1)[:, None, None]


def cosines(n: int) -> Tensor:
    """Return the orthonormal matrix of the discrete cosine transform (DCT-II), ``(n, n)``.

    Row k is a wave of k half periods over n pixels.

    Args:
        n: how many pixels.

    Raises:
        TypeError: if `n` is no whole number.
        ValueError: if it is not positive.

    Source: Ahmed, Natarajan and Rao (1974), IEEE Transactions on Computers C-23(1).
    """
    n = whole_number("n", n)
    k, at = torch.arange(n, dtype=torch.float64)[:, None], torch.arange(n, dtype=torch.float64)
    waves = (math.pi * k * (2 * at + 1) / (2 * n)).cos() * math.sqrt(2 / n)
    waves[0] /= math.sqrt(2)
    return waves.float()


def spectrum(x: Tensor, keep: int = 8) -> Tensor:
    """Return the sizes of an image's slowest waves, without their signs, ``(N, 1, 1, F)``.

    The two-dimensional DCT writes an image as a sum of waves. Here is how much of each there is,
    divided by the root of the number of pixels, and not which way round.

    Args:
        x: images ``(N, C, H, W)``.
        keep: so many waves each way, from the slowest; F is `keep` squared, or less in an image
            with a smaller side.

    Raises:
        TypeError: if `x` is no tensor, or `keep` no whole number.
        ValueError: if `keep` is not positive, or `x` holds no images.
    """
    plain, keep = grey(x), whole_number("keep", keep)
    height, width = plain.shape[1:]
    rows, columns = (cosines(side)[:keep].to(plain) for side in (height, width))
    waves = rows @ plain @ columns.T / math.sqrt(height * width)
    return waves.abs().flatten(1)[:, None, None]
