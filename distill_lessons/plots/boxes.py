"""Scenes with boxes on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from distill_lessons.plots.attributions import attribution_panel
from distill_lessons.plots.pictures import _picture, as_pictures
from distill_lessons.plots.theme import ROLES

Boxes = Sequence[tuple[Any, str]]  # edges x1, y1, x2, y2 in pixels, and what stands beside them


def scenes(
    x: Any,
    found: Sequence[Boxes],
    titles: Sequence[str],
    *,
    roles: Sequence[str],
    columns: int = 4,
    title: str = "",
) -> np.ndarray:
    """Draw scenes with the boxes that were found in them.

    Args:
        x: scenes in [0, 1], ``(N, C, S, S)``.
        found: for each scene its boxes, each with a short text.
        titles: a short text above each scene.
        roles: whose boxes they are, one of `ROLES` for each scene, or ``"truth"`` for a dotted
            black line.
        columns: scenes in a row.
        title: a sentence above all.

    Returns:
        The Axes, ``(N,)``.
    """
    pictures = as_pictures(x)
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    size = (max(6.0, 2.3 * columns), 2.6 * rows + (0.5 if title else 0))
    figure, grid = plt.subplots(rows, columns, figsize=size, squeeze=False)
    axes = np.ravel(grid)
    for ax in axes[len(pictures) :]:
        ax.set_axis_off()
    for i, picture in enumerate(pictures):
        _picture(axes[i], picture)
        outline(axes[i], found[i], roles[i])
        axes[i].set_title(titles[i], fontsize=11, fontweight="normal", loc="center", pad=4)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    return axes[: len(pictures)]


def outline(ax: Axes, boxes: Boxes, role: str = "truth") -> None:
    """Draw boxes on a picture whose pixels are 1 wide, each with its text inside at a corner.

    Args:
        ax: where to draw.
        boxes: edges and a text each.
        role: one of `ROLES`, or ``"truth"``.
    """
    colour, line = ("#000000", ":") if role == "truth" else (ROLES[role].color, "-")
    taken: list[tuple[float, float]] = []
    for edges, text in boxes:
        x1, y1, x2, y2 = (float(edge) - 0.5 for edge in edges)  # a pixel's middle is at 0
        frame = Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, ec=colour, ls=line, lw=1.8)
        ax.add_patch(frame)
        if text:
            # Two boxes may begin at nearly one place: then the second has its text below.
            low = any(abs(x1 - x) < 2 and abs(y1 - y) < 2 for x, y in taken)
            taken.append((x1, y1))
            ax.text(
                x1 + 0.2, y2 - 0.2 if low else y1 + 0.2, text, ha="left",
                va="bottom" if low else "top", fontsize=9.5, color="white",
                bbox={"facecolor": colour, "edgecolor": "none", "pad": 1.2, "alpha": 0.85},
            )  # fmt: skip


def reasons(x: Any, maps: Sequence[tuple[str, Any]], box: Any, *, title: str = "") -> np.ndarray:
    """Draw one scene, and beside it what its pixels contributed to answers about one box.

    Args:
        x: the scene, ``(1, C, S, S)``.
        maps: a short text and a map ``(S, S)`` each; each has a colour scale of its own.
        box: edges of the box in pixels.
        title: a sentence above all.

    Returns:
        The Axes, one more than maps.
    """
    n = 1 + len(maps)
    figure, axes = plt.subplots(1, n, figsize=(2.3 * n, 2.9 + (0.4 if title else 0)))
    _picture(axes[0], as_pictures(x)[0])
    axes[0].set_title("the scene", fontsize=11, fontweight="normal", loc="center", pad=4)
    for ax, (text, values) in zip(axes[1:], maps, strict=True):
        numbers = np.asarray(values.detach().cpu() if hasattr(values, "detach") else values)
        attribution_panel(ax, numbers, float(np.abs(numbers).max()) or 1.0, marks=0)
        ax.set_title(text, fontsize=11, fontweight="normal", loc="center", pad=4)
    for ax in axes:
        outline(ax, [(box, "")])
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    return np.asarray(axes)
