"""Domains far from home: images blurred or rotated, and brought back to the moments of home.

Images are ``(..., C, H, W)`` in [0, 1], as in `robust.corruptions`, which has noise.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from distill_lessons.robust.checks import as_images
from distill_lessons.settings import number
from distill_lessons.tensors import check_finite, check_numbers

# Where the bell curve ends, in standard deviations, as in `scipy.ndimage.gaussian_filter`.
TRUNCATE = 4.0


def blurred(x: Tensor, sigma: float) -> Tensor:
    """Blur images with a Gaussian; beyond the edge they go on as at the edge.

    Args:
        x: images ``(..., C, H, W)``.
        sigma: standard deviation of the Gaussian, in pixels; 0 leaves them as they are.

    Raises:
        TypeError: if `x` is no tensor, or `sigma` no number.
        ValueError: if `sigma` is negative or wider than an image, or `x` holds no images.
    """
    x = as_images("x", x)
    side = max(x.shape[-2:])
    if not 0 <= number("sigma", sigma) <= side:
        raise ValueError(f"sigma={sigma} must be from 0 to {side} pixels, the side of an image.")
    radius = int(TRUNCATE * sigma + 0.5)
    if radius == 0:  # too narrow to reach the next pixel
        return x.clone()
    at = torch.arange(-radius, radius + 1, device=x.device, dtype=x.dtype)
    bell = (-0.5 * (at / sigma) ** 2).exp()
    bell = bell / bell.sum()
    planes = x.reshape(-1, 1, *x.shape[-2:])
    padded = F.pad(planes, [radius] * 4, mode="replicate")
    rows = F.conv2d(padded, bell.view(1, 1, -1, 1))
    return F.conv2d(rows, bell.view(1, 1, 1, -1)).reshape(x.shape).clamp(0, 1)


def rotated(x: Tensor, degrees: float) -> Tensor:
    """Rotate images about their centre, counterclockwise; what comes in from outside is black.

    A pixel is mixed from the four nearest to where it came from.

    Args:
        x: images ``(..., C, H, W)``.
        degrees: the angle; 0 leaves them as they are.

    Raises:
        TypeError: if `x` is no tensor, or `degrees` no number.
        ValueError: if `degrees` is not finite, or `x` holds no images.
    """
    x = as_images("x", x)
    if not math.isfinite(number("degrees", degrees)):
        raise ValueError(f"degrees={degrees} must be a finite number, such as 25.")
    height, width = x.shape[-2:]
    angle = math.radians(number("degrees", degrees))
    # The plane of an image has its rows counted downwards: where does a pixel come from?
    down, right = torch.meshgrid(
        torch.arange(height, device=x.device, dtype=x.dtype) - (height - 1) / 2,
        torch.arange(width, device=x.device, dtype=x.dtype) - (width - 1) / 2,
        indexing="ij",
    )
    from_right = math.cos(angle) * right - math.sin(angle) * down
    from_down = math.sin(angle) * right + math.cos(angle) * down
    # In the units of `grid_sample`, where an image reaches from -1 to 1, whatever its sides.
    grid = torch.stack([2 * from_right / width, 2 * from_down / height], -1)  # (H, W, 2)
    planes = x.reshape(1, -1, height, width)
    turned = F.grid_sample(planes, grid[None], padding_mode="zeros", align_corners=False)
    return turned.reshape(x.shape).clamp(0, 1)


def match_moments(x: Tensor, like: Tensor, *, per_pixel: bool = True) -> Tensor:
    """Give images the mean and the standard deviation of others, pixel by pixel or as a whole.

    No label is needed, and no pairs: two numbers a pixel, or two in all. A pixel that never changes
    in `x`, or never in `like`, becomes the mean that it has in `like`.

    Args:
        x: images of the target, ``(..., N, C, H, W)``; the axes before N are sets with moments of
            their own.
        like: images of the source, ``(..., M, C, H, W)``.
        per_pixel: False for one mean and one spread over all pixels.

    Returns:
        The images, in the shape of `x`. Some pixels may leave [0, 1].

    Raises:
        TypeError: if an argument is no tensor.
        ValueError: if the images are of another size, a set has a single image, or a number is not
            finite.

    Source: the first two moments only; Sun, Feng and Saenko (2016), arXiv:1511.05547, match
    covariances too.
    """
    for name, images in {"x": x, "like": like}.items():
        check_numbers(name, images)
        if images.ndim < 4 or not images.is_floating_point() or images.shape[-4] < 2:
            raise ValueError(
                f"{name} has shape {tuple(images.shape)} and type {images.dtype}; give at least "
                "two images as floats, (N, C, H, W)."
            )
        check_finite(name, images, "image")
    if x.shape[-3:] != like.shape[-3:] or x.shape[:-4] != like.shape[:-4]:
        raise ValueError(
            f"like has shape {tuple(like.shape)} for x of shape {tuple(x.shape)}; only the number "
            "of images may differ."
        )
    over = -4 if per_pixel else (-4, -3, -2, -1)
    mean, home = x.mean(over, keepdim=True), like.mean(over, keepdim=True)
    spread, wanted = x.std(over, keepdim=True), like.std(over, keepdim=True)
    still = spread < 1e-6  # what never changes tells nothing, and rounding must not be magnified
    return (x - mean) * (wanted / spread.masked_fill(still, 1)).masked_fill(still, 0) + home
