"""What a training minimises: a function of the model and a batch, or the short form of one.

An `Objective` sees everything: hints, relations, attacks and targets of several parts need that.
Most lessons need less, a `Loss` of logits, labels and the *indices* of a batch, by which a student
finds its teacher's logits. Knows nothing about the loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim import Optimizer

from distill_lessons import losses, seeds
from distill_lessons.data import UNLABELLED, Split
from distill_lessons.evaluation import first_answer, predict, refusing_in_place, training_mode
from distill_lessons.settings import whole_number
from distill_lessons.tensors import Target, check_type, class_labels, each, moved


@dataclass(frozen=True)
class Batch:
    """What an objective is given at one step, besides the model.

    Attributes:
        x: inputs ``(B, ...)``, augmented where the training augments.
        y: labels ``(B,)``, or the rows of another target in the form that the split has.
        index: where the examples stand in the split, ``(B,)``.
        mask: rows of the split's mask, None if it has none.
    """

    x: Tensor
    y: Target
    index: Tensor
    mask: Tensor | None = None

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The arguments of a model: x, and the mask if there is one."""
        return (self.x,) if self.mask is None else (self.x, self.mask)


# model, batch -> scalar
Objective = Callable[[nn.Module, Batch], Tensor]
# logits (B, K), labels (B,) or the rows of another target, indices into the split (B,) -> scalar
Loss = Callable[[Tensor, Any, Tensor], Tensor]
# inputs (B, ...), generator -> inputs of the same shape; `augmentation` has some
Augment = Callable[[Tensor, torch.Generator], Tensor]


def cross_entropy(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
    """Return the cross-entropy with the labels; the loss of a model without a teacher."""
    return F.cross_entropy(logits, labels)


def of_logits(loss: Loss) -> Objective:
    """Return the objective of a loss that sees no more of the model than its logits.

    Raises:
        TypeError: if `loss` is no function of logits, labels and indices.
    """
    check_loss(loss)

    def objective(model: nn.Module, batch: Batch) -> Tensor:
        return loss(model(*batch.inputs), batch.y, batch.index)

    return objective


def batches(
    n: int, batch_size: int, generator: torch.Generator, device: torch.device | str = "cpu"
) -> Iterator[Tensor]:
    """Yield one epoch of shuffled index batches, each of `batch_size` but perhaps the last.

    The shuffle is drawn on the CPU, so that every device sees the same order.

    Raises:
        TypeError: if `n` or `batch_size` is no whole number, or `generator` no generator.
        ValueError: if a number is not positive, or torch does not find the device.
    """
    n, size = whole_number("n", n), whole_number("batch_size", batch_size)
    check_type("generator", generator, torch.Generator, "seeds.generator(0)")
    yield from moved(torch.randperm(n, generator=generator), device).split(min(size, n))


def batch_of(
    split: Split, index: Tensor, augment: Augment | None, generator: torch.Generator
) -> Batch:
    """Return the examples of a split at `index`, augmented if that is asked for."""

    def rows(part: Tensor) -> Tensor:
        return part.index_select(0, index)  # faster than part[index]

    x = rows(split.x)
    if augment is not None:
        x = augment(x, generator)
        check_type("what augment returns", x, Tensor, "the changed inputs, a tensor")
        if len(x) != len(index):
            raise ValueError(f"augment returns {len(x)} of {len(index)} examples; return them all.")
    mask = None if split.mask is None else rows(split.mask)
    return Batch(x, each(rows, split.y), index, mask)


def backward(objective: Objective, model: nn.Module, batch: Batch, optimizer: Optimizer) -> Tensor:
    """Leave the gradients of one batch, and no others, in the weights; return the loss, detached.

    Raises:
        ValueError: if the loss is not one number that depends on the weights, or the model changes
            in place what its gradient is computed from.
    """
    value = objective(model, batch)
    check_value(value)
    optimizer.zero_grad(set_to_none=True)
    with refusing_in_place():
        value.backward()
    return value.detach()


def check_last_batch(
    objective: Objective,
    models: Sequence[nn.Module],
    split: Split,
    augment: Augment | None,
    batch_size: int,
    n_steps: int,
) -> None:
    """Refuse a batch of one before the training where a net would refuse it in the middle.

    In train mode batch normalisation needs two values of a channel: two examples, or several
    pixels. Where the last batch has one example, it is tried once, and leaves no trace in `models`.
    """
    whole_epoch = n_steps * batch_size >= len(split)
    smallest = (len(split) % batch_size or batch_size) if whole_epoch else batch_size
    modules = {module for model in models for module in model.modules()}
    norms = [module for module in modules if isinstance(module, _BatchNorm)]
    if smallest > 1 or not norms:
        return

    def look(norm: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if norm.training and inputs[0].numel() == inputs[0].shape[1]:  # (1, C, ...)
            raise ValueError(
                f"batch_size={batch_size} leaves a batch of 1 of {len(split)} examples, of which "
                "batch normalisation cannot take a variance; give another batch_size, or one "
                "example less."
            )

    device = split.x.device
    buffers = [(buffer, buffer.clone()) for module in modules for buffer in module.buffers(False)]
    handles = [norm.register_forward_pre_hook(look) for norm in norms]
    try:
        with training_mode(*models), seeds.fork_rng(0, device):
            index = torch.zeros(1, dtype=torch.int64, device=device)
            objective(models[0], batch_of(split, index, augment, seeds.generator(0, device)))
    finally:
        for handle in handles:
            handle.remove()
        for buffer, before in buffers:
            buffer.copy_(before)


def check_loss(loss: Loss) -> None:
    """Raise a TypeError unless `loss` is a function, and no module of torch, which takes others."""
    if not callable(loss) or isinstance(loss, nn.Module):
        raise TypeError(
            f"loss={loss!r} must be a function of logits, labels and indices, such as "
            "lambda z, y, index: torch.nn.functional.cross_entropy(z, y)."
        )


def check_loss_for(model: nn.Module, split: Split, loss: Loss) -> None:
    """Raise an error unless a training of `model` on `split` can minimise `loss`."""
    check_loss(loss)
    if loss is not cross_entropy:
        predict(model, *split.take([0]).inputs)  # refuses inputs that do not fit
        return
    z = first_answer(model, split)
    y = class_labels("split.y", split.y)
    if bool((y == UNLABELLED).any()):
        raise ValueError(
            "split holds images without labels, which cross-entropy cannot use; give labelled "
            "images or a loss that looks at a teacher."
        )
    losses.check_labels("split.y", y, z.expand(len(split), -1))


def weights_of(*modules: nn.Module) -> list[nn.Parameter]:
    """Return the parameters of the model and all other modules that are trained, each once."""
    for module in modules:
        check_type("also", module, nn.Module, "a list of torch.nn.Modules")
    weights = list(dict.fromkeys(p for module in modules for p in module.parameters()))
    if not weights:
        raise ValueError("the model has no weights to train.")
    return weights


def check_value(value: Tensor) -> None:
    """Raise a ValueError unless `value` is one number that depends on trained weights."""
    check_one_number(value)
    if not value.requires_grad:
        raise ValueError(
            "the loss does not depend on a weight that is trained; is the model frozen, or its "
            "output detached?"
        )


def check_one_number(value: Tensor) -> None:
    """Raise a ValueError unless `value`, the loss of a batch, is a tensor without axes."""
    if not isinstance(value, Tensor) or value.ndim > 0:
        what = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
        raise ValueError(f"the loss of a batch is {what}; return one number, a tensor: its mean.")
