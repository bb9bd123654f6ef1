"""A grid over the canvas: what each cell should answer, and which boxes its answers mean.

A net answers ``(N, 5 + K, G, G)``: in each cell the logit of there being a box whose centre lies
here, four numbers that say where it is, and K logits of its class. The four numbers are the way
from the cell's middle to the centre, in cells, and the logarithms of width and height, in cells.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from distill_lessons.data import UNLABELLED
from distill_lessons.detection import boxes as of_boxes
from distill_lessons.detection.scenes import Scenes
from distill_lessons.settings import number, whole_number
from distill_lessons.tensors import check_numbers, check_type

PARTS = {"objectness": slice(0, 1), "boxes": slice(1, 5), "classes": slice(5, None)}


@dataclass(frozen=True)
class Detections:
    """What a net found in N scenes, M boxes each.

    Attributes:
        boxes: ``(N, M, 4)`` in pixels.
        scores: how sure the net is of each, ``(N, M)``.
        classes: ``(N, M)``, int64.
        keep: True for what is left of overlapping boxes, ``(N, M)``.
    """

    boxes: Tensor
    scores: Tensor
    classes: Tensor
    keep: Tensor


def targets(scenes: Scenes, cells: int = 6) -> dict[str, Tensor]:
    """Return what each cell of a grid should answer.

    Args:
        scenes: the N scenes.
        cells: G, cells along a side.

    Returns:
        ``"objectness"`` ``(N, G, G)``, 1 where a box has its centre; ``"boxes"`` ``(N, 4, G, G)``,
        and ``"classes"`` ``(N, G, G)``, int64. Where there is no box, the four numbers are 0 and
        the class is `data.UNLABELLED`.

    Raises:
        TypeError: if `scenes` are none, or `cells` is no whole number.
        ValueError: if two boxes have their centre in one cell.
    """
    check_type("scenes", scenes, Scenes, "scenes, such as scenes.make(data.train, 100)")
    cells = whole_number("cells", cells)
    n, size = len(scenes), scenes.canvas / cells
    scene, slot = scenes.there.nonzero(as_tuple=True)
    box = scenes.boxes[scene, slot] / size
    centre, extent = (box[:, :2] + box[:, 2:]) / 2, box[:, 2:] - box[:, :2]
    at = _cell(box, cells)
    row, column = at // cells, at % cells
    place = scene * cells**2 + at
    if len(place.unique()) < len(place):
        values, counts = place.unique(return_counts=True)
        crowded = int(values[counts.argmax()]) // cells**2
        raise ValueError(
            f"scene {crowded} of scenes has two boxes with their centre in one of {cells}×{cells} "
            "cells, which can answer with one; use more cells."
        )
    objectness = scenes.x.new_zeros(n, cells, cells)
    wanted = scenes.x.new_zeros(n, 4, cells, cells)
    classes = torch.full_like(objectness, UNLABELLED, dtype=torch.int64)
    objectness[scene, row, column] = 1.0
    middle = torch.stack([column, row], 1) + 0.5
    wanted[scene, :, row, column] = torch.cat([centre - middle, extent.log()], 1)
    classes[scene, row, column] = scenes.classes[scene, slot]
    return {"objectness": objectness, "boxes": wanted, "classes": classes}


def split(z: Tensor, argument: str = "z") -> tuple[Tensor, Tensor, Tensor]:
    """Return the three maps of an answer: ``(N, G, G)``, ``(N, 4, G, G)``, ``(N, K, G, G)``.

    Args:
        z: the answer, ``(N, 5 + K, G, G)``.
        argument: what a message calls it.

    Raises:
        TypeError: if it is no tensor.
        ValueError: if it has another form.
    """
    check_numbers(argument, z)
    if z.ndim != 4 or z.shape[1] < 7 or z.shape[2] != z.shape[3]:
        raise ValueError(
            f"{argument} has shape {tuple(z.shape)}; a grid's answer is (N, 5 + K, G, G), with two "
            "classes or more."
        )
    return z[:, 0], z[:, PARTS["boxes"]], z[:, PARTS["classes"]]


def decode(z: Tensor, canvas: int, *, threshold: float = 0.5) -> Detections:
    """Return the boxes that a net's answers mean, one of each cell, and which of them to keep.

    Args:
        z: answers ``(N, 5 + K, G, G)``.
        canvas: side of the scenes, in pixels.
        threshold: boxes of one class that overlap by a larger IoU are one thing found twice.

    Returns:
        The detections, M = G². A score is the probability of an object times that of its class;
        boxes are clamped to the canvas.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if `z` has another form or holds NaN, or a number is out of range.
    """
    there, where, kinds = split(z)
    canvas = whole_number("canvas", canvas)
    if bool(z.isnan().any()):
        first = int(z.isnan().flatten(1).any(1).nonzero()[0])
        raise ValueError(f"z holds NaN in scene {first}; find the net that produced it.")
    cells = z.shape[2]
    size = canvas / cells
    p, kind = kinds.softmax(1).max(1)
    scores = (there.sigmoid() * p).flatten(1)
    at = torch.arange(cells, device=z.device) + 0.5
    middle = torch.stack([at.expand(cells, cells), at[:, None].expand(cells, cells)])
    centre, half = where[:, :2] + middle, where[:, 2:].clamp(-4, 4).exp() / 2
    edges = torch.cat([centre - half, centre + half], 1) * size
    found = edges.clamp(0, canvas).flatten(2).transpose(1, 2)
    classes = kind.flatten(1)
    keep = of_boxes.nms(found, scores, classes, threshold=threshold)
    return Detections(found, scores, classes, keep)


def as_labels(x: Tensor, found: Detections, *, least: float = 0.5, cells: int = 6) -> Scenes:
    """Return scenes whose boxes are what a net found in them: pseudo-boxes.

    Args:
        x: the canvases, ``(N, C, S, S)``.
        found: what the net found in them.
        least: the score that a detection needs.
        cells: G; of two boxes with their centre in one cell the better one stays.

    Returns:
        The scenes; what overlaps a better box by an IoU above 0.1 is left out, whatever its class.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if there are not as many scenes, or `least` is outside [0, 1].
    """
    check_numbers("x", x)
    check_type("found", found, Detections, "what grid.decode returns")
    cells = whole_number("cells", cells)
    if len(x) != len(found.boxes):
        raise ValueError(f"x has {len(x)} scenes and found {len(found.boxes)}; give the same.")
    if not 0 <= number("least", least) <= 1:
        raise ValueError(f"least={least} must be a score, in [0, 1].")
    edges = found.boxes
    good = (found.scores > least) & (edges[..., 2:] > edges[..., :2]).all(-1)
    ranked = found.scores.masked_fill(~good, -1.0)
    order = ranked.argsort(dim=1, descending=True, stable=True)[:, : max(1, int(good.sum(1).max()))]
    boxes, kinds = (
        edges.gather(1, order[..., None].expand(-1, -1, 4)),
        found.classes.gather(1, order),
    )
    keep = of_boxes.nms(boxes, ranked.gather(1, order), threshold=0.1) & good.gather(1, order)
    place = _cell(boxes * cells / x.shape[-1], cells)
    for i in range(1, place.shape[1]):
        keep[:, i] &= ~((place[:, :i] == place[:, i, None]) & keep[:, :i]).any(1)
    return Scenes(
        x,
        torch.where(keep[..., None], boxes, 0.0),
        torch.where(keep, kinds, UNLABELLED),
    )


def _cell(box: Tensor, cells: int) -> Tensor:
    """Return the cell of each box's centre, row times G + column; boxes ``(..., 4)`` in cells."""
    centre = (box[..., :2] + box[..., 2:]) / 2
    column, row = centre.floor().long().clamp(0, cells - 1).unbind(-1)
    return row * cells + column
