"""One recipe for all nets of a lesson, and the parts of a pool for every repeat.

The recipe: Adam, one rise and fall of the learning rate, batches in channels-last; on request in
bfloat16, and in random views. Teacher and student get the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

from distill_lessons import data, distillation, losses, seeds, training
from distill_lessons.data import UNLABELLED, Data, Split
from distill_lessons.evaluation import evaluating
from distill_lessons.fast.repeats import shared_out
from distill_lessons.objectives import Batch, Objective
from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_type, class_labels
from distill_lessons.vision import views as seen


@dataclass(frozen=True)
class Part:
    """One repeat's share of a pool: four disjoint splits, and a number for its nets and draws.

    Attributes:
        teaching: what the teacher is trained on.
        spare: the student's images, which the teacher has never seen.
        valid: for choices.
        test: for results.
        seed: a number that no other repeat has.
    """

    teaching: Split
    spare: Split
    valid: Split
    test: Split
    seed: int


def parts(found: Data, n_repeats: int, *, seed: int = 0) -> list[Part]:
    """Share out all images of a data set anew for each repeat, classes in their proportions.

    Validation and test images are as many as the data set has; the rest goes half to the teacher,
    half to the student.

    Args:
        found: the data set; its three splits are pooled.
        n_repeats: R.
        seed: which R repeats.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if there are too few images.
    """
    check_type("found", found, Data, "a Data, such as shapes.load()")
    n_repeats = whole_number("n_repeats", n_repeats)
    first = seeds.checked(seed) * n_repeats
    pool = distillation.join(found.train, found.valid, found.test)
    sizes = (len(found.test), len(found.valid), len(found.train) // 2)
    made = []
    for number in range(first, first + n_repeats):
        test, valid, spare, teaching = map(pool.take, shared_out(pool, sizes, seed=number))
        made.append(Part(teaching, spare, valid, test, number))
    return made


def few(split: Split, n: int, *, seed: int) -> Tensor:
    """Return the indices of the n images of a split that have a label, ``(n,)``.

    The classes stand in their proportions, and none is left out; a split that has fewer images
    gives them all.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if `n` leaves a class without an image.
    """
    check_type("split", split, Split, "a Split, such as data.train")
    n = min(whole_number("n", n), len(split))
    return data.stratified_index(class_labels("split.y", split.y), n, seed=seed)


def fit(
    net: nn.Module,
    split: Split,
    z: Tensor | None = None,
    *,
    steps: int,
    T: float = 4.0,
    teacher: nn.Module | None = None,
    views: bool = False,
    batch_size: int = 64,
    lr: float = 1e-2,
    half: bool = False,
    seed: int = 0,
) -> nn.Module:
    """Train a net in place by the recipe of this module, and return it.

    By default it learns the labels. With `z` or a teacher it learns soft targets at T, and no label
    is looked at.

    Args:
        net: the net.
        split: the images.
        z: a teacher's logits, kept: ``(N, K)`` for the images as they are, or, with `views`, those
            of `views.kept_logits`, ``(N_VIEWS, N, K)``.
        steps: optimiser steps.
        T: temperature > 0.
        teacher: asked anew at every step, in place of `z`.
        views: whether every image is seen in a view drawn at random.
        batch_size: images in a step.
        lr: the highest learning rate.
        half: run convolutions in bfloat16: for a GPU.
        seed: decides the order of the images and the views.

    Raises:
        TypeError: if an argument is of another type.
        ValueError: if `z` and a teacher are given, or `z` does not answer to what the net sees.
    """
    steps = whole_number("steps", steps)
    check_type("split", split, Split, "a Split, such as data.train")
    losses.check_temperature(T)
    _check_targets(split, z, teacher, views)
    objective = _objective(split, z, teacher, T, views, half, seed)
    training.fit(
        net,
        split,
        objective=objective,
        steps=steps,
        batch_size=batch_size,
        lr=lr,
        schedule=partial(OneCycleLR, max_lr=lr, total_steps=steps),
        seed=seed,
        title="training",
    )
    return net


def _check_targets(split: Split, z: Tensor | None, teacher: nn.Module | None, views: bool) -> None:
    if z is None:
        if teacher is None and bool((class_labels("split.y", split.y) == UNLABELLED).any()):
            raise ValueError("split holds images without labels; give z= or teacher=.")
        return
    if teacher is not None:
        raise ValueError("z= and teacher= are both given; the teacher's answers come from one.")
    losses.check_logits("z", z.flatten(0, -2) if isinstance(z, Tensor) and z.ndim > 2 else z)
    wanted = (seen.N_VIEWS, len(split)) if views else (len(split),)
    if z.shape[:-1] != wanted:
        raise ValueError(
            f"z has shape {tuple(z.shape)}, but the net will see {len(split)} images "
            f"{'in every view' if views else 'as they are'}: z must be {(*wanted, 'K')}. Take it "
            f"from {'views.kept_logits' if views else 'distillation.teacher_logits'}."
        )


def _objective(
    split: Split,
    z: Tensor | None,
    teacher: nn.Module | None,
    T: float,
    views: bool,
    half: bool,
    seed: int,
) -> Objective:
    device = split.x.device
    dice = seeds.generator(seeds.following(seed), device)  # `seed` itself orders the images

    def objective(net: nn.Module, batch: Batch) -> Tensor:
        x, v = batch.x, None
        if views:
            v = seen.drawn(len(x), dice)
            x = seen.view(x, v)
        x = x.to(memory_format=torch.channels_last)
        if teacher is not None:
            with torch.no_grad(), evaluating(teacher):
                target = teacher(x)
        # Without its cache, since a captured graph would keep what the cache holds.
        with torch.autocast(device.type, torch.bfloat16, enabled=half, cache_enabled=False):
            logits = net(x)
        if teacher is None and z is None:
            return F.cross_entropy(logits.float(), class_labels("y", batch.y))
        if z is not None:
            target = z[batch.index] if v is None else z[v, batch.index]
        # What losses.kd_loss gives for alpha = 0; its checks were made once, before the training.
        log_q, log_p = (F.log_softmax(h.float() / T, dim=1) for h in (logits, target))
        return T**2 * F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)

    return objective
