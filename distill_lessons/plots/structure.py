"""The first weights of a model, as images.

Draws what `explain.units` reads off. Knows nothing about models.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from distill_lessons.explain.arrays import Array, ArrayLike, finite


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
    ax.set_title(f"What {len(array)} units of the first layer look for", loc="left")
    return ax


def _mosaic(tiles: Array, columns: int) -> Array:
    """Lay tiles `(n, h, w)` into a grid with a gap of one NaN pixel."""
    n, h, w = tiles.shape
    rows = -(-n // columns)
    picture = np.full((rows * (h + 1) - 1, columns * (w + 1) - 1), np.nan)
    for i, tile in enumerate(tiles):
        top, left = (i // columns) * (h + 1), (i % columns) * (w + 1)
        picture[top : top + h, left : left + w] = tile
    return picture
