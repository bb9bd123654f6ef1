"""What stands inside a model: its layers, its first weights, and the images that excite a unit.

They draw what `explain.structure` and `explain.units` read off. Knows nothing about models.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from distill_lessons.explain.arrays import Array, ArrayLike, finite
from distill_lessons.explain.units import most_exciting

# Box colours by what a layer does; the kind is also written into the box.
COLOURS = {"weights": "#cfe3f5", "join": "#fde3c0", "other": "#eeeeee"}


def layer_graph(table: pd.DataFrame, *, title: str | None = None, ax: Axes | None = None) -> Axes:
    """Draw the layer graph: one row per layer, arrows for what feeds it, and what it costs.

    Args:
        table: the result of `explain.structure.layers`.
        title: a sentence; by default how many layers hold how many parameters.
        ax: where to draw; by default a new figure, taller for deeper models.
    """
    n = len(table)
    if ax is None:
        _, ax = plt.subplots(figsize=(11, 0.5 * n + 1.3), layout="constrained")
    row_of = {name: i for i, name in enumerate(table["layer"])}
    columns = {"output shape": 0.66, "parameters": 0.82, "multiply-adds": 1.0}
    lanes: list[int] = []  # last row of the arc that runs in each lane beside the boxes
    for i, row in enumerate(table.itertuples()):
        role = "join" if row.joined_by else "weights" if row.parameters else "other"
        box = FancyBboxPatch(
            (0.10, i - 0.32), 0.40, 0.64, boxstyle="round,pad=0,rounding_size=0.01",
            mutation_aspect=20, facecolor=COLOURS[role], edgecolor="#444444", zorder=2,
        )  # fmt: skip
        ax.add_patch(box)
        kind = row.kind if row.layer.lower() == row.kind.lower() else f"{row.layer}: {row.kind}"
        kind = f"{kind}  ({row.joined_by})" if row.joined_by else kind
        ax.text(0.30, i, _short(kind), ha="center", va="center", size=12, zorder=3)
        cells = (" × ".join(map(str, row.output_shape)), _number(row.parameters))
        for where, text in zip(columns.values(), (*cells, _number(row.multiply_adds)), strict=True):
            ax.text(where, i, text, ha="right", va="center", size=12)
        for source in (row_of[name] for name in row.inputs):
            _draw_arrow(ax, source, i, lanes)
    for name, where in columns.items():
        ax.text(where, -0.85, name, ha="right", va="center", size=12, weight="bold")
    ax.set(xlim=(0.06 - 0.035 * len(lanes), 1.02), ylim=(n - 0.4, -1.3))
    ax.set_axis_off()
    total = table["parameters"].sum()
    called = (~table["kind"].isin(["Input", "Output"])).sum()
    ax.set_title(title or f"{called} layers hold {total:,} parameters.", loc="left")
    return ax


def weights(weights: ArrayLike, *, columns: int = 8, ax: Axes | None = None) -> Axes:
    """Draw weights as images, one tile per unit: red adds to the unit, blue takes away from it.

    Args:
        weights: `(units, C, H, W)`, as from `explain.units.first_layer_weights`. Channels are
            averaged.
        columns: tiles in a row.
        ax: where to draw; by default a new figure.
    """
    array = finite("weights", weights)
    if array.ndim != 4:
        raise ValueError(f"weights has shape {array.shape}; give (units, C, H, W).")
    picture = _mosaic(array.mean(1), min(columns, len(array)))
    if ax is None:
        high = 8 * picture.shape[0] / picture.shape[1] + 0.8
        _, ax = plt.subplots(figsize=(9, high), layout="constrained")
    top = np.nanmax(np.abs(picture))
    image = ax.imshow(picture, cmap="RdBu_r", vmin=-top, vmax=top)
    ax.figure.colorbar(image, ax=ax, label="weight (red adds, blue takes away)", shrink=0.8)
    ax.set_axis_off()
    ax.set_title(f"What {len(array)} units of the first layer look for.", loc="left")
    return ax


def exciting_images(
    x: ArrayLike,
    activations: ArrayLike,
    units: Sequence[int],
    *,
    k: int = 8,
    labels: Sequence[str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw for some units, one per row, the k images that excite them most.

    Args:
        x: images, shape `(N, C, H, W)`, in [0, 1].
        activations: of the same images, shape `(N, units)`.
        units: which units to show.
        k: images per unit.
        labels: a word for each of the N images, such as its class, written in its corner.
        ax: where to draw; by default a new figure.

    Raises:
        ValueError: if images, activations or labels do not fit, or a unit does not exist.
    """
    images, values = finite("x", x), finite("activations", activations)
    if images.ndim != 4 or len(images) != len(values):
        raise ValueError(
            f"x has shape {images.shape} and activations {values.shape}; "
            "give images (N, C, H, W) and the activations of the same N images."
        )
    if labels is not None and len(labels) != len(images):
        raise ValueError(f"labels has {len(labels)} words for {len(images)} images; give one each.")
    best = most_exciting(values, k=k)
    wrong = [u for u in units if not 0 <= u < len(best)]
    if wrong or len(units) == 0:
        raise ValueError(f"units={list(units)} must name some of the units 0 to {len(best) - 1}.")
    shown = images[best[list(units)].ravel()]
    shown = shown.transpose(0, 2, 3, 1) if shown.shape[1] == 3 else shown.mean(1)
    picture = _mosaic(shown, k)
    if ax is None:
        _, ax = plt.subplots(figsize=(k + 2, len(units) + 0.9), layout="constrained")
    white = 1.0 if picture.ndim == 3 else 0.0  # grey images show what is lit as ink
    ax.imshow(np.nan_to_num(picture, nan=white), cmap="gray_r", vmin=0, vmax=1)
    step = images.shape[2] + 1
    for (row, column), i in np.ndenumerate(best[list(units)]):
        if labels is not None:
            ax.text(
                column * (images.shape[3] + 1) - 0.4, row * step - 0.4, str(labels[i]),
                va="top", fontsize=10, color="#b35806", fontweight="bold",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
            )  # fmt: skip
    middles = step * np.arange(len(units)) + images.shape[2] / 2 - 0.5
    peaks = [values[:, u].max() for u in units]
    names = [
        f"unit {u}\n" + (f"(max {peak:.2g})" if peak > 0 else "(never active)")
        for u, peak in zip(units, peaks, strict=True)
    ]
    ax.set_yticks(middles, names)
    ax.set_xticks([])
    ax.tick_params(length=0)
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(False)
    ax.set_title(f"The {k} images that excite each unit most, strongest left.", loc="left")
    return ax


def _number(value: float) -> str:
    return "?" if np.isnan(value) else f"{int(value):,}" if value else "–"


def _short(text: str, width: int = 40) -> str:
    return text if len(text) <= width else "…" + text[-width + 1 :]


def _draw_arrow(ax: Axes, start: int, end: int, lanes: list[int]) -> None:
    """Draw a straight arrow to the next row, or an arc in a free lane left of the boxes."""
    style: dict[str, Any] = {
        "arrowstyle": "-|>",
        "mutation_scale": 12,
        "color": "#444444",
        "zorder": 1,
    }
    if end == start + 1:
        ax.add_patch(FancyArrowPatch((0.30, start + 0.3), (0.30, end - 0.3), **style))
        return
    free = [lane for lane, last in enumerate(lanes) if last < start]
    lane = free[0] if free else len(lanes)
    lanes[lane : lane + 1] = [end]
    x, leave, enter = 0.10 - 0.035 * (lane + 1), start + 0.14, end - 0.14
    ax.plot([0.10, x, x], [leave, leave, enter], color="#444444", lw=1.2, zorder=1)
    ax.add_patch(FancyArrowPatch((x, enter), (0.10, enter), shrinkA=0, shrinkB=0, **style))


def _mosaic(tiles: Array, columns: int) -> Array:
    """Lay tiles `(n, h, w)` or `(n, h, w, 3)` into a grid with a gap of one NaN pixel."""
    n, h, w = tiles.shape[:3]
    rows = -(-n // columns)
    shape = (rows * (h + 1) - 1, columns * (w + 1) - 1, *tiles.shape[3:])
    picture = np.full(shape, np.nan)
    for i, tile in enumerate(tiles):
        top, left = (i // columns) * (h + 1), (i % columns) * (w + 1)
        picture[top : top + h, left : left + w] = tile
    return picture
