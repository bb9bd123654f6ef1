"""Find the bugs: accuracy in batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from distill_lessons import evaluation
from distill_lessons.exercises.dice import dice
from distill_lessons.exercises.exercise import Exercise
from distill_lessons.exercises.nets import StillDropout
from distill_lessons.exercises.parts import Case


def _normed(mean: Tensor, variance: Tensor) -> nn.Module:
    """Return a net of one batch norm, fresh from training: its logits are its normed inputs."""
    net = nn.BatchNorm1d(len(mean), affine=False)
    net.load_state_dict({"running_mean": mean, "running_var": variance}, strict=False)
    return net.train()


def _labelled_batches(seed: int) -> list[Case]:
    rng = dice(seed)
    small = _normed(torch.zeros(2), torch.ones(2))
    x_small = torch.tensor([[2, 1], [3, 0], [4, 1.5], [2, 3], [5, 1]])
    norm = _normed(2 * torch.randn(3, generator=rng), 0.5 + torch.rand(3, generator=rng))
    larger = nn.Sequential(norm, StillDropout()).train()
    n = 22 + int(torch.randint(7, (), generator=rng))
    x = torch.randn(n, 3, generator=rng)
    # Mostly right in the two full batches, and once in the last, smaller one.
    wrong = torch.rand(n, generator=rng) < 0.3
    wrong[20], wrong[21:] = False, True
    y = (evaluation.predict(larger, x).argmax(1) + wrong) % 3
    return [
        Case(
            "five images in batches of 3: the first three are classified correctly, the last two "
            "are not",
            (small, x_small, torch.tensor([0, 0, 0, 0, 1]), 3),
        ),
        Case(f"{n} images in batches of 10, a net with dropout as well", (larger, x, y, 10)),
    ]


def _watched(
    answer: Callable[..., Any], model: nn.Module, x: Tensor, y: Tensor, batch_size: int
) -> dict[str, Any] | None:
    sizes: list[int] = []
    watch = model.register_forward_pre_hook(lambda net, inputs: sizes.append(len(inputs[0])))
    share = answer(model, x, y, batch_size)
    watch.remove()
    if share is None:
        return None  # left blank
    return {
        "the fraction of right answers": share,
        "images beyond batch_size that the model gets at once": max(0, *sizes, batch_size)
        - batch_size,
    }


GIVEN = """\
def batched_accuracy(model, x, y, batch_size):
    shares = []
    for xb, yb in zip(x.split(batch_size), y.split(batch_size)):
        guess = model(xb).argmax(1)
        shares.append((guess == yb).float().mean().item())
    return sum(shares) / len(shares)
"""

exercise = Exercise(
    title="Find the bugs: accuracy in batches",
    kind="bug",
    given=GIVEN,
    difficulty="medium",
    importance="high",
    minutes=6,
    points=2,
    hints=(
        "Take five images in batches of 3 and 2: how much does an image of the second batch count, "
        "and how much one of the first?",
        "Count the right answers of all batches, and divide once, by the number of images.",
        "The model comes straight from training. Which mode is it in, and which one does this "
        "function need?",
    ),
    cases=_labelled_batches,
    ask=_watched,
    may_change=(0,),
)

# ==== Judging =====================================================================================

from distill_lessons.exercises.parts import Judging, Mistake


def _share(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return float((model(x).argmax(1) == y).float().mean())


def _as_given(model: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> float:
    shares = []
    for xb, yb in zip(x.split(batch_size), y.split(batch_size), strict=True):
        shares.append(_share(model, xb, yb))
    return sum(shares) / len(shares)


def _in_batches(model: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> float:
    return _share(nn.Identity(), evaluation.predict(model, x, batch_size=batch_size), y)


def _in_train_mode(model: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> float:
    z = torch.cat([model(xb) for xb in x.split(batch_size)])
    return _share(nn.Identity(), z, y)


def _dropout_stays(model: nn.Module, x: Tensor, y: Tensor, batch_size: int) -> float:
    model.eval()
    for layer in model.children():
        layer.train(isinstance(layer, StillDropout))
    return _in_train_mode(model, x, y, batch_size)


judging = Judging(
    reference=_in_batches,
    mistakes=(
        Mistake("as given", _as_given, "", given=True),
        Mistake(
            "all at once",
            lambda model, x, y, batch_size: _share(model.eval(), x, y),
            "The number is right, but the whole set goes through the model at once, and for a "
            "large one the memory is too small. At most batch_size images may.",
        ),
        Mistake(
            "counted",
            lambda model, x, y, batch_size: len(y) * _in_batches(model, x, y, batch_size),
            "That is the number of right answers; return their fraction.",
        ),
        Mistake(
            "wrong answers",
            lambda model, x, y, batch_size: 1 - _in_batches(model, x, y, batch_size),
            "That is the fraction of wrong answers; return that of the right ones.",
        ),
        Mistake(
            "the batch norm alone",
            _dropout_stays,
            "Only part of the net is in eval mode. `model.eval()` reaches every layer; setting "
            "`training` or a single layer does not.",
        ),
        Mistake(
            "train mode",
            _in_train_mode,
            "One fault is fixed: every image counts the same. But the model still normalises each "
            "batch by itself, as it does in training.",
        ),
        Mistake(
            "mean of means",
            lambda model, x, y, batch_size: _as_given(model.eval(), x, y, batch_size),
            "One fault is fixed: the model is in eval mode. But the mean over batches gives an "
            "image of a small batch more weight than one of a large batch.",
        ),
        Mistake(
            "the last batch dropped",
            lambda model, x, y, batch_size: _in_batches(
                model,
                x[: len(x) // batch_size * batch_size],
                y[: len(x) // batch_size * batch_size],
                batch_size,
            ),
            "You leave the last, smaller batch out; its images count like all others.",
        ),
    ),
)

# ==== Solution ====================================================================================

import numpy as np


# Two faults. The mean of the batches' accuracies weights an image of a small batch more than one of
# a large batch: right answers are counted, and divided once. And the net was in train mode, where a
# batch norm uses the batch at hand and dropout switches units off. `evaluation.evaluate` takes care
# of both, and puts the model back into the mode in which it came.
def batched_accuracy(model, x, y, batch_size):
    model.eval()
    right = 0
    for xb, yb in zip(x.split(batch_size), y.split(batch_size)):
        right += (model(xb).argmax(1) == yb).sum().item()
    return right / len(y)


def accuracy_in_numpy(model, x, y, batch_size):
    was = model.training
    model.eval()
    with torch.no_grad():
        guess = np.concatenate([model(xb).numpy().argmax(1) for xb in x.split(batch_size)])
    model.train(was)
    return np.float64((guess == y.numpy()).mean())


def accuracy_one_by_one(model, x, y, batch_size):
    model.eval()
    return sum(model(x[i : i + 1]).argmax().item() == y[i] for i in range(len(y))) / len(y)


def weighted_means(model, x, y, batch_size):
    model.train(False)
    total = 0.0
    for start in range(0, len(x), batch_size):
        stop = min(start + batch_size, len(x))
        share = (model(x[start:stop]).argmax(1) == y[start:stop]).double().mean()
        total += share * (stop - start) / len(x)
    return total


other_ways = [accuracy_in_numpy, accuracy_one_by_one, weighted_means]
