"""Inputs changed on purpose, by so little that a person would not mind: FGSM and PGD.

Each pixel may change by at most eps, and stays in the data's range. A model is any net from images
``(N, ...)`` to logits ``(N, K)``, or a `stack.Stack` of S nets, with an axis S before the others.
Inside an `objectives.Objective` an attack runs too, for adversarial training; under
`torch.func.vmap` it looks at shapes and types only, since vmap cannot branch on values.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.func import grad

from distill_lessons import evaluation, seeds
from distill_lessons.robust import checks
from distill_lessons.settings import number, one_of, whole_number
from distill_lessons.tensors import check_finite, check_numbers, check_type

LOSSES = ("cross-entropy", "margin")


def image_losses(z: Tensor, y: Tensor, *, loss: str = "cross-entropy") -> Tensor:
    """Return what an attack makes larger, one number for each image.

    Args:
        z: logits ``(..., K)``.
        y: labels ``(...)``, from 0 to K-1.
        loss: ``"cross-entropy"``, the logarithm of which vanishes with its gradient where a model
            is very sure; or ``"margin"``, the largest wrong logit minus the right one, which is
            above 0 where the model errs, and whose gradient does not depend on how sure it is.

    Raises:
        TypeError: if a tensor is none.
        ValueError: if shapes do not fit, a label is no class, a logit is not finite, or the loss is
            unknown.

    Source: for the margin Carlini and Wagner (2017), arXiv:1608.04644, section V-A, f6.

    >>> image_losses(torch.tensor([[3.0, 1.0, 2.5]]), torch.tensor([0]), loss="margin").item()
    -0.5
    """
    one_of("loss", loss, LOSSES)
    check_numbers("z", z)
    if z.ndim < 2 or z.shape[-1] < 2 or not z.is_floating_point():
        raise ValueError(
            f"z has shape {tuple(z.shape)} and type {z.dtype}; logits are floats (N, K), K >= 2."
        )
    checks.check_labels("z", z.shape, y, axes=z.ndim - 1)
    if y.numel() == 0:
        raise ValueError(f"z has shape {tuple(z.shape)}; give the logits of at least one image.")
    if checks.seen(z, y):
        check_finite("z", z.flatten(0, -2), "row")
        checks.check_classes(y, z.shape[-1])
    return _losses(z, y, loss)


def _losses(z: Tensor, y: Tensor, loss: str) -> Tensor:
    """Return the loss of each image; checks nothing."""
    right = y[..., None]
    if loss == "cross-entropy":
        return -z.log_softmax(-1).gather(-1, right)[..., 0]
    others = z.scatter(-1, right, -math.inf)
    return others.amax(-1) - z.gather(-1, right)[..., 0]


def slope(model: nn.Module, x: Tensor, y: Tensor, *, loss: str = "cross-entropy") -> Tensor:
    """Return how each image's own loss changes with its pixels, shaped like x.

    Args:
        model: a net in whatever mode; it runs in eval mode and is left as it was.
        x: images ``(N, ...)``, for a stack ``(S, N, ...)``.
        y: labels ``(N,)`` or ``(S, N)``.
        loss: see `image_losses`.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if they do not fit.
    """
    one_of("loss", loss, LOSSES)
    x = checks.inputs(model, x, y)
    with evaluation.evaluating(model):
        return _slope(model, x, y, loss)


def _slope(model: nn.Module, x: Tensor, y: Tensor, loss: str) -> Tensor:
    def total(x: Tensor) -> Tensor:  # no image enters another's loss, so the sum's slope is each's
        with evaluation.refusing(x):
            z = model(x.clone())  # a net that works on its input in place would change the image
        check_type("what the model returns", z, Tensor, "logits, a tensor (N, K)")
        if z.shape[:-1] != y.shape:
            raise ValueError(
                f"the model returns shape {tuple(z.shape)} for labels of shape {tuple(y.shape)}; "
                "logits need (N, K), one row for each."
            )
        if checks.seen(x, y):
            check_finite("the model's answer", z, "image")
            checks.check_classes(y, z.shape[-1])
        return _losses(z, y, loss).sum()

    with torch.no_grad():  # of what is outside: an attack's own way needs no gradient
        found: Tensor = grad(total)(x)
    return found


def fgsm(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    loss: str = "cross-entropy",
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Tensor:
    """Return images one step away: every pixel moves by eps to the side where the loss rises.

    Args:
        model: see `slope`.
        x: images ``(N, ...)``, for a stack ``(S, N, ...)``.
        y: labels ``(N,)`` or ``(S, N)``; for images without a label what the model says of them.
        eps: the furthest that a pixel may move, not negative.
        loss: see `image_losses`.
        bounds: the data's range, in which every pixel stays.

    Returns:
        The changed images, shaped like x, in the precision of the model.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if `eps` is negative, an image is not finite or outside the bounds, or parts do
            not fit.

    Source: Goodfellow, Shlens and Szegedy (2015), arXiv:1412.6572, section 4.
    """
    return pgd(model, x, y, eps=eps, steps=1, step_size=checks.width(eps), loss=loss, bounds=bounds)


def pgd(
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    eps: float,
    steps: int = 10,
    step_size: float | None = None,
    loss: str = "cross-entropy",
    start: Tensor | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    batch_size: int = 4096,
) -> Tensor:
    """Return images after several steps uphill, each followed by the way back into the ball.

    Args:
        model: see `slope`.
        x: images ``(N, ...)``, for a stack ``(S, N, ...)``.
        y: labels ``(N,)`` or ``(S, N)``; for images without a label what the model says of them.
        eps: the furthest that a pixel may be from where it was, not negative.
        steps: how many, at least 1.
        step_size: how far each step moves a pixel; by default ``2.5 * eps / steps``, so that a
            pixel can cross the ball and come back.
        loss: see `image_losses`.
        start: what is added before the first step, shaped like x, such as a `random_start`; by
            default nothing.
        bounds: the data's range, in which every pixel stays.
        batch_size: how many images go through at once, over all nets; bounds the memory.

    Returns:
        The images after the last step, shaped like x, in the precision of the model.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if a number is out of range, an image is not finite or outside the bounds, or
            parts do not fit.

    Source: Madry et al. (2018), arXiv:1706.06083, section 2.1; the default step from their code.
    """
    eps, steps = checks.width(eps), whole_number("steps", steps)
    batch_size = whole_number("batch_size", batch_size)
    far = 2.5 * eps / steps if step_size is None else number("step_size", step_size)
    if step_size is not None and not (0 < far < math.inf or far == eps == 0):
        raise ValueError(f"step_size={step_size} must be a positive number, such as eps / 4.")
    one_of("loss", loss, LOSSES)
    x = checks.inputs(model, x, y)
    low, high = checks.interval(bounds)
    if checks.seen(x) and not (low <= x.min().item() and x.max().item() <= high):
        raise ValueError(
            f"x goes from {x.min().item():.3g} to {x.max().item():.3g}, outside bounds={bounds}; "
            "give the range of your data."
        )
    if start is not None:
        check_numbers("start", start)
        if start.shape != x.shape or not start.is_floating_point():
            raise ValueError(
                f"start has shape {tuple(start.shape)} and type {start.dtype} for x of "
                f"{tuple(x.shape)}; give a float for each pixel, such as random_start(x, eps, "
                "seed=0)."
            )
        if checks.seen(start):
            check_finite("start", start, "image")
    axis = y.ndim - 1
    size = max(1, batch_size // max(1, math.prod(y.shape[:-1])))
    found = []
    with evaluation.evaluating(model):
        for first in range(0, y.shape[axis], size):
            part = (slice(None),) * axis + (slice(first, first + size),)
            clean, labels = x[part].detach(), y[part]
            at = clean if start is None else clean + start[part].to(x.dtype)
            at = _back(at, clean, eps, (low, high))
            for _ in range(steps):
                at = at + far * _slope(model, at, labels, loss).sign()
                at = _back(at, clean, eps, (low, high))
            found.append(at)
    return torch.cat(found, axis)


def into_ball(
    changed: Tensor, x: Tensor, eps: float, bounds: tuple[float, float] = (0.0, 1.0)
) -> Tensor:
    """Return the nearest images that are at most eps from x, pixel by pixel, and in the range.

    Args:
        changed: images that may be too far away.
        x: the images that they come from, of the same shape, in the range.
        eps: the furthest that a pixel may be from where it was.
        bounds: the data's range.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if shapes differ, or a number is out of range.

    >>> into_ball(torch.tensor([0.9, 0.2, 0.5]), torch.tensor([0.5, 0.1, 0.5]), 0.25)
    tensor([0.7500, 0.2000, 0.5000])
    """
    eps, bounds = checks.width(eps), checks.interval(bounds)
    for name, images in (("changed", changed), ("x", x)):
        check_numbers(name, images)
        if checks.seen(images):
            check_finite(name, images, "image")
    if changed.shape != x.shape:
        raise ValueError(
            f"changed has shape {tuple(changed.shape)} but x has {tuple(x.shape)}; give both for "
            "the same images."
        )
    return _back(changed, x, eps, bounds)


def _back(changed: Tensor, x: Tensor, eps: float, bounds: tuple[float, float]) -> Tensor:
    return torch.minimum(torch.maximum(changed, x - eps), x + eps).clamp(*bounds)


def random_start(x: Tensor, eps: float, *, seed: int) -> Tensor:
    """Return uniform numbers from -eps to eps, shaped like x: where PGD may start.

    The control of an attack, as large and without aim, is ``eps`` times their signs: they
    themselves are half as large on average.

    Raises:
        TypeError: if x is no tensor, or a number is not one.
        ValueError: if `eps` is negative or not finite.
    """
    check_numbers("x", x)
    if not x.is_floating_point():
        raise ValueError(f"x has type {x.dtype}, in which no small step is possible; use floats.")
    eps = checks.width(eps)
    return (eps * (2 * torch.rand(x.shape, generator=seeds.generator(seed)) - 1)).to(x)
