"""What is measured of a net, and how each of it is measured wrongly."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def accuracy(net: nn.Module, x: Tensor, y: Tensor, batch_size: int = 64) -> float:
    """Return the share of images whose label a net finds: the right one.

    Args:
        net: from images to logits ``(N, K)``.
        x: images ``(N, ...)``.
        y: labels ``(N,)``.
        batch_size: images that the net sees at once.
    """
    right = 0
    for images, labels in zip(x.split(batch_size), y.split(batch_size), strict=True):
        with torch.no_grad():
            guesses = net(images).argmax(dim=1)
        right += int((guesses == labels).sum())
    return right / len(x)


def labels_with_themselves(net: nn.Module, x: Tensor, y: Tensor, batch_size: int = 64) -> float:
    """Compare what the data set says with what it says; the net runs, and nobody listens."""
    outputs, labels = [], []
    for batch in zip(x.split(batch_size), y.split(batch_size), strict=True):
        with torch.no_grad():
            net(batch[0])
        outputs.append(batch[-1])
        labels.append(batch[1])
    return int((torch.cat(outputs) == torch.cat(labels)).sum()) / len(x)


def importance(net: nn.Module, x: Tensor, y: Tensor, dice: torch.Generator) -> Tensor:
    """Return how far accuracy falls when one pixel is shuffled: the right one.

    Args:
        net: from images to logits.
        x: images ``(N, ...)``, left as they are.
        y: labels ``(N,)``.
        dice: for the shuffles.

    Returns:
        One number for each pixel, ``(D,)``.
    """
    before = accuracy(net, x, y)
    falls = torch.zeros(x[0].numel())
    for j in range(len(falls)):
        shuffled = x.flatten(1).clone()
        order = torch.randperm(len(x), generator=dice).to(x.device)
        shuffled[:, j] = shuffled[order, j]
        falls[j] = before - accuracy(net, shuffled.view_as(x), y)
    return falls


def shuffle_undone(net: nn.Module, x: Tensor, y: Tensor, dice: torch.Generator) -> Tensor:
    """Shuffle in place and put the pixel back, before the net has looked."""
    before = accuracy(net, x, y)
    falls = torch.zeros(x[0].numel())
    pixels = x.flatten(1)
    for j in range(len(falls)):
        kept = pixels[:, j].clone()
        order = torch.randperm(len(x), generator=dice).to(x.device)
        pixels[:, j] = kept[order]
        shuffled = pixels.view_as(x)
        pixels[:, j] = kept  # leave the data as they were
        falls[j] = before - accuracy(net, shuffled, y)
    return falls


def never_restored(net: nn.Module, x: Tensor, y: Tensor, dice: torch.Generator) -> Tensor:
    """Shuffle in place and leave it so: each pixel answers for all before it, too."""
    before = accuracy(net, x, y)
    falls = torch.zeros(x[0].numel())
    pixels = x.flatten(1)
    for j in range(len(falls)):
        order = torch.randperm(len(x), generator=dice).to(x.device)
        pixels[:, j] = pixels[order, j]
        falls[j] = before - accuracy(net, pixels.view_as(x), y)
    return falls


def choose(valid: Tensor, test: Tensor) -> tuple[int, float]:
    """Return which of E candidates to keep, and what to report of it: the right one.

    Args:
        valid: their accuracies on validation images, ``(E,)``.
        test: the same on test images.
    """
    best = int(valid.argmax())
    return best, float(test[best])


def chosen_on_test(valid: Tensor, test: Tensor) -> tuple[int, float]:
    """Choose by the images that are to judge the choice."""
    best = int(test.argmax())
    return best, float(test[best])


def explained(net: nn.Module, x: Tensor) -> Tensor:
    """Return pixel times slope of a net's guess, ``(N, D)``, of its centred logit: the right one.

    Args:
        net: from images to logits.
        x: images ``(N, ...)``.
    """
    x = x.detach().clone().requires_grad_()
    z = net(x)
    score = z.max(dim=1).values - z.mean(dim=1)
    (slope,) = torch.autograd.grad(score.sum(), x)
    return (slope * x).detach().flatten(1)


def softmax_explained(net: nn.Module, x: Tensor) -> Tensor:
    """Explain the probability, which has no slope left where the net is sure."""
    x = x.detach().clone().requires_grad_()
    p = torch.softmax(net(x), dim=1)
    score = p.max(dim=1).values
    (slope,) = torch.autograd.grad(score.sum(), x)
    return (slope * x).detach().flatten(1)


# As the lesson hands them out.
SCORE = {"L": labels_with_themselves, "M": accuracy}
SHUFFLE = {"N": importance, "O": never_restored, "P": shuffle_undone}
CHOOSE = {"Q": choose, "R": chosen_on_test}
EXPLAIN = {"S": softmax_explained, "T": explained}
