"""One training loop for teachers and students, and its history.

The data are tensors in memory: a batch is a slice of a shuffled index, not the work of a loader.
A loss is any function of the logits, the labels and the *indices* of the batch; by the indices a
student finds its teacher's logits. Knows nothing about distillation beyond that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from distill_lessons import losses
from distill_lessons.data import UNLABELLED, Split
from distill_lessons.evaluation import check_labelled, evaluate, predict, training_mode
from distill_lessons.progress import progress

# logits (B, K), labels (B,), indices into the split (B,) -> scalar
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
# images (B, C, H, W), generator -> images of the same shape
Augment = Callable[[Tensor, torch.Generator], Tensor]


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


# The validation loss, in nats, at which a lesson accepts its teacher. Each was fixed before the
# students were trained: what a sound net reaches on that source in the cpu profile.
_THRESHOLDS = {
    "digits": 0.06,
    "mnist": 0.20,
    "fashion_mnist": 0.50,
    "kmnist": 0.50,
    "cifar10": 1.60,
}


def threshold(dataset: str, n_classes: int) -> float:
    """Return the validation loss at which the lessons accept a teacher.

    Args:
        dataset: name of the data set, as in the settings.
        n_classes: K; for images of your own the threshold is half the loss of ignorance, log K.
    """
    return _THRESHOLDS.get(dataset, round(math.log(n_classes) / 2, 2))


def fit(
    model: nn.Module,
    split: Split,
    loss: Loss = cross_entropy,
    *,
    epochs: int | None = None,
    steps: int | None = None,
    valid: Split | None = None,
    accept_loss: float | None = None,
    batch_size: int = 64,
    lr: float = 1e-3,
    weight_decay: float = 0.0,
    augment: Augment | None = None,
    seed: int = 0,
    title: str = "",
) -> History:
    """Train a model in place with Adam.

    The same seed on the same machine gives the same weights to the bit: the order of the images and
    dropout depend on `seed` alone, and torch's global generators come back as they were. The model
    ends in the mode, train or eval, in which it came. Interrupting a notebook's kernel stops the
    run; the model keeps the last step's weights and the history what was measured.

    Args:
        model: any net that takes ``(B, C, H, W)`` and returns logits ``(B, K)``.
        split: the images to train on.
        loss: what to minimise, see `Loss`; by default the cross-entropy with the labels.
        epochs: passes through the split. Give either this or `steps`.
        steps: optimiser steps: the honest budget where splits differ in size.
        valid: images on which loss and accuracy are measured after each epoch.
        accept_loss: the training ends after the first epoch whose validation loss is at most this.
        batch_size: images in a step; the last batch of an epoch may be smaller.
        lr: learning rate of Adam.
        weight_decay: decoupled weight decay (AdamW).
        augment: changes a batch of images before the model sees it.
        seed: decides the order of the images, dropout and augmentation.
        title: stands beside the progress bar.

    Returns:
        The history; its `message` says in a sentence how the run ended.

    Raises:
        ValueError: if an argument is out of range, or the loss stops being finite.
    """
    n_steps, per_epoch = _budget(len(split), epochs, steps, batch_size)
    _check_fit(model, split, loss, valid, accept_loss, lr)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay, fused=True)
    history = History()
    device = split.x.device
    order = torch.Generator().manual_seed(seed)
    noise = torch.Generator(device=device).manual_seed(seed)
    n_epochs = math.ceil(n_steps / per_epoch)
    with training_mode(model), torch.random.fork_rng():
        torch.manual_seed(seed)  # for dropout, which takes no generator
        step = 0
        try:
            for epoch in progress(range(1, n_epochs + 1), title or "training"):
                total = torch.zeros((), device=device)
                seen = 0
                for index in batches(len(split), batch_size, order, device):
                    x = split.x.index_select(0, index)  # faster than split.x[index]
                    if augment is not None:
                        x = augment(x, noise)
                    value = loss(model(x), split.y[index], index)
                    optimizer.zero_grad(set_to_none=True)
                    value.backward()
                    optimizer.step()
                    # Summed on the device: reading a number each step would stop a GPU each step.
                    total += value.detach() * len(index)
                    seen += len(index)
                    step += 1
                    if step == n_steps:
                        break
                row = {"epoch": epoch, "step": step, "train_loss": float(total) / seen}
                if valid is not None:
                    row |= {f"valid_{k}": v for k, v in evaluate(model, valid).items()}
                history.rows.append(row)
                if not math.isfinite(row["train_loss"]):
                    raise ValueError(
                        f"the loss became {row['train_loss']} in epoch {epoch} with lr={lr}; "
                        "try a tenth of it."
                    )
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
    if batch_size < 1:
        raise ValueError(f"batch_size={batch_size} must be at least 1.")
    if (epochs is None) == (steps is None):
        raise ValueError(f"epochs={epochs} and steps={steps}: give exactly one of them.")
    given = epochs if steps is None else steps
    assert given is not None
    if given < 1:
        raise ValueError(f"{'epochs' if steps is None else 'steps'}={given} must be at least 1.")
    per_epoch = math.ceil(n / batch_size)
    return (given * per_epoch if steps is None else given), per_epoch


def check_rate(lr: float) -> None:
    """Raise a ValueError unless the learning rate is a positive finite number."""
    if not 0 < lr < math.inf:
        raise ValueError(f"lr={lr} must be a positive number; 1e-3 suits Adam.")


def _check_fit(
    model: nn.Module,
    split: Split,
    loss: Loss,
    valid: Split | None,
    accept_loss: float | None,
    lr: float,
) -> None:
    check_rate(lr)
    if loss is cross_entropy and bool((split.y == UNLABELLED).any()):
        raise ValueError(
            "split holds images without labels, which cross-entropy cannot use; give labelled "
            "images or a loss that looks at a teacher."
        )
    z = predict(model, split.x[:1])  # (1, K): says how many classes there are
    if loss is cross_entropy:
        losses.check_labels("split.y", split.y, z.expand(len(split), -1))
    if valid is not None:
        check_labelled("valid", valid, z.expand(len(valid), -1))
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


def jitter(pixels: int = 2) -> Augment:
    """Return an augmentation that shifts every image by up to `pixels`, filling with zeros.

    Raises:
        ValueError: if `pixels` is negative.
    """
    if pixels < 0:
        raise ValueError(f"pixels={pixels} must not be negative.")

    def shift(x: Tensor, generator: torch.Generator) -> Tensor:
        n, _, height, width = x.shape
        padded = F.pad(x, [pixels] * 4)
        down, right = torch.randint(0, 2 * pixels + 1, (2, n), generator=generator, device=x.device)
        rows = down[:, None] + torch.arange(height, device=x.device)  # (N, H)
        columns = right[:, None] + torch.arange(width, device=x.device)  # (N, W)
        image = torch.arange(n, device=x.device)[:, None, None]
        return padded.movedim(1, -1)[image, rows[:, :, None], columns[:, None, :]].movedim(-1, 1)

    return shift
