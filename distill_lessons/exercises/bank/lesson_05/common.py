"""Shared by exercises of lesson 05."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from distill_lessons import models
from distill_lessons.exercises.compare import plain
from distill_lessons.exercises.dice import mixed
from distill_lessons.exercises.nets import StillDropout


def by_hand() -> nn.Sequential:
    """The net of the lesson's table: of two pixels it reads the first. Logits: 1, and 2 × it."""
    net = models.mlp((1, 1, 2), 2, ()).requires_grad_(False)
    weight, bias = net.parameters()
    weight.copy_(torch.tensor([[0.0, 0.0], [2.0, 0.0]]))
    bias.copy_(torch.tensor([1.0, 0.0]))
    return net


def tiny_net(shape: tuple[int, int, int], classes: int, seed: int) -> nn.Sequential:
    net = models.mlp(shape, classes, (8,), seed=mixed(seed)).requires_grad_(False)
    for weight in net.parameters():
        weight.mul_(3.0)  # fresh weights are small, and shuffling would hardly change an answer
    return net.insert(3, StillDropout()).eval()  # who puts it into train mode gets other logits


def tiny_images() -> tuple[Tensor, Tensor]:
    x = torch.tensor([[0.0, 0], [0, 1], [1, 0], [1, 1]]).view(4, 1, 1, 2)
    return x, torch.tensor([0, 0, 1, 1])


def watched(answer: Callable[..., Any], model: nn.Module, x: Tensor, *given: Any) -> Any:
    """Return the answer, and whether the model was given images.

    A net that flattens reads flat rows as well: its logits would not tell.
    """
    shapes = set()
    watch = model.register_forward_pre_hook(lambda _, inputs: shapes.add(inputs[0].shape[1:]))
    try:
        found = plain(answer(model, x, *given))
    finally:
        watch.remove()
    if found is None:
        return None
    # Where nothing falls, 1 − 1 in single precision may be a hundred-millionth.
    found = round(found, 6) if isinstance(found, float) else found
    return {"the importance": found, "the model is given images": shapes <= {x.shape[1:]}}


# ==== Judging =====================================================================================


FLAT = (
    "Your numbers are right, but the model was given flat rows of pixels. It reads images, "
    "(N, C, H, W), and a convolutional net would stop here: `mixed.view_as(x)`."
)


def flat(answer: Callable[..., Any]) -> Callable[..., Any]:
    """Return the same answer, which asks the model about flat rows."""

    def asks(model: nn.Module, x: Tensor, *given: Any) -> Any:
        return answer(lambda images: model(images.flatten(1)), x, *given)

    return asks


def group_by_mask(x: Tensor, group: Tensor, order: Tensor) -> Tensor:
    chosen = torch.zeros(x[0].numel(), dtype=torch.bool, device=x.device).index_fill(0, group, True)
    return torch.where(chosen.view(x.shape[1:]), x.index_select(0, order), x)
