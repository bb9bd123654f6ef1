"""The value of a coalition."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from distill_lessons import models
from distill_lessons.exercises.dice import dice, mixed
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.nets import StillDropout
from distill_lessons.exercises.parts import Case
from distill_lessons.explain import shapley


def _images(seed: int) -> list[Case]:
    cases = []
    for shape, classes, present in (
        ((1, 1, 3), 2, [0]),
        ((2, 2, 3), 4, [1, 4, 5, 10]),
        ((2, 1, 2), 3, []),
    ):
        rng = dice(seed, classes)
        net = models.mlp(shape, classes, (8,), seed=mixed(seed)).requires_grad_(False)
        for weight in net.parameters():
            weight.mul_(3.0)  # so that the net bends between image and background
        net.insert(3, StillDropout()).eval()  # who puts it into train mode gets other logits
        image, background = torch.randn(6, *shape, generator=rng).split((1, 5))
        background[4] = background[1]  # a background may hold an image twice
        words = f"an image of shape {shape}, 5 background images, K = {classes}, present {present}"
        cases.append(Case(words, (net, image, background, torch.tensor(present).long())))
    return cases


def _asked(
    answer: Callable[..., Any], model: nn.Module, image: Tensor, background: Tensor, present: Tensor
) -> Any:
    """Return the answer, and whether the model was given images."""
    shapes = set()
    watch = model.register_forward_pre_hook(lambda _, inputs: shapes.add(inputs[0].shape[1:]))
    try:
        found = answer(model, image, background, present)
    finally:
        watch.remove()
    if found is None:
        return None
    return {"the values": found, "the model is given images": shapes <= {image.shape[1:]}}


exercise = Exercise(
    title="The value of a coalition",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=8,
    points=2,
    hints=(
        "Begin with a flat copy of the whole background, `(B, D)`, and put the present features of "
        "the image into every row.",
        "The model answers for each of the B mixtures, `(B, K)`. Which mean is over the classes, "
        "and which over the background?",
        "`z - z.mean(1, keepdim=True)` centres each mixture; the mean over axis 0 comes last.",
    ),
    cases=_images,
    ask=_asked,
    not_by=(shapley.image_game,),
)

# ==== Judging =====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake


def _mixed(image: Tensor, background: Tensor, present: Tensor) -> Tensor:
    there = torch.zeros(image[0].numel(), dtype=torch.bool, device=image.device).index_fill(
        0, present, True
    )
    return torch.where(there.view(image.shape[1:]), image, background)


def _centred(z: Tensor) -> Tensor:
    return z - z.mean(-1, keepdim=True)


def _one_by_one(model: nn.Module, image: Tensor, background: Tensor, present: Tensor) -> Tensor:
    # log-softmax is the logits minus one number per image, which centring takes away.
    values = [
        _centred(model(_mixed(image, other, present)).log_softmax(1))[0]
        for other in background.split(1)
    ]
    return sum(values, torch.zeros_like(values[0])) / len(background)


def _turned(model: nn.Module, image: Tensor, background: Tensor, present: Tensor) -> Tensor:
    absent = [f for f in range(image[0].numel()) if f not in present.tolist()]
    return _one_by_one(model, image, background, torch.tensor(absent))


judging = Judging(
    reference=_one_by_one,
    mistakes=(
        Mistake(
            "flat rows",
            lambda model, image, background, present: _centred(
                model(_mixed(image, background, present).flatten(1))
            ).mean(0),
            "Your values are right, but the model was given flat rows of pixels. It reads images, "
            "(B, C, H, W), and a convolutional net would stop here: `mixed.view_as(background)`.",
        ),
        Mistake(
            "base value subtracted",
            lambda model, image, background, present: (
                _one_by_one(model, image, background, present) - _centred(model(background)).mean(0)
            ),
            "You subtracted the base value; v(S) is the output itself.",
        ),
        Mistake(
            "absent as zero",
            lambda model, image, background, present: _one_by_one(
                model, image, torch.zeros_like(image), present
            ),
            "You put zeros where a feature is absent. It is to be taken from the background "
            "images, one after the other.",
        ),
        Mistake(
            "the mean image",
            lambda model, image, background, present: _one_by_one(
                model, image, background.mean(0, keepdim=True), present
            ),
            "You asked the model once, about the mean of the background. Ask it about every "
            "background image, and average its answers.",
        ),
        Mistake(
            "probabilities",
            lambda model, image, background, present: (
                model(_mixed(image, background, present)).softmax(1).mean(0)
            ),
            "These are probabilities; return centred logits.",
        ),
        Mistake(
            "raw logits",
            lambda model, image, background, present: model(
                _mixed(image, background, present)
            ).mean(0),
            "The logits are not centred: subtract from each the mean over the K classes.",
        ),
        Mistake(
            "centred over images",
            lambda model, image, background, present: (
                lambda z: (z - z.mean(0, keepdim=True)).mean(0)
            )(model(_mixed(image, background, present))),
            "You subtracted the mean over the background images, so nothing is left. Centring "
            "subtracts, within each image, the mean over the classes.",
        ),
        Mistake(
            "present and absent swapped",
            _turned,
            "Present and absent are swapped: the image gives the features in `present`, the "
            "background all others.",
        ),
    ),
)

# ==== Solution ====================================================================================

import numpy as np


# The model is asked about each mixture, and its answers are averaged: the answer to a mean image is
# another thing. Centring is within one image, over the classes.
def coalition_value(model, image, background, present):
    mixed = background.flatten(1).clone()
    mixed[:, present] = image.flatten()[present]
    z = model(mixed.view_as(background))
    return (z - z.mean(1, keepdim=True)).mean(0)


def value_with_numpy(model: Any, image: Any, background: Any, present: Any) -> Any:
    mixed = background.numpy().reshape(len(background), -1).copy()
    mixed[:, present.numpy()] = image.numpy().ravel()[present.numpy()]
    z = model(torch.from_numpy(mixed).view(background.shape)).numpy().astype(np.float64)
    return z.mean(0) - z.mean()


def value_in_a_loop(model: Any, image: Any, background: Any, present: Any) -> Any:
    total = 0
    for other in background.double():
        mixed = other.clone()
        for feature in present.tolist():
            mixed.view(-1)[feature] = image.view(-1)[feature]
        z = model(mixed[None].float())[0].double()
        total = total + (z - z.sum() / len(z))
    return total / len(background)


other_ways = [value_with_numpy, value_in_a_loop]


def value_of_a_game_of_two(model: Any, image: Any, background: Any, present: Any) -> Any:
    absent = np.setdiff1d(np.arange(image.numel()), present)
    game = shapley.image_game(model, image, background, [present.numpy(), absent])
    return game(torch.tensor([[True, False]]))[0, 0]


borrowed = [value_of_a_game_of_two]
