"""Repeats that repeat everything: each has its own split of one pool, and its own teacher.

What holds over them holds for another split and another teacher too. The images stay where they
are, and a repeat is a row of indices, so that all teachers are one stack, and all students another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from distill_lessons import data, distillation, seeds
from distill_lessons.data import Data, Split
from distill_lessons.fast.stacking import fit_many, predict_many
from distill_lessons.settings import whole_number
from distill_lessons.tensors import check_function, check_rows, check_type, class_labels


@dataclass(frozen=True)
class Repeats:
    """R splits of one pool of images, with a teacher for each.

    Attributes:
        pool: all images, the N that the splits share out.
        train: each repeat's training images, indices into the pool, shape ``(R, n_train)``.
        valid: its validation images, ``(R, n_valid)``; none of them is in `train`.
        test: its test images, ``(R, n_test)``; in neither of the two.
        seeds: a number for each repeat: for its draws, its nets and their orders.
        teachers: R nets, each trained on its own training images.
        z: each teacher's logits for the whole pool, ``(R, N, K)``.
        spare: images that no part of it has, ``(R, n_spare)``: what a teacher says of images on
            which it was not trained.
    """

    pool: Split
    train: Tensor
    valid: Tensor
    test: Tensor
    seeds: tuple[int, ...]
    teachers: list[nn.Module]
    z: Tensor
    spare: Tensor

    def __len__(self) -> int:
        """Return R, the number of repeats."""
        return len(self.seeds)

    def labelled(self, n: int, rows: Tensor | None = None) -> Tensor:
        """Return `n` images of each repeat, the classes in their proportions, ``(R, n)``.

        Args:
            n: how many.
            rows: from which of each repeat's images they are taken, indices into the pool,
                ``(R, m)``; by default its training images.

        Raises:
            ValueError: if there are not so many, or `n` leaves a class without one.
        """
        labels = class_labels("pool.y", self.pool.y)
        rows = self.train if rows is None else check_rows("rows", rows, len(self), len(self.pool))
        return torch.stack(
            [
                row[data.stratified_index(labels[row], n, seed=seed)]
                for row, seed in zip(rows, self.seeds, strict=True)
            ]
        )


def draw(
    found: Data,
    build: Callable[[int], nn.Module],
    n_repeats: int,
    *,
    steps: int,
    spare: int = 0,
    seed: int = 0,
    **fit_arguments: Any,
) -> Repeats:
    """Draw splits of a data set's images and train a teacher on each, all side by side.

    Args:
        found: the data set. Its three splits are pooled; each repeat draws new ones of these sizes,
            with the classes in their proportions.
        build: makes the untrained teacher of a seed, such as ``lambda s: mlp(shape, 10, (512, 512),
            seed=s)``.
        n_repeats: R.
        steps: optimiser steps of every teacher.
        spare: how many training images to keep from every teacher, for its students.
        seed: which R repeats; those of two seeds have nothing but the pool in common.
        **fit_arguments: go to `fast.stacking.fit_many`: ``lr``, ``batch_size``, ``chunk``.

    Returns:
        The repeats. Their students are trained with ``fit_many(students, repeats.pool, repeats.z,
        rows=repeats.train, seeds=repeats.seeds, ...)`` and measured with
        ``sweep.measure_many(students, repeats.pool, repeats.test)``.

    Raises:
        ValueError: if a number is out of range, or as in `fit_many`.
    """
    check_type("found", found, Data, "a Data, such as data.load('digits')")
    check_function("build", build, "a seed that returns a teacher")
    n_repeats = whole_number("n_repeats", n_repeats)
    first = seeds.checked(seed) * n_repeats
    numbers = tuple(range(first, first + n_repeats))
    pool = distillation.join(found.train, found.valid, found.test)
    n_spare = whole_number("spare", spare, least=0)
    if n_spare > len(found.train) - found.n_classes:
        raise ValueError(
            f"spare={n_spare} of {len(found.train)} training images leaves a teacher less than one "
            "of each class; keep fewer."
        )
    sizes = (len(found.test), len(found.valid), n_spare)
    parts = [shared_out(pool, sizes, seed=number) for number in numbers]
    test, valid, kept, train = map(torch.stack, zip(*parts, strict=True))
    teachers = [build(number) for number in numbers]
    check_type("what build returns", teachers[0], nn.Module, "an untrained net")
    teachers = [teacher.to(pool.x.device) for teacher in teachers]
    fit_arguments.setdefault("title", f"training {n_repeats} teachers")
    fit_many(teachers, pool, rows=train, seeds=numbers, steps=steps, **fit_arguments)
    z = predict_many(teachers, pool.x)
    return Repeats(pool, train, valid, test, numbers, teachers, z, kept)


def shared_out(pool: Split, sizes: Sequence[int], *, seed: int) -> tuple[Tensor, ...]:
    """Return indices of disjoint parts of a pool, the classes in their proportions in each.

    Args:
        pool: labelled examples.
        sizes: how many examples each part has; 0 for a part without any.
        seed: same seed, same parts.

    Returns:
        The indices of each part in the order of `sizes`, and of what is left.

    Raises:
        ValueError: if the pool is too small, or a part would leave a class without an example.
    """
    labels = class_labels("pool.y", pool.y)
    left = torch.arange(len(pool), device=labels.device)
    parts = []
    for n in sizes:
        if n == 0:
            parts.append(left[:0])
            continue
        drawn = data.stratified_index(labels[left], n, seed=seed)
        kept = torch.ones(len(left), dtype=torch.bool, device=labels.device)
        kept[drawn] = False
        parts.append(left[drawn])
        left = left[kept]
    return (*parts, left)
