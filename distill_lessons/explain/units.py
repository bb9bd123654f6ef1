"""Structure explanations, the parts: first-layer weights as images, and what excites a unit.

Weights are read off, activations are gathered by a forward hook. Knows nothing about training, and
a unit that looks meaningful need not matter for any prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from torch import Tensor, nn

from distill_lessons.evaluation import evaluating
from distill_lessons.explain.arrays import Array, ArrayLike, finite, inputs_for
from distill_lessons.settings import one_of


def first_layer_weights(
    model: nn.Module, *, image_shape: tuple[int, int, int] | None = None, layer: str | None = None
) -> Array:
    """Return the weights of the first layer as images.

    Args:
        model: a net that begins with a Linear or Conv2d layer.
        image_shape: `(C, H, W)`; needed for a linear layer, whose weights know no image.
        layer: its name; by default the first Linear or Conv2d.

    Returns:
        Shape `(units, C, H, W)`; for a conv layer H and W are those of the kernel.

    Raises:
        ValueError: if there is no such layer, or the shape does not fit.
    """
    found = {
        name: module.weight
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }
    if not found:
        raise ValueError(
            f"model={type(model).__name__} has no Linear or Conv2d layer to show; name a model "
            "that begins with one."
        )
    name = next(iter(found)) if layer is None else one_of("layer", layer, found)
    weight = found[name].detach().cpu()
    if weight.ndim == 2:
        if image_shape is None or int(np.prod(image_shape)) != weight.shape[1]:
            raise ValueError(
                f"image_shape={image_shape} must be (C, H, W) with product {weight.shape[1]}, "
                f"the inputs of the linear layer {name!r}."
            )
        weight = weight.reshape(-1, *image_shape)
    return np.asarray(weight.numpy())


def draw_weights(weights: ArrayLike, *, columns: int = 8, ax: Axes | None = None) -> Axes:
    """Draw weights as images, one tile per unit: red adds to the unit, blue takes away from it.

    Args:
        weights: `(units, C, H, W)`, as from `first_layer_weights`. Channels are averaged.
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


def activations(
    model: nn.Module, x: Tensor, layer: str, *, pool: str = "mean", batch_size: int = 1024
) -> Array:
    """Return the activations of one layer's units.

    Args:
        model: any model; its mode is restored.
        x: inputs, shape `(N, *input_shape)`.
        layer: the layer's name, as in `layers` or `model.named_modules()`.
        pool: how a unit with a value at each place, such as a feature map, becomes one number:
            `"mean"` or `"max"` over places, or `"none"`: each place is a unit.
        batch_size: inputs run at once.

    Returns:
        Shape `(N, units)`. For outputs `(N, units, ...)` the units are axis 1.

    Raises:
        ValueError: for an unknown layer (the nearest name is given) or pool.
    """
    one_of("pool", pool, ("mean", "max", "none"))
    modules = dict(model.named_modules())
    module = modules[one_of("layer", layer, [name for name in modules if name])]
    kept: list[Tensor] = []

    def keep(_: nn.Module, __: Any, out: Any) -> None:
        value = out if isinstance(out, Tensor) else out[0]  # recurrent layers return a tuple
        if value.ndim > 2 and pool != "none":
            places = value.flatten(2)  # (N, units, places)
            value = places.mean(2) if pool == "mean" else places.amax(2)
        kept.append(value.flatten(1).cpu().clone())  # clone: an in-place layer may follow

    handle = module.register_forward_hook(keep)
    try:
        with evaluating(model), torch.no_grad():
            for part in inputs_for(model, x).split(batch_size):
                model(part)
    finally:
        handle.remove()
    if not kept:
        raise ValueError(f"layer={layer!r} is never called; see the table of `layers`.")
    return torch.cat(kept).numpy()


def most_exciting(activations: ArrayLike, *, k: int = 8) -> Array:
    """Return for each unit the k inputs that excite it most, the strongest first.

    Args:
        activations: shape `(N, units)`.
        k: at most N.

    Returns:
        Indices of inputs, shape `(units, k)`; among equals the earlier input comes first.
    """
    array = finite("activations", activations)
    if array.ndim != 2:
        raise ValueError(f"activations has shape {array.shape}; give (N, units).")
    if not 1 <= k <= len(array):
        raise ValueError(f"k={k} must be from 1 to {len(array)}, the number of inputs.")
    return np.asarray(np.argsort(-array, axis=0, kind="stable")[:k].T)


def draw_most_exciting(
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
