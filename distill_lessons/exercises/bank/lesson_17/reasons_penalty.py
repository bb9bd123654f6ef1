"""Find the bug: the penalty that punishes nobody."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from distill_lessons import models
from distill_lessons.exercises.dice import dice, mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.uses import reasons


def _layers(n_features: int, n_hidden: int, n_classes: int) -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(n_features, n_hidden), nn.Tanh(), nn.Linear(n_hidden, n_classes)
    )


def _nets(seed: int) -> list[Case]:
    cases = []
    for n, n_classes in ((3, 3), (5, 4)):
        net = models.seeded(partial(_layers, 6, 5, n_classes), mixed(seed, n))
        rng = dice(seed, n)
        x = torch.rand(n, 1, 2, 3, generator=rng)
        mask = torch.zeros(1, 2, 3, dtype=torch.bool)
        mask[0, 1, : n_classes - 2] = True
        words = f"{n} images of 2×3 pixels, {n_classes - 2} of them marked, {n_classes} classes"
        cases.append(Case(words, (net, x, mask)))
    return cases


def _with_what_is_learned(
    answer: Callable[..., Any], net: nn.Module, x: Tensor, mask: Tensor
) -> dict[str, Any] | None:
    weight = next(net.parameters())
    with torch.enable_grad():
        value = answer(net, x, mask)
        if value is None:
            return None
        slope = torch.zeros_like(weight)
        if isinstance(value, Tensor) and value.requires_grad:
            (found,) = torch.autograd.grad(value.sum(), weight, allow_unused=True)
            slope = slope if found is None else found
    return {
        "the penalty": value.detach() if isinstance(value, Tensor) else value,
        "what the first layer learns from it": slope,
    }


exercise = Exercise(
    title="Find the bug: the penalty that punishes nobody",
    kind="bug",
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "The number is right. What does a training step do with it? Ask `penalty.requires_grad`.",
        "The penalty is made of a gradient, and training takes the gradient of *that*. Torch "
        "throws away the way back unless it is told to keep it.",
        "`torch.autograd.grad` has an argument for it: `create_graph`.",
    ),
    not_by=(reasons.right_reasons, reasons.all_class_slopes),
    cases=_nets,
    ask=_with_what_is_learned,
    given='''def reasons_penalty(net, x, mask):
    """x (N, C, H, W); mask (C, H, W), true where there must be no reason. Returns one number."""
    x = x.clone().requires_grad_()
    score = net(x).log_softmax(dim=1).sum()
    slope = torch.autograd.grad(score, x)[0]
    return (slope * mask).square().flatten(1).sum(dim=1).mean()
''',
)

# ==== Judging =====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake


def _penalty(
    score: Callable[[Tensor], Tensor] = lambda z: z.log_softmax(1).sum(),
    size: Callable[[Tensor, Tensor], Tensor] = lambda slope, mask: (
        (slope * mask).square().flatten(1).sum(1).mean()
    ),
    *,
    kept: bool = True,
) -> Callable[[nn.Module, Tensor, Tensor], Tensor]:
    """Return a penalty, with room for mistakes."""

    def penalty(net: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
        leaf = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(score(net(leaf)), leaf, create_graph=kept)
        return size(slope, mask)

    return penalty


def _by_package(net: nn.Module, x: Tensor, mask: Tensor) -> Tensor:
    slopes = reasons.all_class_slopes(net, x) * mask
    return slopes.square().flatten(1).sum(1).mean()


judging = Judging(
    reference=_by_package,
    mistakes=(
        Mistake(
            "as given",
            _penalty(kept=False),
            "The number is right, and no gradient finds its way from it to the weights.",
            given=True,
        ),
        Mistake(
            "mask turned",
            _penalty(size=lambda s, mask: (s * ~mask).square().flatten(1).sum(1).mean()),
            "This punishes reasons everywhere *but* in the mask.",
        ),
        Mistake(
            "everywhere",
            _penalty(size=lambda s, mask: s.square().flatten(1).sum(1).mean()),
            "This punishes every reason there is. Only those in the mask must go.",
        ),
        Mistake(
            "images cancel",
            _penalty(size=lambda s, mask: (s.mean(0) * mask).square().sum()),
            "You average slopes over the images before you square: plus and minus cancel.",
        ),
        Mistake(
            "not squared",
            _penalty(size=lambda s, mask: (s * mask).flatten(1).sum(1).mean()),
            "Without the square a negative slope is rewarded.",
        ),
        Mistake(
            "logits",
            _penalty(score=lambda z: z.sum()),
            "The score has become a sum of logits. It is one of log-probabilities.",
        ),
        Mistake(
            "mean over the pixels",
            _penalty(size=lambda s, mask: (s * mask).square().mean()),
            "You take the mean over the pixels. The penalty is a sum over pixels, averaged over "
            "images.",
        ),
        Mistake(
            "zero",
            lambda net, x, mask: 0.0 * net(x).sum(),
            "This is always zero.",
        ),
    ),
)

# ==== Solution ====================================================================================


# The penalty is a gradient, and training needs the gradient of it: torch has to keep the way back.
def reasons_penalty(net, x, mask):
    x = x.clone().requires_grad_()
    score = net(x).log_softmax(dim=1).sum()
    slope = torch.autograd.grad(score, x, create_graph=True)[0]
    return (slope * mask).square().flatten(1).sum(dim=1).mean()


def by_func(net, x, mask):
    def score(x):
        return net(x).log_softmax(dim=1).sum()

    return (torch.func.grad(score)(x) * mask).pow(2).sum() / len(x)


def picked_by_mask(net, x, mask):
    leaf = x.detach().clone().requires_grad_(True)
    total = torch.log_softmax(net(leaf), dim=1).sum()
    (slope,) = torch.autograd.grad(total, [leaf], create_graph=True)
    return (slope[:, mask] ** 2).sum(dim=1).mean()


other_ways = [by_func, picked_by_mask]

borrowed = [
    lambda net, x, mask: (
        (reasons.all_class_slopes(net, x) * mask).square().flatten(1).sum(1).mean()
    ),
]
