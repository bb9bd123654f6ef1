"""One step against a net."""

from __future__ import annotations

from functools import partial

import torch
from torch import nn

from distill_lessons import models
from distill_lessons.exercises.dice import dice, mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case
from distill_lessons.robust import attacks


def _layers(n_pixels: int, width: int, n_classes: int) -> nn.Sequential:
    layers = nn.Linear(n_pixels, width), nn.Tanh(), nn.Linear(width, n_classes)
    return nn.Sequential(nn.Flatten(), *layers)


def _nets(seed: int) -> list[Case]:
    last = nn.Linear(4, 2, bias=False)
    by_hand = nn.Sequential(nn.Flatten(), last)
    with torch.no_grad():
        last.weight[:] = torch.tensor([[1.0, -2.0, 1.0, 0.0], [3.0, -3.0, 1.5, 0.0]])
    x = torch.tensor([[[[0.5, 0.5, 0.95, 0.5]]]])
    words = (
        "two classes with weights (1, −2, 1, 0) and (3, −3, 1.5, 0), x = (0.5, 0.5, 0.95, 0.5), "
        "which is of the first, eps = 0.1"
    )
    cases = [Case(words, (by_hand, x, torch.tensor([0]), 0.1))]
    for n, n_classes, eps in ((4, 3, 0.05), (6, 4, 0.3)):
        net = models.seeded(partial(_layers, 6, 5, n_classes), mixed(seed, n))
        rng = dice(seed, n)
        images = torch.rand(n, 1, 2, 3, generator=rng)
        labels = torch.randint(n_classes, (n,), generator=rng)
        words = f"{n} images of 2×3 pixels, {n_classes} classes, eps = {eps}"
        cases.append(Case(words, (net, images, labels, eps)))
    return cases


exercise = Exercise(
    title="One step against a net",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "`torch.autograd.grad(loss, x)` returns a tuple with one entry, the derivative for each "
        "pixel: `(slope,) = ...` or `...[0]`.",
        "Of the slope only the side counts: `slope.sign()` is +1, −1 or 0.",
    ),
    not_by=(attacks.fgsm, attacks.pgd, attacks.slope),
    cases=_nets,
)

# ==== Judging =====================================================================================

from collections.abc import Callable

from torch import Tensor

from distill_lessons.exercises.parts import Judging, Mistake


def _moved(
    step: Callable[[Tensor, float], Tensor] = lambda slope, eps: eps * slope.sign(),
    cut: Callable[[Tensor], Tensor] = lambda x: x.clamp(0, 1),
) -> Callable[[nn.Module, Tensor, Tensor, float], Tensor]:
    """Return an attack of one step, with room for mistakes; image by image."""

    def attack(model: nn.Module, x: Tensor, y: Tensor, eps: float) -> Tensor:
        found = []
        for image, label in zip(x, y, strict=True):
            leaf = image[None].clone().requires_grad_()
            with torch.enable_grad():
                loss = -model(leaf).log_softmax(1)[0, label]
            (slope,) = torch.autograd.grad(loss, leaf)
            found.append(cut(leaf.detach() + step(slope, eps)))
        return torch.cat(found)

    return attack


judging = Judging(
    reference=lambda model, x, y, eps: attacks.fgsm(model, x, y, eps=eps),
    mistakes=(
        Mistake(
            "downhill",
            _moved(lambda slope, eps: -eps * slope.sign()),
            "You go downhill: these images are *easier* for the net. The loss has to rise.",
        ),
        Mistake(
            "the slope itself",
            _moved(lambda slope, eps: eps * slope),
            "You step by the slope itself, so most pixels hardly move. Each may move by eps: only "
            "the sign of its slope counts.",
        ),
        Mistake(
            "slope of length one",
            _moved(lambda slope, eps: eps * slope / slope.norm()),
            "You divide the slope by its length: then the whole image moves by eps. Here each "
            "*pixel* may.",
        ),
        Mistake(
            "the largest pixel moves by eps",
            _moved(lambda slope, eps: eps * slope / slope.abs().max()),
            "You scale the slope so that its largest entry becomes eps. All pixels may move by as "
            "much.",
        ),
        Mistake(
            "one pixel",
            _moved(lambda slope, eps: eps * slope.sign() * (slope.abs() == slope.abs().max())),
            "You move the pixel with the largest slope only. All may move.",
        ),
        Mistake(
            "all brighter",
            _moved(lambda slope, eps: eps * slope.abs().sign()),
            "You make every pixel brighter. Some have to become darker for the loss to rise.",
        ),
        Mistake(
            "pixels that do not matter",
            _moved(lambda slope, eps: eps * torch.where(slope >= 0, 1.0, -1.0)),
            "You move pixels whose slope is 0. The net does not look at them, and sign(0) is 0.",
        ),
        Mistake(
            "not scaled",
            _moved(lambda slope, eps: slope.sign()),
            "The step is as large as the whole range. Pixels may move by eps.",
        ),
        Mistake(
            "out of the range",
            _moved(cut=lambda x: x),
            "Some pixels have left [0, 1]: nobody could show such an image.",
        ),
        Mistake(
            "nothing moved",
            lambda model, x, y, eps: x.clone(),
            "These are the images as they were.",
        ),
    ),
)

# ==== Solution ====================================================================================


# How the loss changes with each pixel; then each goes by eps to the side where the loss rises.
def fgsm_step(model, x, y, eps):
    x = x.clone().requires_grad_()
    loss = torch.nn.functional.cross_entropy(model(x), y, reduction="sum")
    slope = torch.autograd.grad(loss, x)[0]
    step = eps * slope.sign()
    return (x + step).clamp(0, 1).detach()


def by_backward(model, x, y, eps):
    leaf = x.detach().clone()
    leaf.requires_grad_(True)
    torch.nn.functional.cross_entropy(model(leaf), y).backward()
    way = (leaf.grad > 0).float() - (leaf.grad < 0).float()
    return (leaf.data + eps * way).clip(0, 1).numpy()


def by_func(model, x, y, eps):
    def loss(one, label):
        return torch.nn.functional.cross_entropy(model(one[None]), label[None])

    slopes = torch.func.vmap(torch.func.grad(loss))(x, y)
    return torch.clamp(x + slopes.sign() * eps, min=0, max=1)


other_ways = [by_backward, by_func]

borrowed = [
    lambda model, x, y, eps: attacks.fgsm(model, x, y, eps=eps),
    lambda model, x, y, eps: attacks.pgd(model, x, y, eps=eps, steps=1),
]
