"""Without any dice."""

from __future__ import annotations

import torch

from distill_lessons.exercises.bank.lesson_05.common import by_hand, tiny_images, tiny_net, watched
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.parts import Case


def _few_images(seed: int) -> list[Case]:
    rng = dice(seed)
    rare = torch.tensor([[0.0, 1], [0, 0], [0, 1], [1, 0]]).view(4, 1, 1, 2)
    net, x = tiny_net((2, 2, 3), 3, seed), 2 * torch.randn(12, 2, 2, 3, generator=rng)
    y = net(x).argmax(1)
    y[:3] = (y[:3] + 1) % 3  # wrong answers, so that the accuracy before is not 1
    every = [
        Case("the four images worked by hand, j = 0", (by_hand(), *tiny_images(), 0)),
        Case(
            "four images of which only the last one has pixel 0 lit, j = 0",
            (by_hand(), rare, torch.tensor([0, 0, 0, 1]), 0),
        ),
        Case(
            "the four images worked by hand with the wrong labels, j = 0",
            (by_hand(), tiny_images()[0], 1 - tiny_images()[1], 0),
        ),
    ]
    return every + [
        Case(f"12 images of shape (2, 2, 3), 3 classes, j = {j}", (net, x, y, j))
        for j in (1, 5, 6, 10)
    ]


exercise = Exercise(
    title="Without any dice",
    kind="code",
    difficulty="hard",
    importance="medium",
    minutes=10,
    points=3,
    hints=(
        "Turn the two loops: which single value do all images have in feature j, if all of them "
        "take it from image k?",
        "For each k set the whole column to the one number `x.flatten(1)[k, j]` and note the "
        "accuracy. There are N of them.",
        "The mean of these N accuracies is the accuracy under the product of the marginals. "
        "Subtract it from the accuracy before.",
    ),
    cases=_few_images,
    ask=watched,
)

# ==== Judging =====================================================================================

from torch import Tensor, nn

from distill_lessons.exercises.bank.lesson_05.common import FLAT, flat
from distill_lessons.exercises.parts import Judging, Mistake


def _right(model: nn.Module, flat: Tensor, x: Tensor, y: Tensor) -> float:
    return float((model(flat.view(-1, *x.shape[1:])).argmax(1) == y).double().mean())


def _all_pairs(model: nn.Module, x: Tensor, y: Tensor, j: int) -> float:
    flat = x.flatten(1)
    pairs = flat.repeat_interleave(len(x), 0)  # image i stands in rows i·N to i·N + N − 1
    pairs[:, j] = flat[:, j].repeat(len(x))
    return _right(model, flat, x, y) - _right(model, pairs, x, y.repeat_interleave(len(x)))


def _label_of_k(model: nn.Module, x: Tensor, y: Tensor, j: int) -> float:
    after = [
        _right(model, _with_value(x, j, value), x, label.expand(len(x)))
        for value, label in zip(x.flatten(1)[:, j], y, strict=True)
    ]
    return _right(model, x.flatten(1), x, y) - sum(after) / len(x)


def _with_value(x: Tensor, j: int, value: Tensor) -> Tensor:
    return x.flatten(1).index_fill(1, torch.tensor([j], device=x.device), float(value))


def _mean_value(model: nn.Module, x: Tensor, y: Tensor, j: int) -> float:
    grey = x.flatten(1).clone()
    grey[:, j] = grey[:, j].mean()
    return _right(model, x.flatten(1), x, y) - _right(model, grey, x, y)


judging = Judging(
    reference=_all_pairs,
    mistakes=(
        Mistake("flat rows", flat(_all_pairs), FLAT),
        Mistake(
            "the label of image k",
            _label_of_k,
            "You compared with the label of image k. Image i keeps its own label; only feature j "
            "comes from k.",
        ),
        Mistake(
            "own value left out",
            lambda model, x, y, j: _all_pairs(model, x, y, j) * len(x) / (len(x) - 1),
            "You left out the pairs in which an image keeps its own value, k = i. Under the "
            "product of the marginals they occur like any other pair.",
        ),
        Mistake(
            "after minus before",
            lambda *given: -_all_pairs(*given),
            "The sign is flipped: the importance is the fall in accuracy.",
        ),
        Mistake(
            "the mean value",
            _mean_value,
            "You put the mean value of the feature in its place, and asked once. Average the "
            "accuracies over all values, not the values.",
        ),
        Mistake(
            "accuracy after",
            lambda model, x, y, j: _right(model, x.flatten(1), x, y) - _all_pairs(model, x, y, j),
            "This is the accuracy after the shuffle; return by how much it fell.",
        ),
    ),
)

# ==== Solution ====================================================================================

from typing import Any


# If all images take the value of image k, the column is one number. Going through all k goes
# through all pairs.
def exact_importance(model, x, y, j):
    def accuracy(flat):
        return (model(flat.view_as(x)).argmax(1) == y).double().mean()

    after = []
    for value in x.flatten(1)[:, j]:
        mixed = x.flatten(1).clone()
        mixed[:, j] = value
        after.append(accuracy(mixed))
    return accuracy(x.flatten(1)) - torch.stack(after).mean()


def exact_pair_by_pair(model: Any, x: Any, y: Any, j: int) -> float:
    before = float((model(x).argmax(1) == y).float().mean())
    hits = 0
    for i in range(len(x)):
        for k in range(len(x)):
            image = x[i : i + 1].clone()
            image.view(-1)[j] = x[k].flatten()[j]
            hits += int(model(image).argmax(1).item() == y[i].item())
    return before - hits / len(x) ** 2


other_ways = [exact_pair_by_pair]
