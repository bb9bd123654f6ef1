"""Lesson 14 in small: each win beside the control that makes its claim fall."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from distill_lessons import data, evaluation, models
from distill_lessons.claims import Claim, mean_effect
from distill_lessons.fast import repeats, stacking
from distill_lessons.objectives import Batch
from distill_lessons.robust import attacks, membership
from distill_lessons.robust.stack import Stack
from distill_lessons.robust.temperature import fit_temperature

R, N, EPS, HOT = 8, 150, 0.1, 40


def wins(treated: np.ndarray, control: np.ndarray, by: float = 0.0) -> bool:
    effect = mean_effect(treated - control, unit="points", per="repeats")
    return Claim("The treated wins.", effect, above=by, below=None).holds


@functools.cache
def drawn() -> repeats.Repeats:
    digits = data.load("digits")
    return repeats.draw(
        digits, lambda s: models.mlp(digits.image_shape, 10, (32,), seed=s), R, steps=150,
        spare=200, lr=3e-3,
    )  # fmt: skip


def hot(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
    return F.cross_entropy(logits / HOT, labels)


def smoothed(logits: Tensor, labels: Tensor, index: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels, label_smoothing=0.1)


@functools.cache
def trained(kind: str) -> Stack:
    draws = drawn()
    rows = draws.spare[:, :N] if "spare" in kind else draws.labelled(N)
    rows = draws.train if "all" in kind else rows
    own = [1_000 + s for s in draws.seeds]  # at its teacher's seed a student would be its teacher
    nets = [models.mlp(tuple(draws.pool.x.shape[1:]), 10, (32,), seed=s) for s in own]
    how: dict[str, Any] = {"rows": rows, "seeds": own, "steps": 250, "lr": 1e-2}
    if "early" in kind:
        how["steps"] = 60
    if kind.startswith("labels"):
        stacking.fit_many(nets, draws.pool, **how)
    elif kind.startswith("soft targets"):
        stacking.fit_many(nets, draws.pool, draws.z, T=4.0, alpha=0.0, **how)
    elif kind == "smoothed labels":
        stacking.fit_many(nets, draws.pool, loss=smoothed, **how)
    elif kind == "hot, no teacher":
        stacking.fit_many(nets, draws.pool, loss=hot, **how)
    elif kind == "defended":
        stacking.fit_many(nets, draws.pool, HOT * draws.z, T=float(HOT), alpha=0.0, **how)
    elif kind == "distilled on spare images":
        stacking.fit_many(nets, draws.pool, private()[1], T=4.0, alpha=0.0, **how)
    return Stack(nets)


def hardened(rows: Tensor, p: Tensor, *, first: int = 1_000) -> list[torch.nn.Module]:
    """Nets that learn targets p (R, N, K) from images that were attacked at every step."""
    draws = drawn()
    on, wanted = (
        draws.pool.take(rows.flatten()),
        torch.cat([targets[own] for targets, own in zip(p, rows, strict=True)]),
    )

    def objective(net: torch.nn.Module, batch: Batch) -> Tensor:
        target = wanted[batch.index]
        seen = attacks.pgd(net, batch.x, target.argmax(1), eps=EPS, steps=2)
        return F.cross_entropy(net(seen), target)

    seeds = [first + s for s in draws.seeds]
    nets = [models.mlp(tuple(on.x.shape[1:]), 10, (32,), seed=s) for s in seeds]
    own = torch.arange(rows.numel()).reshape(rows.shape)
    stacking.fit_many(nets, on, objective=objective, rows=own, seeds=seeds, steps=120, lr=1e-2)
    return nets


@functools.cache
def private() -> tuple[Stack, Tensor]:
    """Teachers that know their few images by heart, and what they say of all images."""
    draws = drawn()
    nets = [models.mlp(tuple(draws.pool.x.shape[1:]), 10, (64,), seed=s) for s in draws.seeds]
    stacking.fit_many(
        nets, draws.pool, rows=draws.labelled(N), seeds=draws.seeds, steps=250, lr=1e-2
    )
    return Stack(nets), stacking.predict_many(nets, draws.pool.x)


def withstood(of: str | Stack, loss: str, *, eps: float = EPS) -> np.ndarray:
    draws, stack = drawn(), trained(of) if isinstance(of, str) else of
    rows = draws.test[:, :150]
    x, y = draws.pool.x[rows], draws.pool.y[rows]
    images = attacks.pgd(stack, x, y, eps=eps, loss=loss)
    found = evaluation.predict(stack, images).argmax(2) == y
    return found.float().mean(1).numpy()


def gaps(kind: str, *, scaled: bool) -> np.ndarray:
    """Expected calibration error of each repeat, at T = 1 or at the T of its validation images."""
    draws = drawn()
    z, z_valid = (evaluation.predict(trained(kind), draws.pool.x[rows])
                  for rows in (draws.test, draws.valid))  # fmt: skip
    T = fit_temperature(z_valid, draws.pool.y[draws.valid]) if scaled else torch.ones(R)
    sides = zip(z / T[:, None, None], draws.pool.y[draws.test], strict=True)
    return np.array(
        [evaluation.calibration(torch.nn.Identity(), data.Split(*side))[1] for side in sides]
    )


def told(stack: Stack) -> np.ndarray:
    """AUROC of the loss for membership in the private teachers' images, (R,)."""
    draws = drawn()
    z = evaluation.predict(stack, draws.pool.x.expand(R, *draws.pool.x.shape))
    each = attacks.image_losses(z, draws.pool.y.expand(R, -1)).numpy()
    sides = zip(each, draws.labelled(N), draws.test, strict=True)
    return np.array([membership.auroc(row[mine], row[others]) for row, mine, others in sides])


def test_the_defence_wins_until_the_attack_can_see_a_slope() -> None:
    assert wins(withstood("defended", "cross-entropy"), withstood("labels", "cross-entropy"), 0.05)
    assert not wins(withstood("defended", "margin"), withstood("labels", "margin"), 0.05)
    assert withstood("defended", "margin", eps=1.0).mean() < 0.05
    assert withstood("defended", "cross-entropy", eps=1.0).mean() > 0.1


def test_the_defence_needs_no_teacher() -> None:
    hot_alone = withstood("hot, no teacher", "cross-entropy")
    assert wins(hot_alone, withstood("labels", "cross-entropy"), 0.05)
    assert not wins(withstood("defended", "cross-entropy"), hot_alone, 0.05)


def test_membership_is_told_through_soft_targets_and_not_through_labels_of_other_images() -> None:
    guessing = np.full(R, 0.5)
    assert wins(told(private()[0]), guessing, 0.03)
    assert wins(told(trained("distilled on spare images")), guessing, 0.01)
    assert not wins(told(trained("labels of spare images")), guessing, 0.01)
    untrained = [models.mlp((1, 8, 8), 10, (32,), seed=10_000 + s) for s in range(R)]
    assert not wins(told(Stack(untrained)), guessing, 0.01)


def test_under_attack_soft_targets_win_over_labels_until_these_stop_early() -> None:
    soft, full, early = (
        withstood(f"{kind}, all", "margin") for kind in ("soft targets", "labels", "labels, early")
    )
    assert wins(soft, full)
    assert not wins(soft, early, 0.03)


def test_training_against_the_attack_wins_and_a_robust_teacher_only_until_all_labels_are_known():
    draws = drawn()
    hard = F.one_hot(draws.pool.y, 10).float().expand(R, -1, -1)
    few, every = draws.labelled(100), draws.train
    on_few, teachers = Stack(hardened(few, hard)), hardened(every, hard, first=0)
    soft = stacking.predict_many(teachers, draws.pool.x).softmax(2)
    student = withstood(Stack(hardened(every, soft)), "margin")
    assert wins(withstood(on_few, "margin"), withstood("labels, early", "margin"), 0.1)
    assert wins(student, withstood(on_few, "margin"))
    assert not wins(student, withstood(Stack(teachers), "margin"), 0.02)


def test_smoothed_labels_are_calibrated_worse_until_a_temperature_is_fitted() -> None:
    as_it_is, control = (gaps(kind, scaled=False) for kind in ("smoothed labels", "labels"))
    scaled, control_scaled = (gaps(kind, scaled=True) for kind in ("smoothed labels", "labels"))
    assert wins(as_it_is, control, 0.03)
    assert wins(as_it_is, scaled, 0.03)
    assert not wins(scaled, control_scaled, 0.02)
