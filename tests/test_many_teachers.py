"""Lesson 10 in small: the gain of many teachers, and the controls that make its claim fall."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor

from distill_lessons import data, models, sweep, teachers
from distill_lessons.claims import Claim, mean_effect
from distill_lessons.fast import repeats, stacking

# Wide teachers, as in the lesson: of 32 units, several of the same labels win something over one.
R, M, N, WIDTH = 8, 4, 50, 128


@functools.cache
def drawn() -> repeats.Repeats:
    digits = data.load("digits")
    spare = len(digits.train) - M * N
    return repeats.draw(
        digits, lambda s: models.mlp(digits.image_shape, 10, (8,), seed=s), R, steps=1, spare=spare
    )


@functools.cache
def answers(*, same: bool) -> Tensor:
    """Return what M teachers say whose labels are their own, or all the same, (R, M, N, K)."""
    draws = drawn()
    own = draws.train.unflatten(1, (M, N))
    rows = own[:, :1].expand(-1, M, -1) if same else own
    seeds = [1000 * m + s for s in draws.seeds for m in range(M)]
    shape = tuple(draws.pool.x.shape[1:])
    nets = [models.mlp(shape, 10, (WIDTH,), seed=s) for s in seeds]
    stacking.fit_many(
        nets, draws.pool, rows=rows.flatten(0, 1), seeds=seeds, steps=120, lr=5e-3
    )  # fmt: skip
    return stacking.predict_many(nets, draws.pool.x).unflatten(0, (R, M))


def accuracy(z: Tensor) -> np.ndarray:
    """Return the test accuracy of students of one table of logits for each repeat, (R,)."""
    draws = drawn()
    starts = [1000 * M + s for s in draws.seeds]  # apart from every teacher's
    nets = [models.mlp(tuple(draws.pool.x.shape[1:]), 10, (16,), seed=s) for s in starts]
    stacking.fit_many(
        nets, draws.pool, z, T=4.0, alpha=0.0, rows=draws.spare, seeds=starts, steps=250, lr=1e-2
    )
    return sweep.measure_many(nets, draws.pool, draws.test)["accuracy"].to_numpy()


@functools.cache
def of_one() -> np.ndarray:
    return accuracy(answers(same=False)[:, 0])


def wins(z: Tensor) -> bool:
    effect = mean_effect(accuracy(z) - of_one(), unit="points", per="repeats")
    return Claim("A student of many teachers beats the student of one.", effect, 0.0, None).holds


def mixed(z: Tensor) -> Tensor:
    return torch.stack([teachers.mean_logits(each) for each in z])


def test_the_win_is_there_and_falls_where_the_teachers_share_their_labels() -> None:
    assert wins(mixed(answers(same=False)))
    assert not wins(mixed(answers(same=True)))


def test_the_win_falls_where_each_teacher_speaks_of_another_image() -> None:
    z = answers(same=False)
    rng = torch.Generator().manual_seed(0)
    orders = [torch.randperm(z.shape[2], generator=rng) for _ in range(M)]
    permuted = torch.stack([z[:, m, order] for m, order in enumerate(orders)], dim=1)
    assert not wins(mixed(permuted))


def test_a_random_teacher_for_each_image_wins_as_well() -> None:
    z = answers(same=False)
    which = torch.randint(M, (z.shape[2],), generator=torch.Generator().manual_seed(0))
    assert wins(torch.stack([teachers.one_each(each, which) for each in z]))
