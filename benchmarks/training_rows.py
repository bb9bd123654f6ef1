"""Training: the usual tutorial's loop, the floor under every loop, students one after another."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from benchmarks import adam
from benchmarks.inputs import SHAPE, Setup
from benchmarks.timing import Array, Comparison, Measured, measure
from distill_lessons import data, distillation, models, training
from distill_lessons.data import Split
from distill_lessons.fast import captured, stacking

BATCH, T, ALPHA, LR = 64, 4.0, 0.1, 1e-3
DOUBLE = torch.float64
PROVED = 20  # steps after which a training on one batch is compared with the floor's
WARM_UP = 3  # plain steps before a capture


def weights(*nets: nn.Module) -> Array:
    """Return all weights as one array."""
    flat = [p.detach().flatten().cpu() for net in nets for p in net.parameters()]
    return torch.cat(flat).numpy()


def equality(
    rival: Callable[[torch.dtype], Array], steps: int, batch: int = BATCH
) -> dict[str, float]:
    """Return when a training is equal to the rival's, which runs in the precision it is given."""
    return {
        "tolerance": adam.allowed(rival(torch.float32), rival(DOUBLE), batch),
        "share": adam.SHARE,
        "most": adam.furthest(steps, LR),
    }


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


def tutorial(
    setup: Setup,
    n: int,
    teacher: nn.Module,
    workers: int,
    repeat: int = 0,
    dtype: torch.dtype = torch.float32,
) -> Array:
    """Distil for one epoch as the usual tutorial does, in the order of images that `fit` draws."""
    net, device = student(setup).to(dtype), setup.device
    teacher = teacher if dtype == torch.float32 else copy.deepcopy(teacher).to(dtype)
    generator = torch.Generator().manual_seed(repeat)
    order = torch.cat(list(training.batches(n, BATCH, generator))).tolist()
    loader = DataLoader(setup.dataset, batch_size=BATCH, sampler=order, num_workers=workers)
    optimizer = torch.optim.Adam(net.parameters(), lr=LR)
    net.train()
    teacher.eval()
    running = 0.0
    for x, y in loader:
        x, y = x.to(device, dtype), y.to(device)
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
        unit="image",
        **equality(partial(tutorial, setup, n, teacher, 0, 0), -(-n // BATCH)),
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


def repeated(
    step: Callable[[], Tensor], steps: int, optimizer: torch.optim.Optimizer, device: torch.device
) -> None:
    """Take steps as fast as the device can: where it has graphs, one replay after another."""
    engine = captured.engine_for(device)
    if engine is None or steps <= WARM_UP:
        for _ in range(steps):
            step()
        return
    with engine.running():
        for _ in range(WARM_UP):
            step()
        for group in optimizer.param_groups:
            group["capturable"] = True
        replay = engine.capture(step, [])
        for _ in range(steps - WARM_UP):
            replay()


def floor(setup: Setup) -> Comparison:
    n = setup.sizes.floor_images
    split, teacher = setup.first(n), setup.trained((512, 512))
    z_teacher = distillation.teacher_logits(teacher, split.x)
    batch, z_batch = split.take(range(BATCH)), z_teacher[:BATCH].clone()
    steps = -(-n // BATCH)

    def resident(steps: int, repeat: int = 0, dtype: torch.dtype = torch.float32) -> Array:
        net, x, z = student(setup).to(dtype), batch.x.to(dtype), z_batch.to(dtype)
        # The fastest Adam that torch has: a floor lies under every loop.
        optimizer = torch.optim.Adam(net.parameters(), lr=LR, fused=True)

        def step() -> Tensor:
            loss = loss_of(net(x), z, batch.y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return loss.detach()

        repeated(step, steps, optimizer, setup.device)
        return weights(net)

    def proof() -> tuple[Array, Array]:
        # Where a split is one batch, every step sees the same images, and the floor is a training.
        net = student(setup)
        distillation.distill(net, batch, z_batch, T=T, alpha=ALPHA, steps=PROVED, lr=LR)
        return weights(net), resident(PROVED)

    return Comparison(
        ours=partial(ours, setup, split, z_teacher),
        theirs=partial(resident, steps),
        unit="image",
        **equality(lambda dtype: resident(PROVED, dtype=dtype), PROVED),
        ours_units=n,
        theirs_units=n,
        proof=proof,
        note=f"{n:,} images of {setup.images}; equality on a split of one batch, {PROVED} steps; "
        "on a GPU the floor is a captured step.",
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

    def build(dtype: torch.dtype = torch.float32) -> list[nn.Sequential]:
        nets = [models.mlp(shape, 10, (32,), seed=seed) for seed, _, _ in cases]
        return [net.to(device, dtype) for net in nets]

    def stacked(repeat: int) -> Array:
        nets = build()
        seeds, Ts, alphas = (list(column) for column in zip(*cases, strict=True))
        stacking.fit_many(nets, split, z_teacher, T=Ts, alpha=alphas, seeds=seeds, **common)
        return weights(*nets)

    def one_by_one(repeat: int, dtype: torch.dtype = torch.float32) -> Array:
        nets, z = build(dtype), z_teacher.to(dtype)
        digits = Split(split.x.to(dtype), split.y)
        for net, (seed, t, alpha) in zip(nets, cases, strict=True):
            distillation.distill(net, digits, z, T=t, alpha=alpha, seed=seed, **common)
        return weights(*nets)

    return Comparison(
        ours=stacked,
        theirs=one_by_one,
        unit="student",
        **equality(partial(one_by_one, 0), sizes.student_steps),
        ours_units=len(cases),
        theirs_units=len(cases),
        note=f"{sizes.student_steps} steps of batch {BATCH} on {len(split):,} digits.",
    )
