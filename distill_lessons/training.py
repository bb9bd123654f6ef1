"""One training loop for teachers and students, and its history.

The data are tensors in memory: a batch is a slice of a shuffled index, not the work of a loader.
Knows nothing about distillation; what is minimised, `objectives` has.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from distill_lessons import checkpoints, seeds
from distill_lessons.data import Split
from distill_lessons.evaluation import (
    as_input,
    evaluate,
    first_answer,
    labels_of,
    training_mode,
)
from distill_lessons.fast import captured, optimisers
from distill_lessons.objectives import (
    Augment,
    Loss,
    Objective,
    backward,
    batch_of,
    batches,
    check_last_batch,
    check_loss_for,
    cross_entropy,
    of_logits,
    weights_of,
)
from distill_lessons.progress import progress
from distill_lessons.settings import number, whole_number
from distill_lessons.sources.catalogue import SOURCES
from distill_lessons.tensors import check_function, check_type, each


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


def threshold(dataset: str, n_classes: int) -> float:
    """Return the validation loss at which the lessons accept a teacher.

    Args:
        dataset: name of the data set, as in the settings.
        n_classes: K; for images of your own the threshold is half the loss of ignorance, log K.

    Raises:
        TypeError: if `n_classes` is no whole number.
        ValueError: if there are fewer than two.
    """
    n_classes = whole_number("n_classes", n_classes, least=2)
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
    optimizer: optimisers.MakesOptimizer | None = None,
    schedule: optimisers.Schedule | None = None,
    augment: Augment | None = None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    title: str = "",
) -> History:
    """Train a model in place, with Adam unless another optimiser is asked for.

    The same seed on the same machine gives exactly the same weights: the order of the examples
    and dropout depend on `seed` alone, and torch's global generators come back as they were. The
    model ends in the mode, train or eval, in which it came. Interrupting a notebook's kernel stops
    the run; the model keeps the last step's weights and the history what was measured.

    Args:
        model: any net; with a `loss`, one that takes the split's inputs and returns logits.
        split: the examples to train on.
        loss: what to minimise, see `objectives.Loss`; by default the cross-entropy with the labels.
        objective: what to minimise where a loss of the logits is not enough: a function of the
            model and an `objectives.Batch`, such as one that also compares features, attacks the
            images or has a target of several parts. Give it in place of `loss`.
        also: further modules whose weights are trained along, such as the projector of an
            objective.
        epochs: passes through the split. Give either this or `steps`.
        steps: optimiser steps: the honest budget where splits differ in size.
        valid: labelled examples on which cross-entropy and accuracy are measured after each epoch.
        accept_loss: the training ends after the first epoch whose validation loss is at most this.
        batch_size: examples in a step; the last batch of an epoch may be smaller.
        lr: learning rate.
        weight_decay: decoupled weight decay (AdamW).
        optimizer: makes another optimiser, called with the weights and ``lr=``, such as
            ``partial(torch.optim.SGD, momentum=0.9)``.
        schedule: makes a learning-rate schedule of the optimiser; it moves on after every step.
        augment: changes the inputs x of a batch before the model sees them.
        seed: decides the order of the examples, dropout and augmentation.
        checkpoint: a folder in which a killed training is kept; the same call goes on from there
            and ends at exactly the same weights. What an objective itself keeps is not in it.
        title: stands beside the progress bar.

    Returns:
        The history; its `message` says in a sentence how the run ended.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if an argument is out of range, the model cannot take the split's inputs, or the
            loss stops being finite.
    """
    check_type("split", split, Split, "a Split, such as data.train")
    batch_size = whole_number("batch_size", batch_size)
    n_steps, per_epoch = _budget(len(split), epochs, steps, batch_size)
    targets = each(lambda part: part.detach(), split.y)  # what made them is not trained
    split = replace(split, x=as_input(model, split.x).detach(), y=targets)
    if objective is None:
        check_loss_for(model, split, loss)
        objective = of_logits(loss)
    elif loss is not cross_entropy:
        raise ValueError("loss= and objective= both say what to minimise; give one of them.")
    check_function("objective", objective, "the model and a batch")
    if augment is not None:
        check_function("augment", augment, "inputs and a generator")
    _check_fit(model, valid, accept_loss, lr, weight_decay)
    check_type("also", also, Iterable, "a list of torch.nn.Modules")
    weights = weights_of(model, *also)
    made, scheduler = optimisers.make(weights, lr, optimizer, schedule, weight_decay)
    check_last_batch(objective, (model, *also), split, augment, batch_size, n_steps)
    history = History()
    device = split.x.device
    order = seeds.generator(seed)
    noise = seeds.generator(seeds.following(seed), device)
    n_epochs = math.ceil(n_steps / per_epoch)

    def compute(index: torch.Tensor) -> torch.Tensor:
        return backward(objective, model, batch_of(split, index, augment, noise), made)

    uses = (model, *also, objective, augment)
    advance = captured.Step(compute, made, device, uses=uses, steady=scheduler is None)
    keeping = checkpoints.keeping(
        checkpoint,
        lambda: checkpoints.state_of(model, *also),
        made,
        scheduler,
        (order, noise, *seeds.global_generators(device)),
        about=(repr(model), seeds.checked(seed), n_steps, batch_size, accept_loss, split),
    )
    # The fork is for dropout, which takes no generator.
    with (
        training_mode(model, *also),
        seeds.fork_rng(seed, device),
        advance.running(),
        keeping as keeper,
    ):
        place = keeper.restore()
        step, history.rows = place.get("step", 0), place.get("rows", [])
        history.accepted = place.get("accepted")
        begin = n_epochs if place.get("over") else step // per_epoch
        try:
            for epoch in progress(range(begin, n_epochs), title or "training"):
                shuffle, begun = order.get_state(), step % per_epoch
                total, seen = place.pop("total", torch.zeros(())).to(device), begun * batch_size
                for index in islice(batches(len(split), batch_size, order, device), begun, None):
                    keeper.save(step, [shuffle], total=total, rows=history.rows)
                    value = advance(index)
                    if scheduler is not None:
                        scheduler.step()
                    # Summed on the device: reading a number each step would stop a GPU each step.
                    total += value * len(index)
                    seen += len(index)
                    step += 1
                    if step == n_steps:
                        break
                row = {"epoch": epoch + 1, "step": step, "train_loss": float(total) / seen}
                if not math.isfinite(row["train_loss"]):
                    raise ValueError(
                        f"the loss became {row['train_loss']} in epoch {epoch + 1} with lr={lr}; "
                        "try a tenth of it."
                    )
                if valid is not None:
                    row |= {f"valid_{k}": v for k, v in evaluate(model, valid).items()}
                history.rows.append(row)
                if accept_loss is not None and row["valid_loss"] <= accept_loss:
                    history.accepted = True
                    break
            keeper.save(
                step, [order.get_state()], over=True, rows=history.rows, accepted=history.accepted
            )
        except KeyboardInterrupt:
            history.interrupted = True
    history.message = _ending(history, step, accept_loss)
    if history.interrupted:
        print(history.message)
    return history


def _budget(n: int, epochs: int | None, steps: int | None, batch_size: int) -> tuple[int, int]:
    """Return the number of steps, and of steps in an epoch."""
    per_epoch = math.ceil(n / batch_size)
    if epochs is not None and steps is None:
        return whole_number("epochs", epochs) * per_epoch, per_epoch
    if steps is not None and epochs is None:
        return whole_number("steps", steps), per_epoch
    raise ValueError(f"epochs={epochs} and steps={steps}: give exactly one of them.")


def _check_fit(
    model: nn.Module,
    valid: Split | None,
    accept_loss: float | None,
    lr: float,
    weight_decay: float,
) -> None:
    optimisers.check_rate(lr)
    if not 0 <= number("weight_decay", weight_decay) < math.inf:
        raise ValueError(f"weight_decay={weight_decay} must be 0, for none, or positive.")
    if valid is not None:
        check_type("valid", valid, Split, "a Split, such as data.valid")
        labels_of("valid", valid, first_answer(model, valid).expand(len(valid), -1))
    if accept_loss is None:
        return
    if valid is None:
        raise ValueError(f"accept_loss={accept_loss} needs valid=: a model is judged on that.")
    if not 0 < number("accept_loss", accept_loss) < math.inf:
        raise ValueError(f"accept_loss={accept_loss} must be positive: no loss is below zero.")


def _ending(history: History, step: int, accept_loss: float | None) -> str:
    history.accepted = history.accepted or (None if accept_loss is None else False)
    n = len(history.rows)
    if history.interrupted:
        return f"Interrupted after {step} steps ({n} whole epochs); the model is usable."
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
        f"{best['epoch']:.0f} of {last['epoch']:.0f}), above {accept_loss}. Train longer, with "
        "a larger model or more data; do not raise the threshold to get past it."
    )
