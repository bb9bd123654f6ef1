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

CACHE = 8 * forward.MIB
# From so many weights in the first layer, it pays to leave out what a background has in common.
MANY_WEIGHTS = 2**16


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
            made.append(_attributions(linears, top, part, back, h_b, memory).cpu().double())
            if i == 0:
                pairs = len(flat) * len(back)
                seconds = (time.perf_counter() - start) * len(flat) / len(part)
                forward.announce("deep SHAP", pairs * len(top), seconds)
    values = torch.cat(made).transpose(1, 2)  # (N, F, K)
    return values.reshape(*x.shape, len(top)).numpy()


def _attributions(
    linears: list[nn.Linear],
    top: Tensor,
    x: Tensor,
    back: Tensor,
    h_b: list[Tensor],
    memory: float,
) -> Tensor:
    """Return attributions `(N, K, F)` for a few images."""
    if not h_b:  # a linear model: nothing to rescale
        return top * (x - back.mean(0))[:, None]
    h_x, first = _before_relus(linears, x), linears[0].weight  # one (N, H) for each ReLU; (H, F)
    if len(h_b) == 1:
        # One hidden layer: top · slope · first · (x − b). Only slope and b depend on the
        # background, so their average is taken before the K classes come in.
        slope = _slope(h_x[0][:, None], h_b[0])  # (N, B, H)
        seen = slope.mean(1)  # (N, H)
        missed = slope.transpose(1, 2) @ back / len(back)  # (N, H, F)
        return top @ (first * (seen[:, :, None] * x[:, None] - missed))
    # With x and b as distances from a typical background image, x is the same for all b, so its
    # part needs their mean slopes only; and most pixels of b are 0, so its part needs few columns.
    typical = back.median(0).values
    x, back = x - typical, back - typical
    together = x.new_zeros(len(x), len(top), first.shape[0])  # (N, K, H)
    apart = x.new_zeros(first.shape[1], len(x), len(top))  # (F, N, K)
    columns = first.T.contiguous()
    at_once = _backgrounds_at_once(linears, len(x), memory)
    for block in torch.arange(len(back), device=x.device).split(at_once):
        slopes = [_slope(own[:, None], other[block]) for own, other in zip(h_x, h_b, strict=True)]
        m = top * slopes[-1][:, :, None]  # (N, b, K, H)
        for linear, slope in zip(linears[-2:0:-1], slopes[-2::-1], strict=True):
            m = (m @ linear.weight).mul_(slope[:, :, None])
        together += m.sum(1)
        _add_products(apart, m, columns, back[block])
    return (x[:, None] * (together @ first) - apart.permute(1, 2, 0)) / len(back)


def _add_products(total: Tensor, m: Tensor, columns: Tensor, back: Tensor) -> None:
    """Add `m · first · b` to `total (F, N, K)`, for `m (N, b, K, H)` and `back (b, F)`.

    `columns` is the first layer's weight with its inputs along the first axis, `(F, H)`.
    """
    if columns.numel() < MANY_WEIGHTS or total.device.type != "cpu":
        total += (m @ columns.T).mul_(back[:, None]).sum(1).permute(2, 0, 1)
        return
    for each, b in zip(m.unbind(1), back, strict=True):
        there = b.nonzero()[:, 0]
        part = columns[there] @ each.flatten(0, 1).T  # (F', N K)
        total.index_add_(0, there, part.mul_(b[there, None]).view(-1, *total.shape[1:]))


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
    k, features = linears[-1].out_features, linears[0].in_features
    if len(linears) == 2:
        numbers = linears[0].out_features * (3 * n_back + 2 * features)
    else:
        numbers = k * (4 * features + linears[0].out_features) + _numbers_per_pair(linears)
    return forward.rows_per_chunk(numbers * x.element_size(), memory, cache=CACHE, least=1)


def _backgrounds_at_once(linears: list[nn.Linear], n_images: int, memory: float) -> int:
    size = linears[0].weight.element_size() * n_images * _numbers_per_pair(linears)
    return max(1, int(min(CACHE, memory * forward.MIB / 2)) // size)


def _numbers_per_pair(linears: list[nn.Linear]) -> int:
    widths = [linear.out_features for linear in linears[:-1]]
    dense = linears[0].in_features if linears[0].weight.numel() < MANY_WEIGHTS else 0
    return linears[-1].out_features * (2 * max(widths, default=0) + dense) + 3 * sum(widths)
