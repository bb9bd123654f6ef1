"""The loop, with another loss."""

from __future__ import annotations

import torch

from distill_lessons.exercises.bank.lesson_05.common import by_hand, tiny_images, tiny_net, watched
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _labelled(seed: int) -> list[Case]:
    rng = dice(seed)
    x = torch.randn(6, 2, 2, 3, generator=rng)
    y = torch.randint(3, (6,), generator=rng)
    return [
        Case(
            "the four images worked by hand, order [2, 1, 0, 3]",
            (by_hand(), *tiny_images(), torch.tensor([2, 1, 0, 3])),
        ),
        Case(
            "6 images of shape (2, 2, 3), 3 classes",
            (tiny_net((2, 2, 3), 3, seed), x, y, torch.tensor([4, 0, 5, 1, 3, 2])),
        ),
    ]


exercise = Exercise(
    title="The loop, with another loss",
    kind="code",
    difficulty="medium",
    importance="high",
    minutes=8,
    points=2,
    hints=(
        "The loss before the shuffle needs the model, the images and the labels, and no loop.",
        "The line that fills `rises` computes the loss afterwards. What has to be in its place for "
        "the loss before? The labels stay with their images in both.",
        "`order` says for each image which image to take from, as in exercise 1. So `order` picks "
        "rows; which column do you need?",
    ),
    cases=_labelled,
    ask=watched,
    # No `not_by`: `permutation_importance` draws its own orders, and nothing takes one.
)

# ==== Judging =====================================================================================

from torch import Tensor, nn

from distill_lessons.exercises.bank.lesson_05.common import FLAT, flat
from distill_lessons.exercises.parts import Judging, Mistake


def _lost(z: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy of each image, shape of `y`."""
    return z.logsumexp(-1) - z.gather(-1, y[..., None])[..., 0]


def _all_mixtures(x: Tensor, order: Tensor) -> Tensor:
    """Every feature taken from `x[order]` in turn, shape `(features, N, C, H, W)`."""
    flat = x.flatten(1)
    features = torch.arange(flat.shape[1], device=x.device)
    mixed = flat.expand(len(features), *flat.shape).clone()
    mixed[features, :, features] = flat[order].T
    return mixed.view(-1, *x.shape)


def _rises(model: nn.Module, x: Tensor, y: Tensor, order: Tensor) -> Tensor:
    mixed = _all_mixtures(x, order)
    z = model(mixed.flatten(0, 1)).view(*mixed.shape[:2], -1)
    return _lost(z, y.expand(z.shape[:2])).mean(1) - _lost(model(x), y).mean()


def _never_fresh(model: nn.Module, x: Tensor, y: Tensor, order: Tensor) -> Tensor:
    dirty, found = x.flatten(1).clone(), []
    for column, values in zip(dirty.T, x.flatten(1)[order].T, strict=True):
        column.copy_(values)
        found.append(_lost(model(dirty.view(x.shape)), y).mean() - _lost(model(x), y).mean())
    return torch.stack(found)


def _labels_too(model: nn.Module, x: Tensor, y: Tensor, order: Tensor) -> Tensor:
    z = torch.stack([model(part) for part in _all_mixtures(x, order)])
    return _lost(z, y[order].expand(z.shape[:2])).mean(1) - _lost(model(x), y).mean()


def _of_softmax(model: nn.Module, x: Tensor, y: Tensor, order: Tensor) -> Tensor:
    return _rises(lambda images: model(images).softmax(-1), x, y, order)  # type: ignore[arg-type]


judging = Judging(
    reference=_rises,
    mistakes=(
        Mistake("flat rows", flat(_rises), FLAT),
        Mistake(
            "before minus after",
            lambda *given: -_rises(*given),
            "The sign is flipped: the importance is how much the loss rises.",
        ),
        Mistake(
            "never fresh",
            _never_fresh,
            "The features shuffled earlier are still shuffled. Each feature starts from fresh "
            "images.",
        ),
        Mistake(
            "labels shuffled too",
            _labels_too,
            "The labels went along with the shuffle. Only one feature may move: then even a pixel "
            "that nobody uses must have importance 0.",
        ),
        Mistake(
            "sum over images",
            lambda model, x, *given: len(x) * _rises(model, x, *given),
            "This is the sum over the images; take their mean.",
        ),
        Mistake(
            "without subtracting",
            lambda model, x, y, order: _rises(model, x, y, order) + _lost(model(x), y).mean(),
            "This is the loss after the shuffle. How large was it before?",
        ),
        Mistake(
            "cross-entropy of probabilities",
            _of_softmax,
            "The cross-entropy of torch takes logits; a softmax before it is one too many.",
        ),
    ),
)

# ==== Solution ====================================================================================

from typing import Any

import numpy as np
from torch.nn import functional as F


# Every feature starts from fresh images, and the labels stay where they are.
def loss_rises(model, x, y, order):
    before = nn.functional.cross_entropy(model(x), y)
    rises = []
    for j in range(x[0].numel()):
        mixed = x.flatten(1).clone()
        mixed[:, j] = mixed[order, j]
        after = nn.functional.cross_entropy(model(mixed.view_as(x)), y)
        rises.append(after - before)
    return torch.stack(rises)


def rises_with_numpy(model: Any, x: Any, y: Any, order: Any) -> Any:
    def loss(flat: np.ndarray) -> float:
        z = model(torch.from_numpy(flat).float().view_as(x)).numpy().astype(np.float64)
        q = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        return float(-np.log(q[np.arange(len(y)), y]).mean())

    flat = x.flatten(1).numpy()
    found = []
    for j in range(flat.shape[1]):
        mixed = flat.copy()
        mixed[:, j] = flat[order.numpy(), j]
        found.append(loss(mixed) - loss(flat))
    return np.array(found)


def rises_image_by_image(model: Any, x: Any, y: Any, order: Any) -> list[float]:
    found = []
    for j in range(x[0].numel()):
        total = 0.0
        for i in range(len(x)):
            image = x[i : i + 1].clone()
            image.view(-1)[j] = x[order[i]].flatten()[j]
            total += F.cross_entropy(model(image), y[i : i + 1]).item()
            total -= F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]).item()
        found.append(total / len(x))
    return found


other_ways = [rises_with_numpy, rises_image_by_image]
