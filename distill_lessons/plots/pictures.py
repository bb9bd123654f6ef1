"""Images, and images beside what a model makes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from distill_lessons.plots.theme import ROLES

INK = "#222222"  # of marks that belong to no role


def images(
    x: Any, titles: Sequence[str] | None = None, *, columns: int = 10, title: str = ""
) -> np.ndarray:
    """Draw images in a grid.

    Args:
        x: images in [0, 1], ``(N, C, H, W)`` with one or three channels.
        titles: a short text above each image.
        columns: images in a row.
        title: a sentence above all.

    Returns:
        The Axes, shape ``(N,)``.
    """
    pictures = as_pictures(x)
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    height = 1.0 * rows + (0.32 * rows if titles else 0) + (0.5 if title else 0)
    figure, grid = plt.subplots(rows, columns, figsize=(max(5, 0.95 * columns), height))
    axes: np.ndarray = np.ravel(grid)
    for i, ax in enumerate(axes):
        if i >= len(pictures):
            ax.set_axis_off()
        else:
            _picture(ax, pictures[i])
            if titles:
                ax.set_title(titles[i], fontsize=11, fontweight="normal", loc="center", pad=3)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    return axes[: len(pictures)]


def as_pictures(x: Any) -> np.ndarray:
    """Return images ``(N, C, H, W)``, a tensor or an array, with channels last."""
    return np.asarray(x.detach().cpu() if hasattr(x, "detach") else x).transpose(0, 2, 3, 1)


def _picture(ax: Axes, picture: np.ndarray) -> None:
    ax.imshow(picture.squeeze(), vmin=0, vmax=1, interpolation="nearest")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.grid(visible=False)
    # A digit on white has no edge of its own: paper and page would look alike.
    ax.spines[:].set(visible=True, color="#999999", lw=0.6)


def probability_bars(
    x: Any,
    probabilities: Mapping[str, Any],
    classes: Sequence[str],
    titles: Sequence[str],
    *,
    right: Sequence[int] | None = None,
) -> np.ndarray:
    """Draw images in a row, and below each the probabilities that a model gives the classes.

    Args:
        x: images ``(N, C, H, W)``.
        probabilities: name of a row of bars to probabilities ``(N, K)``, such as one temperature
            each.
        classes: names of the K classes.
        titles: a short text above each image.
        right: the right class of each image, to be marked above its bars.

    Returns:
        The Axes, shape ``(1 + rows, N)``.
    """
    pictures = as_pictures(x)
    n, rows = len(pictures), len(probabilities)
    figure, axes = plt.subplots(
        1 + rows,
        n,
        figsize=(2.5 * n + 0.8, 1.6 + 1.7 * rows),
        squeeze=False,
        sharey="row",
        height_ratios=[1.0] + [1.15] * rows,
    )
    for i in range(n):
        _picture(axes[0, i], pictures[i])
        axes[0, i].set_title(titles[i], fontsize=11, fontweight="normal", loc="center")
    for row, (name, p) in enumerate(probabilities.items(), start=1):
        for i in range(n):
            ax = axes[row, i]
            ax.bar(range(len(classes)), np.asarray(p[i]), color=ROLES["teacher"].color)
            ax.set_ylim(0, 1.02 if right is None else 1.16)
            if right is not None:
                at = int(right[i])
                ax.plot(at, float(p[i][at]) + 0.07, color=INK, marker="v", ls="", ms=5)
            ax.set_xticks(range(len(classes)), labels=list(classes), fontsize=9)
            ax.grid(axis="x", visible=False)
            if max(map(len, classes)) > 2:
                ax.tick_params(axis="x", rotation=90)
        axes[row, 0].set_ylabel(f"{name}\nprobability", fontsize=11)
    figure.align_ylabels(axes[:, 0])
    if right is not None:
        mark = Line2D([], [], color=INK, marker="v", ls="", ms=5)
        figure.legend([mark], ["the right class"], loc="outside lower left")
    return np.asarray(axes)
