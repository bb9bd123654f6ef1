"""Why a net found something there: integrated gradients of one cell's answer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from distill_lessons.detection.grid import split
from distill_lessons.evaluation import evaluating
from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_numbers, check_type


def answer_of(z: Tensor, cells: Tensor, kinds: Tensor | None = None) -> Tensor:
    """Return one number of each scene's answers: what a cell says of an object, or of its class.

    Args:
        z: answers ``(N, 5 + K, G, G)``.
        cells: row and column of a cell in each scene, ``(N, 2)``, int64.
        kinds: a class for each scene, ``(N,)``: then the number is its logit minus the mean of all
            K; None for the logit of there being an object.

    Returns:
        ``(N,)``.

    Raises:
        TypeError: if an argument is no tensor.
        ValueError: if shapes differ, or a cell or class is not there.
    """
    there, _, classes = split(z)
    check_numbers("cells", cells)
    n, grid = len(z), z.shape[2]
    if cells.shape != (n, 2) or cells.dtype != torch.int64:
        raise ValueError(
            f"cells has shape {tuple(cells.shape)} and type {cells.dtype}; give a row and a column "
            f"for each of {n} scenes, int64."
        )
    if n and not 0 <= int(cells.min()) <= int(cells.max()) < grid:
        raise ValueError(f"cells names one outside of {grid}×{grid}; they count from 0.")
    rows, (row, column) = torch.arange(n, device=z.device), cells.T
    if kinds is None:
        return there[rows, row, column]
    check_numbers("kinds", kinds)
    k = classes.shape[1]
    if kinds.shape != (n,) or (n and not 0 <= int(kinds.min()) <= int(kinds.max()) < k):
        raise ValueError(
            f"kinds has shape {tuple(kinds.shape)}; give one class, 0 to {k - 1}, for each scene."
        )
    here = classes[rows, :, row, column]
    return here[rows, kinds] - here.mean(1)


def of_cell(
    net: nn.Module, x: Tensor, cells: Tensor, kinds: Tensor | None = None, *, steps: int = 8
) -> Tensor:
    """Return what each pixel contributed to a cell's answer, beside an empty canvas.

    Integrated gradients on the way from black; the sum is the answer minus that for black, up to
    the width of a step.

    Args:
        net: a detector; it is asked in eval mode and comes back as it was.
        x: scenes ``(N, C, S, S)``.
        cells: see `answer_of`.
        kinds: see `answer_of`.
        steps: points on the way.

    Returns:
        ``(N, S, S)``, summed over channels.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: as in `answer_of`.

    Source: Sundararajan, Taly and Yan (2017), equation 3, arXiv:1703.01365.
    """
    check_type("net", net, nn.Module, "a detector")
    check_numbers("x", x)
    steps = whole_number("steps", steps)
    total = torch.zeros_like(x)
    with evaluating(net), torch.enable_grad():
        for i in range(steps):
            point = (x * ((i + 0.5) / steps)).detach().requires_grad_()
            answer = answer_of(net(point), cells, kinds)
            total += torch.autograd.grad(answer.sum(), point)[0]
    return (x * total / steps).sum(1).detach()


def inside(maps: Tensor, boxes: Tensor) -> Tensor:
    """Return the share of each map's weight, without its sign, that lies in a box.

    Args:
        maps: ``(N, S, S)``.
        boxes: one for each map, ``(N, 4)``, in pixels; a pixel is in it with its middle.

    Returns:
        ``(N,)``, in [0, 1]; NaN for a map of zeros.

    Raises:
        TypeError: if an argument is no tensor.
        ValueError: if shapes differ.
    """
    check_numbers("maps", maps)
    check_numbers("boxes", boxes)
    if maps.ndim != 3 or boxes.shape != (len(maps), 4):
        raise ValueError(
            f"maps has shape {tuple(maps.shape)} and boxes {tuple(boxes.shape)}; give (N, S, S) "
            "and (N, 4)."
        )
    weight = maps.abs()
    return (weight * covered(boxes, maps.shape[-1])).sum((1, 2)) / weight.sum((1, 2))


def covered(boxes: Tensor, canvas: int) -> Tensor:
    """Return which pixels lie in a box with their middle, ``(N, S, S)``.

    Args:
        boxes: ``(N, 4)`` in pixels.
        canvas: S.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if the shape is another.
    """
    check_numbers("boxes", boxes)
    canvas = whole_number("canvas", canvas)
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes has shape {tuple(boxes.shape)}; give (N, 4).")
    at = torch.arange(canvas, device=boxes.device) + 0.5
    x = (at > boxes[:, 0, None]) & (at < boxes[:, 2, None])
    y = (at > boxes[:, 1, None]) & (at < boxes[:, 3, None])
    return y[:, :, None] & x[:, None, :]
