"""Hidden tokens: to learn from them without labels, and to ask a net what it relies on."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons import evaluation, seeds
from distill_lessons.objectives import Batch, Objective
from distill_lessons.settings import number
from distill_lessons.tensors import check_numbers
from distill_lessons.text.nets import Encoder, counted
from distill_lessons.text.pieces import HIDDEN


def guess_hidden(share: float = 0.25, *, seed: int = 0) -> Objective:
    """Return the objective of masked-token pretraining: say which tokens were hidden.

    At every step each token that counts is hidden with probability `share`. The net answers with
    the token whose vector is nearest to what it has at that place. The loss is the cross-entropy of
    the hidden ones alone: the others stand there to be read.

    Args:
        share: probability of hiding a token, in (0, 1).
        seed: of what is hidden.

    Returns:
        An objective for `training.fit` with an `Encoder`.

    Raises:
        TypeError: if `share` is not a number.
        ValueError: if it is not in (0, 1).

    Source: Devlin and others (2019), arXiv:1810.04805, section 3.1; without their share of tokens
        that are replaced by others or left as they are.
    """
    if not 0 < number("share", share) < 1:
        raise ValueError(f"share={share} must be a probability in (0, 1), such as 0.25.")
    generator = seeds.generator(seed)

    def objective(model: nn.Module, batch: Batch) -> Tensor:
        if not isinstance(model, Encoder):
            raise TypeError(f"the model is {type(model).__name__}; pretraining needs an Encoder.")
        mask = counted(*batch.inputs)
        dice = torch.rand(batch.x.shape, generator=generator).to(batch.x.device)
        hidden = mask & (dice < share)
        h = model.hidden(batch.x.masked_fill(hidden, HIDDEN), mask)[hidden]  # (hidden ones, width)
        logits = h @ model.tokens.weight.T
        # A batch in which nothing was hidden has nothing to say.
        return F.cross_entropy(logits, batch.x[hidden], reduction="sum") / max(1, len(h))

    return objective


def without_each(
    answer: Callable[[Tensor, Tensor], Tensor], x: Tensor, mask: Tensor | None = None
) -> Tensor:
    """Return what the answer to each phrase loses when one of its tokens no longer counts.

    Args:
        answer: a function of tokens ``(B, L)`` and a mask ``(B, L)`` that returns one number a
            phrase, ``(B,)``, such as a logit.
        x: tokens ``(N, L)``.
        mask: which of them count, ``(N, L)``; by default all that are not padding.

    Returns:
        The losses, ``(N, L)``: 0 where no token counts. A phrase of a single token is left with
        none at all, and loses all that the net knows of it.

    Raises:
        TypeError: if `x` is not a tensor.
        ValueError: if `x` is not tokens ``(N, L)``, or the answer is not one number a phrase.

    Source: Zeiler and Fergus (2014), arXiv:1311.2901, section 4.2: occlusion.
    """
    check_numbers("x", x)
    if x.ndim != 2 or x.dtype != torch.int64:
        raise ValueError(f"x has shape {tuple(x.shape)} and type {x.dtype}; give int64 (N, L).")
    mask = counted(x, mask)
    with torch.no_grad():
        whole = answer(x, mask)
        if whole.shape != x.shape[:1]:
            raise ValueError(f"answer returns shape {tuple(whole.shape)}; give {(len(x),)}.")
        columns = []
        for place in range(x.shape[1]):
            left = mask.clone()
            left[:, place] = False
            columns.append((whole - answer(x, left)) * mask[:, place])
    return torch.stack(columns, dim=1)


def logit_of(net: nn.Module, k: Tensor) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the answer that `without_each` asks for: each phrase's logit of its own class.

    Logits are centred over the classes first, since a constant added to all of them changes no
    probability.

    Args:
        net: takes tokens and a mask, and returns logits ``(B, K)``.
        k: a class for each phrase, ``(B,)``.
    """

    def answer(x: Tensor, mask: Tensor) -> Tensor:
        z = evaluation.predict(net, x, mask)
        return (z - z.mean(1, keepdim=True)).gather(1, k[:, None])[:, 0]

    return answer
