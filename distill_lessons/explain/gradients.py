"""Explanations by gradients: how the logits move when the inputs move a little, or a long way.

Every function returns the array contract of this package, `(N, *input_shape, K)`: one number per
input feature and class. The score explained is the centred logit `z_k − mean_j z_j` unless
`centre=False`. Models run in eval mode, parameters get no gradients, no global random state moves.
Knows nothing about training, or about whether an explanation is any good (see `quality`).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from distill_lessons import seeds
from distill_lessons.explain.admission import admitted, logits
from distill_lessons.explain.arrays import Array, ArrayLike, baseline_for, finite
from distill_lessons.explain.scores import (
    Classes,
    class_scores,
    gradients_of,
    in_batches,
    input_gradients,
)
from distill_lessons.settings import number, one_of, whole_number


def gradient(
    model: nn.Module,
    x: Tensor,
    *,
    classes: Classes = None,
    centre: bool = True,
    batch_size: int = 256,
) -> Array:
    """Return the gradient of each class score with respect to the input.

    It answers: which feature moves the score most *from here*. It says nothing about how much of
    the score a feature has brought about.

    Args:
        model: returns logits `(N, K)`; inputs must not influence one another in eval mode.
        x: inputs, shape `(N, *input_shape)`.
        classes: the class or classes to explain, in the order of the result; by default all K.
        centre: explain `z_k − mean_j z_j`, which is all that softmax sees, instead of `z_k`.
        batch_size: inputs run at once.

    Returns:
        Shape `(N, *input_shape, K)`, in logits per unit of input.

    Raises:
        ValueError: for unknown classes, NaN in x, or a model whose output has no gradient, or whose
            rows depend on chance or on one another.

    Source: Simonyan, Vedaldi & Zisserman (2014), Deep inside convolutional networks, section 3.
    """
    return _gradient(model, admitted(model, x), classes, centre, batch_size)


def gradient_x_input(
    model: nn.Module,
    x: Tensor,
    *,
    classes: Classes = None,
    centre: bool = True,
    batch_size: int = 256,
) -> Array:
    """Return gradient × input: the first-order change of the score if a feature went to zero.

    Arguments, result and errors as for `gradient`; the unit is logits. A feature that is zero gets
    zero whatever the model thinks of it, so the map always looks like the input.

    Source: Shrikumar et al. (2016), Not just a black box, section 2.
    """
    x = admitted(model, x)
    grads = _gradient(model, x, classes, centre, batch_size)
    return np.asarray(grads * x.cpu().numpy()[..., None])


def integrated_gradients(
    model: nn.Module,
    x: Tensor,
    *,
    baseline: Tensor | float,
    steps: int = 64,
    classes: Classes = None,
    centre: bool = True,
    batch_size: int = 256,
) -> Array:
    """Return integrated gradients: the mean gradient on the way from a baseline, times that way.

    The integral is taken by the midpoint rule. Its promise is completeness: attributions sum to
    `score(x) − score(baseline)`; `completeness_gap` says how far the rule is from it.

    Args:
        model: returns logits `(N, K)`.
        x: inputs, shape `(N, *input_shape)`.
        baseline: where the path starts: one input `(*input_shape)`, one per input, or a number.
            There is no default, because the answer depends on it.
        steps: points on the path; the cost is `steps` gradients.
        classes: see `gradient`.
        centre: see `gradient`.
        batch_size: inputs run at once.

    Returns:
        Shape `(N, *input_shape, K)`, in logits.

    Raises:
        ValueError: if the baseline does not fit x, or steps < 1; otherwise as `gradient`.

    Source: Sundararajan, Taly & Yan (2017), Axiomatic attribution for deep networks, section 3.
    """
    if whole_number("steps", steps, least=None) < 1:
        raise ValueError(f"steps={steps} leaves no point on the path; give 1 or more, such as 64.")
    x = admitted(model, x)
    origin = baseline_for(x, baseline)

    def explain(part: Tensor, start: Tensor) -> Tensor:
        total = torch.zeros((), device=part.device)
        for step in range(steps):
            point = start + (step + 0.5) / steps * (part - start)
            total = total + input_gradients(model, point, classes, centre)
        return (part - start)[..., None] * total / steps

    return in_batches(model, explain, batch_size, x, origin)


def smoothgrad(
    model: nn.Module,
    x: Tensor,
    *,
    sigma: float = 0.1,
    samples: int = 32,
    seed: int = 0,
    classes: Classes = None,
    centre: bool = True,
    batch_size: int = 256,
) -> Array:
    """Return the gradient averaged over noisy copies of each input.

    Args:
        model: returns logits `(N, K)`.
        x: inputs, shape `(N, *input_shape)`.
        sigma: standard deviation of the normal noise, in units of x.
        samples: noisy copies per input.
        seed: of the noise.
        classes: see `gradient`.
        centre: see `gradient`.
        batch_size: inputs run at once; it does not change the noise.

    Returns:
        Shape `(N, *input_shape, K)`, in logits per unit of input.

    Raises:
        ValueError: if sigma < 0 or samples < 1; otherwise as `gradient`.

    Source: Smilkov et al. (2017), SmoothGrad, section 3.
    """
    if not 0 <= number("sigma", sigma) < np.inf:
        raise ValueError(f"sigma={sigma} must be >= 0; 0.1 of the input's range is usual.")
    if whole_number("samples", samples, least=None) < 1:
        raise ValueError(f"samples={samples} leaves nothing to average; give 1 or more.")
    generator = seeds.generator(seed)  # on the CPU: the same noise on every device
    x = admitted(model, x)
    total: Array = np.zeros(())
    for _ in range(samples):
        noise = torch.randn(x.shape, generator=generator).to(x)  # alike in every precision
        total = total + _gradient(model, x + sigma * noise, classes, centre, batch_size)
    return np.asarray(total / samples)


def grad_cam(
    model: nn.Module,
    x: Tensor,
    *,
    layer: str | None = None,
    classes: Classes = None,
    centre: bool = True,
    relu: bool = True,
    batch_size: int = 256,
) -> Array:
    """Return Grad-CAM: where in the image the feature maps of a conv layer speak for a class.

    Each feature map is weighted by the mean of its gradient, the weighted maps are summed, and the
    negative part is cut off. The map has the layer's coarse resolution and is enlarged to the
    image; it does not tell colour channels apart, so every channel carries the same map.

    Args:
        model: a convolutional net that returns logits `(N, K)`.
        x: images, shape `(N, C, H, W)`.
        layer: name of the layer in `model.named_modules()`; by default the last `nn.Conv2d`.
        classes: see `gradient`.
        centre: see `gradient`.
        relu: cut off what speaks against the class, as the paper does.
        batch_size: inputs run at once.

    Returns:
        Shape `(N, C, H, W, K)`.

    Raises:
        ValueError: if there is no conv layer, the layer is unknown (the nearest name is given), or
            its output is not `(N, maps, h, w)`.

    Source: Selvaraju et al. (2017), Grad-CAM, section 3, equations 1 and 2.
    """
    if isinstance(x, Tensor) and x.ndim != 4:
        raise ValueError(f"x has shape {tuple(x.shape)}; Grad-CAM needs images (N, C, H, W).")
    x = admitted(model, x)
    modules = dict(model.named_modules())
    convs = [name for name, module in modules.items() if isinstance(module, nn.Conv2d)]
    if layer is None and not convs:
        raise ValueError(
            f"model={type(model).__name__} has no nn.Conv2d layer, so no feature maps; "
            "use integrated_gradients, or name a layer with output (N, maps, h, w)."
        )
    name = convs[-1] if layer is None else one_of("layer", layer, [m for m in modules if m])

    def explain(part: Tensor) -> Tensor:
        maps: list[Tensor] = []

        def keep(_: nn.Module, __: object, out: Tensor) -> Tensor:
            maps.append(out)
            return out.clone()  # an in-place ReLU that follows must not write into what we keep

        handle = modules[name].register_forward_hook(keep)
        try:
            scores = class_scores(model, part.clone().requires_grad_().clone(), classes, centre)
        finally:
            handle.remove()
        if not maps or maps[-1].ndim != 4:
            found = tuple(maps[-1].shape) if maps else "nothing: it is never called"
            raise ValueError(f"layer={name!r} gives {found}; Grad-CAM needs (N, maps, h, w).")
        grads = gradients_of(scores, maps[-1])  # (N, maps, h, w, K)
        weights = grads.mean((2, 3), keepdim=True)
        cam = (weights * maps[-1].detach()[..., None]).sum(1).movedim(-1, 1)  # (N, K, h, w)
        cam = cam.relu() if relu else cam
        size = (part.shape[2], part.shape[3])
        cam = nn.functional.interpolate(cam, size=size, mode="bilinear", align_corners=False)
        return cam.movedim(1, -1)[:, None].expand(*part.shape, -1)  # (N, C, H, W, K)

    return in_batches(model, explain, batch_size, x)


def completeness_gap(
    model: nn.Module,
    x: Tensor,
    attributions: ArrayLike,
    *,
    baseline: Tensor | float,
    centre: bool = True,
) -> Array:
    """Return how far attributions for all K classes are from summing to what they must explain.

    Args:
        model: returns logits `(N, K)`.
        x: inputs, shape `(N, *input_shape)`.
        attributions: shape `(N, *input_shape, K)`.
        baseline: as given to `integrated_gradients`.
        centre: as given to `integrated_gradients`.

    Returns:
        `sum of attributions − (score(x) − score(baseline))`, shape `(N, K)`, in logits. Closer to 0
        is better; 0 does not prove that the attributions are right.
    """
    given, x = finite("attributions", attributions), admitted(model, x)
    change = logits(model, x) - logits(model, baseline_for(x, baseline))  # (N, K)
    if given.shape != (*x.shape, change.shape[1]):
        raise ValueError(
            f"attributions has shape {given.shape}; "
            f"for this x and all classes it must be {(*x.shape, change.shape[1])}."
        )
    change = change - change.mean(1, keepdims=True) if centre else change
    return np.asarray(given.reshape(len(x), -1, change.shape[1]).sum(1) - change)


def _gradient(
    model: nn.Module, x: Tensor, classes: Classes, centre: bool, batch_size: int
) -> Array:
    def explain(part: Tensor) -> Tensor:
        return input_gradients(model, part, classes, centre)

    return in_batches(model, explain, batch_size, x)
