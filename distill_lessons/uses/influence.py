"""How hard a training image pulls at the weights. Knows nothing about labels that may be wrong."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from distill_lessons import evaluation
from distill_lessons.data import Split
from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_type


def self_influence(model: nn.Module, split: Split, *, batch_size: int = 256) -> Tensor:
    """Return the squared length of each image's own gradient for the weights.

    So much, times the learning rate, would a step on this image alone lower its own loss. An image
    like many others needs no such pull; one that stands alone does.

    Args:
        model: returns logits ``(N, K)``; asked in eval mode and left as it was.
        split: labelled images.
        batch_size: images at once; bounds the memory.

    Returns:
        Shape ``(N,)``.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if an image has no label, or one that the model does not know.

    Source: Pruthi et al. (2020), arXiv:2002.08484, section 3, for one state of the model.
    """
    batch_size = whole_number("batch_size", batch_size)
    check_type("split", split, Split, "a Split, such as data.train")
    y = evaluation.labels_of(
        "split", split, evaluation.first_answer(model, split).expand(len(split), -1)
    )
    x = evaluation.as_input(model, split.x)
    weights = {name: value.detach() for name, value in model.named_parameters()}

    def loss(weights: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(model, weights, (image[None],)), label[None])

    found = []
    with evaluation.evaluating(model):
        for part in range(0, len(x), batch_size):
            at = slice(part, part + batch_size)
            slopes = vmap(grad(loss), (None, 0, 0))(weights, x[at], y[at])
            found.append(sum(slope.flatten(1).square().sum(1) for slope in slopes.values()))
    return torch.cat(found).detach()
