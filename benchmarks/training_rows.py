"""Training: the usual tutorial's loop, the floor under every loop, students one after another."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from benchmarks.inputs import SHAPE, Setup
from benchmarks.timing import Array, Comparison, Measured, measure
from distill_lessons import data, distillation, models, training
from distill_lessons.data import Split
from distill_lessons.fast import stacking

BATCH, T, ALPHA, LR = 64, 4.0, 0.1, 1e-3
# Weights count as equal within a tenth of one step of Adam. Where a gradient is all but zero, Adam
# makes a visible step of its rounding error.
NEAR = LR / 10


def weights(*nets: nn.Module) -> Array:
    """Return all weights as one array."""
    flat = [p.detach().flatten().cpu() for net in nets for p in net.parameters()]
    return torch.cat(flat).numpy()


def student(setup: Setup) -> nn.Sequential:
    return models.mlp(SHAPE, 10, (64,), seed=2).to(setup.device)


def loss_of(zs: Tensor, zt: Tensor, y: Tensor) -> Tensor:
    """Return the distillation loss as tutorials write it."""
    soft = F.kl_div(F.log_softmax(zs / T, 1), F.softmax(zt / T, 1), reduction="batchmean")
    return ALPHA * F.cross_entropy(zs, y) + (1 - ALPHA) * T**2 * soft


def ours(setup: Setup, split: Split, z_teacher: Tensor, repeat: int = 0) -> Array:
    net = student(setup)
    distillation.distill(
        net, split, z_teacher, T=T, alpha=ALPHA, epochs=1, batch_size=BATCH, lr=LR, seed=repeat
    )
    return weights(net)


def tutorial(setup: Setup, n: int, teacher: nn.Module, workers: int, repeat: int = 0) -> Array:
    """Distil for one epoch as the usual tutorial does, in the order of images that `fit` draws."""
    net, device = student(setup), setup.device
    generator = torch.Generator().manual_seed(repeat)
    order = torch.cat(list(training.batches(n, BATCH, generator))).tolist()
    loader = DataLoader(setup.dataset, batch_size=BATCH, sampler=order, num_workers=workers)
    optimizer = torch.optim.Adam(net.parameters(), lr=LR)
    net.train()
    teacher.eval()
    running = 0.0
    for x, y in loader:
        x, y = x.to(device), y.to(device)
        with torch.no_grad():
            z_teacher = teacher(x)
        loss = loss_of(net(x), z_teacher, y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        running += loss.item()
    return weights(net)


def epoch(setup: Setup, workers: int = 0) -> Comparison:
    n = setup.sizes.tutorial_images
    split, teacher = setup.first(n), setup.trained((512, 512))
    z_teacher = distillation.teacher_logits(teacher, split.x)
    once = _seconds_per_image(lambda: distillation.teacher_logits(teacher, split.x), setup, n)
    return Comparison(
        ours=partial(ours, setup, split, z_teacher),
        theirs=partial(tutorial, setup, n, teacher, workers),
        tolerance=NEAR,
        unit="image",
        ours_units=n,
        theirs_units=n,
        note=f"{n:,} images of {setup.images}, teacher 784-512-512-10. Our teacher's logits are "
        f"computed once for all epochs, {1e6 * once:.1f} µs an image that are not in ours.",
    )


def _seconds_per_image(run: Callable[[], object], setup: Setup, n: int) -> float:
    def once(repeat: int) -> Array:
        run()
        return np.zeros(1)

    c = Comparison(once, once, 0.0, "image", n, n, repeats=3)
    return Measured.middle(measure(c, setup.device).ours)


def floor(setup: Setup) -> Comparison:
    n = setup.sizes.floor_images
    split, teacher = setup.first(n), setup.trained((512, 512))
    z_teacher = distillation.teacher_logits(teacher, split.x)
    batch, z_batch = split.take(range(BATCH)), z_teacher[:BATCH].clone()
    steps = -(-n // BATCH)

    def resident(steps: int, repeat: int = 0) -> Array:
        net = student(setup)
        # The fastest Adam that torch has: a floor lies under every loop.
        optimizer = torch.optim.Adam(net.parameters(), lr=LR, fused=True)
        for _ in range(steps):
            loss = loss_of(net(batch.x), z_batch, batch.y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return weights(net)

    def proof() -> tuple[Array, Array]:
        # Where a split is one batch, every step sees the same images, and the floor is a training.
        net = student(setup)
        distillation.distill(net, batch, z_batch, T=T, alpha=ALPHA, steps=20, lr=LR)
        return weights(net), resident(20)

    return Comparison(
        ours=partial(ours, setup, split, z_teacher),
        theirs=partial(resident, steps),
        tolerance=NEAR,
        unit="image",
        ours_units=n,
        theirs_units=n,
        proof=proof,
        note=f"{n:,} images of {setup.images}; equality on a split of one batch, 20 steps.",
    )


def side_by_side(setup: Setup) -> Comparison:
    sizes, device = setup.sizes, setup.device
    split = data.load("digits").train.to(device)
    shape = tuple(split.x.shape[1:])
    teacher = models.mlp(shape, 10, (256, 256), seed=1).to(device)
    training.fit(teacher, split, steps=sizes.teacher_steps)
    z_teacher = distillation.teacher_logits(teacher, split.x)
    grid = itertools.product(range(4), (1.0, 2.0, 4.0, 8.0), (0.0, 0.1, 0.5, 0.9))
    cases = list(grid)[: sizes.students]
    common = {"steps": sizes.student_steps, "batch_size": BATCH, "lr": LR}

    def build() -> list[nn.Sequential]:
        return [models.mlp(shape, 10, (32,), seed=seed).to(device) for seed, _, _ in cases]

    def stacked(repeat: int) -> Array:
        nets = build()
        seeds, Ts, alphas = (list(column) for column in zip(*cases, strict=True))
        stacking.fit_many(nets, split, z_teacher, T=Ts, alpha=alphas, seeds=seeds, **common)
        return weights(*nets)

    def one_by_one(repeat: int) -> Array:
        nets = build()
        for net, (seed, t, alpha) in zip(nets, cases, strict=True):
            distillation.distill(net, split, z_teacher, T=t, alpha=alpha, seed=seed, **common)
        return weights(*nets)

    return Comparison(
        ours=stacked,
        theirs=one_by_one,
        tolerance=NEAR,
        unit="student",
        ours_units=len(cases),
        theirs_units=len(cases),
        note=f"{sizes.student_steps} steps of batch {BATCH} on {len(split):,} digits.",
    )
