"""Objectives that look at a student's slopes, the derivatives of its answer for the input.

A slope is an explanation, and here it is trained: to point where the teacher's does, or to vanish
where it should not be. Both need the gradient of a gradient, which torch takes by itself. All runs
under `torch.func.vmap`, so that many students learn side by side. Knows nothing about the loop.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import grad
from torch.nn import functional as F

from distill_lessons import evaluation
from distill_lessons.objectives import Batch, Objective
from distill_lessons.robust.checks import seen
from distill_lessons.settings import number
from distill_lessons.tensors import check_finite, check_numbers, check_type, class_labels

SMALL = 1e-12  # added to squared lengths: a student may be flat somewhere


def class_slopes(model: nn.Module, x: Tensor, classes: Tensor) -> Tensor:
    """Return how each image's centred logit of one class changes with its pixels.

    Args:
        model: returns logits ``(N, K)``; its mode is left as it is.
        x: images ``(N, ...)``.
        classes: whose logit, one for each image, ``(N,)``, int64.

    Returns:
        Shaped like x, in logits per unit of input; it can be differentiated for the weights.

    Raises:
        TypeError: if an argument is no tensor, or the model no module.
        ValueError: if `classes` does not fit the images and the logits.
    """
    x = _images(model, x)
    check_numbers("classes", classes)
    if classes.dtype != torch.int64 or classes.shape != x.shape[:1]:
        raise ValueError(
            f"classes has shape {tuple(classes.shape)} and type {classes.dtype} for {len(x)} "
            "images; give one class for each, int64."
        )

    def total(x: Tensor) -> Tensor:
        z = _logits(model, x)
        if seen(classes) and not 0 <= int(classes.min()) <= int(classes.max()) < z.shape[1]:
            raise ValueError(
                f"classes go from {int(classes.min())} to {int(classes.max())}; the model has "
                f"{z.shape[1]}, from 0 on."
            )
        return (z.gather(1, classes[:, None])[:, 0] - z.mean(1)).sum()

    return _slopes(total, x)


def all_class_slopes(model: nn.Module, x: Tensor) -> Tensor:
    """Return how the sum of each image's log-probabilities of all classes changes with its pixels.

    Args:
        model: returns logits ``(N, K)``; its mode is left as it is.
        x: images ``(N, ...)``.

    Returns:
        Shaped like x; it can be differentiated for the weights.

    Raises:
        TypeError: if an argument is no tensor, or the model no module.
        ValueError: if the model does not take the images.

    Source: Ross, Hughes and Doshi-Velez (2017), arXiv:1703.03717, equation 1.
    """
    return _slopes(lambda x: _logits(model, x).log_softmax(1).sum(), _images(model, x))


def _slopes(total: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    found: Tensor = grad(total)(x)  # no image enters another's score: the sum's slope is each's own
    return found


def _images(model: nn.Module, x: Tensor) -> Tensor:
    check_type("model", model, nn.Module, "a torch.nn.Module, such as models.mlp(...)")
    check_numbers("x", x)
    if x.ndim < 2 or len(x) == 0 or not x.is_floating_point():
        raise ValueError(
            f"x has shape {tuple(x.shape)} and type {x.dtype}; give images as floats, (N, ...)."
        )
    if seen(x):
        check_finite("x", x, "image")
    return evaluation.as_input(model, x)


def _logits(model: nn.Module, x: Tensor) -> Tensor:
    with evaluation.refusing(x):
        z = model(x.clone())
    if not isinstance(z, Tensor) or z.ndim != 2 or len(z) != len(x):
        what = f"shape {tuple(z.shape)}" if isinstance(z, Tensor) else type(z).__name__
        raise ValueError(f"the model returns {what} for {len(x)} images; it must give (N, K).")
    return z


def gaps(slopes: Tensor, wanted: Tensor) -> Tensor:
    """Return 1 minus the cosine of two slopes for each image, ``(N,)``: 0 where they agree.

    Args:
        slopes: of a student, ``(N, ...)``.
        wanted: of a teacher, of the same shape.

    Raises:
        TypeError: if one is no tensor.
        ValueError: if the shapes differ.

    Source: Srinivas and Fleuret (2018), arXiv:1803.00443, who match squared differences of slopes
        of length one: up to a factor of two the same.

    >>> gaps(torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]]))
    tensor([0.0400])
    """
    for name, of in (("slopes", slopes), ("wanted", wanted)):
        check_numbers(name, of)
    if slopes.shape != wanted.shape or slopes.ndim < 2 or slopes.numel() == 0:
        raise ValueError(
            f"slopes has shape {tuple(slopes.shape)} but wanted has {tuple(wanted.shape)}; give "
            "both for the same images, (N, ...)."
        )
    a, b = slopes.flatten(1), wanted.flatten(1).to(slopes)
    lengths = ((a * a).sum(1) + SMALL).sqrt() * ((b * b).sum(1) + SMALL).sqrt()
    return 1 - (a * b).sum(1) / lengths


def like_teacher(z: Tensor, slopes: Tensor, *, weight: float | Tensor, T: float = 4.0) -> Objective:
    """Return the objective of soft targets plus slopes that point where the teacher's do.

    Args:
        z: the teacher's logits for the split, ``(N, K)``.
        slopes: the teacher's `class_slopes` there, each of its predicted class, ``(N, ...)``.
        weight: of the `gaps` of slopes, not negative: one for all images, or ``(N,)``.
        T: temperature of the soft targets.

    Returns:
        A function of a model and a batch, for `training.fit` and `fast.stacking.fit_many`.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if shapes do not fit, or a number is out of range.
    """
    T = number("T", T)
    if not 0 < T < math.inf:
        raise ValueError(f"T={T} must be a positive number, such as 4.0.")
    for name, table in (("z", z), ("slopes", slopes)):
        check_numbers(name, table)
        check_finite(name, table, "image")
    fits = z.ndim == 2 <= slopes.ndim and len(z) == len(slopes) and z.shape[1] > 1
    if not (fits and z.is_floating_point() and slopes.is_floating_point()):
        raise ValueError(
            f"z has shape {tuple(z.shape)} and type {z.dtype}, slopes {tuple(slopes.shape)}; give "
            "floats (N, K) and (N, ...) for the same images."
        )
    p, predicted, weights = (z / T).softmax(1), z.argmax(1), _weights(weight, z)

    def objective(model: nn.Module, batch: Batch) -> Tensor:
        soft = F.cross_entropy(_logits(model, batch.x) / T, p[batch.index])
        found = class_slopes(model, batch.x, predicted[batch.index])
        apart = gaps(found, slopes[batch.index])
        return T**2 * soft + (_each(weights, batch) * apart).mean()

    return objective


def right_reasons(mask: Tensor, *, weight: float | Tensor) -> Objective:
    """Return the objective of labels plus a penalty on slopes where there must be no reason.

    Args:
        mask: true for pixels that must not matter, shaped like one image.
        weight: of the penalty, the sum of squared `all_class_slopes` there, averaged over images;
            one for all of them, or one for each image of the split, ``(N,)``.

    Returns:
        A function of a model and a batch, for `training.fit` and `fast.stacking.fit_many`.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if the mask marks nothing or does not fit the images, or the weight is negative.

    Source: Ross, Hughes and Doshi-Velez (2017), arXiv:1703.03717, equation 1.
    """
    check_numbers("mask", mask)
    weights = _weights(weight, mask)
    if mask.dtype != torch.bool or mask.ndim < 1 or not bool(mask.any()):
        raise ValueError(
            f"mask has type {mask.dtype} and marks {int((mask != 0).sum())} pixels; give true or "
            "false for each, at least one of them true."
        )

    def objective(model: nn.Module, batch: Batch) -> Tensor:
        if batch.x.shape[1:] != mask.shape:
            raise ValueError(
                f"mask has shape {tuple(mask.shape)} for images of {tuple(batch.x.shape[1:])}; "
                "give one true or false for each number of an image."
            )
        slopes = all_class_slopes(model, batch.x) * mask
        penalties = slopes.square().flatten(1).sum(1)
        y = class_labels("batch.y", batch.y)
        return (
            F.cross_entropy(_logits(model, batch.x), y) + (_each(weights, batch) * penalties).mean()
        )

    return objective


def _weights(weight: float | Tensor, like: Tensor) -> Tensor:
    """Return weights as a tensor without axes, or ``(N,)``, on the device of `like`."""
    if not isinstance(weight, Tensor):
        weight = torch.tensor(number("weight", weight))
    check_numbers("weight", weight)
    weights = weight.detach().to(like.device, torch.float32)
    if weights.ndim > 1 or weights.numel() == 0:
        raise ValueError(f"weight has shape {tuple(weights.shape)}; give one number, or (N,).")
    if not bool(weights.isfinite().all()) or float(weights.min()) < 0:
        raise ValueError(f"weight={weight}: weights must be numbers that are not negative.")
    return weights


def _each(weights: Tensor, batch: Batch) -> Tensor:
    return weights[batch.index] if weights.ndim else weights
