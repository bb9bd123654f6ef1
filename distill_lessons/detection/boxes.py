"""Boxes: how much two of them overlap, and which of many to keep.

A box is (x1, y1, x2, y2) in pixels, left, top, right and bottom edge. Knows nothing about nets.
"""

from __future__ import annotations

import torch
from torch import Tensor

from distill_lessons.settings import number
from distill_lessons.tensors import check_numbers


def check_boxes(argument: str, boxes: Tensor, canvas: float | None = None) -> Tensor:
    """Return boxes ``(..., 4)`` if each has an area and, with a canvas, lies on it.

    Args:
        argument: what a message calls them.
        boxes: float or whole numbers, ``(..., 4)``.
        canvas: the side of the square on which they must lie, in pixels; None for any place.

    Raises:
        TypeError: if they are no tensor.
        ValueError: if the shape is another, a number is not finite, a box has no area or lies
            outside the canvas.
    """
    check_numbers(argument, boxes)
    if boxes.ndim < 1 or boxes.shape[-1] != 4:
        raise ValueError(
            f"{argument} has shape {tuple(boxes.shape)}; give boxes (..., 4): x1, y1, x2, y2."
        )
    rows = boxes.detach().reshape(-1, 4).double()
    if not bool(rows.isfinite().all()):
        first = int((~rows.isfinite()).any(1).nonzero()[0])
        raise ValueError(
            f"{argument} holds NaN or an infinite number in box {first}; leave it out."
        )
    flat = (rows[:, 2] <= rows[:, 0]) | (rows[:, 3] <= rows[:, 1])
    if bool(flat.any()):
        first = int(flat.nonzero()[0])
        raise ValueError(
            f"{argument}: box {first}, {_said(rows[first])}, has no area; x1 < x2 and y1 < y2 is "
            "needed. A box given as centre and size has to be turned into edges first."
        )
    if canvas is not None:
        outside = (rows < -1e-6).any(1) | (rows > canvas + 1e-6).any(1)
        if bool(outside.any()):
            first = int(outside.nonzero()[0])
            raise ValueError(
                f"{argument}: box {first}, {_said(rows[first])}, leaves the canvas of {canvas:g} "
                "pixels; clamp it to the canvas."
            )
    return boxes


def _said(box: Tensor) -> str:
    return "(" + ", ".join(f"{edge:.4g}" for edge in box.tolist()) + ")"


def iou(a: Tensor, b: Tensor) -> Tensor:
    """Return the intersection of each two boxes over their union.

    Args:
        a: boxes ``(..., N, 4)``.
        b: boxes ``(..., M, 4)`` with the same leading axes.

    Returns:
        Numbers in [0, 1], ``(..., N, M)``; 0 where boxes only touch, or where one has no area.

    Raises:
        TypeError: if one is no tensor.
        ValueError: if a shape is another.

    Source: Everingham and others (2010), section 4.2, doi:10.1007/s11263-009-0275-4.

    >>> iou(torch.tensor([[0., 0., 2., 2.]]), torch.tensor([[1., 0., 3., 2.], [2., 0., 4., 2.]]))
    tensor([[0.3333, 0.0000]])
    """
    for argument, boxes in (("a", a), ("b", b)):
        check_numbers(argument, boxes)
        if boxes.ndim < 2 or boxes.shape[-1] != 4:
            raise ValueError(f"{argument} has shape {tuple(boxes.shape)}; give boxes (..., N, 4).")
    low = torch.maximum(a[..., :, None, :2], b[..., None, :, :2])
    high = torch.minimum(a[..., :, None, 2:], b[..., None, :, 2:])
    shared = (high - low).clamp(min=0).prod(-1)
    area_a, area_b = ((c[..., 2:] - c[..., :2]).clamp(min=0).prod(-1) for c in (a, b))
    union = area_a[..., :, None] + area_b[..., None, :] - shared
    return shared / union.clamp(min=1e-9)


def nms(
    boxes: Tensor, scores: Tensor, classes: Tensor | None = None, *, threshold: float = 0.5
) -> Tensor:
    """Say which boxes of each scene to keep: of those that overlap, the one with the best score.

    Args:
        boxes: ``(N, M, 4)``, M boxes in each of N scenes.
        scores: ``(N, M)``.
        classes: ``(N, M)``; where given, a box takes away only boxes of its own class.
        threshold: boxes overlap too much where their IoU is above this.

    Returns:
        True for what is kept, ``(N, M)``.

    Raises:
        TypeError: if an argument is no tensor.
        ValueError: if shapes differ, a score is NaN, or `threshold` is outside [0, 1].
    """
    check_numbers("boxes", boxes)
    if boxes.ndim != 3 or boxes.shape[-1] != 4:
        raise ValueError(f"boxes has shape {tuple(boxes.shape)}; give (N, M, 4).")
    check_scores("scores", scores, boxes)
    threshold = number("threshold", threshold)
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold={threshold} must be an IoU, in [0, 1].")
    order = scores.argsort(dim=1, descending=True, stable=True)
    ranked = boxes.gather(1, order[..., None].expand(-1, -1, 4))
    clash = iou(ranked, ranked) > threshold  # (N, M, M)
    if classes is not None:
        check_each("classes", classes, scores)
        kind = classes.gather(1, order)
        clash &= kind[:, :, None] == kind[:, None, :]
    keep = torch.ones_like(scores, dtype=torch.bool)
    for i in range(boxes.shape[1]):  # from the best score down
        keep[:, i + 1 :] &= ~(clash[:, i, i + 1 :] & keep[:, i, None])
    return torch.zeros_like(keep).scatter(1, order, keep)


def check_scores(argument: str, scores: Tensor, boxes: Tensor) -> None:
    """Raise an error unless scores are numbers, one for each box ``(N, M, 4)``."""
    check_numbers(argument, scores)
    if scores.shape != boxes.shape[:-1]:
        raise ValueError(
            f"{argument} has shape {tuple(scores.shape)} for boxes {tuple(boxes.shape)}; give one "
            "for each box."
        )
    if bool(scores.isnan().any()):
        scene = int(scores.isnan().any(-1).nonzero()[0]) if scores.ndim > 1 else 0
        raise ValueError(
            f"{argument} holds NaN in scene {scene}: no order can be made of it. Find the net or "
            "the step that produced it."
        )


def check_each(argument: str, values: Tensor, scores: Tensor) -> None:
    """Raise an error unless `values` has one entry for each score."""
    check_numbers(argument, values)
    if values.shape != scores.shape:
        raise ValueError(
            f"{argument} has shape {tuple(values.shape)} for scores {tuple(scores.shape)}; give "
            "one for each box."
        )
