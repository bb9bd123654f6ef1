"""How good detections are: average precision, per class and whatever the class."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from distill_lessons.detection.boxes import check_each, check_scores, iou, nms
from distill_lessons.detection.grid import Detections
from distill_lessons.detection.scenes import Scenes
from distill_lessons.settings import number, whole_number
from distill_lessons.tensors import check_type, float_array


def average_precision(
    scores: object, hits: object, n_boxes: int, *, points: int | None = None
) -> float:
    """Return the area below precision over recall, with precision made to fall only.

    Args:
        scores: one number for each detection, ``(M,)``.
        hits: whether it found a box that no better one had found, ``(M,)``.
        n_boxes: how many boxes there were to find.
        points: None for the exact area (Pascal VOC from 2010), or at how many levels of recall the
            precision is averaged; 101 is what COCO's evaluation does.

    Returns:
        A number in [0, 1].

    Raises:
        TypeError: if `n_boxes` is no whole number, or others are no numbers.
        ValueError: if shapes differ, a score is NaN, there is no box, or there are more hits.

    Source: Everingham and others (2010), section 4.2, doi:10.1007/s11263-009-0275-4; with points,
        Lin and others (2014), arXiv:1405.0312.

    >>> average_precision([0.9, 0.8, 0.7], [True, False, True], 2)
    0.8333333333333333
    """
    ranked, right = float_array("scores", scores), float_array("hits", hits)
    n_boxes = whole_number("n_boxes", n_boxes)
    if ranked.ndim != 1 or right.shape != ranked.shape:
        raise ValueError(
            f"scores has shape {ranked.shape} and hits {right.shape}; give one each, (M,)."
        )
    if np.isnan(ranked).any():
        raise ValueError("scores holds NaN: no order can be made of it. Find what produced it.")
    if not np.isin(right, (0, 1)).all() or right.sum() > n_boxes:
        raise ValueError(
            f"hits must be true or false, at most n_boxes={n_boxes} of them true: a box is found "
            "once, and every further detection of it is a false alarm."
        )
    order = np.argsort(-ranked, kind="stable")
    found = np.cumsum(right[order])
    precision = found / np.arange(1, len(found) + 1)
    recall = found / n_boxes
    best = np.maximum.accumulate(precision[::-1])[::-1]  # the best at this recall or a higher one
    if points is None:
        return float((best * np.diff(recall, prepend=0.0)).sum())
    levels = np.linspace(0, 1, whole_number("points", points, least=2))
    at = np.searchsorted(recall, levels, side="left")
    return float(np.append(best, 0.0)[at].mean())


def matched(
    found: Detections, scenes: Scenes, *, overlap: float = 0.5, classes: bool = True
) -> Tensor:
    """Say which detections are hits: from the best score down, each box is found once.

    Args:
        found: the detections in the scenes.
        scenes: the scenes.
        overlap: the IoU that a hit needs.
        classes: whether it needs the right class too.

    Returns:
        True for a hit, ``(N, M)``; only kept detections are hits.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if they do not belong together, or `overlap` is outside (0, 1].
    """
    check_type("found", found, Detections, "what grid.decode returns")
    check_type("scenes", scenes, Scenes, "scenes")
    check_scores("found.scores", found.scores, found.boxes)
    check_each("found.keep", found.keep, found.scores)
    if len(found.boxes) != len(scenes):
        raise ValueError(
            f"found is of {len(found.boxes)} scenes, and scenes has {len(scenes)}; give the scenes "
            "that the net was asked about."
        )
    if not 0 < number("overlap", overlap) <= 1:
        raise ValueError(f"overlap={overlap} must be an IoU in (0, 1].")
    fits = iou(found.boxes, scenes.boxes)  # (N, M, boxes)
    possible = (fits >= overlap) & scenes.there[:, None] & found.keep[..., None]
    if classes:
        possible &= found.classes[..., None] == scenes.classes[:, None]
    free = scenes.there.clone()
    hits = torch.zeros_like(found.keep)
    rows = torch.arange(len(scenes), device=free.device)
    order = found.scores.masked_fill(~found.keep, -torch.inf).argsort(dim=1, descending=True)
    for i in order[:, : int(found.keep.sum(1).max())].T:
        open_to = possible[rows, i] & free
        best = fits[rows, i].masked_fill(~open_to, -1.0).argmax(1)
        hit = open_to.any(1)
        hits[rows, i] = hit
        free[rows[hit], best[hit]] = False
    return hits


def mean_ap(
    found: Detections, scenes: Scenes, *, overlap: float = 0.5, points: int | None = None
) -> float:
    """Return the mean over classes of the average precision, mAP@.5 by default.

    Args:
        found: the detections in the scenes.
        scenes: the scenes; a class that none of them shows has no average precision, and is left
            out.
        overlap: see `matched`.
        points: see `average_precision`.

    Raises:
        TypeError: as `matched`.
        ValueError: as `matched`, and if no scene shows anything.
    """
    hits = matched(found, scenes, overlap=overlap)
    shown = scenes.classes[scenes.there].unique().tolist()
    if not shown:
        raise ValueError("scenes shows nothing at all; a mean over no class is no number.")
    return float(np.mean([_of(found, hits, scenes, found.classes == k, k, points) for k in shown]))


def class_ap(found: Detections, scenes: Scenes, label: int, *, overlap: float = 0.5) -> float:
    """Return the average precision of one class.

    Raises:
        TypeError: as `matched`, and if `label` is no whole number.
        ValueError: as `matched`, and if no scene shows the class.
    """
    check_type("scenes", scenes, Scenes, "scenes")
    label = whole_number("label", label, least=0)
    if not bool((scenes.classes == label).any()):
        raise ValueError(
            f"label={label} is a class without scenes: nothing of it could be found. Ask for a "
            "class that scenes shows."
        )
    hits = matched(found, scenes, overlap=overlap)
    return _of(found, hits, scenes, found.classes == label, label, None)


def any_class_ap(found: Detections, scenes: Scenes, *, overlap: float = 0.5) -> float:
    """Return the average precision of all boxes, whatever class they are said to have.

    Of boxes of different classes that overlap by an IoU above 0.5, only the best is looked at.

    Raises:
        TypeError: as `matched`.
        ValueError: as `matched`.
    """
    check_type("found", found, Detections, "what grid.decode returns")
    check_scores("found.scores", found.scores, found.boxes)
    left = nms(found.boxes, found.scores.masked_fill(~found.keep, -1.0)) & found.keep
    found = replace(found, keep=left)
    hits = matched(found, scenes, overlap=overlap, classes=False)
    return _of(found, hits, scenes, torch.ones_like(found.keep), None, None)


def _of(
    found: Detections,
    hits: Tensor,
    scenes: Scenes,
    among: Tensor,
    label: int | None,
    points: int | None,
) -> float:
    counted = found.keep & among
    there = scenes.there if label is None else scenes.classes == label
    return average_precision(found.scores[counted], hits[counted], int(there.sum()), points=points)
