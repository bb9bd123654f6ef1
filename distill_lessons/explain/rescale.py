"""Deep SHAP's rescale rule for plain ReLU nets: all classes and all background images at once.

For an image x and a background image b the rule replaces each ReLU's slope by the slope between the
two points, `r = (relu(h_x) − relu(h_b)) / (h_x − h_b)`, and sends these slopes back through the
layers. What arrives at the input, times `x − b`, averaged over the background, is the attribution.
`shap.DeepExplainer` does this one class and one image at a time. Knows nothing about other layers.

Source: Shrikumar, Greenside & Kundaje (2017), Learning important features through propagating
activation differences, section 3.5.1; Lundberg & Lee (2017), section 4.2.
"""

from __future__ import annotations

import time

import torch
from torch import Tensor, nn

from distill_lessons.explain import forward
from distill_lessons.explain.arrays import Array


def relu_stack(model: nn.Module, x: Tensor) -> list[nn.Linear] | None:
    """Return the linear layers if the model is Linear (ReLU Linear)*, after Flatten; else None."""
    split = forward.split_linear(model, x)
    if split is None:
        return None
    layers = [split[0], *split[1]]
    kinds = [nn.Linear, nn.ReLU] * (len(layers) // 2) + [nn.Linear]
    if [type(layer) for layer in layers] != kinds:
        return None
    return [layer for layer in layers if isinstance(layer, nn.Linear)]


def rescale(
    linears: list[nn.Linear], x: Tensor, background: Tensor, *, centre: bool, memory: float = 256.0
) -> Array:
    """Return deep SHAP attributions of a ReLU net, float64, shape `(N, *input_shape, K)`.

    Args:
        linears: its linear layers, with a ReLU between each two.
        x: images to explain, shape `(N, *input_shape)`.
        background: shape `(B, *input_shape)`.
        centre: explain `z_k − mean_j z_j` instead of the logits.
        memory: limit for temporary arrays in MiB.
    """
    flat, back = x.flatten(1), background.flatten(1)  # (N, F), (B, F)
    top = linears[-1].weight  # (K, H)
    # Centring is linear, so it is done once, on the last layer's weights.
    top = top - top.mean(0) if centre else top
    chunk = _images_per_chunk(linears, x, len(back), memory)
    made, start = [], time.perf_counter()
    with torch.no_grad():
        h_b = _before_relus(linears, back)  # one (B, H) for each ReLU
        for i, part in enumerate(flat.split(chunk)):
            made.append(_attributions(linears, top, part, back, h_b).cpu().double())
            if i == 0:
                pairs = len(flat) * len(back)
                seconds = (time.perf_counter() - start) * len(flat) / len(part)
                forward.announce("deep SHAP", pairs * len(top), seconds)
    values = torch.cat(made).transpose(1, 2)  # (N, F, K)
    return values.reshape(*x.shape, len(top)).numpy()


def _attributions(
    linears: list[nn.Linear], top: Tensor, x: Tensor, back: Tensor, h_b: list[Tensor]
) -> Tensor:
    """Return attributions `(N, K, F)` for a few images."""
    slopes = [
        _slope(own[:, None], other)
        for own, other in zip(_before_relus(linears, x), h_b, strict=True)
    ]  # one (N, B, H) for each ReLU
    if not slopes:  # a linear model: nothing to rescale
        return top * (x - back.mean(0))[:, None]
    first = linears[0].weight  # (H, F)
    if len(slopes) == 1:
        # One hidden layer: top · slope · first · (x − b). Only slope and b depend on the
        # background, so their average is taken before the K classes come in.
        slope = slopes[0]
        seen = slope.mean(1)  # (N, H)
        missed = slope.transpose(1, 2) @ back / len(back)  # (N, H, F)
        return top @ (first * (seen[:, :, None] * x[:, None] - missed))
    m = top * slopes[-1][:, :, None]  # (N, B, K, H)
    for linear, slope in zip(linears[-2:0:-1], slopes[-2::-1], strict=True):
        m = (m @ linear.weight).mul_(slope[:, :, None])
    # x is the same for all background images, so its part needs their mean slopes only.
    return x[:, None] * (m.mean(1) @ first) - ((m @ first).mul_(back[:, None])).mean(1)


def _slope(h_x: Tensor, h_b: Tensor) -> Tensor:
    """Return the ReLU's slope between two points, in [0, 1].

    Written as up / (up + down), with the part of the way above zero and the part below it: no
    difference of nearly equal numbers, so single precision is enough. Equal points give 0 or 1.
    """
    up = torch.maximum(h_x, h_b).relu_()
    down = torch.minimum(h_x, h_b).neg_().relu_()
    return up / (up + down).clamp_(min=torch.finfo(up.dtype).tiny)


def _before_relus(linears: list[nn.Linear], x: Tensor) -> list[Tensor]:
    found = []
    for linear in linears[:-1]:
        x = linear(x)
        found.append(x)
        x = x.relu()
    return found


def _images_per_chunk(linears: list[nn.Linear], x: Tensor, n_back: int, memory: float) -> int:
    k = linears[-1].out_features
    widths = [linear.out_features for linear in linears[:-1]]
    features = linears[0].in_features
    if len(widths) == 1:
        numbers = widths[0] * (3 * n_back + 2 * features)
    else:
        numbers = n_back * k * (2 * max(widths, default=0) + 2 * features) + n_back * 3 * sum(
            widths
        )
    return forward.rows_per_chunk(
        numbers * x.element_size(), memory, cache=8 * forward.MIB, least=1
    )
