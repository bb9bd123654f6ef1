"""What attacks and corruptions refuse: images, labels and numbers that make no sense together.

Under `torch.func.vmap` shapes and types are looked at and values are not.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from distill_lessons import evaluation
from distill_lessons.settings import number
from distill_lessons.tensors import check_finite, check_numbers, check_type, values_are_trusted


def as_images(argument: str, x: Tensor) -> Tensor:
    """Return images ``(..., C, H, W)`` if they are that: finite numbers in [0, 1].

    Raises:
        TypeError: if it is no tensor.
        ValueError: if it has another form, or numbers that are no brightness.
    """
    check_numbers(argument, x)
    if x.ndim < 4 or x.numel() == 0 or not x.is_floating_point():
        raise ValueError(
            f"{argument} has shape {tuple(x.shape)} and type {x.dtype}; give images as floats, "
            "(N, C, H, W)."
        )
    check_finite(argument, x, "image")
    low, high = x.min().item(), x.max().item()
    if low < 0 or high > 1:
        raise ValueError(
            f"{argument} goes from {low:.3g} to {high:.3g}; scale the images to [0, 1]."
        )
    return x


def width(eps: float) -> float:
    """Return eps as a float, if it is a finite number that is not negative."""
    if not 0 <= number("eps", eps) < math.inf:
        raise ValueError(f"eps={eps} must be a number that is not negative; 0 changes nothing.")
    return number("eps", eps)


def interval(bounds: tuple[float, float]) -> tuple[float, float]:
    """Return two numbers in rising order."""
    check_type("bounds", bounds, tuple | list, "two numbers, such as (0.0, 1.0)")
    if len(bounds) != 2:
        raise ValueError(f"bounds={bounds} must be two numbers, such as (0.0, 1.0).")
    low, high = (number("bounds", end) for end in bounds)
    if not -math.inf < low < high < math.inf:
        raise ValueError(f"bounds={bounds} must be two numbers in rising order, as (0.0, 1.0).")
    return low, high


def inputs(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    """Return images in the precision of a model, if images and labels fit."""
    check_numbers("x", x)
    if not x.is_floating_point():
        raise ValueError(f"x has type {x.dtype}, in which no small step is possible; use floats.")
    check_numbers("y", y)
    if y.ndim not in (1, 2) or x.ndim <= y.ndim:
        raise ValueError(
            f"x has shape {tuple(x.shape)} and y {tuple(y.shape)}; give images (N, ...) and a "
            "label each (N,), for a stack (S, N, ...) and (S, N)."
        )
    check_labels("x", x.shape, y, axes=y.ndim)
    if y.numel() == 0:
        raise ValueError(f"x has shape {tuple(x.shape)}; give at least one image.")
    if y.device != x.device:
        raise ValueError(f"y is on {y.device} but x on {x.device}; use y.to(x.device).")
    if seen(x):
        check_finite("x", x, "image")
    return evaluation.as_input(model, x)


def check_labels(argument: str, shape: torch.Size, y: Tensor, *, axes: int) -> None:
    """Raise an error unless `y` is int64 labels, one for each image of an argument of this shape.

    Args:
        argument: its name, for the message.
        shape: its shape, the images along the first `axes`.
        y: the labels.
        axes: how many axes the images have, 2 in a stack.
    """
    check_numbers("y", y)
    if y.dtype != torch.int64:
        raise ValueError(f"y has type {y.dtype}; labels are int64: use y.long().")
    if y.shape != shape[:axes]:
        raise ValueError(
            f"y has shape {tuple(y.shape)} for {argument} of shape {tuple(shape)}; give one label "
            "for each image."
        )


def check_classes(y: Tensor, n_classes: int) -> None:
    """Raise a ValueError unless every label is one of the classes."""
    low, high = int(y.min()), int(y.max())
    if low < 0 or high >= n_classes:
        wrong = low if low < 0 else high
        raise ValueError(
            f"y holds {wrong}; with {n_classes} classes labels go from 0 to {n_classes - 1}. For "
            "images without a label give what the model says of them."
        )


def seen(*tensors: Tensor) -> bool:
    """Say whether the numbers in tensors can be looked at: not under vmap, nor while captured."""
    hidden = torch._C._functorch.is_batchedtensor
    return not (values_are_trusted() or any(hidden(tensor) for tensor in tensors))
