"""Nets that answer for every cell of a grid, large and small."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn

from distill_lessons.models import seeded
from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_type


def detector(
    channels: int,
    n_classes: int,
    widths: Sequence[int] = (16, 32, 64),
    *,
    cell: int = 4,
    seed: int = 0,
) -> nn.Sequential:
    """Build a convolutional net that answers once for every cell of `cell` × `cell` pixels.

    3×3 convolutions, each with batch normalisation and a ReLU; as many of them, from the first on,
    as are needed for the grid are followed by a max pooling of 2×2. The last layer sees 1×1.

    Args:
        channels: C of the scenes.
        n_classes: K.
        widths: channels of the convolutions.
        cell: pixels along a cell's side, a power of two.
        seed: of the initial weights.

    Returns:
        A net from ``(N, C, S, S)`` to ``(N, 5 + K, S / cell, S / cell)``.

    Raises:
        TypeError: if a number is not whole.
        ValueError: if it is out of range, `cell` is no power of two, or there are too few widths.
    """
    channels = whole_number("channels", channels)
    n_classes = whole_number("n_classes", n_classes, least=2)
    check_type("widths", widths, list | tuple, "a list of channels, such as (16, 32)")
    widths = [whole_number("widths", width) for width in widths]
    poolings = math.log2(whole_number("cell", cell, least=1))
    if poolings != int(poolings) or poolings > len(widths):
        raise ValueError(
            f"cell={cell} must be a power of two, and widths has {len(widths)} layers, each of "
            "which can halve the canvas once."
        )

    def build() -> nn.Module:
        layers: list[nn.Module] = []
        before = channels
        for i, width in enumerate(widths):
            layers += [
                nn.Conv2d(before, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            ]
            layers += [nn.MaxPool2d(2)] if i < poolings else []
            before = width
        head = nn.Conv2d(before, 5 + n_classes, 1)
        assert head.bias is not None
        nn.init.constant_(head.bias[0], -2.0)  # most cells are empty
        # The order of numbers in memory in which small convolutions are quickest on a CPU.
        return nn.Sequential(*layers, head).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    net = seeded(build, seed)
    assert isinstance(net, nn.Sequential)
    return net
