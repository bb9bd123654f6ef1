"""One training loop for teachers and students, and its history.

The data are tensors in memory: a batch is a slice of a shuffled index, not the work of a loader.
What is minimised is an `Objective`: any function of the model and a batch. Most lessons need less,
a `Loss` of logits, labels and the *indices* of the batch, by which a student finds its teacher's
logits. Knows nothing about distillation beyond that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from distill_lessons import losses, seeds
from distill_lessons.data import UNLABELLED, Split
from distill_lessons.evaluation import evaluate, labels_of, predict, training_mode
from distill_lessons.progress import progress
from distill_lessons.settings import whole_number
from distill_lessons.sources.catalogue import SOURCES
from distill_lessons.tensors import Target, class_labels, each


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
# optimiser -> a schedule of its learning rate, such as lambda o: OneCycleLR(o, 0.01, total_steps=n)
Schedule = Callable[[Optimizer], LRScheduler]


@dataclass
class History:
    """What happened while a model was trained.

    Attributes:
        rows: one dict per epoch: ``epoch``, ``step``, ``train_loss`` and, if validation data were
            given, ``valid_loss`` and ``valid_accuracy``.
        accepted: whether the validation loss reached the threshold; None if there was none.
        interrupted: whether the learner stopped the run.
        message: one sentence that says how the run ended.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    accepted: bool | None = None
    interrupted: bool = False
    message: str = ""

    def frame(self) -> pd.DataFrame:
        """Return the rows as a DataFrame with one row per epoch."""
        return pd.DataFrame(self.rows)


def cross_entropy(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
    """Return the cross-entropy with the labels; the loss of a model without a teacher."""
    return F.cross_entropy(logits, labels)


def of_logits(loss: Loss) -> Objective:
    """Return the objective of a loss that sees no more of the model than its logits."""

    def objective(model: nn.Module, batch: Batch) -> Tensor:
        return loss(model(*batch.inputs), batch.y, batch.index)

    return objective


def threshold(dataset: str, n_classes: int) -> float:
    """Return the validation loss at which the lessons accept a teacher.

    Args:
        dataset: name of the data set, as in the settings.
        n_classes: K; for images of your own the threshold is half the loss of ignorance, log K.
    """
    source = SOURCES.get(dataset)
    if source is None or source.threshold is None:
        return round(math.log(n_classes) / 2, 2)
    return source.threshold


def fit(
    model: nn.Module,
    split: Split,
    loss: Loss = cross_entropy,
    *,
    objective: Objective | None = None,
    also: Sequence[nn.Module] = (),
    epochs: int | None = None,
    steps: int | None = None,
    valid: Split | None = None,
    accept_loss: float | None = None,
    batch_size: int = 64,
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    schedule: Schedule | None = None,
    augment: Augment | None = None,
    seed: int = 0,
    title: str = "",
) -> History:
    """Train a model in place with Adam.

    The same seed on the same machine gives the same weights to the bit: the order of the examples
    and dropout depend on `seed` alone, and torch's global generators come back as they were. The
    model ends in the mode, train or eval, in which it came. Interrupting a notebook's kernel stops
    the run; the model keeps the last step's weights and the history what was measured.

    Args:
        model: any net; with a `loss`, one that takes the split's inputs and returns logits.
        split: the examples to train on.
        loss: what to minimise, see `Loss`; by default the cross-entropy with the labels.
        objective: what to minimise where a loss of the logits is not enough: a function of the
            model and a `Batch`, such as one that also compares features, attacks the images or has
            a target of several parts. Give it in place of `loss`.
        also: further modules whose weights are trained along, such as the projector of an
            objective.
        epochs: passes through the split. Give either this or `steps`.
        steps: optimiser steps: the honest budget where splits differ in size.
        valid: labelled examples on which cross-entropy and accuracy are measured after each epoch.
        accept_loss: the training ends after the first epoch whose validation loss is at most this.
        batch_size: examples in a step; the last batch of an epoch may be smaller.
        lr: learning rate of Adam.
        weight_decay: decoupled weight decay (AdamW).
        schedule: makes a learning-rate schedule of the optimiser; it moves on after every step.
        augment: changes the inputs x of a batch before the model sees them.
        seed: decides the order of the examples, dropout and augmentation.
        title: stands beside the progress bar.

    Returns:
        The history; its `message` says in a sentence how the run ended.

    Raises:
        ValueError: if an argument is out of range, or the loss stops being finite.
    """
    n_steps, per_epoch = _budget(len(split), epochs, steps, batch_size)
    if objective is None:
        _check_loss(model, split, loss)
        objective = of_logits(loss)
    elif loss is not cross_entropy:
        raise ValueError("loss= and objective= both say what to minimise; give one of them.")
    _check_fit(model, valid, accept_loss, lr)
    parameters = dict.fromkeys(p for module in (model, *also) for p in module.parameters())
    optimizer = torch.optim.AdamW(list(parameters), lr=lr, weight_decay=weight_decay, fused=True)
    scheduler = schedule(optimizer) if schedule else None
    history = History()
    device = split.x.device
    order = seeds.generator(seed)
    noise = seeds.generator(seed, device)
    n_epochs = math.ceil(n_steps / per_epoch)
    # The fork is for dropout, which takes no generator.
    with training_mode(model, *also), seeds.fork_rng(seed, device):
        step = 0
        try:
            for epoch in progress(range(1, n_epochs + 1), title or "training"):
                total = torch.zeros((), device=device)
                seen = 0
                for index in batches(len(split), batch_size, order, device):
                    batch = _batch(split, index)
                    if augment is not None:
                        batch = replace(batch, x=augment(batch.x, noise))
                    value = objective(model, batch)
                    _check_value(value)
                    optimizer.zero_grad(set_to_none=True)
                    value.backward()
                    optimizer.step()
                    if scheduler is not None:
                        scheduler.step()
                    # Summed on the device: reading a number each step would stop a GPU each step.
                    total += value.detach() * len(index)
                    seen += len(index)
                    step += 1
                    if step == n_steps:
                        break
                row = {"epoch": epoch, "step": step, "train_loss": float(total) / seen}
                if not math.isfinite(row["train_loss"]):
                    raise ValueError(
                        f"the loss became {row['train_loss']} in epoch {epoch} with lr={lr}; "
                        "try a tenth of it."
                    )
                if valid is not None:
                    row |= {f"valid_{k}": v for k, v in evaluate(model, valid).items()}
                history.rows.append(row)
                if accept_loss is not None and row["valid_loss"] <= accept_loss:
                    history.accepted = True
                    break
        except KeyboardInterrupt:
            history.interrupted = True
    history.message = _ending(history, step, accept_loss)
    if history.interrupted:
        print(history.message)
    return history


def _budget(n: int, epochs: int | None, steps: int | None, batch_size: int) -> tuple[int, int]:
    """Return the number of steps, and of steps in an epoch."""
    per_epoch = math.ceil(n / whole_number("batch_size", batch_size))
    if epochs is not None and steps is None:
        return whole_number("epochs", epochs) * per_epoch, per_epoch
    if steps is not None and epochs is None:
        return whole_number("steps", steps), per_epoch
    raise ValueError(f"epochs={epochs} and steps={steps}: give exactly one of them.")


def _batch(split: Split, index: Tensor) -> Batch:
    def rows(part: Tensor) -> Tensor:
        return part.index_select(0, index)  # faster than part[index]

    mask = None if split.mask is None else rows(split.mask)
    return Batch(rows(split.x), each(rows, split.y), index, mask)


def _check_value(value: Tensor) -> None:
    if not isinstance(value, Tensor) or value.ndim > 0:
        what = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
        raise ValueError(f"the loss of a batch is {what}; return one number, a tensor: its mean.")
    if not value.requires_grad:
        raise ValueError(
            "the loss does not depend on a weight that is trained; is the model frozen, or its "
            "output detached?"
        )


def check_rate(lr: float) -> None:
    """Raise a ValueError unless the learning rate is a positive finite number."""
    if not 0 < lr < math.inf:
        raise ValueError(f"lr={lr} must be a positive number; 1e-3 suits Adam.")


def _check_loss(model: nn.Module, split: Split, loss: Loss) -> None:
    z = predict(model, *split.take([0]).inputs)  # (1, K): says how many classes there are
    if loss is not cross_entropy:
        return
    y = class_labels("split.y", split.y)
    if bool((y == UNLABELLED).any()):
        raise ValueError(
            "split holds images without labels, which cross-entropy cannot use; give labelled "
            "images or a loss that looks at a teacher."
        )
    losses.check_labels("split.y", y, z.expand(len(split), -1))


def _check_fit(model: nn.Module, valid: Split | None, accept_loss: float | None, lr: float) -> None:
    check_rate(lr)
    if valid is not None:
        z = predict(model, *valid.take([0]).inputs)  # (1, K)
        labels_of("valid", valid, z.expand(len(valid), -1))
    if accept_loss is None:
        return
    if valid is None:
        raise ValueError(f"accept_loss={accept_loss} needs valid=: a model is judged on that.")
    if not accept_loss > 0:
        raise ValueError(f"accept_loss={accept_loss} must be positive: no loss is below zero.")


def _ending(history: History, step: int, accept_loss: float | None) -> str:
    history.accepted = history.accepted or (None if accept_loss is None else False)
    if history.interrupted:
        epochs = len(history.rows)
        return f"Interrupted after {step} steps ({epochs} whole epochs); the model is usable."
    last = history.rows[-1]
    if accept_loss is None:
        return f"Trained for {step} steps; final training loss {last['train_loss']:.4f}."
    if history.accepted:
        return (
            f"Accepted after epoch {last['epoch']:.0f}: validation loss {last['valid_loss']:.4f} "
            f"is at most {accept_loss}."
        )
    best = min(history.rows, key=lambda row: row["valid_loss"])
    return (
        f"NOT accepted: the best validation loss was {best['valid_loss']:.4f} (epoch "
        f"{best['epoch']:.0f} of {last['epoch']:.0f}), above {accept_loss}. Train longer, use a "
        "larger model or more data; do not raise the threshold to get past it."
    )


def batches(
    n: int, batch_size: int, generator: torch.Generator, device: torch.device | str = "cpu"
) -> Iterator[Tensor]:
    """Yield one epoch of shuffled index batches, each of `batch_size` but perhaps the last.

    The shuffle is drawn on the CPU, so that every device sees the same order.
    """
    yield from torch.randperm(n, generator=generator).to(device).split(batch_size)
