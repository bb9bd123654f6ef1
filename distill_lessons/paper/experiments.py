"""The nets of the paper's section 3, trained side by side where their layers allow it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import Tensor, nn

from distill_lessons import distillation, models, training
from distill_lessons.augmentation import jitter
from distill_lessons.data import Split
from distill_lessons.fast.stacking import fit_many, predict_many
from distill_lessons.paper.recipes import OPTIMIZERS, Recipe, rising_and_falling
from distill_lessons.settings import one_of
from distill_lessons.tensors import class_labels

# A student of its own teacher's seed would start as rows of that teacher's first layer.
APART = 1000


def build(split: Split, recipe: Recipe, seed: int, n_classes: int) -> nn.Sequential:
    """Return the untrained net of a recipe and a seed, where the images are."""
    at_input, at_hidden = recipe.dropout
    shape = cast(models.Shape, tuple(split.x.shape[1:]))
    net = models.mlp(shape, n_classes, recipe.hidden, dropout=at_hidden, seed=seed)
    if at_input:
        net = nn.Sequential(net[0], nn.Dropout(at_input), *net[1:])
    return net.to(split.x.device)


def teachers(
    split: Split, recipe: Recipe, seeds: Sequence[int], n_classes: int
) -> list[nn.Sequential]:
    """Train a net of every seed on the labels, one after another, since dropout is no stack.

    Args:
        split: the images.
        recipe: dropout and jitter too; T and alpha are not looked at.
        seeds: of initial weights, order, dropout and jitter.
        n_classes: K.

    Raises:
        ValueError: if a training's loss stops being finite.
    """
    _check(recipe)
    nets = []
    for seed in seeds:
        net = build(split, recipe, seed, n_classes)
        training.fit(
            net,
            split,
            steps=recipe.steps(len(split)),
            batch_size=recipe.batch_size,
            lr=recipe.lr,
            optimizer=OPTIMIZERS[recipe.optimizer],
            schedule=rising_and_falling(recipe.steps(len(split))),
            augment=jitter(recipe.jitter) if recipe.jitter else None,
            seed=seed,
            title=f"teacher {seed}",
        )
        nets.append(net)
    return nets


def students(
    split: Split,
    z: Tensor,
    recipes: Sequence[Recipe],
    seeds: Sequence[int],
    *,
    rows: Tensor | None = None,
) -> list[list[nn.Sequential]]:
    """Train a net of every recipe and every seed, all side by side.

    Args:
        split: the images.
        z: the logits of each seed's teacher for all of them, ``(S, N, K)``.
        recipes: alike but for T and alpha; none with dropout or jitter.
        seeds: the teachers', S; a student's initial weights and order have one `APART` from it.
        rows: which images are the transfer set, ``(n,)``; by default all.

    Returns:
        For every recipe the S nets.

    Raises:
        ValueError: if the recipes cannot be stacked, or a loss stops being finite.
    """
    first = recipes[0]
    _check(first)
    if any(replace(r, T=first.T, alpha=first.alpha) != first for r in recipes):
        raise ValueError("recipes differ in more than T and alpha; train them one after another.")
    if first.jitter or any(first.dropout):
        raise ValueError(
            f"recipes have dropout={first.dropout} and jitter={first.jitter}, but students are "
            "trained on the images as their teacher saw them; use `teachers` for such nets."
        )
    rows = torch.arange(len(split)) if rows is None else rows.cpu()
    own = [APART + seed for seed in seeds]
    nets = [build(split, r, seed, z.shape[2]) for r in recipes for seed in own]
    steps = first.steps(len(rows))
    fit_many(
        nets,
        split,
        z.repeat(len(recipes), 1, 1),
        T=[r.T for r in recipes for _ in seeds],
        alpha=[r.alpha for r in recipes for _ in seeds],
        seeds=own * len(recipes),
        rows=rows.expand(len(nets), -1),
        steps=steps,
        batch_size=first.batch_size,
        lr=first.lr,
        optimizer=OPTIMIZERS[first.optimizer],
        schedule=rising_and_falling(steps),
    )
    size = len(seeds)
    return [nets[start : start + size] for start in range(0, len(nets), size)]


def logits(nets: Sequence[nn.Module], split: Split) -> Tensor:
    """Return every net's logits for all images, ``(S, N, K)``, dropout switched off."""
    if any(isinstance(layer, nn.Dropout) for layer in nets[0].modules()):
        return torch.stack([distillation.teacher_logits(net, split.x) for net in nets])
    return predict_many(nets, split.x)


def wrong(z: Tensor, split: Split) -> Tensor:
    """Return which images are misread, ``(S, N)`` booleans.

    Args:
        z: logits ``(S, N, K)``.
        split: the N images, with labels.
    """
    return z.argmax(2) != class_labels("split.y", split.y)


def _check(recipe: Recipe) -> None:
    one_of("optimizer", recipe.optimizer, OPTIMIZERS)
