"""Importances laid over the image they belong to: one map with its numbers, or several of them.

They draw tables of numbers, one per pixel. Knows nothing about how importances are measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from distill_lessons.plots import wording

DIVERGING = "RdBu_r"  # white at zero; red: the model got worse, blue: it got better
MOST_CELLS = 160  # more numbers than these nobody reads


def importance_map(
    values: Any, low: Any, high: Any, title: str, *, label: str, factor: float = 1.0
) -> Axes:
    """Draw importances as an annotated heatmap of the image, each with its interval.

    A number stands in bold where its interval does not meet zero; a plain 0 has no width. Images
    of more than 160 pixels get a dot there instead of numbers.

    Args:
        values: one importance per pixel, shape ``(H, W)``.
        low: lower ends of their intervals, the same shape.
        high: upper ends.
        title: a sentence.
        label: what the values are, with their unit.
        factor: what all numbers are multiplied by, 100 for accuracies in percentage points.

    Raises:
        ValueError: if the shapes differ, or values are not finite.
    """
    middle = _table("values", values) * factor
    ends = [np.asarray(end, dtype=float) * factor for end in (low, high)]
    if any(end.shape != middle.shape for end in ends):
        raise ValueError(
            f"low {ends[0].shape} and high {ends[1].shape} must have the shape of values "
            f"{middle.shape}; give one interval per pixel."
        )
    clear = (ends[0] > 0) | (ends[1] < 0)
    height, width = middle.shape
    numbers = middle.size <= MOST_CELLS
    scale = 0.7 if numbers else 5.0 / width
    _, ax = plt.subplots(figsize=(scale * width + 1.6, 0.86 * scale * height + 0.7))
    limit = max(float(np.abs(middle).max()), 1e-12)
    picture = ax.imshow(middle, cmap=DIVERGING, vmin=-limit, vmax=limit, aspect="auto")
    if numbers:
        half = np.maximum(middle - ends[0], ends[1] - middle)
        for (r, c), value in np.ndenumerate(middle):
            # A plain 0: nothing changed in any repeat.
            rounded = round(value, 1) + 0.0  # no "-0.0"
            text = f"{rounded:.1f}\n±{half[r, c]:.1f}".replace("-", "−")
            text = text if value or half[r, c] else "0"
            ax.text(
                c, r, text, ha="center", va="center", fontsize=9,
                color="white" if abs(value) > 0.6 * limit else "#222222",
                fontweight="bold" if clear[r, c] else "normal",
            )  # fmt: skip
    else:
        _dots(ax, clear)
    _label_places(ax, height, width)
    bar = ax.figure.colorbar(picture, ax=ax, label=label)
    bar.ax.set_ylim(min(float(middle.min()), 0.0), max(float(middle.max()), 0.0) or None)
    ax.set(xlabel="column (pixels)", ylabel="row (pixels)", title=title)
    wording.note(
        ax.figure, f"{clear.sum()} of {clear.size} intervals do not meet zero.", shown=True
    )
    wording.note(ax.figure, wording.of_map(label[:1].upper() + label[1:], middle))
    return ax


def importance_maps(
    maps: Mapping[str, Any],
    title: str,
    *,
    label: str,
    clear: Mapping[str, Any] | None = None,
    columns: int = 5,
    factor: float = 1.0,
    own_scale: bool = False,
) -> np.ndarray:
    """Draw several maps of importance in a grid, by default on one colour scale.

    Args:
        maps: a short text above each map to its values, shape ``(H, W)``.
        title: a sentence above all.
        label: what the values are, with their unit.
        clear: for the same texts, where to put a dot, as booleans ``(H, W)``: pixels whose
            interval lies above zero, say.
        columns: maps in a row.
        factor: what the values are multiplied by.
        own_scale: give each map a scale of its own, where only the pattern matters; its largest
            value is written above it.

    Returns:
        The Axes, one per map.

    Raises:
        ValueError: if there is no map, or one is not a finite table.
    """
    if not maps:
        raise ValueError("maps is empty; give at least one map of shape (H, W).")
    tables = {name: _table(f"maps[{name!r}]", values) * factor for name, values in maps.items()}
    columns = min(columns, len(tables))
    rows = -(-len(tables) // columns)
    side = 1.5 if columns > 3 else 2.2
    figure, grid = plt.subplots(
        rows, columns, figsize=(side * columns + 1.3, (side + 0.45) * rows + 0.5), squeeze=False
    )
    axes = grid.ravel()
    for spare in axes[len(tables) :]:
        spare.set_axis_off()
    shared = max(float(np.abs(table).max()) for table in tables.values())
    for ax, (name, table) in zip(axes, tables.items(), strict=False):
        limit = max(float(np.abs(table).max()) if own_scale else shared, 1e-12)
        picture = ax.imshow(table, cmap=DIVERGING, vmin=-limit, vmax=limit)
        text = f"{name}\n(up to {wording.number(table.max())})" if own_scale else name
        ax.set_title(text, fontsize=11, fontweight="normal", loc="center", pad=3)
        ax.set(xticks=[], yticks=[])
        ax.grid(visible=False)
        ax.spines[:].set(visible=True, color="#999999", lw=0.8)
        if clear is not None:
            _dots(ax, np.asarray(clear[name], dtype=bool))
    if not own_scale:
        bar = figure.colorbar(picture, ax=list(axes), label=label, shrink=0.9)
        lowest = min(float(table.min()) for table in tables.values())
        bar.ax.set_ylim(min(lowest, 0.0), shared or None)  # no colours that no map has
    else:
        figure.supxlabel(label, fontsize=11)
    figure.suptitle(title, x=0.01, ha="left", fontsize=13, fontweight="bold")
    if len(tables) <= wording.MOST_MAPS:
        wording.note(figure, *(wording.of_map(name, table) for name, table in tables.items()))
    return np.asarray(axes[: len(tables)])


def _dots(ax: Axes, where: np.ndarray) -> None:
    row, column = np.nonzero(where)
    size = 7.0 if where.size <= MOST_CELLS else 1.5
    ax.scatter(column, row, s=size, color="#111111", marker="o", lw=0)


def _label_places(ax: Axes, height: int, width: int) -> None:
    for axis, n in ((ax.xaxis, width), (ax.yaxis, height)):
        axis.set_ticks(range(0, n, 1 if n <= 12 else 4))
    ax.grid(visible=False)


def _table(argument: str, values: Any) -> np.ndarray:
    table = np.asarray(values, dtype=float)
    if table.ndim != 2 or not np.isfinite(table).all():
        raise ValueError(
            f"{argument} has shape {table.shape}; give one finite number per pixel, (H, W)."
        )
    return table
