"""What another sense gets of an image: sums of its rows and columns, or a spectrum; and its units.

A colour image is reduced to its grey values first. Views have the form of images with one row,
``(N, 1, 1, F)``, so that the nets of `models` take them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from distill_lessons.robust.checks import as_images
from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_finite, check_numbers


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


class Units(nn.Module):
    """A first layer that takes inputs into units of their own: less a mean, over a spread.

    One mean and one standard deviation of all numbers in some examples, measured here and never
    again. Give the examples from which the net behind it learns, and none of the test.

    Args:
        like: these examples, ``(N, ...)``.

    Raises:
        TypeError: if `like` is no tensor.
        ValueError: if it holds fewer than two floats, or one that is not finite.

    >>> Units(torch.tensor([[1.0], [2.0], [3.0]]))(torch.tensor([4.0, 2.0])).tolist()
    [2.0, 0.0]
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, like: Tensor) -> None:
        """Measure the mean and the spread; what never varies keeps its scale."""
        super().__init__()
        check_numbers("like", like)
        if like.ndim == 0 or not like.is_floating_point() or like.numel() < 2:
            raise ValueError(
                f"like has shape {tuple(like.shape)} and type {like.dtype}; give at least 2 floats."
            )
        check_finite("like", like, "example")
        spread = like.std()
        self.register_buffer("mean", like.mean())
        self.register_buffer("spread", spread if spread > 1e-6 else torch.ones_like(spread))

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` in these units."""
        return (x - self.mean) / self.spread
