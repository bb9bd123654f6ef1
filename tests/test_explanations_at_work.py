"""Lesson 17 in small: each win of an explanation beside the rival that takes it away."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torch import Tensor, nn

from distill_lessons import data, evaluation, models, sweep
from distill_lessons.claims import Claim, mean_effect
from distill_lessons.data import Split
from distill_lessons.explain import groups, permutation
from distill_lessons.fast import repeats, stacking
from distill_lessons.objectives import Objective
from distill_lessons.uses import (
    alternatives,
    counterfactuals,
    influence,
    patchwork,
    reasons,
    surrogates,
)

R, FEW = 6, 30


def wins(treated: np.ndarray, control: np.ndarray, by: float = 0.0) -> bool:
    effect = mean_effect(treated - control, unit="points", per="repeats")
    return Claim("The treated wins.", effect, above=by, below=None).holds


@functools.cache
def drawn() -> repeats.Repeats:
    digits = data.load("digits")
    return repeats.draw(
        digits, lambda s: models.mlp(digits.image_shape, 10, (64,), seed=s), R, steps=150, lr=3e-3
    )


def shape() -> tuple[int, int, int]:
    return tuple(drawn().pool.x.shape[1:])


def trained(
    on: Split,
    rows: Tensor,
    z: Tensor | None = None,
    objective: Objective | None = None,
    nets: list[nn.Module] | None = None,
) -> list[nn.Module]:
    soft = {} if z is None else {"T": 4.0, "alpha": 0.0}
    starts = [1000 + s for s in drawn().seeds]  # apart from their teachers
    made = nets or [models.mlp(shape(), 10, (16,), seed=s) for s in starts]
    stacking.fit_many(
        made, on, z, rows=rows, seeds=starts, steps=150, lr=1e-2, objective=objective, **soft
    )
    return made


def accuracy(nets: list[nn.Module], on: Split | None = None) -> np.ndarray:
    on = on or drawn().pool
    return sweep.measure_many(nets, on, drawn().test)["accuracy"].to_numpy()


def asked(x: Tensor) -> Tensor:
    pairs = zip(drawn().teachers, x.view(R, -1, *shape()), strict=True)
    return torch.cat([evaluation.predict(teacher, own) for teacher, own in pairs])


def test_slopes_win_over_answers_until_answers_are_asked_at_noisy_images() -> None:
    draws = drawn()
    few = draws.labelled(FEW)
    plain = Split(draws.pool.x[few].flatten(0, 1), draws.pool.y[few].flatten())
    z, own = asked(plain.x), torch.arange(len(plain)).view(R, -1)
    slopes = torch.cat([
        reasons.class_slopes(teacher, plain.x[rows], z[rows].argmax(1)).detach()
        for teacher, rows in zip(draws.teachers, own, strict=True)
    ])  # fmt: skip
    x = draws.pool.x[few].repeat(1, 10, 1, 1, 1)
    x = x + 0.4 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    noisy = Split(x.flatten(0, 1), plain.y.view(R, -1).repeat(1, 10).flatten())
    everything = torch.arange(len(noisy)).view(R, -1)
    by_slopes = accuracy(trained(plain, own, objective=reasons.like_teacher(z, slopes, weight=3.0)))
    by_answers = accuracy(trained(plain, own, z))
    by_noise = accuracy(trained(noisy, everything, asked(noisy.x)))
    assert wins(by_slopes, by_answers, 0.005)
    assert wins(by_noise, by_answers, 0.005)
    assert not wins(by_slopes, by_noise, 0.01)


@functools.cache
def coded() -> tuple[Split, Split, Split]:
    """All images with a code of their label in the last row, of another label, and without."""
    pool = drawn().pool
    bits = torch.tensor([[(k + 1) >> j & 1 for j in range(8)] for k in range(10)]).float()
    x = pool.x.repeat(3, 1, 1, 1, 1)
    x[0, :, :, -1], x[1, :, :, -1] = bits[pool.y][:, None], bits[(pool.y + 3) % 10][:, None]
    x[2, :, :, -1] = 0
    right, lying, black = (Split(each, pool.y) for each in x)
    return right, lying, black


@functools.cache
def readers(kind: str) -> list[nn.Module]:
    right, _, black = coded()
    rows = drawn().labelled(150)
    mask = torch.zeros(shape(), dtype=torch.bool)
    mask[:, -1] = True
    if kind == "penalty":
        return trained(right, rows, objective=reasons.right_reasons(mask, weight=1.0))
    return trained(black if kind == "black" else right, rows)


def test_the_penalty_wins_over_labels_until_the_row_is_blacked_out() -> None:
    _, lying, black = coded()
    with_penalty = accuracy(readers("penalty"), lying)
    assert wins(with_penalty, accuracy(readers("labels"), lying), 0.1)
    assert not wins(with_penalty, accuracy(readers("black"), black), 0.02)


def test_importance_accuses_the_net_that_reads_the_code_and_acquits_the_other() -> None:
    right, _, _ = coded()
    last = {kind: [permutation.permutation_importance(
        net, right.x[own], right.y[own], groups=groups.rows(shape()), repeats=2).mean
        for net, own in zip(readers(kind), drawn().valid, strict=True)]
        for kind in ("labels", "penalty")}  # fmt: skip
    assert all(of.argmax() == 7 for of in last["labels"])
    assert all(abs(of[-1]) < 0.03 for of in last["penalty"])


@functools.cache
def importance() -> tuple[np.ndarray, np.ndarray]:
    """Permutation importance and variance of each pixel, (R, 64)."""
    draws = drawn()
    ours = [permutation.permutation_importance(
        teacher, draws.pool.x[own], draws.pool.y[own], metric="cross_entropy", repeats=2).mean
        for teacher, own in zip(draws.teachers, draws.valid, strict=True)]  # fmt: skip
    spread = [draws.pool.x[own].flatten(1).var(0).numpy() for own in draws.train]
    return np.array(ours), np.array(spread)


def test_chosen_pixels_win_over_chance_until_the_rival_is_variance_and_pixels_are_many() -> None:
    draws = drawn()

    def with_pixels(score: np.ndarray, n: int) -> np.ndarray:
        seen = torch.zeros(R, 64)
        seen.scatter_(1, torch.as_tensor(np.argsort(-score, 1)[:, :n].copy()), 1.0)
        rows = torch.cat([draws.labelled(400), draws.test], 1)
        x = draws.pool.x[rows] * seen.view(R, 1, *shape())
        on = Split(x.flatten(0, 1), draws.pool.y[rows].flatten())
        index = torch.arange(rows.numel()).view(rows.shape)
        z = torch.cat([z[own] for z, own in zip(draws.z, rows, strict=True)])
        nets = trained(on, index[:, :400], z)
        return sweep.measure_many(nets, on, index[:, 400:])["accuracy"].to_numpy()

    ours, spread = importance()
    assert wins(with_pixels(ours, 12), with_pixels(np.random.default_rng(0).random((R, 64)), 12))
    assert not wins(with_pixels(ours, 26), with_pixels(spread, 26), 0.02)


def test_a_map_wins_over_equal_shares_until_the_rival_is_variance() -> None:
    draws, patches = drawn(), groups.patches(shape(), 2)

    def with_units(shares: np.ndarray) -> np.ndarray:  # two starts each, since they scatter
        views = [patchwork.views(patchwork.dealt(share, 16), patches, shape()) for share in shares]
        found = []
        for first in (1000, 1500):
            seeds = [first + seed for seed in draws.seeds]
            nets: list[nn.Module] = [
                patchwork.Patchwork(shape(), 10, view, seed=seed)
                for view, seed in zip(views, seeds, strict=True)
            ]
            found.append(accuracy(trained(draws.pool, draws.train, draws.z, nets=nets)))
        return np.mean(found, axis=0)

    _, of_pixels = importance()
    spread = np.array([[row[patch].sum() for patch in patches] for row in of_pixels])
    ours = np.array([
        permutation.permutation_importance(
            teacher, draws.pool.x[own], draws.pool.y[own], metric="cross_entropy", groups=patches,
            repeats=3,
        ).mean
        for teacher, own in zip(draws.teachers, draws.valid, strict=True)
    ])  # fmt: skip
    by_map = with_units(ours)
    assert wins(by_map, with_units(np.ones_like(ours)))
    assert not wins(by_map, with_units(spread), 0.03)


def test_influence_finds_wrong_labels_and_neighbours_find_more() -> None:
    draws, n = drawn(), 200
    rows, dice = draws.labelled(n), torch.Generator().manual_seed(0)
    wrong = torch.rand(R, n, generator=dice).argsort(1) < n // 10
    y = (draws.pool.y[rows] + torch.randint(1, 10, (R, n), generator=dice) * wrong) % 10
    on = Split(draws.pool.x[rows].flatten(0, 1), y.flatten())
    index = torch.arange(R * n).view(R, n)
    nets = [models.mlp(shape(), 10, (16,), seed=s) for s in draws.seeds]
    stacking.fit_many(nets, on, rows=index, seeds=draws.seeds, steps=50, lr=1e-2)
    found: dict[str, list[float]] = {"influence": [], "neighbours": []}
    for net, own, bad in zip(nets, index, wrong, strict=True):
        part = on.take(own)
        far = torch.cdist(part.x.flatten(1), part.x.flatten(1)).fill_diagonal_(torch.inf)
        unlike = part.y[far.topk(10, largest=False).indices] != part.y[:, None]
        scores = {"influence": influence.self_influence(net, part),
                  "neighbours": unlike.float().mean(1)}  # fmt: skip
        for name, score in scores.items():
            found[name].append(float(bad[score.argsort(descending=True)[: n // 10]].float().mean()))
    ours, theirs = (np.array(found[name]) for name in ("influence", "neighbours"))
    assert wins(ours, np.full(R, 0.1), 0.3)
    assert wins(theirs, ours)


def test_counterfactuals_cross_over_by_soft_targets_and_not_by_chance() -> None:
    draws = drawn()
    ends = torch.stack([torch.zeros(shape()), torch.ones(shape())])
    few = draws.labelled(200)
    students = {"soft": trained(draws.pool, few, draws.z), "labels": trained(draws.pool, few)}
    flips: dict[str, list[float]] = {"soft": [], "labels": [], "chance": []}
    for r, (teacher, own) in enumerate(zip(draws.teachers, draws.test, strict=True)):
        for kind, nets in students.items():
            x = draws.pool.x[own[:40]]
            told = evaluation.predict(teacher, x).argmax(1)
            same = evaluation.predict(nets[r], x).argmax(1) == told
            x, told = x[same], told[same]
            found = counterfactuals.search(nets[r], x, ends, missing="mark")
            tried = {kind: found.x}
            if kind == "soft":
                tried["chance"] = alternatives.at_random(x, ends, found.n, seed=r)
            for name, images in tried.items():
                after = evaluation.predict(teacher, images).argmax(1)
                flips[name].append(float((after != told).float().mean()))
    soft, labels, chance = (np.array(flips[name]) for name in ("soft", "labels", "chance"))
    assert wins(soft, labels, 0.05)
    assert not wins(chance, np.full(R, 0.1))


def test_lime_fits_logits_and_neither_probabilities_nor_a_narrow_kernel() -> None:
    draws, patches = drawn(), groups.patches(shape(), 2)
    fresh = surrogates.random_masks(16, 100, seed=99)

    def fits(output: str, width: float) -> np.ndarray:
        found = []
        for teacher, train, test in zip(draws.teachers, draws.train, draws.test, strict=True):
            x = draws.pool.x[test[:6]]
            told = np.arange(6), evaluation.predict(teacher, x).argmax(1).numpy()
            about = {"regions": patches, "baseline": draws.pool.x[train].mean(0), "output": output}
            made = surrogates.lime(teacher, x, n=150, width=width, **about)
            z = surrogates.answers(teacher, x, fresh, **about)
            on_fresh = surrogates.r_squared(z, made.predict(fresh), np.ones(100))
            found.append(np.median(on_fresh[told]))
        return np.array(found)

    logits = fits("logits", 0.25)
    assert wins(logits, np.full(R, 0.9))
    assert wins(logits, fits("probabilities", 0.25), 0.02)
    assert not wins(fits("logits", 0.05), np.zeros(R))
