"""Structure explanations, the parts: first-layer weights as images, and activations.

Weights are read off, activations gathered by a forward hook; `plots` draws weights. Knows nothing
about training, and a unit that looks meaningful need not matter for any prediction.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from distill_lessons.evaluation import check_built, evaluating
from distill_lessons.explain import forward
from distill_lessons.explain.admission import admitted
from distill_lessons.explain.arrays import Array
from distill_lessons.explain.groups import checked_image_shape
from distill_lessons.settings import one_of, whole_number


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
    check_built(model)
    found = {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear | nn.Conv2d)
    }
    if not found:
        raise ValueError(
            f"model={type(model).__name__} has no Linear or Conv2d layer to show; name a model "
            "that begins with one."
        )
    name = next(iter(found)) if layer is None else one_of("layer", layer, found)
    shown = forward.private_copy(found[name])
    forward.compute_weights(shown)
    assert isinstance(shown.weight, Tensor)
    weight = shown.weight.detach().cpu()
    if weight.ndim == 2:
        shape = None if image_shape is None else checked_image_shape(image_shape)
        if shape is None or math.prod(shape) != weight.shape[1]:
            raise ValueError(
                f"image_shape={image_shape} must be (C, H, W) with product {weight.shape[1]}, "
                f"the inputs of the linear layer {name!r}."
            )
        weight = weight.reshape(-1, *shape)
    return np.asarray(weight.numpy())


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
    x = admitted(model, x)
    size = min(whole_number("batch_size", batch_size), len(x))
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
            for part in x.split(size):
                model(part.clone())  # a net may work on its input in place
    finally:
        handle.remove()
    if not kept:
        raise ValueError(f"layer={layer!r} is never called; see the table of `layers`.")
    return torch.cat(kept).numpy()
